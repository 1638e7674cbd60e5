/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include <kshim/fd.h>

#include "verbs.h"

#define EXIT_EXEC_FAILED 255 /* what callers of runc take for "the exec itself failed" */

#define O(kind, member, name, letter, arg, help)                                     \
	{                                                                            \
		name, letter, kind, offsetof(struct ks_exec_opts, member), arg, help \
	}

const struct ks_option ks_exec_options[] = {
	O(KS_OPT_STR, console_socket, "console-socket", 0, "PATH", "socket that gets the terminal"),
	O(KS_OPT_STR, cwd, "cwd", 0, "DIR", "working directory"),
	O(KS_OPT_STRV, env, "env", 'e', "NAME=VALUE", "environment"),
	O(KS_OPT_FLAG, tty, "tty", 't', NULL, "with a terminal"),
	O(KS_OPT_STR, user, "user", 'u', "USER[:GROUP]",
	  "by number, or by name as in its /etc/passwd"),
	O(KS_OPT_STRV, gids, "additional-gids", 'g', "GID", "add a supplementary group"),
	O(KS_OPT_STR, process, "process", 'p', "FILE", "read the process from a JSON file"),
	O(KS_OPT_FLAG, detach, "detach", 'd', NULL, "do not wait for the end"),
	O(KS_OPT_STR, pid_file, "pid-file", 0, "FILE", "write the pid here"),
	O(KS_OPT_STRV, caps, "cap", 'c', "CAP_NAME", "add a capability"),
	O(KS_OPT_STR, label, "process-label", 0, "LABEL", "SELinux label"),
	O(KS_OPT_STR, apparmor, "apparmor", 0, "PROFILE", "AppArmor profile"),
	O(KS_OPT_STRV, cgroups, "cgroup", 0, "PATH",
	  "join a cgroup below the container's; on v1 CONTROLLER[,CONTROLLER]:PATH"),
	O(KS_OPT_FLAG, ignore_paused, "ignore-paused", 0, NULL, "also in a paused container"),
	O(KS_OPT_STR, pidfd_socket, "pidfd-socket", 0, "PATH", "socket that gets a pidfd"),
	O(KS_OPT_FLAG, no_new_privs, "no-new-privs", 0, NULL, "set no_new_privs"),
	O(KS_OPT_STR, preserve_fds, "preserve-fds", 0, "N", "pass N descriptors from 3 on"),
	{ 0 },
};

static int add_caps(struct ks_cli *cli, const struct ks_exec_opts *o, struct ks_spec_process *p,
		    struct ks_err *err)
{
	struct ks_spec_caps *caps = KS_ARENA_NEW(&cli->arena, struct ks_spec_caps);

	if (!caps)
		return ks_err_oom(err);
	if (p->caps)
		*caps = *p->caps;
	struct ks_strv *sets[] = { &caps->bounding, &caps->effective, &caps->permitted };

	/* Never inheritable or ambient: a later setuid program would get them (CVE-2022-29162). */
	for (size_t s = 0; s < KS_ARRAY_LEN(sets); s++) {
		struct ks_strv all = { 0 };
		int r = 0;

		for (size_t i = 0; i < sets[s]->n && r == 0; i++)
			r = ks_strv_append(&cli->arena, &all, sets[s]->v[i]);
		for (size_t i = 0; i < o->caps.n && r == 0; i++)
			r = ks_strv_append(&cli->arena, &all, o->caps.v[i]);
		if (r < 0)
			return ks_err_oom(err);
		*sets[s] = all;
	}
	p->caps = caps;
	return 0;
}

static int add_gids(struct ks_cli *cli, const struct ks_exec_opts *o, struct ks_spec_process *p,
		    struct ks_err *err)
{
	uint32_t *gids = KS_ARENA_NEWV(&cli->arena, uint32_t, p->n_gids + o->gids.n + 1);

	if (!gids)
		return ks_err_oom(err);
	for (size_t i = 0; i < p->n_gids; i++)
		gids[i] = p->gids[i];
	for (size_t i = 0; i < o->gids.n; i++) {
		uint64_t v;

		if (ks_parse_u64(o->gids.v[i], UINT32_MAX - 1, &v) < 0)
			return ks_cli_usage_error(cli, err,
						  "option --additional-gids: \"%s\" is no number",
						  o->gids.v[i]);
		gids[p->n_gids++] = (uint32_t)v;
	}
	p->gids = gids;
	return 0;
}

