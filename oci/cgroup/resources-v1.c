/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "hierarchy.h"
#include "resources.h"

/* Opens the container's directory of a controller; *ret_fd -EBADF when nothing of it is asked for.
 */
static int open_controller(const struct ks_cgroup *cg, const char *controller, bool needed,
			   int *ret_fd, struct ks_err *err)
{
	char dir[PATH_MAX];

	*ret_fd = -EBADF;
	if (!needed)
		return 0;
	if (ks_cgroup_dir(cg, controller, dir) < 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.%s: this host has no %s cgroup controller",
				   controller, controller);
	*ret_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return ks_err_set(err, -errno, "open %s", dir);
	return 0;
}

/* The kernel says EBUSY for a limit that it cannot get the usage down to. */
static int write_memory_limit(int fd, int64_t v, struct ks_err *err)
{
	int64_t usage = 0;
	int r = ks_cgroup_write_i64(fd, "memory.limit_in_bytes", v, err);

	if (r == -EBUSY && ks_cgroup_read_i64(fd, "memory.usage_in_bytes", &usage, NULL) == 0)
		return ks_err_kind(err, KS_ERR_BUSY,
				   "memory limit %lld: the container uses %lld bytes now",
				   (long long)v, (long long)usage);
	return r;
}

/*
 * The limit of memory and swap together may never be below that of memory
 * alone: which of them goes first depends on where they come from.
 */
static int write_memory_and_swap(int fd, const struct ks_spec_memory *m, struct ks_err *err)
{
	static const char memsw[] = "memory.memsw.limit_in_bytes";
	/* 0 means "not set", as engines use it. */
	bool limit = m->limit.set && m->limit.v, swap = m->swap.set && m->swap.v;
	int64_t now = 0, want = m->swap.v;
	int r = 0;

	/* No limit of memory: none of both together either. */
	if (limit && !swap && m->limit.v < 0 && ks_cgroup_has_file(fd, memsw)) {
		swap = true;
		want = -1;
	}
	if (limit && swap)
		r = ks_cgroup_read_i64(fd, memsw, &now, err);
	if (r < 0)
		return r;
	bool swap_first = limit && swap && (want < 0 || (now >= 0 && now < want));

	if (swap_first)
		r = ks_cgroup_write_i64(fd, memsw, want, err);
	if (r == 0 && limit)
		r = write_memory_limit(fd, m->limit.v, err);
	if (r == 0 && swap && !swap_first)
		r = ks_cgroup_write_i64(fd, memsw, want, err);
	return r;
}

static int apply_memory(const struct ks_cgroup *cg, const struct ks_spec_memory *m,
			struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	bool reservation = m->reservation.set && m->reservation.v;
	bool needed = m->limit.v || m->swap.v || reservation || m->swappiness.set ||
		      m->disable_oom_killer || m->use_hierarchy || m->kernel_tcp.v > 0;
	int r = open_controller(cg, "memory", needed, &fd, err);

	if (r < 0 || fd < 0)
		return r;
	r = ks_cgroup_check_usage(fd, "memory.usage_in_bytes", m, err);
	if (r == 0 && m->use_hierarchy)
		r = ks_cgroup_write(fd, "memory.use_hierarchy", "1", err);
	if (r == 0)
		r = write_memory_and_swap(fd, m, err);
	if (r == 0 && reservation)
		r = ks_cgroup_write_i64(fd, "memory.soft_limit_in_bytes", m->reservation.v, err);
	if (r == 0 && m->kernel_tcp.v > 0)
		r = ks_cgroup_write_i64(fd, "memory.kmem.tcp.limit_in_bytes", m->kernel_tcp.v, err);
	if (r == 0 && m->swappiness.set)
		r = ks_cgroup_write_i64(fd, "memory.swappiness", (int64_t)m->swappiness.v, err);
	if (r == 0 && m->disable_oom_killer)
		r = ks_cgroup_write(fd, "memory.oom_control", "1", err);
	return r;
}

