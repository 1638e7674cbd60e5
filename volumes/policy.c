/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>

#define MAX_BYTES   (1U << 20)
#define MAX_MEMBERS 4096 /* of an object: what stands there twice is found by scans */

/* ---- reading ------------------------------------------------------------ */

struct file {
	const char *capacity, *max_size, *namespace_capacity, *fsck;
	struct ks_strv file_systems;
	struct ks_map namespaces;
};

static const struct ks_json_field volume_fields[] = {
	KS_STR(struct file, capacity, "capacity", KS_FIELD_NONEMPTY),
	KS_STR(struct file, namespace_capacity, "namespaceCapacity", KS_FIELD_NONEMPTY),
	KS_MAP(struct file, namespaces, "namespaces"),
	KS_STR(struct file, max_size, "maxSize", KS_FIELD_NONEMPTY),
	KS_STRV(struct file, file_systems, "fileSystems", KS_FIELD_NONEMPTY),
	KS_STR(struct file, fsck, "fsck", KS_FIELD_NONEMPTY),
	KS_END,
};

static const struct ks_json_field fields[] = {
	KS_WITHIN("volumes", 0, volume_fields),
	KS_END,
};

/* Elsewhere null is nothing, and the last of two counts; here a limit would be lifted by it. */
static int refuse_vague(struct ks_json_ctx *ctx, const struct ks_json *v)
{
	if (!v || v->type != KS_JSON_OBJECT)
		return 0; /* which is told where it is decoded */
	if (v->count > MAX_MEMBERS)
		return ks_json_fail(ctx, NULL, "has more than %d members", MAX_MEMBERS);
	for (const struct ks_json *m = v->first; m; m = m->next) {
		if (m->type == KS_JSON_NULL)
			return ks_json_fail(ctx, m->key, "must not be null");
		for (const struct ks_json *o = m->next; o; o = o->next)
			if (ks_streq(o->key, m->key))
				return ks_json_fail(ctx, m->key, "stands there twice");
	}
	return 0;
}

/* Elsewhere what is unknown is ignored; here it would be a limit that is not in force. */
static int refuse_unknown(struct ks_json_ctx *ctx, const struct ks_json *v,
			  const struct ks_json_field *table)
{
	bool object = v && v->type == KS_JSON_OBJECT;

	for (const struct ks_json *m = object ? v->first : NULL; m; m = m->next) {
		const struct ks_json_field *f = table;

		while (f->key && !ks_streq(f->key, m->key))
			f++;
		if (!f->key)
			return ks_json_fail(ctx, m->key, "is not known");
	}
	return refuse_vague(ctx, v);
}

static int check_members(struct ks_json_ctx *ctx, const struct ks_json *root)
{
	const struct ks_json *volumes = ks_json_get(root, "volumes");
	int r = refuse_unknown(ctx, root, fields);
	size_t old = ks_json_enter(ctx, "volumes", 0);

	if (r == 0)
		r = refuse_unknown(ctx, volumes, volume_fields);
	size_t inner = ks_json_enter(ctx, "namespaces", 0);

	if (r == 0)
		r = refuse_vague(ctx, ks_json_get(volumes, "namespaces"));
	ks_json_leave(ctx, inner);
	ks_json_leave(ctx, old);
	return r;
}

static int read_size(struct ks_json_ctx *ctx, const char *key, const char *text,
		     struct ks_opt_u64 *ret)
{
	int64_t v;

	if (!text)
		return 0;
	if (ks_parse_quantity(text, &v) < 0 || v < 0)
		return ks_json_fail(ctx, key, "\"%.*s\" is not a size such as 64Mi or 1Gi", 64,
				    text);
	*ret = (struct ks_opt_u64){ true, (uint64_t)v };
	return 0;
}

static int read_volumes(struct ks_json_ctx *ctx, const struct file *f, struct ks_policy *p)
{
	struct ks_opt_u64 ignored;
	size_t old = ks_json_enter(ctx, "volumes", 0);
	int r = read_size(ctx, "capacity", f->capacity, &p->capacity);

	if (r == 0)
		r = read_size(ctx, "namespaceCapacity", f->namespace_capacity, &p->ns_capacity);
	if (r == 0)
		r = read_size(ctx, "maxSize", f->max_size, &p->max_bytes);
	for (size_t i = 0; i < f->file_systems.n && r == 0; i++)
		if (!ks_fs_known(f->file_systems.v[i]))
			return ks_json_fail(ctx, "fileSystems",
					    "\"%.*s\" is not supported: ext4 or xfs", 64,
					    f->file_systems.v[i]);
	p->fsck = f->fsck ? ks_fsck_parse(f->fsck) : KS_FSCK_REPAIR;
	if (r == 0 && p->fsck < 0)
		return ks_json_fail(ctx, "fsck", "\"%.*s\" is not repair or refuse", 64, f->fsck);
	size_t inner = ks_json_enter(ctx, "namespaces", 0);

	for (size_t i = 0; i < f->namespaces.n && r == 0; i++) {
		const struct ks_map_entry *e = &f->namespaces.v[i];

		if (!ks_valid_dns_label(e->key))
			return ks_json_fail(ctx, e->key, "is no name of a namespace");
		r = read_size(ctx, e->key, e->value, &ignored);
	}
	ks_json_leave(ctx, inner);
	ks_json_leave(ctx, old);
	p->fs_types = f->file_systems;
	p->namespaces = f->namespaces;
	return r;
}

