/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control groups: v2, v1, and hybrid hosts that have both.
 *
 * A container has one directory in every hierarchy of the host, under the
 * same path. Joining must not wait for an RCU grace period (10 ms and more):
 * the v2 directory is joined by clone3(CLONE_INTO_CGROUP), a v1 directory by
 * the single-threaded child writing "0" to its `tasks`.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kshim/resources.h>

#define KS_CGROUP_MAX_V1 16 /* Linux has 14 v1 controllers, and named hierarchies */

/** struct ks_cgroup_hierarchy - one v1 mount */
struct ks_cgroup_hierarchy {
	const char *name;	 /* directory below /sys/fs/cgroup: "cpu,cpuacct" */
	const char *controllers; /* "cpu,cpuacct", or "name=systemd" */
};

/** struct ks_cgroup_host - what this host has; in an arena */
struct ks_cgroup_host {
	struct ks_cgroup_hierarchy v1[KS_CGROUP_MAX_V1];
	size_t n_v1;
	bool v2;	      /* /sys/fs/cgroup itself is cgroup2 */
	const char *v2_mount; /* where cgroup2 is mounted, or NULL */
};

/** struct ks_cgroup - a container's directories */
struct ks_cgroup {
	struct ks_cgroup_host host;
	const char *path; /* absolute within each hierarchy: "/kshim-ID" */
};

#define KS_CGROUP_MAX_TASKS (KS_CGROUP_MAX_V1 + 2) /* and what resctrl adds: see resctrl.h */

/** struct ks_cgroup_join - descriptors by which a child joins; owned */
struct ks_cgroup_join {
	int v2_fd; /* for CLONE_INTO_CGROUP, or -EBADF */
	int tasks_fd[KS_CGROUP_MAX_TASKS];
	size_t n_tasks;
};

/** ks_cgroup_detect() - find the host's hierarchies from /proc/self/mountinfo */
int ks_cgroup_detect(struct ks_arena *a, struct ks_cgroup_host *ret, struct ks_err *err);

/**
 * ks_cgroup_path() - where a container's cgroup is
 * @spec_path: linux.cgroupsPath, or NULL for "/kshim-ID"
 *
 * Return: 0, or -EINVAL for a path with "..".
 */
int ks_cgroup_path(struct ks_arena *a, const char *spec_path, const char *id, const char **ret,
		   struct ks_err *err);

/**
 * ks_cgroup_open() - the cgroup of a container that is on record
 * @path: as recorded; "" for a container without a cgroup: then there is no hierarchy, and
 *        all that is asked of it below has nothing to do
 */
int ks_cgroup_open(struct ks_arena *a, const char *path, struct ks_cgroup *ret, struct ks_err *err);

/**
 * ks_cgroup_create() - make the directories and set the resources
 *
 * A directory that is there already is used when it is empty.
 * Return: 0; -EBUSY when processes are in it; -errno; on failure what was made is removed.
 */
int ks_cgroup_create(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err);

/**
 * ks_cgroup_apply() - write resources to the controllers
 * @update: of a container that runs: device rules are left as they are, since on v1 its
 *          processes would have none for a moment
 *
 * What is not given stays. Return: 0; -EOPNOTSUPP where this host has no such controller or
 * file; -EINVAL; -errno of the kernel. A failure leaves what was written before it.
 */
int ks_cgroup_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
		    struct ks_err *err);

/**
 * ks_cgroup_freezer() - the file by which a container is frozen, and that tells of it
 * @buf: of PATH_MAX bytes
 *
 * Return: 0, or -ENOENT on a host without a freezer.
 */
int ks_cgroup_freezer(const struct ks_cgroup *cg, char *buf);

/** ks_cgroup_freeze() - freeze or thaw, and wait until it is so; 0, -ETIMEDOUT, -errno */
int ks_cgroup_freeze(const struct ks_cgroup *cg, bool freeze, struct ks_err *err);

/** ks_cgroup_thaw() - thaw without a wait, so that signals arrive; a failure does no harm */
void ks_cgroup_thaw(const struct ks_cgroup *cg);

/**
 * ks_cgroup_watch_oom() - be told of kills for want of memory
 * @ret_fd: readable when there may have been one; owned by the caller
 *
 * Return: 0; -EOPNOTSUPP without a memory controller; -errno.
 * Source: kernel cgroup-v1/memory.rst "OOM Control", cgroup-v2.rst "memory.events".
 */
int ks_cgroup_watch_oom(const struct ks_cgroup *cg, int *ret_fd, struct ks_err *err);

/** ks_cgroup_open_join() - open what a child joins by */
int ks_cgroup_open_join(const struct ks_cgroup *cg, struct ks_cgroup_join *ret, struct ks_err *err);
/**
 * ks_cgroup_open_join_below() - the same for directories below the container's
 * @below: "PATH" for the v2 hierarchy, "CONTROLLER[,CONTROLLER]:PATH" for those of v1;
 *         what is not named is the container's own
 *
 * Return: 0; -EINVAL for a path with ".." or a controller that is not there; -ENOENT; -errno.
 */
int ks_cgroup_open_join_below(const struct ks_cgroup *cg, const struct ks_strv *below,
			      struct ks_cgroup_join *ret, struct ks_err *err);
void ks_cgroup_join_done(struct ks_cgroup_join *j);

/** ks_cgroup_kill() - SIGKILL every process inside, also of cgroups below; thaws v1 */
int ks_cgroup_kill(const struct ks_cgroup *cg, struct ks_err *err);

/**
 * ks_cgroup_destroy() - remove the directories, and those below them
 *
 * Waits up to @timeout_ms for processes that are about to be gone.
 * Return: 0, -EBUSY, -errno.
 */
int ks_cgroup_destroy(const struct ks_cgroup *cg, unsigned int timeout_ms, struct ks_err *err);

/** ks_cgroup_populated() - whether a process is, or may be, inside or below; no such cgroup: false
 */
bool ks_cgroup_populated(const struct ks_cgroup *cg);

/** ks_cgroup_pids() - the pids inside and below; *ret in the arena */
int ks_cgroup_pids(struct ks_arena *a, const struct ks_cgroup *cg, pid_t **ret, size_t *ret_n,
		   struct ks_err *err);

/**
 * ks_cgroup_dir() - absolute path of the container's directory in one hierarchy
 * @controller: "memory", …; NULL for cgroup2
 * @buf:        of PATH_MAX bytes
 *
 * Return: 0, or -ENOENT when the host has no such controller.
 */
int ks_cgroup_dir(const struct ks_cgroup *cg, const char *controller, char *buf);
