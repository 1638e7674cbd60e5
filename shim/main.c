/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One binary, two names: `kshim VERB …`, and containerd-shim-kshim-v2, which
 * is the same program under containerd.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kshim/cli.h>
#include <kshim/fd.h>
#include <kshim/process.h>
#include <kshim/shim.h>

#include "front.h"

#define O(kind, member, name, letter, arg, help)                               \
	{                                                                      \
		name, letter, kind, offsetof(struct ks_cli, member), arg, help \
	}

static const struct ks_option global_options[] = {
	O(KS_OPT_STR, root, "root", 0, "DIR", "runtime root (/run/kshim, $KSHIM_ROOT)"),
	O(KS_OPT_STR, state_dir, "state-dir", 0, "DIR",
	  "state directory (/var/lib/kshim, $KSHIM_STATE_DIR)"),
	O(KS_OPT_STR, log, "log", 0, "WHERE",
	  "append messages: [file:]FILE, journald:ID, syslog:ID ($KSHIM_LOG)"),
	O(KS_OPT_STR, log_format, "log-format", 0, "text|json", "how to write them (text)"),
	O(KS_OPT_STR, log_level, "log-level", 0, "LEVEL", "error, warning (the default) or debug"),
	O(KS_OPT_FLAG, debug, "debug", 0, NULL, "the same as --log-level=debug"),
	O(KS_OPT_STR, cgroup_manager, "cgroup-manager", 0, "NAME",
	  "cgroupfs (the default), systemd or disabled"),
	O(KS_OPT_FLAG, systemd_cgroup, "systemd-cgroup", 0, NULL,
	  "make cgroups through systemd, as --cgroup-manager=systemd"),
	O(KS_OPT_STR, rootless, "rootless", 0, "true|false|auto",
	  "whether to do without privileges and cgroups (auto)"),
	O(KS_OPT_FLAG, help, "help", 'h', NULL, "print this text"),
	O(KS_OPT_FLAG, version, "version", 'v', NULL, "print the version"),
	{ 0 },
};

static void usage_all(struct ks_buf *b)
{
	const struct ks_verb *tables[] = { ks_oci_verbs, ks_storage_verbs };

	ks_buf_adds(b, "usage: kshim [OPTION...] VERB [OPTION...] [ARGUMENT...]\n\nVerbs:\n");
	for (size_t t = 0; t < KS_ARRAY_LEN(tables); t++) {
		for (const struct ks_verb *v = tables[t]; v->name; v++) {
			size_t start = b->len;

			ks_buf_addf(b, "  %s ", v->name);
			while (!b->failed && b->len - start < 20)
				ks_buf_adds(b, " ");
			ks_buf_addf(b, "%s\n", v->help);
		}
	}
	ks_buf_adds(b, "\nOptions:\n");
	ks_options_usage(global_options, b);
	ks_buf_adds(b, "\n`kshim VERB --help` tells of one verb; see also kshim(8).\n");
}

static int print(const struct ks_buf *b)
{
	struct ks_err err = KS_ERR_INIT;

	return ks_cli_print(b, &err) < 0 ? KS_EXIT_FAILED : 0;
}

static int usage_verb(const struct ks_verb *v)
{
	ks_auto_buf struct ks_buf b = { 0 };

	ks_buf_addf(&b, "usage: kshim %s [OPTION...] %s\n\n%s\n", v->name, v->args, v->help);
	if (v->options) {
		ks_buf_adds(&b, "\nOptions:\n");
		ks_options_usage(v->options, &b);
	}
	return print(&b);
}

/* The form of the first line is what callers look for. */
static int print_version(void)
{
	ks_auto_buf struct ks_buf b = { 0 };

	ks_buf_addf(&b, "kshim version %s\nspec: %s\n", KS_VERSION, KS_OCI_VERSION);
	return print(&b);
}

static int exit_code(const struct ks_cli *cli, const struct ks_err *err)
{
	if (err->kind == KS_ERR_NO_COMMAND)
		return KS_EXIT_NO_COMMAND;
	if (err->kind == KS_ERR_NOT_EXECUTABLE)
		return KS_EXIT_NOT_EXECUTABLE;
	return cli->fail_code ? cli->fail_code : KS_EXIT_FAILED;
}

