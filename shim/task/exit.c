/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends. The kernel tells of one through the process's pidfd; clients are told
 *
 *  1. never before its start is answered and its start event is queued;
 *  2. of an exec before the container's first process;
 *  3. of the first process when nothing of the container runs any more, and of
 *     a kill for want of memory before that.
 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/stats.h>

#include "task.h"

static void tell_oom(struct ks_task *t)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup_stats s;
	struct ks_cgroup cg;

	if (!t->cgroup || ks_cgroup_open(&a, t->cgroup, &cg, NULL) < 0 ||
	    ks_cgroup_stats(&a, &cg, &s, NULL) < 0 || s.oom_kills <= t->oom_kills)
		return;
	t->oom_kills = s.oom_kills;
	ks_event_oom(&t->shim->events, t->id);
}

static void answer_waiters(struct ks_proc *p)
{
	struct ks_ttrpc_call *call;

	while ((call = ks_ttrpc_unpark(&p->waiters)))
		ks_reply_wait(call, &p->exit);
}

static void publish(struct ks_proc *p)
{
	struct ks_task *t = p->task;

	if (p == &t->init && p->exit.status == KS_STATUS_KILLED)
		tell_oom(t);
	p->state = KS_PROC_STOPPED;
	ks_stdio_ended(&p->io, &t->shim->loop);
	ks_event_exit(&t->shim->events, t->id, p->exec_id, p->pid, &p->exit);
	answer_waiters(p);
}

void ks_proc_fail(struct ks_proc *p, int status)
{
	p->state = KS_PROC_STOPPED;
	p->exit.status = status;
	clock_gettime(CLOCK_REALTIME, &p->exit.at);
	answer_waiters(p);
}

/* Ended, and no start of it is still to be answered. */
static bool may_tell(const struct ks_proc *p)
{
	return p->ended && !p->ops && (p->state == KS_PROC_CREATED || p->state == KS_PROC_RUNNING);
}

static bool exec_runs(const struct ks_task *t)
{
	for (const struct ks_proc *p = t->execs; p; p = p->next)
		if (p->state == KS_PROC_RUNNING)
			return true;
	return false;
}

void ks_task_settle(struct ks_task *t)
{
	for (struct ks_proc *p = t->execs; p; p = p->next)
		if (may_tell(p))
			publish(p);
	if (!may_tell(&t->init) || t->killing)
		return;
	/* An exec that is just being started might come into the cgroup behind the kill. */
	if (ks_task_busy(t))
		return;
	/* In a pid namespace of its own all have ended with it. */
	if (!t->own_pidns && !t->killed) {
		t->killing = t->killed = true;
		ks_task_kill_rest(t);
		return;
	}
	if (!exec_runs(t))
		publish(&t->init);
}

/* Its status, when it has ended. */
static bool fetch(struct ks_proc *p)
{
	siginfo_t si = { 0 };

	if (!p->watched || waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG | __WALL) < 0 ||
	    si.si_pid == 0)
		return false;
	ks_loop_remove(&p->task->shim->loop, &p->on_exit);
	p->watched = false;
	p->pidfd = ks_fd_close(p->pidfd);
	p->ended = true;
	p->exit.status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	clock_gettime(CLOCK_REALTIME, &p->exit.at);
	return true;
}

static int on_exit_event(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_proc *p = w->data;

	(void)l;
	(void)events;
	(void)err;
	if (fetch(p))
		ks_task_settle(p->task);
	return 0;
}

int ks_proc_watch(struct ks_proc *p, pid_t pid, struct ks_err *err)
{
	p->pid = pid;
	/* Alive or a zombie, it is our child until we fetch its status: the pid is its own. */
	p->pidfd = ks_sys_pidfd_open(pid);
	if (p->pidfd < 0)
		return ks_err_set(err, -errno, "watch process %d", pid);
	p->on_exit = (struct ks_watch){ .fd = p->pidfd, .fn = on_exit_event, .data = p };
	int r = ks_loop_add(&p->task->shim->loop, &p->on_exit, EPOLLIN, err);

	p->watched = r == 0;
	return r;
}

void ks_proc_reap(struct ks_proc *p)
{
	if (p->state != KS_PROC_CREATED && p->state != KS_PROC_RUNNING)
		return;
	if (!p->ended && !fetch(p)) {
		p->ended = true;
		p->exit.status = KS_STATUS_KILLED;
		clock_gettime(CLOCK_REALTIME, &p->exit.at);
	}
	publish(p);
}

static struct ks_proc *find_pid(struct ks_shim *s, pid_t pid)
{
	for (struct ks_task *t = s->tasks; t; t = t->next) {
		if (t->init.watched && t->init.pid == pid)
			return &t->init;
		for (struct ks_proc *p = t->execs; p; p = p->next)
			if (p->watched && p->pid == pid)
				return p;
	}
	return NULL;
}

/*
 * Only while no worker is at work: until it has told of it, what a worker started is not known
 * to be anybody's.
 */
void ks_shim_reap_orphans(struct ks_shim *s)
{
	siginfo_t si = { 0 };

	while (!s->n_workers && waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
	       si.si_pid) {
		struct ks_proc *p = find_pid(s, si.si_pid);

		if (!p)
			(void)waitpid(si.si_pid, NULL, WNOHANG | __WALL);
		else if (!fetch(p))
			break;
		else
			ks_task_settle(p->task);
		si.si_pid = 0;
	}
}

static bool cgroup_is_there(const struct ks_task *t)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup_stats s;
	struct ks_cgroup cg;

	return ks_cgroup_open(&a, t->cgroup, &cg, NULL) == 0 &&
	       ks_cgroup_stats(&a, &cg, &s, NULL) == 0;
}

/*
 * v1 tells before it kills, and of nothing else; v2 tells of other events too. What was told is
 * counted, so that the look at a first process's end tells of the rest alone.
 */
static int on_oom(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_task *t = w->data;
	uint64_t buf[512];
	ssize_t n = read(w->fd, buf, sizeof(buf));

	(void)l;
	(void)events;
	(void)err;
	if (n <= 0)
		return 0;
	if (n != sizeof(uint64_t)) { /* of inotify */
		tell_oom(t);
		return 0;
	}
	/* The same comes when the cgroup is removed, by a delete or a start that failed. */
	if (!t->init.ops && cgroup_is_there(t)) {
		t->oom_kills += buf[0];
		ks_event_oom(&t->shim->events, t->id);
	}
	return 0;
}

void ks_task_watch_oom(struct ks_task *t)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup cg;

	/* A host without the memory controller kills nobody by it. */
	if (!t->cgroup || !*t->cgroup || ks_cgroup_open(&a, t->cgroup, &cg, NULL) < 0 ||
	    ks_cgroup_watch_oom(&cg, &t->oom_fd, NULL) < 0)
		return;
	t->on_oom = (struct ks_watch){ .fd = t->oom_fd, .fn = on_oom, .data = t };
	if (ks_loop_add(&t->shim->loop, &t->on_oom, EPOLLIN, NULL) < 0)
		t->oom_fd = ks_fd_close(t->oom_fd);
}
