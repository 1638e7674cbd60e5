/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter, and the descriptor of its listener.
 *
 * The thread that loads a filter with a listener gets the descriptor, and may
 * from then on be allowed nothing at all, not even to pass it on: each call
 * that the filter notifies waits for an answer of somebody who has it not yet.
 * So a second thread, which the filter does not hold, passes it on. It ends by
 * itself, or with exec.
 */
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/compat.h>

#include "child.h"

#define PENDING (-1)
#define NONE	(-2)

#define POLICY_DEADLINE 6 /* linux/sched.h, which the C library's header excludes */

/* Static: the second thread stands on it until it has ended, which nobody waits for. */
static struct handover {
	int sock;
	_Atomic int fd; /* of the listener */
	_Atomic bool done;
	struct ks_msg answer;
	struct ks_err err;
	char stack[8192] __attribute__((aligned(16)));
} handover;

/*
 * Gives it away, and keeps none: with a copy in here a call would wait for ever when nobody else
 * has one. Then it waits for the word that it has arrived. Without a listener every call that is
 * notified would fail, so the process ends, all threads.
 */
static int hand_over(void *data)
{
	struct handover *h = data;
	const struct timespec moment = { .tv_nsec = 20000 };
	int fd;

	while ((fd = atomic_load(&h->fd)) == PENDING)
		syscall(SYS_nanosleep, &moment, NULL);
	if (fd >= 0) {
		int r = ks_channel_send(h->sock, KS_MSG_LISTENER, NULL, 0, fd, &h->err);

		close(fd);
		if (r == 0)
			r = ks_channel_recv(h->sock, &h->answer, NULL, &h->err);
		if (r == 0 && h->answer.type != KS_MSG_HEARD)
			r = ks_err_kind(&h->err, KS_ERR_INTERNAL, "unexpected message %u",
					h->answer.type);
		if (r < 0)
			(void)ks_channel_send(h->sock, KS_MSG_ERROR, &h->err, sizeof(h->err), -1,
					      NULL);
		if (r != 0)
			_exit(126);
	}
	atomic_store(&h->done, true);
	return 0;
}

static int load_with_listener(struct ks_child *c, int sock)
{
	const struct ks_plan_process *p = &c->p->process;
	struct handover *h = &handover;
	/* Whether config.json or the caller gave it. */
	int policy = (int)syscall(SYS_sched_getscheduler, 0) & ~SCHED_RESET_ON_FORK;

	/* On one CPU the second thread would never run while this one waits for it. */
	if (policy == SCHED_FIFO || policy == POLICY_DEADLINE)
		return ks_err_kind(&c->err, KS_ERR_UNSUPPORTED,
				   "a real-time policy (process.scheduler, or the caller's) is "
				   "not supported with SCMP_ACT_NOTIFY");
	h->sock = sock;
	atomic_store(&h->fd, PENDING);
	if (ks_sys_clone_thread(hand_over, h->stack + sizeof(h->stack),
				CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
					CLONE_SYSVSEM,
				h) < 0)
		return ks_err_set(&c->err, -errno, "make a thread for the seccomp listener");
	/* TSYNC would put the filter on the second thread too; there is no other. */
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  (p->seccomp_flags & ~(unsigned int)SECCOMP_FILTER_FLAG_TSYNC) |
				  SECCOMP_FILTER_FLAG_NEW_LISTENER,
			  &p->seccomp);
	/* The other thread shares errno; it does no more than sleep now, which does not fail. */
	int saved = errno;

	atomic_store(&h->fd, fd < 0 ? NONE : (int)fd);
	/* No system call is sure to be allowed here; the other thread ends us if nobody answers. */
	while (!atomic_load(&h->done))
		;
	return fd < 0 ? ks_err_set(&c->err, -saved, "load the seccomp filter with its listener") :
			0;
}

int ks_child_load_seccomp(struct ks_child *c)
{
	const struct ks_plan_process *p = &c->p->process;

	if (!p->seccomp.len)
		return 0;
	if (p->seccomp_listener)
		return load_with_listener(c, c->start_fd >= 0 ? c->start_fd : c->sock);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->seccomp_flags, &p->seccomp) < 0)
		return ks_err_set(&c->err, -errno, "load the seccomp filter");
	return 0;
}

/* Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to be dropped. */
int ks_child_seccomp_early(struct ks_child *c)
{
	return c->p->process.no_new_privs ? 0 : ks_child_load_seccomp(c);
}
