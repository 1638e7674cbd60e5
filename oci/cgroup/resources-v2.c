/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <kshim/fd.h>

#include "resources.h"

/* Enables for the children of @dirfd every controller that it has itself. */
static void enable_controllers(int dirfd)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv list;
	char *text;

	if (ks_file_read_at(&a, dirfd, "cgroup.controllers", 4096, &text, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (ks_str_split(&a, text, ' ', &list) < 0)
		return;
	/*
	 * Each apart: one that cannot be had (processes in the parent, no real-time budget)
	 * must not keep the others away. A limit that then has no file is an error later.
	 */
	for (size_t i = 0; i < list.n; i++) {
		char *word = ks_arena_printf(&a, "+%s", list.v[i]);

		if (word)
			(void)ks_file_write_at(dirfd, "cgroup.subtree_control", word);
	}
}

int ks_cgroup2_make(const char *mount, const char *path, struct ks_err *err)
{
	char dir[PATH_MAX];
	size_t base = ks_fmt(dir, sizeof(dir), "%s", mount);

	for (const char *p = path; *p;) {
		size_t n = 1 + strcspn(p + 1, "/");
		ks_auto_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return ks_err_set(err, -errno, "open %s", dir);
		if (base + n + 1 > sizeof(dir))
			return ks_err_set(err, -ENAMETOOLONG, "make cgroup %s", path);
		enable_controllers(fd);
		memcpy(dir + base, p, n);
		base += n;
		dir[base] = '\0';
		p += n;
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return ks_err_set(err, -errno, "make cgroup %s", dir);
	}
	return 0;
}

/* -1 is "max" in v2. */
static int write_limit(int fd, const char *file, int64_t v, struct ks_err *err)
{
	char buf[32] = "max";

	if (v >= 0)
		ks_fmt(buf, sizeof(buf), "%lld", (long long)v);
	return ks_cgroup_write(fd, file, buf, err);
}

/* The OCI value counts memory and swap together, memory.swap.max swap alone. */
static int apply_memory(int fd, const struct ks_spec_memory *m, struct ks_err *err)
{
	int r = 0;

	/* 0 means "not set", as engines use it. */
	if (m->limit.set && m->limit.v)
		r = write_limit(fd, "memory.max", m->limit.v, err);
	if (r == 0 && m->reservation.set && m->reservation.v)
		r = write_limit(fd, "memory.low", m->reservation.v, err);
	if (r < 0 || !m->swap.set || !m->swap.v)
		return r;
	if (m->swap.v > 0 && (!m->limit.set || m->limit.v <= 0))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.memory.swap: needs a memory limit");
	if (m->swap.v > 0 && m->swap.v < m->limit.v)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.memory.swap: %lld is below the memory limit",
				   (long long)m->swap.v);
	int64_t swap = m->swap.v < 0 ? -1 : m->swap.v - m->limit.v;

	/* A kernel without swap accounting has no such file, and with no swap nothing to limit. */
	if (swap == 0 && faccessat(fd, "memory.swap.max", F_OK, 0) < 0)
		return 0;
	return write_limit(fd, "memory.swap.max", swap, err);
}

/* Shares of 2 to 262144 are mapped to weights of 1 to 10000, as the kernel documents and runc does.
 */
static int apply_cpu(int fd, const struct ks_spec_cpu *c, struct ks_err *err)
{
	char buf[64], quota[24] = "max";
	int r = 0;

	if (c->shares.set && c->shares.v) {
		uint64_t s = c->shares.v < 2 ? 2 : c->shares.v > 262144 ? 262144 : c->shares.v;

		r = write_limit(fd, "cpu.weight", (int64_t)(1 + (s - 2) * 9999 / 262142), err);
	}
	if (r < 0)
		return r;
	bool has_quota = c->quota.set && c->quota.v, has_period = c->period.set && c->period.v;

	if (!has_quota && !has_period)
		return 0;
	if (has_quota && c->quota.v > 0)
		ks_fmt(quota, sizeof(quota), "%lld", (long long)c->quota.v);
	ks_fmt(buf, sizeof(buf), "%s %llu", quota,
	       (unsigned long long)(has_period ? c->period.v : 100000));
	return ks_cgroup_write(fd, "cpu.max", buf, err);
}

static int apply_hugetlb(int fd, const struct ks_list *limits, struct ks_err *err)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	bool all_zero = ks_hugepages_all_zero(limits);
	char file[96];

	for (size_t i = 0; i < limits->n; i++) {
		int r = ks_hugepage_check(&v[i], i, err);

		if (r < 0)
			return r;
		ks_fmt(file, sizeof(file), "hugetlb.%s.max", v[i].page_size);
		/* kubelet lists every size with 0, also where there is no controller. */
		if (all_zero && faccessat(fd, file, F_OK, 0) < 0)
			continue;
		r = write_limit(fd, file, (int64_t)v[i].limit.v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_unified(int fd, const struct ks_map *m, struct ks_err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strchr(m->v[i].key, '/') || !strchr(m->v[i].key, '.'))
			return ks_err_kind(err, KS_ERR_INVALID,
					   "linux.resources.unified: \"%s\" is no cgroup file name",
					   m->v[i].key);
		int r = ks_cgroup_write(fd, m->v[i].key, m->v[i].value, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int ks_cgroup2_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err)
{
	char dir[PATH_MAX];
	int r = ks_cgroup_dir(cg, NULL, dir);

	if (r < 0)
		return ks_err_set(err, r, "find the cgroup");
	/* O_RDONLY: BPF_PROG_ATTACH wants a descriptor that is more than O_PATH. */
	ks_auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s", dir);
	if (r == 0)
		r = ks_cgroup2_set_devices(fd, &res->devices, err);
	if (r == 0)
		r = apply_memory(fd, &res->memory, err);
	if (r == 0)
		r = apply_cpu(fd, &res->cpu, err);
	if (r == 0 && !ks_str_empty(res->cpu.cpus))
		r = ks_cgroup_write(fd, "cpuset.cpus", res->cpu.cpus, err);
	if (r == 0 && !ks_str_empty(res->cpu.mems))
		r = ks_cgroup_write(fd, "cpuset.mems", res->cpu.mems, err);
	if (r == 0 && res->pids.limit.set && res->pids.limit.v)
		r = write_limit(fd, "pids.max", res->pids.limit.v, err);
	if (r == 0)
		r = apply_hugetlb(fd, &res->hugepage_limits, err);
	if (r == 0)
		r = apply_unified(fd, &res->unified, err);
	return r;
}
