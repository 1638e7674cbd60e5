/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parent's side of a launch: clone, map, listen. */
#include <kshim/channel.h>

#include "announce.h"
#include "plan.h"

struct ks_launched {
	pid_t pid;
	int pidfd;		     /* owned */
	int sock;		     /* owned */
	int tty_fd;		     /* owned; -EBADF without a terminal */
	struct ks_listener listener; /* set by the caller, for a plan with a seccomp listener */
};

#define KS_LAUNCHED_INIT ((struct ks_launched){ .pidfd = -EBADF, .sock = -EBADF, .tty_fd = -EBADF })

void ks_launched_done(struct ks_launched *l);

/*
 * Clones the child and maps its ids. It then runs by itself up to its next
 * message. With no user namespace to map it need not wait at all.
 */
int ks_launch(struct ks_plan *p, struct ks_launched *ret, struct ks_err *err);

/* Moves the devices of linux.netDevices into the network namespace of @pid. */
int ks_launch_net_devices(const struct ks_plan *p, pid_t pid, struct ks_err *err);

/* Lets the volumes show their ids through the container's user namespace. */
int ks_launch_map_volumes(const struct ks_plan *p, int ns, struct ks_err *err);

/* Writes process.oomScoreAdj for the child, when it is given. */
int ks_launch_oom_score(const struct ks_launched *l, const struct ks_spec_process *p,
			struct ks_err *err);

/* State files for the hooks that the child runs; both owned, or -EBADF. */
struct ks_state_files {
	int creating, created;
};

/*
 * What the parent does at KS_MSG_HOOKS; @pid is the child's as the container sees it. Fills in the
 * files that are passed on.
 */
typedef int ks_launch_hooks_fn(void *data, pid_t pid, struct ks_state_files *ret,
			       struct ks_err *err);

/* Answers the child until it sent @until; @on_hooks may be NULL. */
int ks_launch_wait(struct ks_launched *l, enum ks_launch_msg until, ks_launch_hooks_fn *on_hooks,
		   void *data, struct ks_err *err);

/* Sends a plain message; a child that is gone gives its own error. */
int ks_launch_send(struct ks_launched *l, enum ks_launch_msg type, int fd, struct ks_err *err);

/*
 * Gives a terminal that is relayed the size of the caller's own, before the program can ask for
 * it: the relay begins when that runs already. Does nothing without a terminal on either side.
 */
void ks_launch_size_terminal(const struct ks_launched *l);

/*
 * Waits until the child has executed its program: 0, or the error that it sent. Passes its
 * seccomp listener on. After an error the process may run; it is to be killed then.
 */
int ks_launch_wait_exec(int sock, const struct ks_listener *l, pid_t pid, struct ks_err *err);

/* Ends a child of a failed launch and reaps it. */
void ks_launch_abort(struct ks_launched *l);