/* A new period must fit the quota that is there, and the other way round. */
static int write_quota_and_period(int fd, const struct ks_spec_cpu *c, struct ks_err *err)
{
	bool quota = c->quota.set && c->quota.v, period = c->period.set && c->period.v;
	bool late = false;
	int r = 0;

	if (period)
		r = ks_cgroup_write_i64(fd, "cpu.cfs_period_us", (int64_t)c->period.v, err);
	if (r == -EINVAL && quota) {
		late = true;
		r = 0;
	}
	if (r == 0 && quota)
		r = ks_cgroup_write_i64(fd, "cpu.cfs_quota_us", c->quota.v, err);
	if (r == 0 && late)
		r = ks_cgroup_write_i64(fd, "cpu.cfs_period_us", (int64_t)c->period.v, err);
	return r;
}

static int apply_cpu(const struct ks_cgroup *cg, const struct ks_spec_cpu *c, struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	bool needed = c->shares.set || c->period.set || c->quota.set || c->burst.set ||
		      c->rt_period.v || c->rt_runtime.v || c->idle.set;
	int r = open_controller(cg, "cpu", needed, &fd, err);
	bool late_burst = false;

	if (r < 0 || fd < 0)
		return r;
	if (c->idle.set)
		r = ks_cgroup_write_i64(fd, "cpu.idle", c->idle.v, err);
	/* 0 means "not set", as engines use it; an idle group has no shares to be given. */
	if (r == 0 && c->shares.set && c->shares.v && !c->idle.v)
		r = ks_cgroup_write_i64(fd, "cpu.shares", (int64_t)c->shares.v, err);
	/* A burst must not be above the quota: first when it goes down, last when it goes up. */
	if (r == 0 && c->burst.set) {
		r = ks_cgroup_write_i64(fd, "cpu.cfs_burst_us", (int64_t)c->burst.v, err);
		late_burst = r == -EINVAL && c->quota.v;
		r = late_burst ? 0 : r;
	}
	if (r == 0)
		r = write_quota_and_period(fd, c, err);
	if (r == 0 && late_burst)
		r = ks_cgroup_write_i64(fd, "cpu.cfs_burst_us", (int64_t)c->burst.v, err);
	if (r == 0 && c->rt_period.v)
		r = ks_cgroup_write_i64(fd, "cpu.rt_period_us", (int64_t)c->rt_period.v, err);
	if (r == 0 && c->rt_runtime.v)
		r = ks_cgroup_write_i64(fd, "cpu.rt_runtime_us", c->rt_runtime.v, err);
	return r;
}

static int apply_cpuset(const struct ks_cgroup *cg, const struct ks_spec_cpu *c, struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	bool cpus = !ks_str_empty(c->cpus), mems = !ks_str_empty(c->mems);
	int r = open_controller(cg, "cpuset", cpus || mems, &fd, err);

	if (r == 0 && cpus)
		r = ks_cgroup_write(fd, "cpuset.cpus", c->cpus, err);
	if (r == 0 && mems)
		r = ks_cgroup_write(fd, "cpuset.mems", c->mems, err);
	return r;
}

static int apply_pids(const struct ks_cgroup *cg, const struct ks_spec_pids *p, struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	/* 0 is no limit: what podman makes of --pids-limit=-1, and crun 1.8 and runc 1.1 of 0. */
	int r = open_controller(cg, "pids", p->limit.set && p->limit.v, &fd, err);

	if (r < 0 || fd < 0)
		return r;
	if (p->limit.v < 0)
		return ks_cgroup_write(fd, "pids.max", "max", err);
	return ks_cgroup_write_i64(fd, "pids.max", p->limit.v, err);
}

