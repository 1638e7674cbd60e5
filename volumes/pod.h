/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pods, inside this folder. pods/UID/pod.json is the journal entry of an
 * incarnation: it is written before the first effect and removed after the
 * last, and names everything that recovery has to look at.
 */
#include <kshim/pod.h>

#include "identity.h"
#include "volume.h"

#define KS_POD_RECORD	      "pod.json"
#define KS_POD_MAX_CONTAINERS 64

struct ks_pod_container {
	const char *id, *cgroup_path;
	struct ks_opt_u64 pid, start_time; /* unset until it is launched */
};

struct ks_pod {
	const char *uid, *ns, *name; /* name "" without an identity */
	const char *boot_id;
	struct ks_strv claims;
	struct ks_list containers; /* struct ks_pod_container */
	uint64_t generation;
};

/*
 * Takes an incarnation's lock, pods/UID/lock. It goes with its directory, since there is
 * one for each incarnation; so after locking it is checked that it has a name still.
 * 0; KS_LOCK_HELD; -ENOENT without @make.
 */
int ks_pod_lock(struct ks_store *s, const char *uid, bool make, int *ret_dir, int *ret_lock,
		struct ks_err *err);
int ks_pod_open_dir(struct ks_store *s, const char *uid, bool make, int *ret, struct ks_err *err);
int ks_pod_save(int dirfd, struct ks_pod *p, struct ks_err *err);
/* 0, KS_RECORD_ABSENT, KS_RECORD_CORRUPT, -errno */
int ks_pod_load(struct ks_arena *a, int dirfd, struct ks_pod *ret, struct ks_err *err);

/* The first container of the record that lives, be it by one process in its cgroup, or NULL. */
const struct ks_pod_container *ks_pod_alive(const struct ks_store *s, const struct ks_pod *p);

/*
 * Everything of a pod that is over: marks of attachments, emptyDirs, holder,
 * record, in this order. The caller holds the pod's and the identity's lock;
 * with @detached also those of its volumes, and has seen that the kernel let
 * their devices go. Idempotent.
 */
int ks_pod_tear_down(struct ks_arena *a, struct ks_store *s, const struct ks_pod *p, bool detached,
		     struct ks_err *err);

#define KS_POD_KEPT  1 /* a keeper has it */
#define KS_POD_ALIVE 2 /* it lost its keeper, but a container lives; named in @err */

/*
 * Recovers an incarnation whose keeper is gone. @identity_locked: by the caller.
 * 0 also when there is nothing; KS_POD_KEPT; KS_POD_ALIVE; -EUCLEAN when its record is damaged;
 * -errno.
 */
int ks_pod_recover(struct ks_arena *a, struct ks_store *s, const char *uid, bool identity_locked,
		   struct ks_gc *gc, struct ks_err *err);

/*
 * Takes the lock of a claim, after recovery of what a crash left. The volume
 * itself may or may not exist. @wait_ms: for another command; a pod is not
 * waited for. 0; -EBUSY naming the holder; -errno.
 */
int ks_claim_lock(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		  unsigned int wait_ms, int *ret, struct ks_err *err);

/* Clears the marks of pods that are over, and tells of records that are damaged. */
int ks_claim_gc(struct ks_store *s, struct ks_gc *gc, struct ks_err *err);

/* Says who has an incarnation, for messages: "pod ns/name (uid u), container "x" (pid 1)". */
void ks_pod_describe(struct ks_store *s, const char *uid, char *buf, size_t size);

/* Removes the directory of a dead keeper's socket from the runtime root; true when it was there. */
bool ks_pod_remove_run_dir(const struct ks_pod_ctx *ctx, const char *uid);
