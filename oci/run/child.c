/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the child, in the order in which they must come:
 *
 *  - the cgroup before the cgroup namespace, which takes it as its root;
 *  - the ids of a user namespace before anything that needs a capability;
 *  - mounts before pivot_root, since their sources lie in the host's tree and
 *    hooks that see both trees run at its end;
 *  - the terminal after pivot_root: its devpts is the container's own;
 *  - the descriptors of the parent before seccomp: a call that is notified may wait for ever, and
 *    must not hold the container's lock meanwhile;
 *  - seccomp as late as possible: what it forbids, the child may not use.
 */
#include "child.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/compat.h>
#include <kshim/fd.h>

int ks_child_expect(struct ks_child *c, int sock, enum ks_launch_msg type, int *ret_fd)
{
	struct ks_msg m;
	int r = ks_channel_recv(sock, &m, ret_fd, &c->err);

	if (r == KS_CHANNEL_CLOSED)
		return ks_err_kind(&c->err, KS_ERR_INTERNAL, "the parent of the launch is gone");
	if (r == 0 && m.type != (uint32_t)type)
		return ks_err_kind(&c->err, KS_ERR_INTERNAL, "unexpected message %u", m.type);
	return r;
}

static int send_message(struct ks_child *c, enum ks_launch_msg type, const void *data, size_t len)
{
	int r = ks_channel_send(c->sock, type, data, len, -1, &c->err);

	if (r == KS_CHANNEL_CLOSED)
		return ks_err_kind(&c->err, KS_ERR_INTERNAL, "the parent of the launch is gone");
	return r;
}

/* "0" is the writer: a thread that moves itself need not wait for a grace period. */
static int step_join_cgroup(struct ks_child *c)
{
	for (size_t i = 0; i < c->p->cgroup.n_tasks; i++)
		if (write(c->p->cgroup.tasks_fd[i], "0", 1) != 1)
			return ks_err_set(&c->err, -errno,
					  "join the cgroup, or the class of service");
	return 0;
}

/* The parent wrote the maps; become root of the new user namespace. */
static int step_wait_go(struct ks_child *c)
{
	int r = ks_child_expect(c, c->sock, KS_MSG_GO, NULL);

	if (r < 0)
		return r;
	if (!c->p->uid_map && c->p->join_fd[KS_NS_USER] < 0)
		return 0;
	/* The system calls themselves: the library's wrappers may take locks. */
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return ks_err_set(&c->err, -errno, "become root of the user namespace");
	return 0;
}

static int step_join_namespaces(struct ks_child *c)
{
	/* The mount namespace last: the others were opened by descriptor, it hides the paths. */
	static const enum ks_ns order[] = { KS_NS_NETWORK, KS_NS_IPC,  KS_NS_UTS,
					    KS_NS_CGROUP,  KS_NS_TIME, KS_NS_MOUNT };

	for (size_t i = 0; i < KS_ARRAY_LEN(order); i++) {
		int fd = c->p->join_fd[order[i]];

		if (fd >= 0 && setns(fd, (int)ks_ns_flag(order[i])) < 0)
			return ks_err_set(&c->err, -errno, "join the %s namespace",
					  ks_ns_proc_name(order[i]));
	}
	if (c->p->init_pidfd >= 0 && setns(c->p->init_pidfd, (int)c->p->init_ns_flags) < 0)
		return ks_err_set(&c->err, -errno, "join the container's namespaces");
	if (c->p->init_ns_flags & CLONE_NEWUSER &&
	    (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0))
		return ks_err_set(&c->err, -errno, "become root of the user namespace");
	if (c->p->new_cgroupns && unshare(CLONE_NEWCGROUP) < 0)
		return ks_err_set(&c->err, -errno, "make a cgroup namespace");
	return 0;
}

/* For the children of this process. */
static int step_join_pidns(struct ks_child *c)
{
	int fd = c->p->join_fd[KS_NS_PID];

	if (fd >= 0 && setns(fd, CLONE_NEWPID) < 0)
		return ks_err_set(&c->err, -errno, "join the pid namespace");
	return 0;
}

