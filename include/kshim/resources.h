/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * linux.resources as typed structures: what a cgroup is told at create, and
 * what `update` changes later. All pointers live in the arena of the parse.
 *
 * Source: runtime-spec 1.3, config-linux.md, "Control groups".
 */
#include <kshim/json.h>

struct ks_spec_device_rule {
	bool allow;
	const char *type; /* "a", "b", "c", or NULL for all */
	struct ks_opt_i64 major, minor;
	const char *access; /* of "rwm", or NULL for all */
};

struct ks_spec_memory {
	struct ks_opt_i64 limit, reservation, swap; /* bytes; swap counts memory too */
	struct ks_opt_i64 kernel, kernel_tcp;	    /* bytes; not recommended by the spec */
	struct ks_opt_u64 swappiness;		    /* 0 to 100 */
	bool disable_oom_killer, use_hierarchy;
	bool check_before_update; /* refuse a limit below the usage */
};

struct ks_spec_cpu {
	struct ks_opt_u64 shares, period, burst, rt_period; /* the last three in µs */
	struct ks_opt_i64 quota, rt_runtime, idle;	    /* the first two in µs */
	const char *cpus, *mems;
};

struct ks_spec_pids {
	struct ks_opt_i64 limit;
};

struct ks_spec_weight_device {
	struct ks_opt_i64 major, minor;
	struct ks_opt_u64 weight, leaf_weight;
};

struct ks_spec_throttle_device {
	struct ks_opt_i64 major, minor;
	struct ks_opt_u64 rate; /* bytes or operations a second */
};

struct ks_spec_block_io {
	struct ks_opt_u64 weight, leaf_weight;
	struct ks_list weight_devices; /* struct ks_spec_weight_device */
	/* struct ks_spec_throttle_device */
	struct ks_list read_bps, write_bps, read_iops, write_iops;
};

struct ks_spec_hugepage_limit {
	const char *page_size;
	struct ks_opt_u64 limit; /* bytes */
};

struct ks_spec_if_priority {
	const char *name;
	struct ks_opt_u64 priority;
};

struct ks_spec_network {
	struct ks_opt_u64 class_id;
	struct ks_list priorities; /* struct ks_spec_if_priority */
};

struct ks_spec_rdma {
	const char *device;
	struct ks_opt_u64 handles, objects;
};

struct ks_spec_resources {
	struct ks_list devices; /* struct ks_spec_device_rule */
	struct ks_spec_memory memory;
	struct ks_spec_cpu cpu;
	struct ks_spec_pids pids;
	struct ks_spec_block_io block_io;
	struct ks_list hugepage_limits; /* struct ks_spec_hugepage_limit */
	struct ks_spec_network network;
	struct ks_map unified;
	struct ks_list rdma; /* struct ks_spec_rdma */
};

/** ks_resources_limit() - whether anything but devices is limited */
bool ks_resources_limit(const struct ks_spec_resources *res);

/**
 * ks_resources_parse() - a resources object alone, for `update -r`
 * @name: what the text is, for messages
 *
 * Return: 0, -EINVAL with the JSON path, -ENOMEM.
 */
int ks_resources_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		       struct ks_spec_resources *ret, struct ks_err *err);
