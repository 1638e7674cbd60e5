/* SPDX-License-Identifier: Apache-2.0 */
/* Time namespace, scheduling and labels of the process. */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "child.h"

/*
 * In a user namespace the files in /proc of a process that may not be traced are out of its own
 * reach: it may be for that one write, when nobody else is in its namespaces.
 */
static int write_offsets(const char *text, bool alone)
{
	static const char path[] = "/proc/self/timens_offsets";
	int r = ks_file_write_at(AT_FDCWD, path, text);

	if (r != -EACCES || !alone)
		return r;
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	r = ks_file_write_at(AT_FDCWD, path, text);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

/*
 * The offsets of a time namespace can be set only while nobody is in it:
 * made for the children of this process, set, and then entered.
 */
int ks_child_time(struct ks_child *c)
{
	if (!c->p->new_timens)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return ks_err_set(&c->err, -errno, "make a time namespace");
	bool alone = c->p->clone_flags & (CLONE_NEWUSER | CLONE_NEWPID);
	int r = c->p->time_offsets ? write_offsets(c->p->time_offsets, alone) : 0;

	if (r < 0)
		return ks_err_set(&c->err, r, "set linux.timeOffsets");
	ks_auto_fd int ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWTIME) < 0)
		return ks_err_set(&c->err, -errno, "enter the time namespace");
	return 0;
}

static int set_affinity(struct ks_child *c, const struct ks_plan_set *s)
{
	if (s && syscall(SYS_sched_setaffinity, 0, s->size, s->bits) < 0)
		return ks_err_set(&c->err, -errno, "set process.execCPUAffinity");
	return 0;
}

int ks_child_initial_cpus(struct ks_child *c)
{
	return set_affinity(c, c->p->process.tuning.initial_cpus);
}

int ks_child_final_cpus(struct ks_child *c)
{
	return set_affinity(c, c->p->process.tuning.final_cpus);
}

/* While this process has its capabilities still. */
int ks_child_tune(struct ks_child *c)
{
	const struct ks_plan_tuning *t = &c->p->process.tuning;
	const struct ks_plan_set *nodes = t->memory_nodes;

	if (t->has_scheduler && syscall(SYS_sched_setattr, 0, &t->scheduler, 0) < 0)
		return ks_err_set(&c->err, -errno, "set process.scheduler");
	if (t->has_io_priority &&
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, t->io_priority) < 0)
		return ks_err_set(&c->err, -errno, "set process.ioPriority");
	/* The kernel takes the number of bits, and one more. */
	if (t->has_memory_policy &&
	    syscall(SYS_set_mempolicy, t->memory_mode, nodes ? nodes->bits : NULL,
		    nodes ? nodes->size * 8 + 1 : 0) < 0)
		return ks_err_set(&c->err, -errno, "set linux.memoryPolicy");
	if (t->has_personality && syscall(SYS_personality, t->personality) < 0)
		return ks_err_set(&c->err, -errno, "set linux.personality");
	return 0;
}

/*
 * While /proc is the host's still: no descriptor of it is held where the
 * container can see this process. It takes effect at the next execve of this
 * process or of a child, so createContainer hooks are behind it.
 */
int ks_child_label(struct ks_child *c)
{
	const struct ks_plan_process *p = &c->p->process;
	struct statfs sfs;
	char text[512];
	int r = 0;

	if (!p->apparmor && !p->selinux)
		return 0;
	ks_auto_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return ks_err_set(&c->err, -errno, "open /proc");
	/* Something else that is mounted there is not believed. */
	if (fstatfs(proc, &sfs) < 0 || sfs.f_type != PROC_SUPER_MAGIC)
		return ks_err_kind(&c->err, KS_ERR_INTERNAL, "/proc of this host is no procfs");
	if (p->selinux)
		r = ks_file_write_at(proc, "self/attr/exec", p->selinux);
	if (r < 0)
		return ks_err_set(&c->err, r, "set process.selinuxLabel to %s", p->selinux);
	/* Both last until the program is executed. */
	if (p->selinux && p->keyring)
		r = ks_file_write_at(proc, "self/attr/keycreate", p->selinux);
	if (r < 0)
		return ks_err_set(&c->err, r, "label the session keyring as %s", p->selinux);
	if (!p->apparmor)
		return 0;
	ks_fmt(text, sizeof(text), "exec %s", p->apparmor);
	/* Beside another security module it has a directory of its own. */
	r = ks_file_write_at(proc, "self/attr/apparmor/exec", text);
	if (r == -ENOENT)
		r = ks_file_write_at(proc, "self/attr/exec", text);
	if (r < 0)
		return ks_err_set(&c->err, r, "set process.apparmorProfile to %s", p->apparmor);
	return 0;
}
