/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>

#include <kshim/fd.h>

#include "resources.h"

int ks_cgroup_write(int dirfd, const char *file, const char *value, struct ks_err *err)
{
	int r = ks_file_write_at(dirfd, file, value);

	if (r == -ENOENT)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "cgroup file %s is not there: the host does not have this "
				   "controller or kernel option",
				   file);
	if (r < 0)
		return ks_err_set(err, r, "write \"%s\" to cgroup file %s", value, file);
	return 0;
}

bool ks_hugepages_all_zero(const struct ks_list *limits)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	bool zero = true;

	for (size_t i = 0; i < limits->n; i++)
		zero &= !v[i].limit.v;
	return zero;
}

int ks_hugepage_check(const struct ks_spec_hugepage_limit *l, size_t i, struct ks_err *err)
{
	size_t n = strspn(l->page_size, "0123456789");

	if (n && n < 8 && strchr("KMG", l->page_size[n]) && l->page_size[n] &&
	    ks_streq(l->page_size + n + 1, "B") && l->limit.v <= INT64_MAX)
		return 0;
	return ks_err_kind(err, KS_ERR_INVALID,
			   "linux.resources.hugepageLimits[%zu]: page size \"%.*s\" or its limit "
			   "is not valid",
			   i, 32, l->page_size);
}

