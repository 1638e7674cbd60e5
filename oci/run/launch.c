/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"
#include "netdev.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/process.h>

void ks_launched_done(struct ks_launched *l)
{
	l->pidfd = ks_fd_close(l->pidfd);
	l->sock = ks_fd_close(l->sock);
	l->tty_fd = ks_fd_close(l->tty_fd);
}

static pid_t clone_child(struct ks_plan *p, uint64_t extra, int *pidfd)
{
	struct clone_args args = {
		.flags = p->clone_flags | CLONE_PIDFD | extra,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = extra & CLONE_PARENT ? 0 : SIGCHLD,
	};

	if (p->cgroup.v2_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)p->cgroup.v2_fd;
	}
	return ks_sys_clone3(&args);
}

/*
 * A user namespace that is joined must be joined before the other namespaces
 * are made, so that it owns them. A process of ours cannot do that without
 * losing its own: an intermediate does.
 */
static int enter_userns(struct ks_plan *p, struct ks_err *err)
{
	/* From here on a process of that namespace could trace this one and the child. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(p->join_fd[KS_NS_USER], CLONE_NEWUSER) < 0)
		return ks_err_set(err, -errno, "join the user namespace");
	if (p->join_fd[KS_NS_PID] >= 0 && setns(p->join_fd[KS_NS_PID], CLONE_NEWPID) < 0)
		return ks_err_set(err, -errno, "join the pid namespace");
	return 0;
}

/*
 * An exec goes into the container's namespaces before it is made in its pid namespace. The other
 * way round, a process of the container that may trace would find one there that still has the
 * host's root and this process's descriptors, and not being dumpable is no help against
 * CAP_SYS_PTRACE.
 */
static int enter_container(struct ks_plan *p, int sock, struct ks_err *err)
{
	int r = ks_child_enter(p, sock, err);

	p->cgroup.v2_fd = -EBADF; /* this process is in it already */
	return r;
}

/* Makes the child as its sibling, and sends the pidfd. */
static void run_intermediate(struct ks_plan *p, int sock, int parent_sock)
{
	struct ks_err err = KS_ERR_INIT;
	bool execs = p->init_pidfd >= 0;
	int pidfd = -1;
	int r = execs ? enter_container(p, sock, &err) : enter_userns(p, &err);
	pid_t pid = r < 0 ? -1 : clone_child(p, CLONE_PARENT, &pidfd);

	if (pid == 0) {
		if (!execs)
			close(parent_sock);
		ks_child_run(p, sock);
	}
	if (r == 0 && pid < 0)
		r = ks_err_set(&err, -errno, "clone");
	if (r < 0)
		(void)ks_channel_send(sock, KS_MSG_ERROR, &err, sizeof(err), -1, NULL);
	else
		(void)ks_channel_send(sock, KS_MSG_PIDFD, NULL, 0, pidfd, NULL);
	_exit(r < 0);
}

/* "Pid:\t123" of a pidfd's fdinfo. */
static pid_t pid_of_pidfd(int pidfd)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char path[64];
	char *text;
	uint64_t pid = 0;

	ks_fmt(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (ks_file_read_at(&a, AT_FDCWD, path, 4096, &text, NULL) < 0)
		return -1;
	char *line = strstr(text, "Pid:\t");

	if (!line)
		return -1;
	line += 5;
	line[strcspn(line, "\n")] = '\0';
	return ks_parse_u64(line, INT_MAX, &pid) < 0 || !pid ? -1 : (pid_t)pid;
}

static int fail_message(const struct ks_msg *m, struct ks_err *err)
{
	if (m->type == KS_MSG_ERROR && m->len == sizeof(struct ks_err)) {
		struct ks_err e;

		memcpy(&e, m->data, sizeof(e));
		e.msg[sizeof(e.msg) - 1] = '\0';
		if (err)
			*err = e;
		return e.num > 0 ? -e.num : -EIO;
	}
	return ks_err_kind(err, KS_ERR_INTERNAL, "unexpected message %u of the child", m->type);
}

/* The intermediate of an exec is in the container's cgroup, as the process that it makes. */
static pid_t fork_intermediate(struct ks_plan *p)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (p->init_pidfd < 0 || p->cgroup.v2_fd < 0)
		return fork();
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)p->cgroup.v2_fd;
	return ks_sys_clone3(&args);
}

