/* SPDX-License-Identifier: Apache-2.0 */
#include <regex.h>
#include <signal.h>

#include <kshim/fd.h>

#include "verbs.h"

const struct ks_option ks_kill_options[] = {
	{ "all", 'a', KS_OPT_FLAG, offsetof(struct ks_kill_opts, all), NULL,
	  "signal every process of the container" },
	{ "regex", 'r', KS_OPT_FLAG, offsetof(struct ks_kill_opts, regex), NULL,
	  "ID is an extended regular expression" },
	{ 0 },
};

const struct ks_option ks_delete_options[] = {
	{ "force", 'f', KS_OPT_FLAG, offsetof(struct ks_delete_opts, force), NULL,
	  "kill it first when it runs; no error when there is none" },
	{ "regex", 'r', KS_OPT_FLAG, offsetof(struct ks_delete_opts, regex), NULL,
	  "ID is an extended regular expression" },
	{ 0 },
};

const struct ks_option ks_list_options[] = {
	{ "format", 'f', KS_OPT_STR, offsetof(struct ks_list_opts, format), "table|json",
	  "how to print (table)" },
	{ "quiet", 'q', KS_OPT_FLAG, offsetof(struct ks_list_opts, quiet), NULL, "ids only" },
	{ 0 },
};

int ks_verb_start(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		  struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	int r = ks_cli_open_root(cli, &root, err);

	(void)opts;
	if (r == 0)
		r = ks_container_start(root, args->v[0], cli->storage,
				       &(struct ks_warnings){ &cli->arena, &cli->warnings }, err);
	ks_cli_warn(cli);
	return r;
}

/* The ids that match as a whole, in their order. */
static int match_ids(struct ks_cli *cli, int root, const char *pattern, struct ks_strv *ret,
		     struct ks_err *err)
{
	struct ks_strv all = { 0 };
	regmatch_t m;
	regex_t re;
	int r = ks_state_list(&cli->arena, root, &all, err);

	if (r < 0)
		return r;
	if (regcomp(&re, pattern, REG_EXTENDED) != 0)
		return ks_cli_usage_error(cli, err, "\"%s\" is no regular expression", pattern);
	for (size_t i = 0; i < all.n && r == 0; i++)
		if (regexec(&re, all.v[i], 1, &m, 0) == 0 && m.rm_so == 0 && !all.v[i][m.rm_eo])
			r = ks_strv_append(&cli->arena, ret, all.v[i]);
	regfree(&re);
	return r < 0 ? ks_err_oom(err) : 0;
}

/* One id, or all that match; the first failure is the one that is told at the end. */
static int for_ids(struct ks_cli *cli, int root, const char *text, bool regex,
		   int (*fn)(struct ks_cli *cli, int root, const char *id, const void *data,
			     struct ks_err *err),
		   const void *data, struct ks_err *err)
{
	struct ks_strv ids = { 0 };
	int first = 0;

	if (!regex)
		return fn(cli, root, text, data, err);
	int r = match_ids(cli, root, text, &ids, err);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct ks_err one = KS_ERR_INIT;
		int f = fn(cli, root, ids.v[i], data, &one);

		if (f < 0 && first == 0) {
			first = f;
			*err = one;
		}
	}
	return r < 0 ? r : first;
}

struct kill_data {
	int sig;
	bool all;
};

static int kill_one(struct ks_cli *cli, int root, const char *id, const void *data,
		    struct ks_err *err)
{
	const struct kill_data *k = data;

	(void)cli;
	return ks_container_kill(root, id, k->sig, k->all, err);
}

int ks_verb_kill(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		 struct ks_err *err)
{
	const struct ks_kill_opts *o = opts;
	ks_auto_fd int root = -EBADF;
	int sig = args->n > 1 ? ks_signal_parse(args->v[1]) : SIGTERM;

	if (sig < 0)
		return ks_err_kind(err, KS_ERR_INVALID, "unknown signal \"%s\"", args->v[1]);
	int r = ks_cli_open_root(cli, &root, err);

	struct kill_data k = { sig, o->all };

	return r < 0 ? r : for_ids(cli, root, args->v[0], o->regex, kill_one, &k, err);
}

static int delete_one(struct ks_cli *cli, int root, const char *id, const void *data,
		      struct ks_err *err)
{
	const struct ks_delete_opts *o = data;

