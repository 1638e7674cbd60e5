/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The annotations. Whoever may create a pod writes them, not the node's
 * operator: they name no host path, a claim only in the pod's own namespace,
 * and everything is bounded.
 */
#include <kshim/pod.h>

#include "fs.h"
#include "store.h"

/*
 * What the engines of Kubernetes call a pod. A container with any of their
 * keys is under an engine, and named by it alone.
 */
static const struct engine {
	const char *ns, *name, *uid, *container;
} engines[] = {
	{ "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
	  "io.kubernetes.cri.sandbox-uid", "io.kubernetes.cri.container-name" }, /* containerd */
	{ "io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.pod.uid",
	  "io.kubernetes.container.name" }, /* CRI-O */
};

static bool under_engine(const struct ks_map *m)
{
	/* Not all of "io.kubernetes.cri-o.": podman, too, writes some of these. */
	static const char *const prefixes[] = { "io.kubernetes.cri.", "io.kubernetes.pod.",
						"io.kubernetes.container.",
						"io.kubernetes.cri-o.KubeName",
						"io.kubernetes.cri-o.Namespace" };

	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < KS_ARRAY_LEN(prefixes); k++)
			if (ks_str_prefix(m->v[i].key, prefixes[k]))
				return true;
	return false;
}

/* The first engine whose pod name is there, or NULL. */
static const struct engine *find_engine(const struct ks_map *m)
{
	for (size_t i = 0; i < KS_ARRAY_LEN(engines); i++)
		if (ks_map_get(m, engines[i].ns) && ks_map_get(m, engines[i].name))
			return &engines[i];
	return NULL;
}

struct empty_dir {
	const char *medium;
	const struct ks_json *size_limit;
	struct ks_opt_u64 mode;
};

struct claim_ref {
	const char *name;
	bool readonly;
};

struct volume {
	const char *name;
	struct empty_dir *empty_dir;
	struct claim_ref *claim;
};

struct mount {
	const char *name, *path, *sub_path, *propagation, *recursive;
	bool readonly;
};

struct claim_template {
	const char *name;
	struct ks_map annotations;
	struct ks_strv access_modes;
	const char *volume_mode;
	const struct ks_json *storage;
};

static const struct ks_json_field empty_dir_fields[] = {
	KS_STR(struct empty_dir, medium, "medium", 0),
	KS_JSON_ANY(struct empty_dir, size_limit, "sizeLimit", 0),
	KS_U64(struct empty_dir, mode, "mode", 0),
	KS_END,
};

