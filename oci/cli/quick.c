/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quick form: options to a config.json, which then goes the way of every
 * other. Volumes become the same annotations that a bundle would have.
 */
#include "verbs.h"

struct quick_mount {
	const char *name, *path;
	bool readonly;
};

struct quick {
	struct ks_cli *cli;
	struct ks_json_out volumes, templates;
	struct quick_mount *mounts;
	size_t n_mounts;
};

int ks_cli_parse_user(const char *s, uint32_t *uid, uint32_t *gid, struct ks_err *err)
{
	char buf[32];
	const char *colon = strchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : strlen(s);
	uint64_t u, g = 0;

	ks_fmt(buf, sizeof(buf), "%.*s", (int)(n < 31 ? n : 31), s);
	/* 4294967295 is -1: it would mean "unchanged" to setresuid(2). */
	if (ks_parse_u64(buf, UINT32_MAX - 1, &u) < 0 ||
	    (colon && ks_parse_u64(colon + 1, UINT32_MAX - 1, &g) < 0))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "option --user: \"%s\" is not UID[:GID] in numbers", s);
	*uid = (uint32_t)u;
	if (colon)
		*gid = (uint32_t)g;
	return 0;
}

static int bad(struct quick *q, const char *option, const char *value, const char *form,
	       struct ks_err *err)
{
	return ks_cli_usage_error(q->cli, err, "option --%s: \"%s\" is not %s", option, value,
				  form);
}

/* "CLAIM[:SIZE]:PATH[:ro]": the path is the part that begins with a slash. */
static int parse_volume(struct quick *q, const char *arg, bool template, struct ks_err *err)
{
	const char *option = template ? "volume-claim-template" : "volume";
	const char *form = template ? "NAME:SIZE:PATH[:ro]" : "CLAIM[:SIZE]:PATH[:ro]";
	struct ks_strv f = { 0 };

	if (ks_str_split(&q->cli->arena, arg, ':', &f) < 0)
		return ks_err_oom(err);
	size_t path = 0;

	while (path < f.n && f.v[path][0] != '/')
		path++;
	bool ro = path + 2 == f.n && ks_streq(f.v[f.n - 1], "ro");

	if (path < 1 || path > 2 || (template && path != 2) || (path + 1 != f.n && !ro))
		return bad(q, option, arg, form, err);
	q->mounts[q->n_mounts++] = (struct quick_mount){ f.v[0], f.v[path], ro };
	if (path == 1) {
		ks_json_open(&q->volumes, NULL, '{');
		ks_json_put_str(&q->volumes, "name", f.v[0]);
		ks_json_open(&q->volumes, "persistentVolumeClaim", '{');
		ks_json_put_str(&q->volumes, "claimName", f.v[0]);
		ks_json_close(&q->volumes, '}');
		ks_json_close(&q->volumes, '}');
		return 0;
	}
	struct ks_json_out *t = &q->templates;

	ks_json_open(t, NULL, '{');
	ks_json_open(t, "metadata", '{');
	ks_json_put_str(t, "name", f.v[0]);
	if (!template) {
		ks_json_open(t, "annotations", '{');
		ks_json_put_str(t, "dev.kshim.claim-name", f.v[0]);
		ks_json_close(t, '}');
	}
	ks_json_close(t, '}');
	ks_json_open(t, "spec", '{');
	ks_json_open(t, "accessModes", '[');
	ks_json_put_str(t, NULL, "ReadWriteOncePod");
	ks_json_close(t, ']');
	ks_json_open(t, "resources", '{');
	ks_json_open(t, "requests", '{');
	ks_json_put_str(t, "storage", f.v[1]);
	ks_json_close(t, '}');
	ks_json_close(t, '}');
	ks_json_close(t, '}');
	ks_json_close(t, '}');
	return 0;
}

/* "NAME:PATH[:size=64Mi,medium=Memory]" */
static int parse_empty_dir(struct quick *q, const char *arg, struct ks_err *err)
{
	const char *form = "NAME:PATH[:size=64Mi,medium=Memory]";
	struct ks_strv f = { 0 }, opts = { 0 };

	if (ks_str_split(&q->cli->arena, arg, ':', &f) < 0)
		return ks_err_oom(err);
	if (f.n < 2 || f.n > 3 || f.v[1][0] != '/')
		return bad(q, "empty-dir", arg, form, err);
	if (f.n == 3 && ks_str_split(&q->cli->arena, f.v[2], ',', &opts) < 0)
		return ks_err_oom(err);
	q->mounts[q->n_mounts++] = (struct quick_mount){ f.v[0], f.v[1], false };
	ks_json_open(&q->volumes, NULL, '{');
	ks_json_put_str(&q->volumes, "name", f.v[0]);
	ks_json_open(&q->volumes, "emptyDir", '{');
	for (size_t i = 0; i < opts.n; i++) {
		const char *size = ks_str_prefix(opts.v[i], "size=");
		const char *medium = ks_str_prefix(opts.v[i], "medium=");

		if (size)
			ks_json_put_str(&q->volumes, "sizeLimit", size);
		else if (medium)
			ks_json_put_str(&q->volumes, "medium", medium);
		else
			return bad(q, "empty-dir", arg, form, err);
	}
	ks_json_close(&q->volumes, '}');
	ks_json_close(&q->volumes, '}');
	return 0;
}