	int r = ks_container_delete(root, id, o->force, cli->storage,
				    &(struct ks_warnings){ &cli->arena, &cli->warnings }, err);

	ks_cli_warn(cli);
	return r;
}

int ks_verb_delete(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	const struct ks_delete_opts *o = opts;
	ks_auto_fd int root = -EBADF;
	int r = ks_cli_open_root(cli, &root, err);

	if (r == 0)
		r = for_ids(cli, root, args->v[0], o->regex, delete_one, o, err);
	/* "Make sure that it is gone": it is. */
	if (r == -ENOENT && o->force && err->kind == KS_ERR_NOT_FOUND)
		return 0;
	return r;
}

int ks_verb_state(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		  struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { .pretty = true };
	ks_auto_fd int root = -EBADF;
	ks_auto_fd int dir = -EBADF;
	struct ks_container c = { 0 };
	int r = ks_cli_open_root(cli, &root, err);

	(void)opts;
	if (r == 0)
		r = ks_state_open(root, args->v[0], &dir, NULL, err);
	if (r == 0)
		r = ks_state_load(&cli->arena, dir, &c, err);
	if (r == KS_STATE_ABSENT)
		return ks_err_kind(err, KS_ERR_STATE,
				   "container \"%s\" was left half-made; delete --force removes it",
				   args->v[0]);
	if (r < 0)
		return r;
	ks_state_write_oci(&c, ks_state_status(dir, &c), &out);
	ks_buf_adds(&out.buf, "\n");
	return ks_cli_print(&out.buf, err);
}

/* One container of a list; one that is being deleted just now is left out. */
static void list_one(struct ks_cli *cli, int root, const char *id, const struct ks_list_opts *o,
		     struct ks_json_out *json, struct ks_buf *table)
{
	struct ks_container c = { .id = id, .bundle = "", .created = "" };
	struct ks_err ignored = KS_ERR_INIT;
	ks_auto_fd int dir = -EBADF;
	char owner[16];

	if (ks_state_open(root, id, &dir, NULL, &ignored) < 0)
		return;
	int r = ks_state_load(&cli->arena, dir, &c, &ignored);

	if (r < 0)
		return;
	enum ks_status status = r == 0 ? ks_state_status(dir, &c) : KS_STATUS_CREATING;

	if (o->quiet) {
		ks_buf_addf(table, "%s\n", id);
		return;
	}
	if (r == 0)
		ks_state_write_oci(&c, status, json);
	size_t start = table->len;

	ks_buf_addf(table, "%s ", id);
	while (!table->failed && table->len - start < 28)
		ks_buf_adds(table, " ");
	start = table->len;
	ks_buf_addf(table, "%d ", status == KS_STATUS_STOPPED ? 0 : (int)c.pid.v);
	while (!table->failed && table->len - start < 12)
		ks_buf_adds(table, " ");
	start = table->len;
	ks_buf_addf(table, "%s ", ks_status_name(status));
	while (!table->failed && table->len - start < 12)
		ks_buf_adds(table, " ");
	ks_buf_addf(table, "%s   %s   %s\n", c.bundle, c.created, ks_state_owner(&c, owner));
}

int ks_verb_list(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		 struct ks_err *err)
{
	const struct ks_list_opts *o = opts;
	bool as_json = o->format && ks_streq(o->format, "json");
	ks_auto_json_out struct ks_json_out json = { 0 };
	ks_auto_buf struct ks_buf table = { 0 };
	ks_auto_fd int root = -EBADF;
	struct ks_strv ids = { 0 };

	(void)args;
	if (o->format && !as_json && !ks_streq(o->format, "table"))
		return ks_cli_usage_error(cli, err, "option --format: \"%s\" is not table or json",
					  o->format);
	int r = ks_cli_open_root(cli, &root, err);

	if (r == 0)
		r = ks_state_list(&cli->arena, root, &ids, err);
	if (r < 0)
		return r;
	if (!o->quiet)
		ks_buf_adds(&table, "ID                          PID         STATUS      BUNDLE   "
				    "CREATED   OWNER\n");
	ks_json_open(&json, NULL, '[');
	for (size_t i = 0; i < ids.n; i++)
		list_one(cli, root, ids.v[i], o, &json, &table);
	ks_json_close(&json, ']');
	ks_buf_adds(&json.buf, "\n");
	return ks_cli_print(as_json && !o->quiet ? &json.buf : &table, err);
}