/* The container's own process, changed by the options. */
static int from_options(struct ks_cli *cli, const struct ks_exec_opts *o,
			const struct ks_args *args, struct ks_spec_process *p, struct ks_err *err)
{
	struct ks_strv env = { 0 };

	if (args->n < 2)
		return ks_cli_usage_error(cli, err, "exec needs a command");
	p->args = (struct ks_strv){ args->v + 1, (size_t)args->n - 1 };
	p->terminal = o->tty;
	for (size_t i = 0; i < p->env.n; i++)
		if (ks_strv_append(&cli->arena, &env, p->env.v[i]) < 0)
			return ks_err_oom(err);
	for (size_t i = 0; i < o->env.n; i++) {
		if (!strchr(o->env.v[i], '=') || o->env.v[i][0] == '=')
			return ks_cli_usage_error(
				cli, err, "option --env: \"%s\" is not NAME=VALUE", o->env.v[i]);
		if (ks_strv_append(&cli->arena, &env, o->env.v[i]) < 0)
			return ks_err_oom(err);
	}
	p->env = env;
	if (o->cwd && o->cwd[0] != '/')
		return ks_cli_usage_error(cli, err, "option --cwd: \"%s\" is not absolute", o->cwd);
	if (o->cwd)
		p->cwd = o->cwd;
	p->no_new_privileges |= o->no_new_privs;
	if (o->label)
		p->selinux_label = o->label;
	if (o->apparmor)
		p->apparmor_profile = o->apparmor;
	return add_gids(cli, o, p, err);
}

static int from_file(struct ks_cli *cli, const char *path, struct ks_spec_process *p,
		     struct ks_err *err)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : ks_fd_read_all(&cli->arena, fd, KS_JSON_MAX_BYTES, &text, &len);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	return ks_spec_parse_process(&cli->arena, text, len, path, p, err);
}

static int wait_or_leave(struct ks_process *started, bool detach, struct ks_err *err)
{
	int r = detach ? 0 : ks_process_wait(started->pid, started->pidfd, started->tty_fd, err);

	started->pidfd = ks_fd_close(started->pidfd);
	started->tty_fd = ks_fd_close(started->tty_fd);
	return r;
}

int ks_verb_exec(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		 struct ks_err *err)
{
	const struct ks_exec_opts *o = opts;
	struct ks_process started = { 0 };
	struct ks_spec_process p = { 0 };
	ks_auto_fd int root = -EBADF;
	struct ks_exec e = { .id = args->v[0],
			     .process = &p,
			     .console_socket = o->console_socket,
			     .pid_file = o->pid_file,
			     .pidfd_socket = o->pidfd_socket,
			     .cgroups = o->cgroups,
			     .ignore_paused = o->ignore_paused,
			     .warnings = &cli->warnings };

	cli->fail_code = EXIT_EXEC_FAILED;
	int r = ks_cli_parse_count(o->preserve_fds, "preserve-fds", &e.preserve_fds, err);

	if (r == 0)
		r = ks_cli_check_preserved(e.preserve_fds, err);
	if (r == 0)
		r = ks_cli_open_root(cli, &root, err);
	e.root_fd = root;
	if (r == 0 && !o->process)
		r = ks_container_process(&cli->arena, root, e.id, &p, err);
	if (r == 0 && o->process)
		r = from_file(cli, o->process, &p, err);
	if (r == 0 && !o->process && o->user)
		r = ks_container_user(&cli->arena, root, e.id, o->user, &p, err);
	if (r == 0 && !o->process)
		r = from_options(cli, o, args, &p, err);
	if (r == 0 && o->caps.n)
		r = add_caps(cli, o, &p, err);
	if (r == 0 && o->detach && p.terminal && !o->console_socket)
		r = ks_cli_usage_error(cli, err, "a detached terminal needs --console-socket");
	if (r == 0 && !o->detach)
		r = ks_signals_block(err);
	if (r == 0)
		r = ks_rootless_oom_score(&p, err);
	if (r == 0 && geteuid() != 0)
		r = ks_rootless_join(root, e.id, err);
	if (r == 0) {
		r = ks_container_exec(&cli->arena, &e, &started, err);
		ks_cli_warn(cli);
	}
	return r < 0 ? r : wait_or_leave(&started, o->detach, err);
}