static const struct ks_json_field claim_ref_fields[] = {
	KS_STR(struct claim_ref, name, "claimName", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_BOOL(struct claim_ref, readonly, "readOnly"),
	KS_END,
};

static const struct ks_json_field volume_fields[] = {
	KS_STR(struct volume, name, "name", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_PTR(struct volume, empty_dir, struct empty_dir, "emptyDir", empty_dir_fields),
	KS_PTR(struct volume, claim, struct claim_ref, "persistentVolumeClaim", claim_ref_fields),
	KS_REFUSE("blockDevice"),
	KS_REFUSE("hostPath"),
	KS_END,
};

static const struct ks_json_field mount_fields[] = {
	KS_STR(struct mount, name, "name", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STR(struct mount, path, "mountPath", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STR(struct mount, sub_path, "subPath", 0),
	KS_BOOL(struct mount, readonly, "readOnly"),
	KS_STR(struct mount, propagation, "mountPropagation", 0),
	KS_STR(struct mount, recursive, "recursiveReadOnly", 0),
	KS_REFUSE("subPathExpr"),
	KS_REFUSE("bindMountOptions"),
	KS_END,
};

static const struct ks_json_field metadata_fields[] = {
	KS_STR(struct claim_template, name, "name", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_MAP(struct claim_template, annotations, "annotations"),
	KS_END,
};

static const struct ks_json_field requests_fields[] = {
	KS_JSON_ANY(struct claim_template, storage, "storage", KS_FIELD_REQUIRED),
	KS_END,
};

/* These objects lie flat in one structure: each at offset 0. */
static const struct ks_json_field resources_fields[] = {
	KS_WITHIN("requests", KS_FIELD_REQUIRED, requests_fields),
	KS_END,
};

static const struct ks_json_field claim_spec_fields[] = {
	KS_STRV(struct claim_template, access_modes, "accessModes", 0),
	KS_STR(struct claim_template, volume_mode, "volumeMode", 0),
	KS_WITHIN("resources", KS_FIELD_REQUIRED, resources_fields),
	KS_REFUSE("selector"),
	KS_REFUSE("dataSource"),
	KS_REFUSE("dataSourceRef"),
	KS_REFUSE("volumeName"),
	KS_END,
};

static const struct ks_json_field template_fields[] = {
	KS_WITHIN("metadata", KS_FIELD_REQUIRED, metadata_fields),
	KS_WITHIN("spec", KS_FIELD_REQUIRED, claim_spec_fields),
	KS_END,
};

/* Decoding of one annotation; lists are found by their type. */
struct annotation {
	struct ks_json_ctx ctx;
	const struct ks_json *root;
};

static int read_annotation(struct ks_arena *a, const struct ks_map *m, const char *key,
			   enum ks_json_type type, struct annotation *ret, struct ks_err *err)
{
	const char *text = ks_map_get(m, key);
	struct ks_json *root;

	*ret = (struct annotation){ .ctx = { .arena = a, .err = err } };
	if (!text)
		return 0;
	int r = ks_json_parse(a, text, strlen(text), key, &root, err);

	if (r < 0)
		return ks_err_prefix(err, r, "annotation");
	ks_json_enter(&ret->ctx, key, 0);
	if (root->type != type)
		return ks_json_fail(&ret->ctx, NULL, "expected %s, got %s", ks_json_type_name(type),
				    ks_json_type_name(root->type));
	ret->root = root;
	return 0;
}

/* Kubernetes writes a quantity as a string or as a number. */
static int read_quantity(struct ks_json_ctx *ctx, const struct ks_json *v, const char *what,
			 uint64_t *ret)
{
	int64_t n = 0;

	if (v->type != KS_JSON_STRING && v->type != KS_JSON_NUMBER)
		return ks_json_fail(ctx, what, "expected a quantity, got %s",
				    ks_json_type_name(v->type));
	if (ks_parse_quantity(v->text, &n) < 0 || n <= 0)
		return ks_json_fail(ctx, what, "\"%.*s\" is not a size such as 64Mi or 1Gi", 64,
				    v->text);
	*ret = (uint64_t)n;
	return 0;
}

static int check_volume_name(struct ks_json_ctx *ctx, const struct ks_pod_spec *p, const char *name)
{
	if (!ks_valid_dns_label(name))
		return ks_json_fail(ctx, "name", "\"%.*s\" is not a valid volume name", 80, name);
	if (p->n_volumes == KS_POD_MAX_VOLUMES)
		return ks_json_fail(ctx, NULL, "more than %d volumes", KS_POD_MAX_VOLUMES);
	for (size_t i = 0; i < p->n_volumes; i++)
		if (ks_streq(p->volumes[i].name, name))
			return ks_json_fail(ctx, "name", "volume \"%s\" stands twice", name);
	return 0;
}

static int add_empty_dir(struct ks_json_ctx *ctx, const struct empty_dir *e,
			 struct ks_pod_volume *v)
{
	bool memory = e->medium && ks_streq(e->medium, "Memory");

	if (!ks_str_empty(e->medium) && !memory)
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "%s.emptyDir.medium: \"%.*s\" is not supported: \"\" or Memory",
				   ctx->path, 64, e->medium);
	v->kind = memory ? KS_POD_EMPTY_MEMORY : KS_POD_EMPTY_DISK;
	if (e->mode.set && e->mode.v > 01777)
		return ks_json_fail(ctx, "emptyDir.mode", "%llu is out of range",
				    (unsigned long long)e->mode.v);
	v->mode = e->mode.set ? (uint32_t)e->mode.v : 0777;
	if (!e->size_limit)
		return 0;
	if (!memory)
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "%s.emptyDir.sizeLimit: a limit on disk is not supported yet; "
				   "use medium Memory or a claim",
				   ctx->path);
	return read_quantity(ctx, e->size_limit, "emptyDir.sizeLimit", &v->size_bytes);
}

static int add_volume(struct ks_json_ctx *ctx, const struct ks_json *j, struct ks_pod_spec *p)
{
	struct ks_pod_volume *v = &p->volumes[p->n_volumes];
	struct volume in = { 0 };
	int r = ks_json_decode(ctx, j, volume_fields, &in);

	if (r == 0)
		r = check_volume_name(ctx, p, in.name);
	if (r < 0)
		return r;
	if (!in.empty_dir == !in.claim)
		return ks_json_fail(ctx, NULL,
				    "volume \"%s\" needs one of emptyDir, persistentVolumeClaim",
				    in.name);
	*v = (struct ks_pod_volume){ .name = in.name };
	if (in.empty_dir) {
		r = add_empty_dir(ctx, in.empty_dir, v);
	} else {
		v->kind = KS_POD_CLAIM;
		v->claim = in.claim->name;
		v->readonly = in.claim->readonly;
		if (!ks_valid_dns_name(v->claim) || strlen(v->claim) > 180)
			r = ks_json_fail(ctx, "persistentVolumeClaim.claimName",
					 "\"%.*s\" is not a valid claim name", 80, v->claim);
	}
	if (r == 0)
		p->n_volumes++;
	return r;
}

static int check_template(struct ks_json_ctx *ctx, const struct claim_template *t,
			  const struct ks_pod_spec *p)
{
	for (size_t i = 0; i < t->access_modes.n; i++)
		if (!ks_streq(t->access_modes.v[i], "ReadWriteOnce") &&
		    !ks_streq(t->access_modes.v[i], "ReadWriteOncePod"))
			return ks_json_fail(ctx, "spec.accessModes",
					    "\"%.*s\" is not supported: ReadWriteOnce or "
					    "ReadWriteOncePod",
					    64, t->access_modes.v[i]);
	if (!ks_str_empty(t->volume_mode) && !ks_streq(t->volume_mode, "Filesystem"))
		return ks_json_fail(ctx, "spec.volumeMode", "only Filesystem is supported");
	if (!p->name && !ks_map_get(&t->annotations, "dev.kshim.claim-name"))
		return ks_json_fail(ctx, NULL, "a claim template needs a pod name (dev.kshim.pod)");
	return 0;
}

/* A template takes the place of a volume of its name, as in a StatefulSet. */
static int add_template(struct ks_json_ctx *ctx, const struct ks_json *j, struct ks_pod_spec *p)
{
	struct claim_template t = { 0 };
	int r = ks_json_decode(ctx, j, template_fields, &t);

	if (r == 0)
		r = check_template(ctx, &t, p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_volumes; i++) {
		if (ks_streq(p->volumes[i].name, t.name)) {
			p->volumes[i] = p->volumes[--p->n_volumes];
			break;
		}
	}
	r = check_volume_name(ctx, p, t.name);
	if (r < 0)
		return r;
	struct ks_pod_volume *v = &p->volumes[p->n_volumes];
	const char *claim = ks_map_get(&t.annotations, "dev.kshim.claim-name");

	*v = (struct ks_pod_volume){ .kind = KS_POD_CLAIM, .name = t.name };
	v->claim = claim ? claim : ks_arena_printf(ctx->arena, "%s-%s", t.name, p->name);
	v->fs_type = ks_map_get(&t.annotations, "dev.kshim.fs-type");
	if (!v->claim)
		return ks_err_oom(ctx->err);
	if (!ks_valid_dns_name(v->claim) || strlen(v->claim) > 180)
		return ks_json_fail(ctx, "metadata.name", "\"%.*s\" is not a valid claim name", 80,
				    v->claim);
	if (v->fs_type && !ks_fs_known(v->fs_type))
		return ks_json_fail(ctx, "metadata.annotations", "unknown file system \"%.*s\"", 32,
				    v->fs_type);
	r = read_quantity(ctx, t.storage, "spec.resources.requests.storage", &v->size_bytes);
	if (r == 0)
		p->n_volumes++;
	return r;
}

static int for_each(struct annotation *an,
		    int (*fn)(struct ks_json_ctx *, const struct ks_json *, struct ks_pod_spec *),
		    struct ks_pod_spec *p)
{
	size_t i = 0;

	for (const struct ks_json *e = an->root ? an->root->first : NULL; e; e = e->next, i++) {
		size_t old = ks_json_enter(&an->ctx, NULL, i);
		int r = fn(&an->ctx, e, p);

		if (r < 0)
			return r;
		ks_json_leave(&an->ctx, old);
	}
	return 0;
}

/* No absolute path and no "..": the rest is seen to when it is opened. */
static bool bad_sub_path(const char *s)
{
	if (s[0] == '/')
		return true;
	for (const char *p = s; *p; p += strcspn(p, "/"), p += *p == '/')
		if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
			return true;
	return false;
}

static int add_mount(struct ks_json_ctx *ctx, const struct ks_json *j, struct ks_pod_spec *p)
{
	struct mount in = { 0 };
	bool found = false;
	int r = ks_json_decode(ctx, j, mount_fields, &in);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_volumes; i++)
		found |= ks_streq(p->volumes[i].name, in.name);
	if (!found)
		return ks_json_fail(ctx, "name", "there is no volume \"%.*s\"", 64, in.name);
	if (in.path[0] != '/' || strchr(in.path, ':'))
		return ks_json_fail(ctx, "mountPath", "\"%.*s\" is not an absolute path", 128,
				    in.path);
	if (in.sub_path && (bad_sub_path(in.sub_path) || strlen(in.sub_path) > 1000))
		return ks_json_fail(ctx, "subPath", "\"%.*s\" must be relative, without \"..\"",
				    128, in.sub_path);
	if (!ks_str_empty(in.propagation) && !ks_streq(in.propagation, "None"))
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "%s.mountPropagation: only None is supported", ctx->path);
	if (!ks_str_empty(in.recursive) && !ks_streq(in.recursive, "Disabled") &&
	    !ks_streq(in.recursive, "IfPossible"))
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "%s.recursiveReadOnly: only Disabled and IfPossible are "
				   "supported",
				   ctx->path);
	if (p->n_mounts == KS_POD_MAX_VOLUMES)
		return ks_json_fail(ctx, NULL, "more than %d mounts", KS_POD_MAX_VOLUMES);
	p->mounts[p->n_mounts++] = (struct ks_pod_mount){
		.volume = in.name,
		.path = in.path,
		.sub_path = ks_str_empty(in.sub_path) ? NULL : in.sub_path,
		.readonly = in.readonly,
	};
	return 0;
}

