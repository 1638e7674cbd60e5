/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pods: what a group of containers shares, its identity, and the keeper that
 * holds both for as long as the pod lives.
 */
#include <kshim/mount.h>
#include <kshim/volume.h>

#define KS_POD_MAX_VOLUMES 64 /* of one pod; Kubernetes' own limits are below */

enum ks_pod_volume_kind {
	KS_POD_EMPTY_MEMORY,
	KS_POD_EMPTY_DISK,
	KS_POD_CLAIM,
};

struct ks_pod_volume {
	enum ks_pod_volume_kind kind;
	const char *name;
	uint64_t size_bytes; /* emptyDir: limit, 0 none. Claim: what to make, 0 nothing */
	uint32_t mode;	     /* emptyDir */
	const char *claim;
	const char *fs_type; /* of a claim to make */
	bool readonly;	     /* of a claim */
};

struct ks_pod_mount {
	const char *volume, *path, *sub_path;
	bool readonly;
};

/** struct ks_pod_spec - what a container's annotations ask for */
struct ks_pod_spec {
	const char *ns, *name; /* NULL name: a pod without identity */
	const char *uid;       /* given, or NULL */
	const char *hostname;  /* of config.json; may be empty */
	const char *label;     /* SELinux' of its volumes, or NULL; not an annotation's to say */
	struct ks_pod_volume *volumes;
	size_t n_volumes;
	struct ks_pod_mount *mounts; /* of this container */
	size_t n_mounts;
};

#define KS_POD_NONE 1

/**
 * ks_pod_parse() - read the dev.kshim.* and CRI annotations of a container
 * @id: the container's name in volume-mounts, when CRI gives none
 *
 * Return: 0; KS_POD_NONE when nothing is asked for; -EINVAL naming the annotation and the path;
 * -EPERM for what an annotation may not say.
 * Source: DESIGN section 5; Kubernetes core/v1 types.
 */
int ks_pod_parse(struct ks_arena *a, const struct ks_map *annotations, const char *id,
		 const char *hostname, struct ks_pod_spec *ret, struct ks_err *err);

/** struct ks_pod_ctx - where pods live */
struct ks_pod_ctx {
	struct ks_store *store;
	int root_fd; /* runtime root; borrowed */
};

/** struct ks_pod_who - a container of one incarnation */
struct ks_pod_who {
	const char *uid, *id;
	bool fresh; /* nobody else can have this uid: no need to look for a keeper */
};

/**
 * ks_pod_up() - join a container's pod, or start it when there is none, and get its mounts
 * @ret: also on failure what there is so far, so that its descriptors are closed
 *
 * Of several callers with one uid, one starts it and the others join. Blocks: fsck, mkfs.
 * Return: 0; -EBUSY naming the holder; -EINVAL when it does not match its identity; -errno.
 */
int ks_pod_up(struct ks_arena *a, const struct ks_pod_ctx *ctx, const struct ks_pod_spec *p,
	      const struct ks_pod_who *who, struct ks_mount_requests *ret, struct ks_err *err);

/** ks_pod_is_up() - whether the keeper of that incarnation answers */
bool ks_pod_is_up(const struct ks_pod_ctx *ctx, const char *uid);

/** ks_pod_running() - tell the keeper, and the record, of a container's first process */
int ks_pod_running(const struct ks_pod_ctx *ctx, const char *uid, const char *id, uint64_t pid,
		   uint64_t start_time, const char *cgroup_path, struct ks_err *err);

/**
 * ks_pod_down() - a container is gone; with the last one the pod's storage is given up
 *
 * Works without a keeper too: what it left is recovered. Idempotent.
 * Return: 0; -EBUSY naming who still uses a volume; -errno.
 */
int ks_pod_down(const struct ks_pod_ctx *ctx, const char *uid, const char *id, struct ks_err *err);

/** struct ks_identity - the durable record of a pod key */
struct ks_identity {
	const char *ns, *name, *hostname, *machine_id, *created;
	struct ks_opt_u64 incarnation;
	struct ks_strv claims;
	/* Present holder, or the last one until it is recovered. */
	const char *holder_uid, *holder_boot_id;
	uint64_t generation;
};

#define KS_IDENTITY_ABSENT 1

/** ks_identity_load() - read a record; 0, KS_IDENTITY_ABSENT, or -EIO when it is damaged */
int ks_identity_load(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
		     struct ks_identity *ret, struct ks_err *err);

struct ks_identities {
	struct ks_identity *v;
	size_t n;
};

/** ks_identity_list() - all records that can be read */
int ks_identity_list(struct ks_arena *a, struct ks_store *s, struct ks_identities *ret,
		     struct ks_err *err);
/** ks_identity_held() - whether a keeper holds the identity now */
bool ks_identity_held(struct ks_store *s, const char *ns, const char *name);

/** ks_identity_forget() - remove a free identity; its claims stay; -EBUSY while it is held */
int ks_identity_forget(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
		       struct ks_err *err);

/** ks_pod_release() - recover an identity whose keeper died; -EBUSY while its containers live */
int ks_pod_release(struct ks_arena *a, const struct ks_pod_ctx *ctx, const char *ns,
		   const char *name, struct ks_err *err);

/** ks_pod_gc() - recover every pod whose keeper is gone */
int ks_pod_gc(const struct ks_pod_ctx *ctx, struct ks_gc *gc, struct ks_err *err);
