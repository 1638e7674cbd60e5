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

/* Replaces the device program of a cgroup2 directory; rules in their order, default deny. */
int ks_cgroup2_set_devices(int dirfd, const struct ks_list *rules, struct ks_err *err);

/* Writes "value" to a file of the cgroup; the error names both. */
int ks_cgroup_write(int dirfd, const char *file, const char *value, struct ks_err *err);

/*
 * The devices that every container may use, before the rules of its spec:
 * runc's list, since the spec's "deny all" is meant on top of it.
 */
extern const struct ks_spec_device_rule ks_default_device_rules[];
extern const size_t ks_n_default_device_rules;