/* The container's own list, or else that of "*". */
static int add_mounts(struct annotation *an, const char *container, struct ks_pod_spec *p)
{
	const struct ks_json *list = ks_json_get(an->root, container);

	if (!list)
		list = ks_json_get(an->root, "*");
	if (!list)
		return 0;
	ks_json_enter(&an->ctx, list->key, 0);
	if (list->type != KS_JSON_ARRAY)
		return ks_json_fail(&an->ctx, NULL, "expected array, got %s",
				    ks_json_type_name(list->type));
	struct annotation inner = { .ctx = an->ctx, .root = list };

	return for_each(&inner, add_mount, p);
}

static bool valid_uid(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-");

	return n > 0 && n <= 64 && !s[n] && s[0] != '-';
}

/* Under an engine the name comes from there alone: an annotation must not claim another pod's. */
static int read_engine_key(const struct ks_map *m, struct ks_pod_spec *p, struct ks_err *err)
{
	const struct engine *e = find_engine(m);

	if (!e)
		return ks_err_kind(
			err, KS_ERR_DENIED,
			"there are io.kubernetes annotations, but none that names the pod");
	p->ns = ks_map_get(m, e->ns);
	p->name = ks_map_get(m, e->name);
	p->uid = ks_map_get(m, e->uid);
	if (ks_map_get(m, "dev.kshim.pod") || ks_map_get(m, "dev.kshim.pod-uid"))
		return ks_err_kind(
			err, KS_ERR_DENIED,
			"annotations dev.kshim.pod and dev.kshim.pod-uid are not allowed "
			"in Kubernetes: the pod is %.*s/%.*s",
			80, p->ns, 200, p->name);
	return 0;
}