static int apply_hugetlb(const struct ks_cgroup *cg, const struct ks_list *limits,
			 struct ks_err *err)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	ks_auto_fd int fd = -EBADF;
	char dir[PATH_MAX];
	int r = 0;

	for (size_t i = 0; i < limits->n && r == 0; i++)
		r = ks_hugepage_check(&v[i], i, err);
	/* kubelet lists every size with 0 for a container that asks for none. */
	if (r < 0 || (ks_cgroup_dir(cg, "hugetlb", dir) < 0 && ks_hugepages_all_zero(limits)))
		return r;
	r = open_controller(cg, "hugetlb", limits->n > 0, &fd, err);
	return r < 0 || fd < 0 ? r : ks_cgroup_write_hugepages(fd, limits, "limit_in_bytes", err);
}

static int apply_block_io(const struct ks_cgroup *cg, const struct ks_spec_block_io *b,
			  struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	int r = open_controller(cg, "blkio", ks_block_io_is_set(b), &fd, err);

	return r < 0 || fd < 0 ? r : ks_cgroup1_block_io(fd, b, err);
}

static int apply_network(const struct ks_cgroup *cg, const struct ks_spec_network *n,
			 struct ks_err *err)
{
	const struct ks_spec_if_priority *v = n->priorities.v;
	ks_auto_fd int cls = -EBADF;
	ks_auto_fd int prio = -EBADF;
	char line[64];
	int r = open_controller(cg, "net_cls", n->class_id.v > 0, &cls, err);

	if (r == 0 && cls >= 0)
		r = ks_cgroup_write_i64(cls, "net_cls.classid", (int64_t)n->class_id.v, err);
	if (r == 0)
		r = open_controller(cg, "net_prio", n->priorities.n > 0, &prio, err);
	for (size_t i = 0; i < n->priorities.n && r == 0; i++) {
		ks_fmt(line, sizeof(line), "%s %llu", v[i].name,
		       (unsigned long long)v[i].priority.v);
		r = ks_cgroup_write(prio, "net_prio.ifpriomap", line, err);
	}
	return r;
}

static int apply_rdma(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		      struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	int r = open_controller(cg, "rdma", res->rdma.n > 0, &fd, err);

	return r < 0 || fd < 0 ? r : ks_cgroup_write_rdma(fd, res, err);
}

/* The files of a devices directory, each opened when it is first written. */
struct device_files {
	int dir, deny, allow;
};

/* The kernel reads three letters of an access, so each is said once. */
static int write_rule_of_type(struct device_files *f, const struct ks_spec_device_rule *rule,
			      const char *type, struct ks_err *err)
{
	char major[24] = "*", minor[24] = "*", line[80];
	const char *file = rule->allow ? "devices.allow" : "devices.deny";
	int *fd = rule->allow ? &f->allow : &f->deny;
	int access = ks_device_access(rule);

	if (!ks_device_any_number(&rule->major))
		ks_fmt(major, sizeof(major), "%lld", (long long)rule->major.v);
	if (!ks_device_any_number(&rule->minor))
		ks_fmt(minor, sizeof(minor), "%lld", (long long)rule->minor.v);
	ks_fmt(line, sizeof(line), "%s %s:%s %s%s%s", type, major, minor,
	       access & KS_DEVICE_READ ? "r" : "", access & KS_DEVICE_WRITE ? "w" : "",
	       access & KS_DEVICE_MKNOD ? "m" : "");
	if (*fd < 0)
		*fd = openat(f->dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	/* Each write is one rule. */
	if (*fd < 0 || write(*fd, line, strlen(line)) < 0)
		return ks_err_set(err, -errno, "write \"%s\" to cgroup file %s", line, file);
	return 0;
}

/* The kernel takes type a for everything, whatever access is named with it. */
static int write_rule(struct device_files *f, const struct ks_spec_device_rule *rule,
		      struct ks_err *err)
{
	const char type[] = { ks_device_type(rule), '\0' };

	if (*type != 'a' || ks_device_access(rule) == KS_DEVICE_ALL)
		return write_rule_of_type(f, rule, type, err);
	int r = write_rule_of_type(f, rule, "b", err);

	return r < 0 ? r : write_rule_of_type(f, rule, "c", err);
}

static bool covers_number(const struct ks_opt_i64 *n, const struct ks_opt_i64 *other)
{
	return ks_device_any_number(n) || (!ks_device_any_number(other) && n->v == other->v);
}

/*
 * The kernel takes access away from a rule of the very same numbers alone: what is denied to many
 * devices is denied to each that was allowed before.
 */
static int deny_covered(struct device_files *f, const struct ks_spec_device_rule *deny,
			const struct ks_spec_device_rule *before, size_t n, struct ks_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct ks_spec_device_rule one = before[i];

		one.allow = false;
		one.access = deny->access;
		if (before[i].allow &&
		    (ks_device_type(deny) == 'a' || ks_device_type(deny) == ks_device_type(&one)) &&
		    covers_number(&deny->major, &one.major) &&
		    covers_number(&deny->minor, &one.minor))
			r = write_rule(f, &one, err);
	}
	return r;
}