static int fail(struct ks_cli *cli, const struct ks_err *err)
{
	ks_cli_log(cli, "error", err->msg);
	return exit_code(cli, err);
}

/* With --debug the log tells what was called, with the directories that it works on. */
static void log_call(const struct ks_cli *cli, const struct ks_verb *v, const struct ks_args *args)
{
	ks_auto_buf struct ks_buf b = { 0 };

	ks_buf_addf(&b, "%s", v->name);
	for (int i = 0; i < args->n; i++)
		ks_buf_addf(&b, " %s", args->v[i]);
	ks_buf_addf(&b, " (root %s, state directory %s)", cli->root, cli->state_dir);
	if (!b.failed)
		ks_cli_log(cli, "debug", b.data);
}

static int run_verb(struct ks_cli *cli, const struct ks_verb *v, int argc, char **argv,
		    struct ks_err *err)
{
	struct ks_args args;
	void *opts = ks_arena_alloc(&cli->arena, v->opts_size + 1);

	if (!opts)
		return ks_err_oom(err);
	int r = ks_options_parse(&cli->arena, v->options, v->flags, argc, argv, opts, &args, err);

	if (r == 0 && args.n < v->min_args)
		r = ks_err_kind(err, KS_ERR_INVALID, "%s needs %s", v->name, v->args);
	if (r == 0 && v->max_args >= 0 && args.n > v->max_args)
		r = ks_err_kind(err, KS_ERR_INVALID, "%s: too many arguments", v->name);
	if (r < 0) {
		cli->fail_code = KS_EXIT_USAGE;
		return r;
	}
	if (cli->debug)
		log_call(cli, v, &args);
	return v->fn(cli, opts, &args, err);
}

static int fail_global(struct ks_cli *cli, const char *name, const char *value, const char *want,
		       struct ks_err *err)
{
	return ks_cli_usage_error(cli, err, "option --%s: \"%s\" is not %s", name, value, want);
}

static bool is_one_of(const char *s, const char *const *names)
{
	for (; s && *names; names++)
		if (ks_streq(s, *names))
			return true;
	return !s;
}

static int check_globals(struct ks_cli *cli, struct ks_err *err)
{
	static const char *const formats[] = { "text", "json", NULL };
	static const char *const levels[] = { "error", "warning", "debug", NULL };
	static const char *const managers[] = { "cgroupfs", "systemd", "disabled", NULL };
	static const char *const rootless[] = { "true", "false", "auto", NULL };

	if (!is_one_of(cli->log_format, formats))
		return fail_global(cli, "log-format", cli->log_format, "text or json", err);
	if (!is_one_of(cli->log_level, levels))
		return fail_global(cli, "log-level", cli->log_level, "error, warning or debug",
				   err);
	if (!is_one_of(cli->cgroup_manager, managers))
		return fail_global(cli, "cgroup-manager", cli->cgroup_manager,
				   "cgroupfs, systemd or disabled", err);
	if (!is_one_of(cli->rootless, rootless))
		return fail_global(cli, "rootless", cli->rootless, "true, false or auto", err);
	cli->debug |= cli->log_level && ks_streq(cli->log_level, "debug");
	if (cli->systemd_cgroup && cli->cgroup_manager && !ks_streq(cli->cgroup_manager, "systemd"))
		return ks_cli_usage_error(cli, err, "--systemd-cgroup and --cgroup-manager=%s",
					  cli->cgroup_manager);
	return 0;
}

static const char *from_env(const char *given, const char *name, const char *otherwise)
{
	const char *env = getenv(name);

	return given ? given : !ks_str_empty(env) ? env : otherwise;
}

/* A user's own, where there is one. */
static const char *default_root(struct ks_cli *cli)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	const char *path = !ks_str_empty(dir) && ks_outer_uid() != 0 ?
				   ks_arena_printf(&cli->arena, "%s/kshim", dir) :
				   NULL;

	return path ? path : "/run/kshim";
}