static int read_own_key(struct ks_arena *a, const struct ks_map *m, struct ks_pod_spec *p,
			struct ks_err *err)
{
	const char *key = ks_map_get(m, "dev.kshim.pod");
	const char *slash = key ? strchr(key, '/') : NULL;

	p->uid = ks_map_get(m, "dev.kshim.pod-uid");
	if (!key) {
		p->ns = KS_DEFAULT_NAMESPACE;
		return 0;
	}
	if (!slash)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "annotation dev.kshim.pod: \"%.*s\" is not NAMESPACE/NAME", 100,
				   key);
	p->ns = ks_arena_strndup(a, key, (size_t)(slash - key));
	p->name = slash + 1;
	return p->ns ? 0 : ks_err_oom(err);
}

static int read_key(struct ks_arena *a, const struct ks_map *m, struct ks_pod_spec *p,
		    struct ks_err *err)
{
	int r = under_engine(m) ? read_engine_key(m, p, err) : read_own_key(a, m, p, err);

	if (r == 0 && p->uid && !valid_uid(p->uid))
		r = ks_err_kind(err, KS_ERR_INVALID, "pod uid \"%.*s\" is not valid", 80, p->uid);
	return r == 0 && p->name ? ks_check_names(p->ns, p->name, "pod", err) : r;
}

