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
#include <kshim/resources.h>

#define KS_OCI_VERSION "1.3.0" /* of the runtime-spec that is implemented */

enum ks_ns {
	KS_NS_USER,
	KS_NS_PID,
	KS_NS_NETWORK,
	KS_NS_IPC,
	KS_NS_UTS,
	KS_NS_MOUNT,
	KS_NS_CGROUP,
	KS_NS_TIME,
	KS_NS_COUNT,
};

/** ks_ns_flag() - the CLONE_NEW* flag of a namespace type */
uint64_t ks_ns_flag(enum ks_ns ns);
/** ks_ns_proc_name() - its name below /proc/pid/ns */
const char *ks_ns_proc_name(enum ks_ns ns);
/** ks_ns_names - as linux.namespaces spells them; the one list that parser and `features` use */
extern const struct ks_json_name ks_ns_names[];

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

/* sched_setattr(2) */
struct ks_spec_scheduler {
	int policy; /* SCHED_* */
	struct ks_opt_i64 nice, priority;
	struct ks_strv flag_names;
	uint64_t flags; /* SCHED_FLAG_*, read from the names */
	struct ks_opt_u64 runtime_ns, deadline_ns, period_ns;
};

/* ioprio_set(2) */
struct ks_spec_io_priority {
	int class; /* IOPRIO_CLASS_* */
	struct ks_opt_i64 priority;
};

struct ks_spec_caps {
	struct ks_strv bounding, effective, inheritable, permitted, ambient;
};

struct ks_spec_process {
	bool terminal;
	const struct ks_json *console_size_object; /* read into the next with a terminal alone */
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
	const char *apparmor_profile, *selinux_label;
	struct ks_spec_scheduler *scheduler;	 /* or NULL */
	struct ks_spec_io_priority *io_priority; /* or NULL */
	struct {
		const char *initial, *final; /* lists of CPUs; of an exec alone */
	} exec_affinity;
	/* additionalGids, read apart since its elements are plain numbers */
	const struct ks_json *additional_gids;
	uint32_t *gids;
	size_t n_gids;
};

struct ks_spec_mount {
	const char *destination, *type, *source;
	struct ks_strv options;
	struct ks_list uid_mappings, gid_mappings; /* struct ks_spec_idmap */
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

/* set_mempolicy(2) */
struct ks_spec_memory_policy {
	int mode; /* MPOL_* */
	const char *nodes;
	struct ks_strv flag_names;
	int flags; /* MPOL_F_*, read from the names */
};

struct ks_spec_time_offset {
	const char *clock; /* "monotonic", "boottime" */
	struct ks_opt_i64 secs;
	struct ks_opt_u64 nanosecs;
};

struct ks_spec_net_device {
	const char *host_name, *name; /* name: in the container; NULL or "": the same */
};

/* A class of service of resctrl. */
struct ks_spec_intel_rdt {
	const char *clos_id; /* NULL or "": one of the container's own; "/": the default class */
	const char *l3_cache_schema, *mem_bw_schema; /* or NULL */
	struct ks_strv schemata;
	bool enable_monitoring;
};

/** ks_is_mem_bw_schema() - whether it is one line that begins with "MB:" */
bool ks_is_mem_bw_schema(const char *s);

struct ks_spec_personality {
	int domain; /* PER_* */
	struct ks_strv flags;
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
	const char *mount_label;
	struct ks_spec_personality *personality;     /* or NULL */
	struct ks_spec_memory_policy *memory_policy; /* or NULL */
	struct ks_spec_intel_rdt *intel_rdt;	     /* or NULL */
	struct ks_list net_devices;		     /* struct ks_spec_net_device */
	struct ks_list time_offsets;		     /* struct ks_spec_time_offset */
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

/** ks_spec_hook_names - the kinds of hooks in the order in which they run; ends with NULL */
extern const char *const ks_spec_hook_names[];

/** ks_memory_modes, ks_memory_flags - of linux.memoryPolicy */
extern const struct ks_json_name ks_memory_modes[], ks_memory_flags[];

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
	bool rootless; /* for a user without privileges, whose ids are mapped to root */
	uint32_t map_uid, map_gid;
	bool wide_caps; /* the 14 capabilities that container engines give, not runc's 3 */
	uint32_t uid, gid;
	struct ks_map annotations;
};

/** ks_spec_write_template() - a config.json like that of `runc spec`; pretty */
void ks_spec_write_template(const struct ks_spec_template *t, struct ks_json_out *o);
