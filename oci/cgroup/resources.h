/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What cgroup.c asks of the controllers. */
#include <kshim/cgroup.h>

/* @update: a container that runs: its device rules stay as they are. */
int ks_cgroup1_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
		     struct ks_err *err);
int ks_cgroup2_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
		     struct ks_err *err);

/* Shares of 2 to 262144 as weights of 1 to 10000, as runc does it. */
int64_t ks_cpu_weight(uint64_t shares);

/* blkio.c: block I/O by both; @dirfd is the blkio or the cgroup2 directory. */
int ks_cgroup1_block_io(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err);
int ks_cgroup2_block_io(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err);
bool ks_block_io_is_set(const struct ks_spec_block_io *b);

#define KS_DEVICE_MAX_RULES \
	480 /* a program on v2 has up to 7 instructions for each, and Linux takes 4096 */

/* What is asked of a device, as in BPF_DEVCG_ACC_*. */
enum { KS_DEVICE_MKNOD = 1, KS_DEVICE_READ = 2, KS_DEVICE_WRITE = 4, KS_DEVICE_ALL = 7 };

/*
 * The parts of a rule, whatever words it uses for them: 'a' (both types), 'b' or 'c'; a mask of
 * KS_DEVICE_*, all of it when nothing is named; whether a number stands for any.
 */
char ks_device_type(const struct ks_spec_device_rule *r);
int ks_device_access(const struct ks_spec_device_rule *r);
bool ks_device_any_number(const struct ks_opt_i64 *n);

/* The rules that are left to be applied, in their order, upon a start. */
struct ks_device_plan {
	bool allow_all; /* the start: everything; else the default devices alone */
	const struct ks_spec_device_rule *rules;
	size_t n;
};

int ks_device_plan(const struct ks_list *rules, struct ks_device_plan *ret, struct ks_err *err);
/* Whether it allows what the start or a rule before has allowed, and nothing has denied since. */
bool ks_device_rule_repeats(const struct ks_device_plan *plan, size_t i);

/* Attaches the device program to a new cgroup2 directory. */
int ks_cgroup2_set_devices(int dirfd, const struct ks_list *rules, struct ks_err *err);

/* Whether all limits are 0: then a host without hugetlb gives what is asked for. */
bool ks_hugepages_all_zero(const struct ks_list *limits);

/* A page size is a part of a file name: "2MB", "1GB", "64KB". */
int ks_hugepage_check(const struct ks_spec_hugepage_limit *l, size_t i, struct ks_err *err);

/* Writes "value" to a file of the cgroup; the error names both. */
int ks_cgroup_write(int dirfd, const char *file, const char *value, struct ks_err *err);
int ks_cgroup_write_i64(int dirfd, const char *file, int64_t v, struct ks_err *err);
/* Reads its first word; -1 for "max". */
int ks_cgroup_read_i64(int dirfd, const char *file, int64_t *ret, struct ks_err *err);
bool ks_cgroup_has_file(int dirfd, const char *file);

/* memory.checkBeforeUpdate, against the usage in @file. */
int ks_cgroup_check_usage(int dirfd, const char *file, const struct ks_spec_memory *m,
			  struct ks_err *err);
int ks_cgroup_write_rdma(int dirfd, const struct ks_spec_resources *res, struct ks_err *err);
/* @suffix: "max", or "limit_in_bytes" in v1 */
int ks_cgroup_write_hugepages(int dirfd, const struct ks_list *limits, const char *suffix,
			      struct ks_err *err);

/*
 * The devices that every container may use, before the rules of its spec:
 * runc's list, since the spec's "deny all" is meant on top of it.
 */
extern const struct ks_spec_device_rule ks_default_device_rules[];
extern const size_t ks_n_default_device_rules;