int ks_pod_parse(struct ks_arena *a, const struct ks_map *annotations, const char *id,
		 const char *hostname, struct ks_pod_spec *ret, struct ks_err *err)
{
	static const char *const keys[] = { "dev.kshim.pod", "dev.kshim.pod-uid",
					    "dev.kshim.volumes", "dev.kshim.volume-claim-templates",
					    "dev.kshim.volume-mounts" };
	const struct engine *engine = find_engine(annotations);
	const char *container = engine ? ks_map_get(annotations, engine->container) : NULL;
	struct ks_pod_spec p = { .hostname = hostname };
	struct annotation an;
	bool asked = false;

	for (size_t i = 0; i < KS_ARRAY_LEN(keys); i++)
		asked |= ks_map_get(annotations, keys[i]) != NULL;
	if (!asked)
		return KS_POD_NONE;
	p.volumes = KS_ARENA_NEWV(a, struct ks_pod_volume, KS_POD_MAX_VOLUMES + 1);
	p.mounts = KS_ARENA_NEWV(a, struct ks_pod_mount, KS_POD_MAX_VOLUMES + 1);
	if (!p.volumes || !p.mounts)
		return ks_err_oom(err);
	int r = read_key(a, annotations, &p, err);

	if (r == 0)
		r = read_annotation(a, annotations, keys[2], KS_JSON_ARRAY, &an, err);
	if (r == 0)
		r = for_each(&an, add_volume, &p);
	if (r == 0)
		r = read_annotation(a, annotations, keys[3], KS_JSON_ARRAY, &an, err);
	if (r == 0)
		r = for_each(&an, add_template, &p);
	if (r == 0)
		r = read_annotation(a, annotations, keys[4], KS_JSON_OBJECT, &an, err);
	if (r == 0 && an.root)
		r = add_mounts(&an, container ? container : id, &p);
	if (r == 0)
		*ret = p;
	return r;
}