int ks_cpuset_inherit(const char *dir, struct ks_err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s", dir);
	for (size_t i = 0; i < KS_ARRAY_LEN(files); i++) {
		char parent[64];
		char *text;
		int r = ks_file_read_at(&a, fd, files[i], 4096, &text, NULL);

		if (r == 0 && text[strspn(text, " \n")])
			continue;
		ks_fmt(parent, sizeof(parent), "../%s", files[i]);
		if (r == 0)
			r = ks_file_read_at(&a, fd, parent, 4096, &text, NULL);
		if (r < 0)
			return ks_err_set(err, r, "read %s of %s", files[i], dir);
		text[strcspn(text, "\n")] = '\0';
		r = ks_cgroup_write(fd, files[i], text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_i64(int dirfd, const char *file, int64_t v, struct ks_err *err)
{
	char buf[32];

	ks_fmt(buf, sizeof(buf), "%lld", (long long)v);
	return ks_cgroup_write(dirfd, file, buf, err);
}

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

static int apply_memory(const struct ks_cgroup *cg, const struct ks_spec_memory *m,
			struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	/* 0 means "not set", as engines use it. */
	bool limit = m->limit.set && m->limit.v, swap = m->swap.set && m->swap.v;
	bool reservation = m->reservation.set && m->reservation.v;
	int r = open_controller(cg, "memory", limit || reservation || swap, &fd, err);

	if (r < 0 || fd < 0)
		return r;
	if (limit)
		r = write_i64(fd, "memory.limit_in_bytes", m->limit.v, err);
	/* In v1 this limits memory and swap together, as the OCI spec's value does. */
	if (r == 0 && swap)
		r = write_i64(fd, "memory.memsw.limit_in_bytes", m->swap.v, err);
	if (r == 0 && reservation)
		r = write_i64(fd, "memory.soft_limit_in_bytes", m->reservation.v, err);
	return r;
}

static int apply_cpu(const struct ks_cgroup *cg, const struct ks_spec_cpu *c, struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	int r = open_controller(cg, "cpu", c->shares.set || c->period.set || c->quota.set, &fd,
				err);

	if (r < 0 || fd < 0)
		return r;
	/* 0 means "not set", as engines use it. */
	if (c->shares.set && c->shares.v)
		r = write_i64(fd, "cpu.shares", (int64_t)c->shares.v, err);
	if (r == 0 && c->period.set && c->period.v)
		r = write_i64(fd, "cpu.cfs_period_us", (int64_t)c->period.v, err);
	if (r == 0 && c->quota.set && c->quota.v)
		r = write_i64(fd, "cpu.cfs_quota_us", c->quota.v, err);
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
	int r = open_controller(cg, "pids", p->limit.set && p->limit.v, &fd, err);

	if (r < 0 || fd < 0)
		return r;
	if (p->limit.v < 0)
		return ks_cgroup_write(fd, "pids.max", "max", err);
	return write_i64(fd, "pids.max", p->limit.v, err);
}

static int apply_hugetlb(const struct ks_cgroup *cg, const struct ks_list *limits,
			 struct ks_err *err)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	ks_auto_fd int fd = -EBADF;
	char dir[PATH_MAX], file[96];

	int r = 0;

	for (size_t i = 0; i < limits->n && r == 0; i++)
		r = ks_hugepage_check(&v[i], i, err);
	/* kubelet lists every size with 0 for a container that asks for none. */
	if (r < 0 || (ks_cgroup_dir(cg, "hugetlb", dir) < 0 && ks_hugepages_all_zero(limits)))
		return r;
	r = open_controller(cg, "hugetlb", limits->n > 0, &fd, err);
	for (size_t i = 0; i < limits->n && r == 0; i++) {
		ks_fmt(file, sizeof(file), "hugetlb.%s.limit_in_bytes", v[i].page_size);
		r = write_i64(fd, file, (int64_t)v[i].limit.v, err);
	}
	return r;
}

static int write_rule(int fd, const struct ks_spec_device_rule *rule, struct ks_err *err)
{
	char major[24] = "*", minor[24] = "*", line[80];
	const char *type = ks_str_empty(rule->type) ? "a" : rule->type;

	if (rule->major.set && rule->major.v >= 0)
		ks_fmt(major, sizeof(major), "%lld", (long long)rule->major.v);
	if (rule->minor.set && rule->minor.v >= 0)
		ks_fmt(minor, sizeof(minor), "%lld", (long long)rule->minor.v);
	ks_fmt(line, sizeof(line), "%s %s:%s %s", type, major, minor,
	       ks_str_empty(rule->access) ? "rwm" : rule->access);
	return ks_cgroup_write(fd, rule->allow ? "devices.allow" : "devices.deny", line, err);
}

static int apply_devices(const struct ks_cgroup *cg, const struct ks_list *rules,
			 struct ks_err *err)
{
	ks_auto_fd int fd = -EBADF;
	const struct ks_spec_device_rule all = { .allow = false };
	char dir[PATH_MAX];
	struct ks_device_plan plan;
	int r = ks_device_plan(rules, &plan, err);

	/* Nothing is asked for, and nothing can be had: as runc, which cannot either. */
	if (r < 0 || (!rules->n && ks_cgroup_dir(cg, "devices", dir) < 0))
		return r;
	r = open_controller(cg, "devices", true, &fd, err);
	if (r < 0)
		return r;
	/* A new v1 directory has what its parent has: it is brought to the start first. */
	r = plan.allow_all ? ks_cgroup_write(fd, "devices.allow", "a", err) :
			     write_rule(fd, &all, err);
	for (size_t i = 0; i < ks_n_default_device_rules && r == 0 && !plan.allow_all; i++)
		r = write_rule(fd, &ks_default_device_rules[i], err);
	for (size_t i = 0; i < plan.n && r == 0; i++)
		r = write_rule(fd, &plan.rules[i], err);
	return r;
}

int ks_cgroup1_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err)
{
	int r = apply_devices(cg, &res->devices, err);

	if (r == 0)
		r = apply_memory(cg, &res->memory, err);
	if (r == 0)
		r = apply_cpu(cg, &res->cpu, err);
	if (r == 0)
		r = apply_cpuset(cg, &res->cpu, err);
	if (r == 0)
		r = apply_pids(cg, &res->pids, err);
	if (r == 0)
		r = apply_hugetlb(cg, &res->hugepage_limits, err);
	if (r == 0 && res->unified.n)
		r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
				"linux.resources.unified: needs a cgroup v2 host");
	return r;
}
