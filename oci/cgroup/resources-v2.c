/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "hierarchy.h"
#include "resources.h"

/* -1 is "max" in v2. */
static int write_limit(int fd, const char *file, int64_t v, struct ks_err *err)
{
	char buf[32] = "max";

	if (v >= 0)
		ks_fmt(buf, sizeof(buf), "%lld", (long long)v);
	return ks_cgroup_write(fd, file, buf, err);
}

/* The OCI value counts memory and swap together, memory.swap.max swap alone. */
static int apply_swap(int fd, const struct ks_spec_memory *m, struct ks_err *err)
{
	int64_t limit = m->limit.v, swap = -1;
	int r = 0;

	/* An update of one of them stands on what is in force of the other. */
	if (m->swap.v > 0 && (!m->limit.set || !limit))
		r = ks_cgroup_read_i64(fd, "memory.max", &limit, err);
	if (r < 0)
		return r;
	if (m->swap.v > 0 && limit <= 0)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.memory.swap: needs a memory limit");
	if (m->swap.v > 0 && m->swap.v < limit)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.memory.swap: %lld is below the memory limit",
				   (long long)m->swap.v);
	if (m->swap.v > 0)
		swap = m->swap.v - limit;
	/* A kernel without swap accounting has no such file, and with no swap nothing to limit. */
	if (swap <= 0 && !ks_cgroup_has_file(fd, "memory.swap.max"))
		return 0;
	return write_limit(fd, "memory.swap.max", swap, err);
}

static int apply_memory(int fd, const struct ks_spec_memory *m, struct ks_err *err)
{
	/* 0 means "not set", as engines use it. */
	bool limit = m->limit.set && m->limit.v;

	if (m->kernel_tcp.v > 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.memory.kernelTCP: cgroup v2 has none");
	if (m->swappiness.set)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.memory.swappiness: cgroup v2 has none");
	if (m->disable_oom_killer)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.memory.disableOOMKiller: cgroup v2 cannot");
	int r = ks_cgroup_check_usage(fd, "memory.current", m, err);

	/* No limit of memory: none of swap either. */
	if (r == 0 && ((m->swap.set && m->swap.v) || (limit && m->limit.v < 0)))
		r = apply_swap(fd, m, err);
	if (r == 0 && limit)
		r = write_limit(fd, "memory.max", m->limit.v, err);
	if (r == 0 && m->reservation.set && m->reservation.v)
		r = write_limit(fd, "memory.low", m->reservation.v, err);
	return r;
}

/* "QUOTA PERIOD": the one that is not given stays as it is. */
static int write_quota(int fd, const struct ks_spec_cpu *c, struct ks_err *err)
{
	char buf[64], quota[24] = "max";
	bool has_quota = c->quota.set && c->quota.v, has_period = c->period.set && c->period.v;
	int64_t now = c->quota.v;

	if (!has_quota && !has_period)
		return 0;
	if (!has_quota) {
		int r = ks_cgroup_read_i64(fd, "cpu.max", &now, err);

		if (r < 0)
			return r;
	}
	if (now > 0)
		ks_fmt(quota, sizeof(quota), "%lld", (long long)now);
	if (has_period)
		ks_fmt(buf, sizeof(buf), "%s %llu", quota, (unsigned long long)c->period.v);
	else
		ks_fmt(buf, sizeof(buf), "%s", quota);
	return ks_cgroup_write(fd, "cpu.max", buf, err);
}

int64_t ks_cpu_weight(uint64_t shares)
{
	uint64_t s = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;

	return (int64_t)(1 + (s - 2) * 9999 / 262142);
}

static int apply_cpu(int fd, const struct ks_spec_cpu *c, struct ks_err *err)
{
	bool late_burst = false;
	int r = 0;

	if (c->rt_period.v || c->rt_runtime.v)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.cpu.realtimeRuntime: cgroup v2 has none");
	if (c->idle.set)
		r = ks_cgroup_write_i64(fd, "cpu.idle", c->idle.v, err);
	/* An idle group has the least weight there is; the kernel takes no other. */
	if (r == 0 && c->shares.set && c->shares.v && !c->idle.v) {
		r = write_limit(fd, "cpu.weight", ks_cpu_weight(c->shares.v), err);
	}
	/* A burst must not be above the quota: first when it goes down, last when it goes up. */
	if (r == 0 && c->burst.set) {
		r = ks_cgroup_write_i64(fd, "cpu.max.burst", (int64_t)c->burst.v, err);
		late_burst = r == -EINVAL && c->quota.v;
		r = late_burst ? 0 : r;
	}
	if (r == 0)
		r = write_quota(fd, c, err);
	if (r == 0 && late_burst)
		r = ks_cgroup_write_i64(fd, "cpu.max.burst", (int64_t)c->burst.v, err);
	if (r == 0 && !ks_str_empty(c->cpus))
		r = ks_cgroup_write(fd, "cpuset.cpus", c->cpus, err);
	if (r == 0 && !ks_str_empty(c->mems))
		r = ks_cgroup_write(fd, "cpuset.mems", c->mems, err);
	return r;
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

int ks_cgroup2_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
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
	if (res->network.class_id.v || res->network.priorities.n)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.network: cgroup v2 has neither net_cls nor "
				   "net_prio");
	if (!update)
		r = ks_cgroup2_set_devices(fd, &res->devices, err);
	/* Nobody can make device nodes in a user namespace, nor forbid them. */
	if (r == -EPERM && !ks_userns_is_initial())
		r = 0;
	if (r == 0)
		r = apply_memory(fd, &res->memory, err);
	if (r == 0)
		r = apply_cpu(fd, &res->cpu, err);
	/* 0 is no limit: what podman makes of --pids-limit=-1, and crun 1.8 and runc 1.1 of 0. */
	if (r == 0 && res->pids.limit.set && res->pids.limit.v)
		r = write_limit(fd, "pids.max", res->pids.limit.v, err);
	if (r == 0 && ks_block_io_is_set(&res->block_io))
		r = ks_cgroup2_block_io(fd, &res->block_io, err);
	if (r == 0)
		r = ks_cgroup_write_hugepages(fd, &res->hugepage_limits, "max", err);
	if (r == 0)
		r = ks_cgroup_write_rdma(fd, res, err);
	if (r == 0)
		r = apply_unified(fd, &res->unified, err);
	return r;
}
