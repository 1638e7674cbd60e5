/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a container uses, by its cgroup: v1 and v2 in one form. Lists are in
 * the arena of the reading. What the host does not tell is 0 or empty.
 */
#include <kshim/cgroup.h>

#define KS_STATS_NO_LIMIT UINT64_MAX

/** struct ks_stat_value - one line of memory.stat */
struct ks_stat_value {
	const char *name;
	uint64_t value;
};

/** struct ks_stat_io - one counter of one block device */
struct ks_stat_io {
	uint64_t major, minor, value;
	const char *op; /* "Read", "Write", "Discard", … */
};

/** struct ks_stat_memory - usage in bytes; limit KS_STATS_NO_LIMIT for none */
struct ks_stat_memory {
	uint64_t usage, max_usage, limit, failures;
};

/** struct ks_stat_hugetlb - of one page size, in bytes */
struct ks_stat_hugetlb {
	const char *page_size;
	uint64_t usage, max_usage, failures;
};

/** struct ks_stat_pressure - the totals of a pressure file, in µs; the averages as they stand */
struct ks_stat_pressure {
	bool set;
	const char *some, *full; /* "avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
};

/** struct ks_cgroup_stats - times in ns */
struct ks_cgroup_stats {
	uint64_t cpu_total_ns, cpu_user_ns, cpu_kernel_ns;
	uint64_t *cpu_each_ns; /* v1 */
	size_t n_cpus;
	uint64_t periods, throttled_periods, throttled_ns;
	struct ks_stat_memory memory, swap, kernel, kernel_tcp;
	uint64_t memory_cache;
	struct ks_stat_value *memory_raw;
	size_t n_memory_raw;
	uint64_t oom_kills;
	uint64_t pids, pids_limit; /* limit 0: none */
	struct ks_stat_io *io_bytes, *io_ops;
	size_t n_io_bytes, n_io_ops;
	struct ks_stat_hugetlb *hugetlb;
	size_t n_hugetlb;
	struct ks_stat_pressure cpu_psi, memory_psi, io_psi; /* v2 */
};

/**
 * ks_cgroup_stats() - read all controllers that there are
 *
 * A controller or file that is missing leaves its part at 0.
 * Return: 0; -ENOENT when the cgroup is gone; -ENOMEM.
 */
int ks_cgroup_stats(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_cgroup_stats *ret,
		    struct ks_err *err);
