/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What checkpoint and restore share: criu's options, and what is not in its images. */
#include <kshim/criu.h>
#include <kshim/run.h>
#include <pb/criu.pb-c.h>

#include "plan.h"

/* The names by which criu knows what it does not dump. */
#define KS_EXT_NET "extRootNetNS"
#define KS_EXT_PID "extRootPidNS"

#define KS_CRIU_CG_IGNORE 0 /* criu's number of that mode of its cgroups */

struct ks_criu_dirs {
	int image_fd, work_fd; /* owned */
	const char *work_path;
};

#define KS_CRIU_DIRS_INIT ((struct ks_criu_dirs){ -EBADF, -EBADF, NULL })

/*
 * Opens them, the images' made with @mode when that is not 0. ks_criu_dirs_done() is due also
 * after a failure.
 */
int ks_criu_dirs_open(const struct ks_checkpoint *k, mode_t mode, struct ks_criu_dirs *ret,
		      struct ks_err *err);
/* The same descriptors, of the mounts of the mount namespace that this process is in now. */
int ks_criu_dirs_reopen(const struct ks_checkpoint *k, const struct ks_criu_dirs *d,
			struct ks_err *err);
void ks_criu_dirs_done(struct ks_criu_dirs *d);

/* The options that are the same for both; their strings are borrowed of @k. */
int ks_criu_options(struct ks_arena *a, const struct ks_checkpoint *k, const struct ks_criu_dirs *d,
		    const char *log, Criu__Opts *o, struct ks_err *err);

/* Who asks for either must be root of the host. */
int ks_criu_check_root(struct ks_err *err);

/* Appends "mnt[@key]:@value". */
int ks_criu_add_mount(struct ks_arena *a, struct ks_strv *external, const char *key,
		      const char *value);

/* What runs at points of a restore; both get the pid of the container's first process. */
struct ks_restore_steps {
	int (*namespaces)(void *data, pid_t pid,
			  struct ks_err *err); /* they are there, and empty */
	/* It is there, and waits. @tty_fd: taken over. */
	int (*restored)(void *data, pid_t pid, int tty_fd, struct ks_err *err);
	/* It is whole, and waits: it runs as soon as this returns, also after a failure. */
	int (*resume)(void *data, struct ks_err *err);
	void *data;
};

/*
 * Restores what ks_container_checkpoint() wrote, with the mounts, cgroup and namespaces of @p; the
 * processes are children of this one. On failure none is left but zombies, or what is in the
 * cgroup when criu was killed.
 */
int ks_restore_run(struct ks_arena *a, const struct ks_checkpoint *k, const struct ks_spec *s,
		   const struct ks_cgroup *cg, int root_fd, struct ks_plan *p,
		   const struct ks_restore_steps *steps, struct ks_err *err);

/* The label of a security module of that @type ("selinux", "apparmor") that a restored process is
 * to have: as --lsm-profile says, else @planned. */
const char *ks_restored_label(const struct ks_checkpoint *k, const char *type, const char *planned);

/* Whether the first process is confined as config.json demands; -EACCES when it is not. */
int ks_restored_check(pid_t pid, const struct ks_checkpoint *k, const struct ks_spec *s,
		      const struct ks_plan *p, struct ks_err *err);