static void put_mounts(const struct quick *q, struct ks_json_out *o)
{
	ks_json_open(o, NULL, '{');
	ks_json_open(o, "*", '[');
	for (size_t i = 0; i < q->n_mounts; i++) {
		ks_json_open(o, NULL, '{');
		ks_json_put_str(o, "name", q->mounts[i].name);
		ks_json_put_str(o, "mountPath", q->mounts[i].path);
		if (q->mounts[i].readonly)
			ks_json_put_bool(o, "readOnly", true);
		ks_json_close(o, '}');
	}
	ks_json_close(o, ']');
	ks_json_close(o, '}');
}

static int add_annotation(struct ks_arena *a, struct ks_map *m, const char *key, const char *value)
{
	const char *copy = value ? ks_arena_strdup(a, value) : NULL;

	if (!copy)
		return -ENOMEM;
	m->v[m->n++] = (struct ks_map_entry){ key, copy };
	return 0;
}

static int parse_volumes(struct quick *q, const struct ks_create_opts *o, struct ks_err *err)
{
	int r = 0;

	ks_json_open(&q->volumes, NULL, '[');
	ks_json_open(&q->templates, NULL, '[');
	for (size_t i = 0; i < o->volumes.n && r == 0; i++)
		r = parse_volume(q, o->volumes.v[i], false, err);
	for (size_t i = 0; i < o->templates.n && r == 0; i++)
		r = parse_volume(q, o->templates.v[i], true, err);
	for (size_t i = 0; i < o->empty_dirs.n && r == 0; i++)
		r = parse_empty_dir(q, o->empty_dirs.v[i], err);
	ks_json_close(&q->volumes, ']');
	ks_json_close(&q->templates, ']');
	return r;
}

static int make_annotations(struct quick *q, const struct ks_create_opts *o, struct ks_map *m,
			    struct ks_err *err)
{
	struct ks_arena *a = &q->cli->arena;
	ks_auto_json_out struct ks_json_out mounts = { 0 };
	int r = 0;

	m->v = KS_ARENA_NEWV(a, struct ks_map_entry, o->annotations.n + 5);
	if (!m->v)
		return ks_err_oom(err);
	if (o->pod)
		r = add_annotation(a, m, "dev.kshim.pod", o->pod);
	if (r == 0 && o->pod_uid)
		r = add_annotation(a, m, "dev.kshim.pod-uid", o->pod_uid);
	if (r == 0 && q->n_mounts) {
		put_mounts(q, &mounts);
		r = add_annotation(a, m, "dev.kshim.volumes", q->volumes.buf.data);
		if (r == 0)
			r = add_annotation(a, m, "dev.kshim.volume-mounts", mounts.buf.data);
	}
	if (r == 0 && q->templates.buf.len > 2)
		r = add_annotation(a, m, "dev.kshim.volume-claim-templates", q->templates.buf.data);
	for (size_t i = 0; i < o->annotations.n && r == 0; i++) {
		char *eq = strchr(o->annotations.v[i], '=');

		if (!eq || eq == o->annotations.v[i])
			return bad(q, "annotation", o->annotations.v[i], "KEY=VALUE", err);
		*eq = '\0';
		r = add_annotation(a, m, o->annotations.v[i], eq + 1);
	}
	return r < 0 ? ks_err_oom(err) : 0;
}

/* A quick container in a pod is called as the pod, as in Kubernetes. */
static const char *default_hostname(const struct ks_create_opts *o)
{
	const char *slash = o->pod ? strchr(o->pod, '/') : NULL;

	return slash ? slash + 1 : "kshim";
}

int ks_quick_spec(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_args *args,
		  char **ret, size_t *ret_len, struct ks_err *err)
{
	size_t n = o->volumes.n + o->templates.n + o->empty_dirs.n;
	struct quick q = { .cli = cli,
			   .mounts = KS_ARENA_NEWV(&cli->arena, struct quick_mount, n + 1) };
	struct ks_spec_template t = {
		.rootfs = o->rootfs,
		.hostname = o->hostname ? o->hostname : default_hostname(o),
		.cwd = o->cwd,
		.args = args->n > 1 ? args->v + 1 : NULL,
		.env = o->env,
		.terminal = o->tty,
		.readonly_rootfs = o->readonly,
		.wide_caps = true,
		.rootless = geteuid() != 0,
		.map_uid = geteuid(),
		.map_gid = getegid(),
	};
	ks_auto_json_out struct ks_json_out out = { 0 };
	int r = q.mounts ? 0 : ks_err_oom(err);

	if (r == 0 && o->user)
		r = ks_cli_parse_user(o->user, &t.uid, &t.gid, err);
	if (r == 0)
		r = parse_volumes(&q, o, err);
	if (r == 0)
		r = make_annotations(&q, o, &t.annotations, err);
	ks_json_out_done(&q.volumes);
	ks_json_out_done(&q.templates);
	if (r < 0)
		return r;
	ks_spec_write_template(&t, &out);
	if (out.buf.failed)
		return ks_err_oom(err);
	*ret = ks_arena_strndup(&cli->arena, out.buf.data, out.buf.len);
	*ret_len = out.buf.len;
	return *ret ? 0 : ks_err_oom(err);
}
