/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * config.json as typed structures: the OCI runtime spec 1.3 for Linux.
 *
 * Properties that the spec does not know are ignored. Properties that it
 * knows and that kshim does not act on are refused when they are present:
 * what a user asked for is done or is an error.
 * All pointers live in the arena of the parse.
 */
#include <kshim/json.h>

enum ks_ns {
	KS_NS_USER,
	KS_NS_PID,
	KS_NS_NETWORK,
	KS_NS_IPC,
	KS_NS_UTS,
	KS_NS_MOUNT,
	KS_NS_CGROUP,
	KS_NS_COUNT,
};

/** ks_ns_flag() - the CLONE_NEW* flag of a namespace type */
uint64_t ks_ns_flag(enum ks_ns ns);
/** ks_ns_proc_name() - its name below /proc/pid/ns */
const char *ks_ns_proc_name(enum ks_ns ns);

struct ks_spec_namespace {
	int type; /* enum ks_ns */
	const char *path;
};

struct ks_spec_idmap {
	uint32_t container_id, host_id, size;
};

struct ks_spec_user {
	uint32_t uid, gid;
	struct ks_opt_u64 umask;
};

struct ks_spec_rlimit {
	int type; /* RLIMIT_* */
	struct ks_opt_u64 soft, hard;
};

struct ks_spec_caps {
	struct ks_strv bounding, effective, inheritable, permitted, ambient;
};

struct ks_spec_process {
	bool terminal;
	struct {
		uint32_t height, width;
	} console_size;
	struct ks_spec_user user;
	struct ks_strv args, env;
	const char *cwd;
	struct ks_spec_caps *caps; /* NULL: keep what there is */
	struct ks_list rlimits;	   /* struct ks_spec_rlimit */
	bool no_new_privileges;
	struct ks_opt_i64 oom_score_adj;
	/* additionalGids, read apart since its elements are plain numbers */
	const struct ks_json *additional_gids;
	uint32_t *gids;
	size_t n_gids;
};

struct ks_spec_mount {
	const char *destination, *type, *source;
	struct ks_strv options;
};

struct ks_spec_hook {
	const char *path;
	struct ks_strv args, env;
	struct ks_opt_i64 timeout_s;
};

struct ks_spec_hooks {
	struct ks_list prestart, create_runtime, create_container, start_container, poststart,
		poststop; /* struct ks_spec_hook */
};

struct ks_spec_device {
	const char *path, *type;
	struct ks_opt_i64 major, minor;
	struct ks_opt_u64 file_mode, uid, gid;
};

struct ks_spec_device_rule {
	bool allow;
	const char *type; /* "a", "b", "c", or NULL for all */
	struct ks_opt_i64 major, minor;
	const char *access; /* of "rwm", or NULL for all */
};

struct ks_spec_memory {
	struct ks_opt_i64 limit, reservation, swap;
};

struct ks_spec_cpu {
	struct ks_opt_u64 shares, period;
	struct ks_opt_i64 quota;
	const char *cpus, *mems;
};

struct ks_spec_pids {
	struct ks_opt_i64 limit;
};

struct ks_spec_hugepage_limit {
	const char *page_size;
	struct ks_opt_u64 limit; /* bytes */
};

struct ks_spec_resources {
	struct ks_list devices; /* struct ks_spec_device_rule */
	struct ks_spec_memory memory;
	struct ks_spec_cpu cpu;
	struct ks_spec_pids pids;
	struct ks_list hugepage_limits; /* struct ks_spec_hugepage_limit */
	struct ks_map unified;
};

struct ks_spec_linux {
	struct ks_list namespaces;   /* struct ks_spec_namespace */
	struct ks_list uid_mappings; /* struct ks_spec_idmap */
	struct ks_list gid_mappings;
	struct ks_list devices; /* struct ks_spec_device */
	const char *cgroups_path;
	struct ks_spec_resources resources;
	const char *rootfs_propagation;
	const struct ks_json *seccomp;
	struct ks_map sysctl;
	struct ks_strv masked_paths, readonly_paths;
};

struct ks_spec {
	const char *oci_version, *hostname, *domainname;
	struct ks_spec_process *process; /* the spec lets it be absent; create does not */
	struct {
		const char *path;
		bool readonly;
	} root;
	struct ks_list mounts; /* struct ks_spec_mount */
	struct ks_spec_hooks hooks;
	struct ks_map annotations;
	struct ks_spec_linux lnx; /* "linux" is a macro of gnu17 */

	const char *text; /* the whole text, for the container's own copy */
	size_t text_len;
	size_t process_begin, process_end; /* bytes of "process" in it */
};

/**
 * ks_spec_parse() - text to structures, with every check that needs no system
 * @text: must stay for as long as the spec
 *
 * Return: 0, -EINVAL with the JSON path, -EOPNOTSUPP with it, -ENOMEM.
 */
int ks_spec_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		  struct ks_spec *ret, struct ks_err *err);

/** ks_spec_load() - the same from a file of at most 4 MiB */
int ks_spec_load(struct ks_arena *a, int dirfd, const char *path, struct ks_spec *ret,
		 struct ks_err *err);

/** ks_spec_parse_process() - the process object alone, for exec --process */
int ks_spec_parse_process(struct ks_arena *a, const char *text, size_t len, const char *name,
			  struct ks_spec_process *ret, struct ks_err *err);

/** ks_spec_namespace() - the entry of that type, or NULL */
const struct ks_spec_namespace *ks_spec_namespace(const struct ks_spec *s, enum ks_ns type);

/** struct ks_spec_template - what a made config.json differs in */
struct ks_spec_template {
	const char *rootfs, *hostname, *cwd;
	char *const *args; /* NULL: ["sh"] */
	struct ks_strv env;
	bool terminal, readonly_rootfs;
	bool wide_caps; /* the 14 capabilities that container engines give, not runc's 3 */
	uint32_t uid, gid;
	struct ks_map annotations;
};

/** ks_spec_write_template() - a config.json like that of `runc spec`; pretty */
void ks_spec_write_template(const struct ks_spec_template *t, struct ks_json_out *o);
