/* SPDX-License-Identifier: Apache-2.0 */
/* A further process in a container: all namespaces of its init by one pidfd. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>

#include "launch.h"
#include "lifecycle.h"

/* Those namespaces of init that are not ours: joining one's own fails or is for nothing. */
static int differing_namespaces(pid_t pid, uint64_t *ret, struct ks_err *err)
{
	*ret = 0;
	for (int i = 0; i < KS_NS_COUNT; i++) {
		char path[64];
		struct stat theirs, ours;
		const char *name = ks_ns_proc_name((enum ks_ns)i);

		ks_fmt(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
		if (stat(path, &theirs) < 0)
			return ks_err_set(err, -errno, "look at %s", path);
		ks_fmt(path, sizeof(path), "/proc/self/ns/%s", name);
		if (stat(path, &ours) < 0)
			return ks_err_set(err, -errno, "look at %s", path);
		if (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev)
			*ret |= ks_ns_flag((enum ks_ns)i);
	}
	return 0;
}

/* The program that create compiled, or one that is compiled again. */
static int plan_seccomp(struct ks_arena *a, const struct ks_exec *e, const struct ks_container *c,
			struct ks_plan_process *p, struct ks_err *err)
{
	struct ks_spec s = { 0 };
	struct ks_seccomp_target target;

	if (!c->seccomp)
		return 0;
	p->seccomp_flags = c->seccomp_flags;
	p->seccomp_listener = c->listener_path;
	if (ks_seccomp_reuse(a, e->root_fd, c->seccomp, p) == 0)
		return 0;
	int r = ks_container_spec(a, e->root_fd, e->id, &s, err);

	return r < 0 ? r : ks_seccomp_plan(a, &s, e->root_fd, p, &target, err);
}

static int plan_exec(struct ks_arena *a, const struct ks_exec *e, const struct ks_container *c,
		     struct ks_plan *p, struct ks_err *err)
{
	const struct ks_resctrl rdt = ks_container_resctrl(c);
	struct ks_cgroup cg;
	pid_t pid = (pid_t)c->pid.v;
	int r = ks_cgroup_open(a, c->cgroup_path, &cg, err);

	p->init_pidfd = ks_sys_pidfd_open(pid);
	if (r == 0)
		r = ks_cgroup_open_join_below(&cg, &e->cgroups, &p->cgroup, err);
	if (r == 0) {
		r = ks_resctrl_open_join(&rdt, &p->cgroup, err);
		/* Whoever removed the class has put the container's processes out of it. */
		r = r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
	}
	if (r == 0)
		r = differing_namespaces(pid, &p->init_ns_flags, err);
	if (r == 0 && p->init_ns_flags & CLONE_NEWPID) {
		char path[64];

		ks_fmt(path, sizeof(path), "/proc/%d/ns/pid", pid);
		p->join_fd[KS_NS_PID] = open(path, O_RDONLY | O_CLOEXEC);
		if (p->join_fd[KS_NS_PID] < 0)
			r = ks_err_set(err, -errno, "open %s", path);
		/* The child is made in it: it has nothing to join. */
		p->init_ns_flags &= ~(uint64_t)CLONE_NEWPID;
	}
	/* What was opened by its pid was its own only if it still lives; if not, that is why it
	 * failed. */
	if (p->init_pidfd < 0 || !ks_state_lives(c))
		return ks_err_kind(err, KS_ERR_STATE, "container not running");
	if (!e->ignore_paused && ks_state_frozen(c))
		r = ks_err_kind(err, KS_ERR_STATE,
				"cannot exec in a paused container (use --ignore-paused to "
				"override)");
	if (r < 0)
		return r;
	if (!c->no_new_keyring) {
		p->process.keyring = ks_arena_printf(a, "_ses.%s", c->id);
		if (!p->process.keyring)
			return ks_err_oom(err);
	}
	r = ks_plan_process(a, e->process, p->init_ns_flags & CLONE_NEWUSER, e->warnings,
			    &p->process, err);
	if (r == 0)
		r = plan_seccomp(a, e, c, &p->process, err);
	p->process.tuning.has_personality = c->personality.set;
	p->process.tuning.personality = (unsigned long)c->personality.v;
	p->process.preserve_fds = e->preserve_fds;
	return r;
}

static int release(struct ks_launched *l, struct ks_err *err)
{
	int r = ks_launch_send(l, KS_MSG_SAVED, -1, err);

	return r < 0 ? r : ks_launch_send(l, KS_MSG_START, -1, err);
}

static int finish(struct ks_launched *l, const struct ks_exec *e, struct ks_err *err)
{
	/* With nobody to be told in between, it need not wait for an answer. */
	bool at_once = !e->process->terminal && !e->pidfd_socket && !e->pid_file &&
		       !l->listener.container->listener_path;
	int r = at_once ? release(l, err) : 0;

	if (r == 0)
		r = ks_launch_wait(l, KS_MSG_READY, NULL, NULL, err);
	if (r == 0 && l->tty_fd >= 0 && e->console_socket) {
		r = ks_socket_send_fd(e->console_socket, "console", l->tty_fd, "", 1, err);
		l->tty_fd = ks_fd_close(l->tty_fd);
	}
	if (r == 0)
		ks_launch_size_terminal(l);
	if (r == 0 && e->pidfd_socket)
		r = ks_socket_send_fd(e->pidfd_socket, "pidfd", l->pidfd, "", 1, err);
	if (r == 0 && e->pid_file)
		r = ks_pid_file_write(e->pid_file, l->pid, err);
	if (r == 0 && !at_once)
		r = release(l, err);
	return r == 0 ? ks_launch_wait_exec(l->sock, &l->listener, l->pid, err) : r;
}

int ks_container_exec(struct ks_arena *a, const struct ks_exec *e, struct ks_process *ret,
		      struct ks_err *err)
{
	struct ks_launched l = KS_LAUNCHED_INIT;
	ks_auto_fd int dir = -EBADF;
	struct ks_container c = { 0 };
	struct ks_plan p;

	ks_plan_empty(&p);
	int r = ks_state_open(e->root_fd, e->id, &dir, NULL, err);

	if (r == 0)
		r = ks_state_load(a, dir, &c, err);
	if (r == KS_STATE_ABSENT || (r == 0 && !c.pid.set))
		r = ks_err_kind(err, KS_ERR_STATE, "container not running");
	if (r == 0)
		r = plan_exec(a, e, &c, &p, err);
	if (r == 0)
		r = ks_launch(&p, &l, err);
	l.listener = (struct ks_listener){ &c, KS_STATUS_RUNNING };
	if (r == 0)
		r = ks_launch_oom_score(&l, e->process, err);
	if (r == 0)
		r = finish(&l, e, err);
	ks_plan_done(&p);
	if (r < 0) {
		ks_launch_abort(&l);
		return r;
	}
	*ret = (struct ks_process){ .pid = l.pid,
				    .pidfd = KS_TAKE_FD(l.pidfd),
				    .tty_fd = KS_TAKE_FD(l.tty_fd) };
	ks_launched_done(&l);
	return 0;
}
