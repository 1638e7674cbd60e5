/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/record.h>

#define MAX_BYTES (1U << 20)
#define LOCK_MS	  10000

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

/* Elsewhere what is unknown is ignored; here it would be a limit that is not in force. */
static int refuse_unknown(struct ks_json_ctx *ctx, const struct ks_json *v,
			  const struct ks_json_field *table)
{
	for (const struct ks_json *m = v ? v->first : NULL; m; m = m->next) {
		const struct ks_json_field *f = table;

		while (f->key && !ks_streq(f->key, m->key))
			f++;
		if (!f->key)
			return ks_json_fail(ctx, m->key, "is not known");
	}
	return 0;
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

/* Who else could write it could lift the limits. Only a default that is not there is none. */
static int read_file(struct ks_arena *a, const char *path, char **text, size_t *len,
		     struct ks_err *err)
{
	struct stat st;
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT && ks_streq(path, KS_POLICY_FILE) && lstat(path, &st) < 0 &&
	    errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return ks_err_set(err, -errno, "open the policy %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & 022)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "the policy %s must be a file of root's, writable for nobody "
				   "else",
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
			r = refuse_unknown(&ctx, root, fields);
		if (r == 0)
			r = ks_json_decode(&ctx, root, fields, &f);
		size_t old = ks_json_enter(&ctx, "volumes", 0);

		if (r == 0)
			r = refuse_unknown(&ctx, ks_json_get(root, "volumes"), volume_fields);
		ks_json_leave(&ctx, old);
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

/* What is there: by the record, or where that cannot be read by the image. */
static uint64_t size_of(struct ks_store *s, const char *ns, const char *claim)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int dir = -EBADF;
	struct ks_volume v = { 0 };
	struct stat st;

	if (ks_volume_open_dir(s, ns, claim, false, &dir, NULL) < 0)
		return 0;
	if (ks_volume_read(&a, dir, &v, NULL) == 0)
		return v.size_bytes.v;
	return fstatat(dir, KS_VOLUME_IMAGE, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size :
									      0;
}

/* Sums do not wrap: what is there was at most 64Ti each. */
static int sum_namespace(struct ks_arena *a, struct ks_store *s, const char *ns, uint64_t *ret,
			 struct ks_err *err)
{
	struct ks_strv names = { 0 };
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "volumes/%s", ns);
	int r = ks_store_list(a, s, path, &names, err);

	for (size_t i = 0; i < names.n; i++)
		*ret += size_of(s, ns, names.v[i]);
	return r;
}

/* What others are making just now: it stands in the journal, and its claim is locked. */
static int sum_journal(struct ks_arena *a, struct ks_store *s, const char *only_ns, uint64_t *ret,
		       struct ks_err *err)
{
	struct ks_strv names = { 0 };
	ks_auto_fd int journal = -EBADF;
	int r = ks_store_open_dir(s, "journal", true, &journal, err);

	if (r == 0)
		r = ks_store_list(a, s, "journal", &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		struct ks_volume v = { 0 };
		struct ks_record rec;

		if (!ks_str_prefix(names.v[i], "volume-create.") ||
		    ks_record_read(a, journal, names.v[i], "volume-create", &rec, NULL) != 0 ||
		    ks_volume_decode(a, rec.body, &v, NULL) < 0)
			continue;
		if ((!only_ns || ks_streq(only_ns, v.ns)) &&
		    ks_store_locked(s, "volume", v.ns, v.claim) && !size_of(s, v.ns, v.claim))
			*ret += v.size_bytes.v;
	}
	return r;
}

static int sum_all(struct ks_arena *a, struct ks_store *s, uint64_t *ret, struct ks_err *err)
{
	struct ks_strv spaces = { 0 };
	int r = ks_store_list(a, s, "volumes", &spaces, err);

	for (size_t i = 0; i < spaces.n && r == 0; i++)
		if (ks_valid_dns_label(spaces.v[i]))
			r = sum_namespace(a, s, spaces.v[i], ret, err);
	return r < 0 ? r : sum_journal(a, s, NULL, ret, err);
}

static int check_room(uint64_t used, uint64_t capacity, const struct ks_policy *pol,
		      const struct ks_volume_params *p, const char *of, struct ks_err *err)
{
	char have[24], max[24], more[24];

	if (used <= capacity && p->size_bytes <= capacity - used)
		return 0;
	return ks_err_kind(err, KS_ERR_EXHAUSTED,
			   "volume \"%s/%s\": no room for %s: the volumes of %s have %s of %s (%s)",
			   p->ns, p->claim, ks_format_bytes(p->size_bytes, more), of,
			   ks_format_bytes(used, have), ks_format_bytes(capacity, max), pol->path);
}

int ks_policy_admit(struct ks_arena *a, struct ks_store *s, const struct ks_policy *pol,
		    const struct ks_volume_params *p, int *ret_lock, struct ks_err *err)
{
	const char *listed = ks_map_get(&pol->namespaces, p->ns);
	struct ks_opt_u64 ns_capacity = pol->ns_capacity;
	uint64_t all = 0, own = 0;
	int64_t v;

	if (listed && ks_parse_quantity(listed, &v) == 0)
		ns_capacity = (struct ks_opt_u64){ true, (uint64_t)v };
	if (!pol->capacity.set && !ns_capacity.set)
		return 0;
	ks_auto_fd int lock = -EBADF;
	int r = ks_store_lock(s, "policy", "volumes", "capacity", LOCK_MS, &lock, err);

	if (r == KS_LOCK_HELD)
		return ks_err_kind(err, KS_ERR_BUSY, "volume \"%s/%s\": another one is being made",
				   p->ns, p->claim);
	if (r == 0 && pol->capacity.set)
		r = sum_all(a, s, &all, err);
	if (r == 0 && pol->capacity.set)
		r = check_room(all, pol->capacity.v, pol, p, "this node", err);
	if (r == 0 && ns_capacity.set)
		r = sum_namespace(a, s, p->ns, &own, err);
	if (r == 0 && ns_capacity.set)
		r = sum_journal(a, s, p->ns, &own, err);
	if (r == 0 && ns_capacity.set)
		r = check_room(own, ns_capacity.v, pol, p, "its namespace", err);
	if (r == 0)
		*ret_lock = KS_TAKE_FD(lock);
	return r;
}