/* @ret_mid: the intermediate process, which has nothing more to do; to be reaped. */
static int launch_joined(struct ks_plan *p, int pair[2], struct ks_launched *l, pid_t *ret_mid,
			 struct ks_err *err)
{
	struct ks_msg m;
	pid_t mid = fork_intermediate(p);

	if (mid < 0)
		return ks_err_set(err, -errno, "fork");
	if (mid == 0)
		run_intermediate(p, pair[1], pair[0]);
	*ret_mid = mid;
	int r = ks_channel_recv(pair[0], &m, &l->pidfd, err);

	if (r == KS_CHANNEL_CLOSED)
		return ks_err_kind(err, KS_ERR_INTERNAL, "the intermediate process died");
	if (r == 0 && m.type != KS_MSG_PIDFD)
		return fail_message(&m, err);
	l->pid = pid_of_pidfd(l->pidfd);
	if (l->pid < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "the child died at once");
	return 0;
}

/* Children of this process are made in the pid namespace that is to be joined, then again in ours.
 */
static int clone_in_pidns(struct ks_plan *p, struct ks_launched *l, struct ks_err *err)
{
	ks_auto_fd int own = -EBADF;
	int target = p->join_fd[KS_NS_PID];

	if (target >= 0) {
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own < 0 || setns(target, CLONE_NEWPID) < 0)
			return ks_err_set(err, -errno, "join the pid namespace");
	}
	l->pid = clone_child(p, 0, &l->pidfd);
	int saved = errno;

	/* The kernel has written a number and taken the descriptor back. */
	if (l->pid < 0)
		l->pidfd = -EBADF;
	/* A user's kshim cannot return (EPERM), and makes no other child after this one. */
	if (l->pid != 0 && target >= 0 && setns(own, CLONE_NEWPID) < 0 &&
	    (errno != EPERM || ks_userns_is_initial()))
		return ks_err_set(err, -errno, "return to the own pid namespace");
	if (l->pid < 0 && saved == EACCES && p->cgroup.v2_fd >= 0)
		return ks_err_set(err, -saved,
				  "clone into the container's cgroup (is this process in a cgroup "
				  "that its user may not leave?)");
	if (l->pid < 0)
		return ks_err_set(err, -saved, "clone");
	return 0;
}

static int write_map(pid_t pid, const char *file, const char *text, struct ks_err *err)
{
	char path[64];

	ks_fmt(path, sizeof(path), "/proc/%d/%s", pid, file);
	int r = ks_file_write_at(AT_FDCWD, path, text);

	return r < 0 ? ks_err_set(err, r, "write %s of the user namespace", file) : 0;
}

int ks_launch_map_volumes(const struct ks_plan *p, int ns, struct ks_err *err)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		struct statfs sfs;

		if (p->mounts[i].kind != KS_PLAN_VOLUME)
			continue;
		int r = ks_mount_idmap(p->mounts[i].fd, ns, true, err);

		/* Before Linux 6.3 tmpfs has none; a tmpfs is this pod's alone, so it need not. */
		if (r == -EINVAL && fstatfs(p->mounts[i].fd, &sfs) == 0 &&
		    sfs.f_type == TMPFS_MAGIC)
			continue;
		if (r < 0)
			return ks_err_prefix(err, r, "volume %s in a user namespace",
					     p->mounts[i].source);
	}
	return 0;
}

static bool has_volume(const struct ks_plan *p)
{
	for (size_t i = 0; i < p->n_mounts; i++)
		if (p->mounts[i].kind == KS_PLAN_VOLUME)
			return true;
	return false;
}

static int map_volumes(const struct ks_plan *p, pid_t pid, struct ks_err *err)
{
	char path[64];

	if (!has_volume(p))
		return 0;
	ks_fmt(path, sizeof(path), "/proc/%d/ns/user", pid);
	ks_auto_fd int ns = open(path, O_RDONLY | O_CLOEXEC);

	return ns < 0 ? ks_err_set(err, -errno, "open %s", path) :
			ks_launch_map_volumes(p, ns, err);
}

