/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What cgroup.c asks of the controllers. */
#include <kshim/cgroup.h>

/* Copies cpus and mems from the parent directory into a v1 cpuset that has none. */
int ks_cpuset_inherit(const char *dir, struct ks_err *err);

/* Makes @path below a cgroup2 mount, and enables the controllers on the way. */
int ks_cgroup2_make(const char *mount, const char *path, struct ks_err *err);

int ks_cgroup1_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err);
int ks_cgroup2_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err);

#define KS_DEVICE_MAX_RULES 480 /* a program on v2 has 12 instructions for each */

/* The rules that are left to be applied, in their order, upon a start. */
struct ks_device_plan {
	bool allow_all; /* the start: everything; else the default devices alone */
	const struct ks_spec_device_rule *rules;
	size_t n;
};

int ks_device_plan(const struct ks_list *rules, struct ks_device_plan *ret, struct ks_err *err);

/* Attaches the device program to a new cgroup2 directory. */
int ks_cgroup2_set_devices(int dirfd, const struct ks_list *rules, struct ks_err *err);

/* Whether all limits are 0: then a host without hugetlb gives what is asked for. */
bool ks_hugepages_all_zero(const struct ks_list *limits);

/* A page size is a part of a file name: "2MB", "1GB", "64KB". */
int ks_hugepage_check(const struct ks_spec_hugepage_limit *l, size_t i, struct ks_err *err);

/* Writes "value" to a file of the cgroup; the error names both. */
int ks_cgroup_write(int dirfd, const char *file, const char *value, struct ks_err *err);

/*
 * The devices that every container may use, before the rules of its spec:
 * runc's list, since the spec's "deny all" is meant on top of it.
 */
extern const struct ks_spec_device_rule ks_default_device_rules[];
extern const size_t ks_n_default_device_rules;