/* Who else could write it, or put another in its place, could lift the limits. */
static bool is_safe(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       (st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & 022);
}

/* Only the default one may be missing, and then itself or its directory: nothing that leads
 * nowhere. */
static bool is_absent(const char *path)
{
	struct stat st;

	if (!ks_streq(path, KS_POLICY_FILE))
		return false;
	if (lstat(KS_POLICY_DIR, &st) < 0)
		return errno == ENOENT;
	return S_ISDIR(st.st_mode) && lstat(path, &st) < 0 && errno == ENOENT;
}

static int read_file(struct ks_arena *a, const char *path, char **text, size_t *len,
		     struct ks_err *err)
{
	const char *slash = strrchr(path, '/');
	char dir_path[PATH_MAX];

	if (path[0] != '/' || strlen(path) >= sizeof(dir_path))
		return ks_err_kind(err, KS_ERR_INVALID, "the policy \"%.*s\" is no absolute path",
				   64, path);
	if (is_absent(path))
		return 0;
	ks_fmt(dir_path, sizeof(dir_path), "%.*s", (int)(slash - path + 1), path);
	ks_auto_fd int dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int fd =
		dir < 0 ? -EBADF :
			  openat(dir, slash + 1, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return ks_err_set(err, -errno, "open the policy %s", path);
	if (!is_safe(dir, S_IFDIR) || !is_safe(fd, S_IFREG))
		return ks_err_kind(
			err, KS_ERR_INVALID,
			"the policy %s must be a file of root's in a directory of root's, "
			"both writable for nobody else",
			path);
	int r = ks_fd_read_all(a, fd, MAX_BYTES, text, len);

	return r < 0 ? ks_err_set(err, r, "read the policy %s", path) : 0;
}

int ks_policy_load(struct ks_arena *a, struct ks_policy *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	const char *env = getenv("KSHIM_POLICY");
	struct ks_policy p = { .path = ks_str_empty(env) ? KS_POLICY_FILE : env };
	struct file f = { 0 };
	struct ks_json *root;
	char *text = NULL;
	size_t len = 0;
	int r = read_file(a, p.path, &text, &len, err);

	if (r == 0 && text) {
		r = ks_json_parse(a, text, len, "the policy", &root, err);
		if (r == 0)
			r = check_members(&ctx, root);
		if (r == 0)
			r = ks_json_decode(&ctx, root, fields, &f);
		if (r == 0)
			r = read_volumes(&ctx, &f, &p);
		if (r < 0)
			return ks_err_prefix(err, r, "policy %s", p.path);
	}
	*ret = p;
	return r;
}

/* ---- asking ---------------------------------------------------------------- */

static bool allows_fs(const struct ks_policy *pol, const char *type)
{
	for (size_t i = 0; i < pol->fs_types.n; i++)
		if (ks_streq(pol->fs_types.v[i], type))
			return true;
	return !pol->fs_types.n;
}

int ks_policy_apply(const struct ks_policy *pol, struct ks_volume_params *p, struct ks_err *err)
{
	char have[24], max[24];

	if (!p->fs_type)
		p->fs_type = allows_fs(pol, "ext4") ? "ext4" : pol->fs_types.v[0];
	if (p->fsck < 0)
		p->fsck = pol->fsck;
	if (!allows_fs(pol, p->fs_type))
		return ks_err_kind(err, KS_ERR_DENIED,
				   "volume \"%s/%s\": file system %s is not among those that the "
				   "policy allows (%s)",
				   p->ns, p->claim, p->fs_type, pol->path);
	if (pol->max_bytes.set && p->size_bytes > pol->max_bytes.v)
		return ks_err_kind(err, KS_ERR_DENIED,
				   "volume \"%s/%s\": %s is more than a volume may have, %s (%s)",
				   p->ns, p->claim, ks_format_bytes(p->size_bytes, have),
				   ks_format_bytes(pol->max_bytes.v, max), pol->path);
	return 0;
}
