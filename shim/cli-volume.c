/* SPDX-License-Identifier: Apache-2.0 */
/* kshim volume create|list|inspect|delete, kshim pod …, kshim gc */
#include <kshim/fd.h>

#include "front.h"

struct volume_opts {
	const char *ns, *size, *fs, *fsck, *format;
};

#define O(kind, member, name, letter, arg, help)                                    \
	{                                                                           \
		name, letter, kind, offsetof(struct volume_opts, member), arg, help \
	}
#define NAMESPACE O(KS_OPT_STR, ns, "namespace", 'n', "NAMESPACE", "namespace (default)")
#define FORMAT	  O(KS_OPT_STR, format, "format", 'f', "table|json", "how to print (table)")

static const struct ks_option create_options[] = {
	NAMESPACE,
	O(KS_OPT_STR, size, "size", 's', "SIZE", "size, such as 1Gi; needed"),
	O(KS_OPT_STR, fs, "fs", 0, "ext4|xfs", "file system (ext4, if the policy allows it)"),
	O(KS_OPT_STR, fsck, "fsck", 0, "repair|refuse",
	  "what to do with file system errors at attach (the policy's, or repair)"),
	{ 0 },
};
static const struct ks_option list_options[] = {
	O(KS_OPT_STR, ns, "namespace", 'n', "NAMESPACE", "only this namespace"), FORMAT, { 0 }
};
static const struct ks_option one_options[] = { NAMESPACE, { 0 } };
#define JSON_FORMAT O(KS_OPT_STR, format, "format", 'f', "json|table", "how to print (json)")
static const struct ks_option inspect_options[] = { NAMESPACE, JSON_FORMAT, { 0 } };
static const struct ks_option pod_inspect_options[] = { JSON_FORMAT, { 0 } };
static const struct ks_option format_options[] = { FORMAT, { 0 } };

static const char *namespace_of(const struct volume_opts *o)
{
	return o->ns ? o->ns : KS_DEFAULT_NAMESPACE;
}

static int read_format(struct ks_cli *cli, const struct volume_opts *o, bool *ret_json,
		       struct ks_err *err)
{
	*ret_json = o->format && ks_streq(o->format, "json");
	if (o->format && !*ret_json && !ks_streq(o->format, "table"))
		return ks_cli_usage_error(cli, err, "option --format: \"%s\" is not table or json",
					  o->format);
	return 0;
}

static int verb_volume_create(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			      struct ks_err *err)
{
	const struct volume_opts *o = opts;
	struct ks_volume_params p = { .ns = namespace_of(o),
				      .claim = args->v[0],
				      .fs_type = o->fs };
	struct ks_store store;
	struct ks_volume v;
	int64_t size;

	if (!o->size)
		return ks_cli_usage_error(cli, err, "volume create needs --size");
	if (ks_parse_quantity(o->size, &size) < 0 || size <= 0)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "option --size: \"%s\" is not a size such as 64Mi or 1Gi",
				   o->size);
	p.fsck = o->fsck ? ks_fsck_parse(o->fsck) : -1;
	if (o->fsck && p.fsck < 0)
		return ks_cli_usage_error(cli, err, "option --fsck: \"%s\" is not repair or refuse",
					  o->fsck);
	p.size_bytes = (uint64_t)size;
	int r = ks_front_open_store(cli, &store, err);

	if (r < 0)
		return r;
	r = ks_volume_create(&cli->arena, &store, &p, &v, err);
	ks_store_close(&store);
	return r;
}

static void put_volume(struct ks_json_out *o, const struct ks_volume *v, bool in_use)
{
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "namespace", v->ns);
	ks_json_put_str(o, "claim", v->claim);
	ks_json_put_str(o, "uid", v->uid);
	ks_json_put_u64(o, "sizeBytes", v->size_bytes.v);
	ks_json_put_str(o, "fsType", v->fs_type);
	ks_json_put_str(o, "fsUuid", v->fs_uuid);
	ks_json_put_str(o, "fsck", ks_fsck_name(v->fsck));
	ks_json_put_str(o, "created", v->created);
	ks_json_put_bool(o, "inUse", in_use);
	if (v->attached_uid)
		ks_json_put_str(o, "podUid", v->attached_uid);
	ks_json_close(o, '}');
}