static int step_names(struct ks_child *c)
{
	const char *h = c->p->hostname, *d = c->p->domainname;

	if (h && *h && sethostname(h, strlen(h)) < 0)
		return ks_err_set(&c->err, -errno, "set the host name to %s", h);
	if (d && *d && setdomainname(d, strlen(d)) < 0)
		return ks_err_set(&c->err, -errno, "set the domain name to %s", d);
	return 0;
}

/* A procfs of the new pid namespace that nobody else has seen: writes to it go nowhere else. */
static int step_open_proc(struct ks_child *c)
{
	if (!c->p->sysctl->n)
		return 0;
	return ks_mount_new("proc", "proc", NULL,
			    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &c->proc_fd,
			    &c->err);
}

static int step_sysctl(struct ks_child *c)
{
	char path[256];

	for (size_t i = 0; i < c->p->sysctl->n; i++) {
		const struct ks_map_entry *e = &c->p->sysctl->v[i];

		size_t n = ks_fmt(path, sizeof(path), "sys/%s", e->key);

		for (size_t k = 0; k < n; k++)
			path[k] = path[k] == '.' ? '/' : path[k];
		int r = ks_file_write_at(c->proc_fd, path, e->value);

		if (r < 0)
			return ks_err_set(&c->err, r, "set sysctl %s to \"%s\"", e->key, e->value);
	}
	c->proc_fd = ks_fd_close(c->proc_fd);
	return 0;
}

static int step_hooks(struct ks_child *c)
{
	if (!c->p->runtime_hooks)
		return 0;
	/* As the container sees it: what its own hooks are told. */
	const pid_t pid = getpid();
	ks_auto_fd int creating = -EBADF;
	int r = send_message(c, KS_MSG_HOOKS, &pid, sizeof(pid));

	if (r == 0)
		r = ks_child_expect(c, c->sock, KS_MSG_STATE, &creating);
	if (r == 0)
		r = ks_child_expect(c, c->sock, KS_MSG_STATE, &c->state_fd);
	if (r == 0)
		r = ks_hooks_run(&c->p->create_container, "createContainer", creating, NULL,
				 &c->err);
	return r;
}

/*
 * A created container waits here for as long as its user likes. It must hold
 * nothing of its parent's: not the container's lock, not a mount of a volume.
 */
static int step_close_others(struct ks_child *c)
{
	int keep[] = { c->sock, c->p->start_fd, c->state_fd };
	int r = ks_fd_close_others(3 + c->p->process.preserve_fds, keep, KS_ARRAY_LEN(keep));

	return r < 0 ? ks_err_set(&c->err, r, "close the other descriptors") : 0;
}

static int step_ready(struct ks_child *c)
{
	int r = send_message(c, KS_MSG_READY, NULL, 0);

	/* Until the container is on record nobody could find this process: it ends with its parent.
	 */
	return r < 0 ? r : ks_child_expect(c, c->sock, KS_MSG_SAVED, NULL);
}

/* Released over the channel (run, exec, the shim), or by `kshim start` through its socket. */
static int step_wait_start(struct ks_child *c)
{
	if (c->p->start_fd < 0)
		return ks_child_expect(c, c->sock, KS_MSG_START, NULL);
	for (;;) {
		c->start_fd = accept4(c->p->start_fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->start_fd < 0 && errno != EINTR)
			return ks_err_set(&c->err, -errno, "wait for start");
		if (c->start_fd < 0)
			continue;
		/* A `start` that died before it said so did not start anything. */
		if (ks_child_expect(c, c->start_fd, KS_MSG_START, NULL) == 0)
			return 0;
		c->start_fd = ks_fd_close(c->start_fd);
	}
}

static int step_start_hooks(struct ks_child *c)
{
	return ks_hooks_run(&c->p->start_container, "startContainer", c->state_fd, NULL, &c->err);
}

struct step {
	const char *name;
	ks_child_step *fn;
};

/* Of both, up to the point where only exec is missing. */
static const struct step prepare_steps[] = {
	{ "limits", ks_child_rlimits },
	{ "scheduling", ks_child_tune },
	{ "working directory", ks_child_cwd },
	{ "descriptors", step_close_others },
	{ "seccomp", ks_child_seccomp_early },
	{ "user and capabilities", ks_child_identity },
	{ "command", ks_child_find_command },
	{ "ready", step_ready },
	{ NULL, NULL },
};