static int write_rules(struct device_files *f, const struct ks_device_plan *plan,
		       struct ks_err *err)
{
	const struct ks_spec_device_rule all = { .allow = plan->allow_all };
	size_t n_defaults = plan->allow_all ? 0 : ks_n_default_device_rules;
	/* A new v1 directory has what its parent has: it is brought to the start first. */
	int r = write_rule(f, &all, err);

	for (size_t i = 0; i < n_defaults && r == 0; i++)
		r = write_rule(f, &ks_default_device_rules[i], err);
	for (size_t i = 0; i < plan->n && r == 0; i++) {
		const struct ks_spec_device_rule *rule = &plan->rules[i];

		if (!ks_device_rule_repeats(plan, i))
			r = write_rule(f, rule, err);
		if (r == 0 && !rule->allow && !plan->allow_all) {
			r = deny_covered(f, rule, ks_default_device_rules, n_defaults, err);
			if (r == 0)
				r = deny_covered(f, rule, plan->rules, i, err);
		}
	}
	return r;
}

static int apply_devices(const struct ks_cgroup *cg, const struct ks_list *rules,
			 struct ks_err *err)
{
	struct device_files f = { -EBADF, -EBADF, -EBADF };
	char dir[PATH_MAX];
	struct ks_device_plan plan;
	int r = ks_device_plan(rules, &plan, err);

	/* Nothing is asked for, and nothing can be had: as runc, which cannot either. */
	if (r < 0 || (!rules->n && ks_cgroup_dir(cg, "devices", dir) < 0))
		return r;
	r = open_controller(cg, "devices", true, &f.dir, err);
	if (r == 0)
		r = write_rules(&f, &plan, err);
	ks_fd_close(f.allow);
	ks_fd_close(f.deny);
	ks_fd_close(f.dir);
	return r;
}

int ks_cgroup1_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
		     struct ks_err *err)
{
	int r = update ? 0 : apply_devices(cg, &res->devices, err);

	/* Nobody can make device nodes in a user namespace, nor forbid them. */
	if ((r == -EPERM || r == -EACCES) && !ks_userns_is_initial())
		r = 0;

	if (r == 0)
		r = apply_memory(cg, &res->memory, err);
	if (r == 0)
		r = apply_cpu(cg, &res->cpu, err);
	if (r == 0)
		r = apply_cpuset(cg, &res->cpu, err);
	if (r == 0)
		r = apply_pids(cg, &res->pids, err);
	if (r == 0)
		r = apply_block_io(cg, &res->block_io, err);
	if (r == 0)
		r = apply_hugetlb(cg, &res->hugepage_limits, err);
	if (r == 0)
		r = apply_network(cg, &res->network, err);
	if (r == 0)
		r = apply_rdma(cg, res, err);
	if (r == 0 && res->unified.n)
		r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
				"linux.resources.unified: needs a cgroup v2 host");
	return r;
}