/* A column of a table: at least one space behind it. */
static void cell(struct ks_buf *b, const char *s, size_t width)
{
	size_t start = b->len;

	ks_buf_adds(b, s);
	do {
		ks_buf_adds(b, " ");
	} while (!b->failed && b->len - start < width);
}

static void table_head(struct ks_buf *b)
{
	cell(b, "NAMESPACE", 12);
	cell(b, "CLAIM", 32);
	cell(b, "SIZE", 8);
	cell(b, "FS", 6);
	ks_buf_adds(b, "STATE      UUID\n");
}

static void table_volume(struct ks_buf *b, const struct ks_volume *v, bool in_use)
{
	char size[24];

	cell(b, v->ns, 12);
	cell(b, v->claim, 32);
	cell(b, ks_format_bytes(v->size_bytes.v, size), 8);
	cell(b, v->fs_type, 6);
	cell(b, in_use ? "InUse" : "Available", 11);
	ks_buf_addf(b, "%s\n", v->fs_uuid);
}

static int verb_volume_list(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			    struct ks_err *err)
{
	const struct volume_opts *o = opts;
	ks_auto_json_out struct ks_json_out json = { .pretty = true };
	ks_auto_buf struct ks_buf table = { 0 };
	struct ks_volumes list = { 0 };
	struct ks_store store;
	bool as_json;
	int r = read_format(cli, o, &as_json, err);

	(void)args;
	if (r == 0)
		r = ks_front_open_store(cli, &store, err);
	if (r < 0)
		return r;
	r = ks_volume_list(&cli->arena, &store, o->ns, &list, err);
	table_head(&table);
	ks_json_open(&json, NULL, '[');
	for (size_t i = 0; i < list.n && r == 0; i++) {
		bool in_use = ks_volume_in_use(&store, list.v[i].ns, list.v[i].claim);

		put_volume(&json, &list.v[i], in_use);
		table_volume(&table, &list.v[i], in_use);
	}
	ks_json_close(&json, ']');
	ks_buf_adds(&json.buf, "\n");
	ks_store_close(&store);
	for (size_t i = 0; i < list.damaged.n; i++)
		ks_cli_log(cli, "warning", list.damaged.v[i]);
	return r < 0 ? r : ks_cli_print(as_json ? &json.buf : &table, err);
}

static int verb_volume_inspect(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			       struct ks_err *err)
{
	const struct volume_opts *o = opts;
	ks_auto_json_out struct ks_json_out json = { .pretty = true };
	ks_auto_buf struct ks_buf table = { 0 };
	struct ks_store store;
	struct ks_volume v;
	bool as_json;
	int r = read_format(cli, o, &as_json, err);

	if (r == 0)
		r = ks_front_open_store(cli, &store, err);
	if (r < 0)
		return r;
	r = ks_volume_load(&cli->arena, &store, namespace_of(o), args->v[0], &v, err);
	if (r == 0) {
		bool in_use = ks_volume_in_use(&store, v.ns, v.claim);

		put_volume(&json, &v, in_use);
		ks_buf_adds(&json.buf, "\n");
		table_head(&table);
		table_volume(&table, &v, in_use);
		r = ks_cli_print(as_json || !o->format ? &json.buf : &table, err);
	}
	ks_store_close(&store);
	return r;
}

static int verb_volume_delete(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			      struct ks_err *err)
{
	const struct volume_opts *o = opts;
	struct ks_store store;
	int r = ks_front_open_store(cli, &store, err);

	if (r < 0)
		return r;
	r = ks_volume_delete(&cli->arena, &store, namespace_of(o), args->v[0], err);
	ks_store_close(&store);
	return r;
}