static int run_steps(struct ks_child *c, const struct step *s)
{
	int r = 0;

	for (; s->fn && r >= 0; s++)
		r = s->fn(c);
	return r;
}

static int step_prepare(struct ks_child *c)
{
	return run_steps(c, prepare_steps);
}

static const struct step init_steps[] = {
	{ "join cgroup", step_join_cgroup },
	{ "map ids", step_wait_go },
	{ "join namespaces", step_join_namespaces },
	{ "time namespace", ks_child_time },
	{ "host name", step_names },
	{ "mount propagation", ks_child_propagation },
	{ "root file system", ks_child_attach_rootfs },
	{ "mounts", ks_child_mounts },
	{ "devices", ks_child_devices },
	{ "procfs", step_open_proc },
	{ "sysctl", step_sysctl },
	{ "masked paths", ks_child_mask },
	{ "hooks", step_hooks },
	{ "label", ks_child_label },
	{ "pivot root", ks_child_pivot },
	{ "session", ks_child_session },
	{ "console", ks_child_console },
	{ "make the working directory", ks_child_make_cwd },
	{ "read-only root", ks_child_root_readonly },
	{ "prepare", step_prepare },
	{ "start", step_wait_start },
	{ "start hooks", step_start_hooks },
	{ "exec", ks_child_exec },
	{ NULL, NULL },
};

/* Of an exec, in a process that the container cannot see: nothing of the host is left at the end.
 */
static const struct step enter_steps[] = {
	{ "initial CPUs", ks_child_initial_cpus },
	{ "join cgroup", step_join_cgroup },
	{ "final CPUs", ks_child_final_cpus },
	{ "map ids", step_wait_go },
	{ "label", ks_child_label },
	{ "join pid namespace", step_join_pidns },
	{ "join namespaces", step_join_namespaces },
	{ "descriptors", step_close_others },
	{ NULL, NULL },
};

/* And in the process itself, which the container can trace if it may trace at all. */
static const struct step exec_steps[] = {
	{ "known to the parent", step_wait_go },
	{ "session", ks_child_session },
	{ "console", ks_child_console },
	{ "prepare", step_prepare },
	{ "start", step_wait_start },
	{ "exec", ks_child_exec },
	{ NULL, NULL },
};

/* Signals as a program expects them at its start, whatever the caller of kshim ignored. */
static void reset_signals(void)
{
	/* The kernel's structure, longer than on any machine: no handler, no flags, no mask. */
	static const uint64_t default_action[8];
	sigset_t none;

	/* The system call: signal(3) refuses two that the C library keeps to itself. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, default_action, NULL, 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_init(struct ks_child *c, struct ks_plan *p, int sock)
{
	*c = (struct ks_child){
		.p = p,
		.sock = sock,
		.start_fd = -EBADF,
		.state_fd = -EBADF,
		.proc_fd = -EBADF,
	};
	/*
	 * Not dumpable: a process of a namespace that is joined below must not
	 * trace this one or read its descriptors (CVE-2016-9962).
	 */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Mount points that are made must be passable for every user of the container. */
	umask(0022);
	reset_signals();
}

void ks_child_run(struct ks_plan *p, int sock)
{
	struct ks_child c;

	child_init(&c, p, sock);
	(void)run_steps(&c, p->rootfs_fd >= 0 ? init_steps : exec_steps);
	/* exec returned or a step failed: tell whoever waits. */
	int to = c.start_fd >= 0 ? c.start_fd : sock;

	(void)ks_channel_send(to, KS_MSG_ERROR, &c.err, sizeof(c.err), -1, NULL);
	_exit(c.err.kind == KS_ERR_NO_COMMAND ? 127 : 126);
}

int ks_child_enter(struct ks_plan *p, int sock, struct ks_err *err)
{
	struct ks_child c;

	child_init(&c, p, sock);
	int r = run_steps(&c, enter_steps);

	if (r < 0)
		*err = c.err;
	return r;
}
