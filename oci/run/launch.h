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

/* Writes process.oomScoreAdj for the child, when it is given. */
int ks_launch_oom_score(const struct ks_launched *l, const struct ks_spec_process *p,
			struct ks_err *err);

/*
 * Answers the child until it sent @until. At KS_MSG_HOOKS, @on_hooks is called
 * and gives the state file that is passed on.
 */
int ks_launch_wait(struct ks_launched *l, enum ks_launch_msg until,
		   int (*on_hooks)(void *data, int *ret_state_fd, struct ks_err *err), void *data,
		   struct ks_err *err);

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