static void put_identity(struct ks_json_out *o, const struct ks_identity *id, bool held)
{
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "namespace", id->ns);
	ks_json_put_str(o, "name", id->name);
	ks_json_put_str(o, "hostname", id->hostname);
	ks_json_put_str(o, "machineId", id->machine_id);
	ks_json_put_str(o, "created", id->created);
	ks_json_put_u64(o, "incarnation", id->incarnation.v);
	ks_json_put_strv(o, "claims", &id->claims);
	ks_json_put_bool(o, "running", held);
	if (id->holder_uid)
		ks_json_put_str(o, "podUid", id->holder_uid);
	ks_json_close(o, '}');
}

static void table_pod_head(struct ks_buf *b)
{
	cell(b, "NAMESPACE", 12);
	cell(b, "NAME", 32);
	cell(b, "STATE", 10);
	ks_buf_adds(b, "INCARNATION  UID\n");
}

static void table_pod(struct ks_buf *b, const struct ks_identity *id, bool held)
{
	char n[24];

	cell(b, id->ns, 12);
	cell(b, id->name, 32);
	cell(b, held ? "Running" : id->holder_uid ? "Lost" : "Free", 10);
	ks_fmt(n, sizeof(n), "%llu", (unsigned long long)id->incarnation.v);
	cell(b, n, 13);
	ks_buf_addf(b, "%s\n", id->holder_uid ? id->holder_uid : "-");
}

static int verb_pod_list(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			 struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out json = { .pretty = true };
	ks_auto_buf struct ks_buf table = { 0 };
	struct ks_identities list = { 0 };
	struct ks_store store;
	bool as_json;
	int r = read_format(cli, opts, &as_json, err);

	(void)args;
	if (r == 0)
		r = ks_front_open_store(cli, &store, err);
	if (r < 0)
		return r;
	r = ks_identity_list(&cli->arena, &store, &list, err);
	table_pod_head(&table);
	ks_json_open(&json, NULL, '[');
	for (size_t i = 0; i < list.n && r == 0; i++) {
		bool held = ks_identity_held(&store, list.v[i].ns, list.v[i].name);

		put_identity(&json, &list.v[i], held);
		table_pod(&table, &list.v[i], held);
	}
	ks_json_close(&json, ']');
	ks_buf_adds(&json.buf, "\n");
	ks_store_close(&store);
	return r < 0 ? r : ks_cli_print(as_json ? &json.buf : &table, err);
}

/* "NS/NAME", or a name in the default namespace. */
static int split_key(struct ks_cli *cli, const char *arg, const char **ns, const char **name,
		     struct ks_err *err)
{
	const char *slash = strchr(arg, '/');

	*ns = slash ? ks_arena_strndup(&cli->arena, arg, (size_t)(slash - arg)) :
		      KS_DEFAULT_NAMESPACE;
	*name = slash ? slash + 1 : arg;
	return *ns ? 0 : ks_err_oom(err);
}

/* Opens both directories, and calls one function of a pod. */
static int with_pod(struct ks_cli *cli, const char *arg,
		    int (*fn)(struct ks_cli *, const struct ks_pod_ctx *, const char *,
			      const char *, struct ks_err *),
		    struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	struct ks_store store;
	const char *ns, *name;
	int r = split_key(cli, arg, &ns, &name, err);

	if (r == 0)
		r = ks_front_open(cli, &store, &root, err);
	if (r < 0)
		return r;
	struct ks_pod_ctx ctx = { .store = &store, .root_fd = root };

	r = fn(cli, &ctx, ns, name, err);
	ks_store_close(&store);
	return r;
}

static int release(struct ks_cli *cli, const struct ks_pod_ctx *ctx, const char *ns,
		   const char *name, struct ks_err *err)
{
	return ks_pod_release(&cli->arena, ctx, ns, name, err);
}

static int forget(struct ks_cli *cli, const struct ks_pod_ctx *ctx, const char *ns,
		  const char *name, struct ks_err *err)
{
	return ks_identity_forget(&cli->arena, ctx->store, ns, name, err);
}

