/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The keeper: one small process for each pod that has volumes or an identity.
 * It holds the locks, and in a mount namespace of its own the staged volumes.
 * When it and the containers are gone, however they ended, so are the mounts.
 */
#include <kshim/channel.h>
#include <kshim/process.h>

#include "pod.h"

enum ks_keeper_op {
	KS_KEEPER_ERROR = 1, /* reply: struct ks_err */
	KS_KEEPER_OK,	     /* reply: struct ks_keeper_reply, perhaps a descriptor */
	KS_KEEPER_ADD,	     /* a further container */
	KS_KEEPER_PUBLISH,   /* give a clone of a volume, or of a path below it */
	KS_KEEPER_RUNNING,   /* a container's first process */
	KS_KEEPER_REMOVE,    /* a container is gone; with the last one all is given up */
};

/* One request; strings are terminated, which the keeper checks. */
struct ks_keeper_req {
	char id[256];
	char key[256]; /* ADD: namespace/name as the container sees it */
	char volume[64];
	char sub_path[1024];
	char cgroup_path[4096];
	uint64_t pid, start_time;
};

struct ks_keeper_reply {
	char hostname[256];
	uint32_t readonly; /* PUBLISH: the volume itself is */
	uint32_t left;	   /* REMOVE: containers */
};

/* A volume that is staged. */
struct ks_staged {
	const struct ks_pod_volume *v;
	struct ks_staged *same; /* an earlier volume of the same claim, which is staged for both */
	struct ks_loopdev loop; /* of a claim; fd owned */
	int lock_fd;		/* of a claim; owned */
	int mount_fd;		/* detached, until it is attached in the keeper's tree; owned */
	bool attached;
	char mount_point[72];
};

struct ks_keeper {
	struct ks_store *store;
	int root_fd, pod_fd, run_fd, dev_fd, listen_fd; /* pod_fd and below owned */
	int id_lock, uid_lock;
	const struct ks_pod_spec *spec;
	struct ks_pod pod;
	struct ks_arena arena;
	char hostname[256], boot_id[KS_BOOT_ID_SIZE];
	struct ks_staged *staged;
	size_t n_staged;
	struct ks_pod_container containers[KS_POD_MAX_CONTAINERS];
	bool down; /* everything is given up */
};

/* keeper-stage.c */
int ks_keeper_stage(struct ks_keeper *k, struct ks_err *err);
int ks_keeper_unstage(struct ks_keeper *k, struct ks_err *err);
int ks_keeper_publish(struct ks_keeper *k, const char *volume, const char *sub_path, int *ret_fd,
		      bool *ret_readonly, struct ks_err *err);

/* keeper.c: runs in the forked process, never returns. @sock: tells the parent of the start. */
void ks_keeper_main(const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p, const char *uid,
		    const char *id, int sock) __attribute__((noreturn));