/* The directories are used from elsewhere too, by keepers above all. */
static int make_absolute(struct ks_cli *cli, const char **path, struct ks_err *err)
{
	if ((*path)[0] == '/')
		return 0;
	char *cwd = getcwd(NULL, 0);

	if (!cwd)
		return ks_err_set(err, -errno, "look at the working directory");
	*path = ks_arena_printf(&cli->arena, "%s/%s", cwd, *path);
	free(cwd);
	return *path ? 0 : ks_err_oom(err);
}

static bool wants_help(int argc, char **argv)
{
	return argc > 0 && (ks_streq(argv[0], "--help") || ks_streq(argv[0], "-h"));
}

static int command(struct ks_cli *cli, int argc, char **argv, struct ks_err *err)
{
	struct ks_args rest = { 0 };
	int words = 0;
	int r = ks_options_parse(&cli->arena, global_options, 0, argc - 1, argv + 1, cli, &rest,
				 err);

	cli->root = from_env(cli->root, "KSHIM_ROOT", default_root(cli));
	cli->state_dir = from_env(cli->state_dir, "KSHIM_STATE_DIR", "/var/lib/kshim");
	cli->log = from_env(cli->log, "KSHIM_LOG", NULL);
	if (r < 0) {
		cli->fail_code = KS_EXIT_USAGE;
		return r;
	}
	if (cli->version)
		return print_version();
	if (cli->help || rest.n == 0) {
		ks_auto_buf struct ks_buf b = { 0 };

		usage_all(&b);
		r = print(&b);
		return r || cli->help ? r : KS_EXIT_USAGE;
	}
	r = check_globals(cli, err);
	if (r == 0)
		r = make_absolute(cli, &cli->root, err);
	if (r == 0)
		r = make_absolute(cli, &cli->state_dir, err);
	if (r < 0)
		return r;
	const struct ks_verb *v = ks_verb_find(ks_oci_verbs, rest.n, rest.v, &words);

	if (!v)
		v = ks_verb_find(ks_storage_verbs, rest.n, rest.v, &words);
	if (!v) {
		cli->fail_code = KS_EXIT_USAGE;
		return ks_err_kind(err, KS_ERR_INVALID, "unknown verb \"%s\"; see kshim --help",
				   rest.v[0]);
	}
	if (wants_help(rest.n - words, rest.v + words))
		return usage_verb(v);
	if (v->flags & KS_VERB_SEAL) {
		r = ks_seal(cli->argv, err);
		if (r < 0)
			return r;
	}
	return run_verb(cli, v, rest.n - words, rest.v + words, err);
}

/* In a process of its own each time: a worker's, or the `delete` program. */
static const struct ks_storage *shim_storage(void *data, const char *root, const char *state_dir)
{
	static struct ks_storage storage;
	static struct ks_front front;
	struct ks_cli *cli = data;

	cli->root = root;
	cli->state_dir = state_dir;
	front = (struct ks_front){ .cli = cli };
	storage = ks_front_storage(&front);
	return &storage;
}

int main(int argc, char **argv)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_cli cli = { .argv = argv };
	const char *base = argc > 0 ? strrchr(argv[0], '/') : NULL;
	int r = ks_fd_reserve_stdio();

	/* A caller that ignores it would take the exit codes of our children away. */
	(void)signal(SIGCHLD, SIG_DFL);
	base = base ? base + 1 : argc > 0 ? argv[0] : "";
	if (r < 0)
		return KS_EXIT_FAILED;
	if (ks_streq(base, KS_SHIM_NAME)) {
		const struct ks_shim_env env = { .storage = shim_storage, .data = &cli };

		return ks_shim_main(argc, argv, &env);
	}
	struct ks_front front = { .cli = &cli };
	const struct ks_storage storage = ks_front_storage(&front);

	cli.storage = &storage;
	r = command(&cli, argc, argv, &err);
	if (r < 0)
		r = fail(&cli, &err);
	ks_arena_done(&cli.arena);
	return r;
}