static int map_ids(struct ks_plan *p, pid_t pid, struct ks_err *err)
{
	int r = write_map(pid, "uid_map", p->uid_map, err);

	if (r == 0)
		r = write_map(pid, "gid_map", p->gid_map, err);
	return r;
}

int ks_launch_net_devices(const struct ks_plan *p, pid_t pid, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int made = -EBADF;
	int ns = p->join_fd[KS_NS_NETWORK];

	if (!p->net_devices)
		return 0;
	if (ns < 0) {
		char path[64];

		ks_fmt(path, sizeof(path), "/proc/%d/ns/net", pid);
		made = open(path, O_RDONLY | O_CLOEXEC);
		if (made < 0)
			return ks_err_set(err, -errno, "open %s", path);
		ns = made;
	}
	return ks_netdev_move(&a, p->net_devices, ns, err);
}

int ks_launch(struct ks_plan *p, struct ks_launched *ret, struct ks_err *err)
{
	struct ks_launched l = KS_LAUNCHED_INIT;
	bool joins_user = p->join_fd[KS_NS_USER] >= 0;
	bool execs = p->init_pidfd >= 0; /* two processes, each of which waits for a message */
	bool must_wait = p->uid_map || joins_user || p->net_devices || execs;
	pid_t mid = -1;
	int pair[2];
	int r = ks_channel_pair(pair, err);

	if (r < 0)
		return r;
	/* Nothing to wait for: the message is there before the child looks. */
	if (!must_wait || execs)
		r = ks_channel_send(pair[0], KS_MSG_GO, NULL, 0, -1, err);
	if (r == 0)
		r = joins_user || execs ? launch_joined(p, pair, &l, &mid, err) :
					  clone_in_pidns(p, &l, err);
	if (r == 0 && l.pid == 0) {
		close(pair[0]);
		ks_child_run(p, pair[1]);
	}
	close(pair[1]);
	l.sock = pair[0];
	ks_crash_point("cloned");
	if (r == 0 && p->uid_map)
		r = map_ids(p, l.pid, err);
	if (r == 0 && (p->uid_map || joins_user))
		r = map_volumes(p, l.pid, err);
	if (r == 0)
		r = ks_launch_net_devices(p, l.pid, err);
	if (r == 0 && must_wait)
		r = ks_launch_send(&l, KS_MSG_GO, -1, err);
	/* Only now: the child need not wait for the other's end. */
	while (mid > 0 && waitpid(mid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r < 0) {
		ks_launch_abort(&l);
		return r;
	}
	*ret = l;
	return 0;
}

/* By the parent: the child's /proc may be anything. */
int ks_launch_oom_score(const struct ks_launched *l, const struct ks_spec_process *p,
			struct ks_err *err)
{
	char path[64], value[16];

	/* In a user namespace the child is out of reach: ks_rootless_oom_score() was before it. */
	if (!p->oom_score_adj.set || !ks_userns_is_initial())
		return 0;
	ks_fmt(path, sizeof(path), "/proc/%d/oom_score_adj", l->pid);
	ks_fmt(value, sizeof(value), "%lld", (long long)p->oom_score_adj.v);
	int r = ks_file_write_at(AT_FDCWD, path, value);

	return r < 0 ? ks_err_set(err, r, "process.oomScoreAdj: write %s", value) : 0;
}

void ks_launch_abort(struct ks_launched *l)
{
	if (l->pidfd >= 0) {
		ks_sys_pidfd_send_signal(l->pidfd, SIGKILL);
		/* A sibling made by CLONE_PARENT sends no SIGCHLD: __WALL sees it too. */
		while (waitpid(l->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	ks_launched_done(l);
}

static int child_died(struct ks_launched *l, struct ks_err *err)
{
	siginfo_t si = { 0 };

	/* Left to be reaped: ks_launch_abort() does. */
	if (l->pidfd >= 0)
		(void)waitid(P_PIDFD, (id_t)l->pidfd, &si, WEXITED | WNOWAIT | __WALL);
	if (si.si_code == CLD_EXITED)
		return ks_err_kind(err, KS_ERR_INTERNAL,
				   "the process ended before it started (exit status %d)",
				   si.si_status);
	if (si.si_status == SIGSYS)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "the process was killed by its seccomp filter before it could "
				   "start: the profile forbids what is needed to get there");
	return ks_err_kind(
		err, KS_ERR_INTERNAL,
		"the process was killed before it started (signal %d; too small a memory "
		"limit?)",
		si.si_status);
}

int ks_launch_send(struct ks_launched *l, enum ks_launch_msg type, int fd, struct ks_err *err)
{
	struct ks_msg m;
	int r = ks_channel_send(l->sock, type, NULL, 0, fd, err);

	if (r != KS_CHANNEL_CLOSED)
		return r;
	/* It may have said why. */
	r = ks_channel_recv(l->sock, &m, NULL, err);
	if (r == 0)
		return fail_message(&m, err);
	return r < 0 ? r : child_died(l, err);
}

static int run_hooks(struct ks_launched *l, const struct ks_msg *m, ks_launch_hooks_fn *on_hooks,
		     void *data, struct ks_err *err)
{
	struct ks_state_files f = { -EBADF, -EBADF };
	pid_t pid;

	if (m->type != KS_MSG_HOOKS || m->len != sizeof(pid) || !on_hooks)
		return fail_message(m, err);
	memcpy(&pid, m->data, sizeof(pid));
	int r = on_hooks(data, pid, &f, err);

	if (r == 0)
		r = ks_launch_send(l, KS_MSG_STATE, f.creating, err);
	if (r == 0)
		r = ks_launch_send(l, KS_MSG_STATE, f.created, err);
	ks_fd_close(f.creating);
	ks_fd_close(f.created);
	return r;
}

/* The child waits for the word; it is told what went wrong by its end. */
static int pass_listener(int sock, const struct ks_listener *l, pid_t pid, int fd,
			 struct ks_err *err)
{
	int r = ks_listener_send(l, pid, fd, err);

	if (r == 0)
		r = ks_channel_send(sock, KS_MSG_HEARD, NULL, 0, -1, err);
	return r == KS_CHANNEL_CLOSED ?
		       ks_err_kind(err, KS_ERR_INTERNAL, "the process ended before it started") :
		       r;
}

int ks_launch_wait(struct ks_launched *l, enum ks_launch_msg until, ks_launch_hooks_fn *on_hooks,
		   void *data, struct ks_err *err)
{
	struct ks_msg m;

	for (;;) {
		ks_auto_fd int fd = -EBADF;
		int r = ks_channel_recv(l->sock, &m, &fd, err);

		if (r == KS_CHANNEL_CLOSED)
			return child_died(l, err);
		if (r < 0)
			return r;
		if (m.type == (uint32_t)until)
			return 0;
		if (m.type == KS_MSG_TTY && l->tty_fd < 0) {
			l->tty_fd = KS_TAKE_FD(fd);
			continue;
		}
		if (m.type == KS_MSG_LISTENER && l->listener.container)
			r = pass_listener(l->sock, &l->listener, l->pid, fd, err);
		else
			r = run_hooks(l, &m, on_hooks, data, err);
		if (r < 0)
			return r;
	}
}

void ks_launch_size_terminal(const struct ks_launched *l)
{
	struct winsize ws;

	if (l->tty_fd >= 0 && ioctl(0, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(l->tty_fd, TIOCSWINSZ, &ws);
}

int ks_launch_wait_exec(int sock, const struct ks_listener *l, pid_t pid, struct ks_err *err)
{
	struct ks_msg m;
	ks_auto_fd int fd = -EBADF;
	int r = ks_channel_recv(sock, &m, &fd, err);

	if (r == 0 && m.type == KS_MSG_LISTENER && fd >= 0) {
		r = pass_listener(sock, l, pid, fd, err);
		if (r == 0)
			r = ks_channel_recv(sock, &m, NULL, err);
	}
	/* The other end is close-on-exec: closed without a word means that exec went well. */
	if (r == KS_CHANNEL_CLOSED)
		return 0;
	return r < 0 ? r : fail_message(&m, err);
}
