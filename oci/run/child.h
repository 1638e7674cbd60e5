/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The child of a launch, between clone3 and exec.
 *
 * Everything here, and everything it calls, neither allocates nor uses stdio,
 * locale or NSS: `make lint` checks the symbols of child*.o. Memory is the
 * parent's, copied on write.
 */
#include "plan.h"

struct ks_child {
	struct ks_plan *p;
	int sock;     /* channel to the parent */
	int start_fd; /* connection of `start`, or -EBADF */
	int state_fd; /* state JSON for startContainer hooks, or -EBADF */
	int proc_fd;  /* a procfs that the container cannot have touched, or -EBADF */
	bool in_cwd;  /* the working directory is entered */
	char home[512];
	struct ks_err err;
};

/* One step: 0, or negative with c->err set. */
typedef int ks_child_step(struct ks_child *c);

/* child-rootfs.c */
/*
 * Whether @fd lies on the container's root, or on a file system that was made for it, and not on
 * something that the host lent by a bind mount. By the ids of mounts: a path of config.json can
 * lead anywhere, by links of the image or by a mount over another.
 */
bool ks_child_is_own(struct ks_child *c, int fd);
ks_child_step ks_child_propagation, ks_child_attach_rootfs, ks_child_mounts, ks_child_mask,
	ks_child_root_readonly, ks_child_pivot;
/* child-copyup.c: fills the tmpfs of @mount_fd from the directory @target_fd */
int ks_child_copy_up(struct ks_child *c, int target_fd, int mount_fd);
/* child-dev.c */
ks_child_step ks_child_devices, ks_child_console;
/* child-tuning.c */
ks_child_step ks_child_time, ks_child_initial_cpus, ks_child_final_cpus, ks_child_tune,
	ks_child_label;
/* child-process.c */
ks_child_step ks_child_session, ks_child_make_cwd, ks_child_rlimits, ks_child_cwd,
	ks_child_identity, ks_child_find_command, ks_child_exec;
/* child-seccomp.c: early without no_new_privs, else right before exec */
ks_child_step ks_child_seccomp_early, ks_child_load_seccomp;

/* Waits for a message of that type; anything else is an error. *ret_fd as in ks_channel_recv(). */
int ks_child_expect(struct ks_child *c, int sock, enum ks_launch_msg type, int *ret_fd);