static int verb_pod_inspect(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			    struct ks_err *err)
{
	const struct volume_opts *o = opts;
	ks_auto_json_out struct ks_json_out json = { .pretty = true };
	ks_auto_buf struct ks_buf table = { 0 };
	const char *ns = NULL, *name = NULL;
	struct ks_identity id = { 0 };
	struct ks_store store;
	bool as_json;
	int r = read_format(cli, o, &as_json, err);

	if (r == 0)
		r = split_key(cli, args->v[0], &ns, &name, err);
	if (r == 0)
		r = ks_front_open_store(cli, &store, err);
	if (r < 0)
		return r;
	r = ks_identity_load(&cli->arena, &store, ns, name, &id, err);
	if (r == KS_IDENTITY_ABSENT)
		r = ks_err_kind(err, KS_ERR_NOT_FOUND, "pod %s/%s has no identity", ns, name);
	if (r == 0) {
		bool held = ks_identity_held(&store, ns, name);

		put_identity(&json, &id, held);
		ks_buf_adds(&json.buf, "\n");
		table_pod_head(&table);
		table_pod(&table, &id, held);
		r = ks_cli_print(as_json || !o->format ? &json.buf : &table, err);
	}
	ks_store_close(&store);
	return r;
}

static int verb_pod_release(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			    struct ks_err *err)
{
	(void)opts;
	return with_pod(cli, args->v[0], release, err);
}

static int verb_pod_forget(struct ks_cli *cli, const void *opts, const struct ks_args *args,
			   struct ks_err *err)
{
	(void)opts;
	return with_pod(cli, args->v[0], forget, err);
}

static int verb_gc(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	struct ks_gc gc = { .arena = &cli->arena };
	ks_auto_buf struct ks_buf out = { 0 };
	ks_auto_fd int root = -EBADF;
	struct ks_store store;
	int r = ks_front_open(cli, &store, &root, err);

	(void)opts;
	(void)args;
	if (r < 0)
		return r;
	struct ks_pod_ctx ctx = { .store = &store, .root_fd = root };

	r = ks_pod_gc(&ctx, &gc, err);
	if (r == 0)
		r = ks_volume_gc(&store, &gc, err);
	ks_store_close(&store);
	for (size_t i = 0; i < gc.lines.n; i++)
		ks_buf_addf(&out, "%s\n", gc.lines.v[i]);
	ks_buf_addf(&out, "%u repaired, %u left alone\n", gc.repaired, gc.kept);
	return r < 0 ? r : ks_cli_print(&out, err);
}

const struct ks_verb ks_storage_verbs[] = {
	{ "volume create", "CLAIM", "make and format a volume", create_options,
	  sizeof(struct volume_opts), KS_VERB_PERMUTE, 1, 1, verb_volume_create },
	{ "volume list", "", "list volumes", list_options, sizeof(struct volume_opts),
	  KS_VERB_PERMUTE, 0, 0, verb_volume_list },
	{ "volume inspect", "CLAIM", "print a volume's record", inspect_options,
	  sizeof(struct volume_opts), KS_VERB_PERMUTE, 1, 1, verb_volume_inspect },
	{ "volume delete", "CLAIM", "delete a volume and its data", one_options,
	  sizeof(struct volume_opts), KS_VERB_PERMUTE, 1, 1, verb_volume_delete },
	{ "pod list", "", "list pod identities", format_options, sizeof(struct volume_opts),
	  KS_VERB_PERMUTE, 0, 0, verb_pod_list },
	{ "pod inspect", "NS/NAME", "print an identity", pod_inspect_options,
	  sizeof(struct volume_opts), KS_VERB_PERMUTE, 1, 1, verb_pod_inspect },
	{ "pod release", "NS/NAME", "free an identity whose keeper died", NULL, 0, KS_VERB_PERMUTE,
	  1, 1, verb_pod_release },
	{ "pod forget", "NS/NAME", "remove a free identity; its claims stay", NULL, 0,
	  KS_VERB_PERMUTE, 1, 1, verb_pod_forget },
	{ "gc", "", "repair what crashes left behind", NULL, 0, KS_VERB_PERMUTE, 0, 0, verb_gc },
	{ 0 },
};
