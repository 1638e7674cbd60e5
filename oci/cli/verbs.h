/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <kshim/cli.h>

/* create and run; the second half is the quick form, without a config.json */
struct ks_create_opts {
	const char *bundle, *config, *console_socket, *pid_file, *preserve_fds, *pidfd_socket;
	bool no_new_keyring, no_pivot, detach, keep, no_subreaper; /* the last: nothing to do */

	const char *rootfs, *pod, *pod_uid, *hostname, *cwd, *user;
	struct ks_strv volumes, templates, empty_dirs, env, annotations;
	bool tty, readonly;
};

/* checkpoint, and the second half of restore: what criu is told */
struct ks_criu_opts {
	const char *image_path, *work_path, *parent_path, *page_server, *status_fd;
	const char *cgroup_mode, *network_lock, *empty_ns, *lsm_profile, *lsm_mount_context;
	bool leave_running, pre_dump, tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job;
	bool file_locks, link_remap, auto_dedup, lazy_pages;
};

struct ks_restore_opts {
	struct ks_create_opts create;
	struct ks_criu_opts criu;
};

struct ks_kill_opts {
	bool all, regex;
};

struct ks_delete_opts {
	bool force, regex;
};

struct ks_exec_opts {
	const char *console_socket, *cwd, *user, *process, *pid_file, *preserve_fds;
	const char *label, *apparmor, *pidfd_socket;
	struct ks_strv env, caps, gids, cgroups;
	bool tty, detach, no_new_privs, ignore_paused;
};

struct ks_update_opts {
	const char *resources, *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share;
	const char *cpu_rt_period, *cpu_rt_runtime, *cpu_idle, *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap, *pids_limit;
	const char *kernel_memory, *kernel_memory_tcp, *l3_cache_schema, *mem_bw_schema;
};

struct ks_ps_opts {
	const char *format;
};

struct ks_events_opts {
	const char *interval;
	bool stats;
};

struct ks_list_opts {
	const char *format;
	bool quiet;
};

struct ks_spec_opts {
	const char *bundle, *file;
	bool rootless;
};

extern const struct ks_option ks_create_options[], ks_run_options[], ks_kill_options[],
	ks_delete_options[], ks_exec_options[], ks_list_options[], ks_spec_options[],
	ks_update_options[], ks_ps_options[], ks_events_options[], ks_checkpoint_options[],
	ks_restore_options[];

typedef int ks_verb_fn(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		       struct ks_err *err);

ks_verb_fn ks_verb_create, ks_verb_run, ks_verb_start, ks_verb_state, ks_verb_kill, ks_verb_delete,
	ks_verb_exec, ks_verb_list, ks_verb_spec, ks_verb_pause, ks_verb_resume, ks_verb_update,
	ks_verb_ps, ks_verb_events, ks_verb_features, ks_verb_checkpoint, ks_verb_restore;

/* quick.c: the text of a config.json for the quick form; in the command's arena. */
int ks_quick_spec(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_args *args,
		  char **ret, size_t *ret_len, struct ks_err *err);

/* criu.c: what the options say to criu; the strings are theirs. */
int ks_cli_criu(struct ks_cli *cli, const struct ks_criu_opts *o, struct ks_checkpoint *ret,
		struct ks_err *err);
/* create.c: run, and restore with @from */
int ks_cli_run(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_checkpoint *from,
	       const struct ks_args *args, struct ks_err *err);

/* "UID[:GID]", numbers only; @gid is left alone when there is none. */
int ks_cli_parse_user(const char *s, uint32_t *uid, uint32_t *gid, struct ks_err *err);
/* A small count such as --preserve-fds; NULL is 0. */
int ks_cli_check_preserved(unsigned int n, struct ks_err *err);
int ks_cli_parse_count(const char *s, const char *what, unsigned int *ret, struct ks_err *err);
