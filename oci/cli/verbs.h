/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <kshim/cli.h>

/* create and run; the second half is the quick form, without a config.json */
struct ks_create_opts {
	const char *bundle, *console_socket, *pid_file, *preserve_fds;
	bool no_new_keyring, detach, keep, no_subreaper; /* the last: nothing to do */

	const char *rootfs, *pod, *pod_uid, *hostname, *cwd, *user;
	struct ks_strv volumes, templates, empty_dirs, env, annotations;
	bool tty, readonly;
};

struct ks_kill_opts {
	bool all;
};

struct ks_delete_opts {
	bool force;
};

struct ks_exec_opts {
	const char *console_socket, *cwd, *user, *process, *pid_file, *preserve_fds;
	struct ks_strv env, caps;
	bool tty, detach, no_new_privs;
};

struct ks_list_opts {
	const char *format;
	bool quiet;
};

struct ks_spec_opts {
	const char *bundle;
};

extern const struct ks_option ks_create_options[], ks_run_options[], ks_kill_options[],
	ks_delete_options[], ks_exec_options[], ks_list_options[], ks_spec_options[];

typedef int ks_verb_fn(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		       struct ks_err *err);

ks_verb_fn ks_verb_create, ks_verb_run, ks_verb_start, ks_verb_state, ks_verb_kill, ks_verb_delete,
	ks_verb_exec, ks_verb_list, ks_verb_spec;

/* quick.c: the text of a config.json for the quick form; in the command's arena. */
int ks_quick_spec(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_args *args,
		  char **ret, size_t *ret_len, struct ks_err *err);

/* "UID[:GID]", numbers only; @gid is left alone when there is none. */
int ks_cli_parse_user(const char *s, uint32_t *uid, uint32_t *gid, struct ks_err *err);
/* A small count such as --preserve-fds; NULL is 0. */
int ks_cli_check_preserved(unsigned int n, struct ks_err *err);
int ks_cli_parse_count(const char *s, const char *what, unsigned int *ret, struct ks_err *err);
