/* SPDX-License-Identifier: Apache-2.0 */
/* The records of volumes: reading, writing, listing. */
#include "volume.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/record.h>

static const struct ks_json_name fsck_names[] = {
	{ "repair", KS_FSCK_REPAIR },
	{ "refuse", KS_FSCK_REFUSE },
	{ NULL, 0 },
};

const char *ks_fsck_name(int policy)
{
	return fsck_names[policy == KS_FSCK_REFUSE].name;
}

int ks_fsck_parse(const char *s)
{
	for (const struct ks_json_name *n = fsck_names; n->name; n++)
		if (ks_streq(n->name, s))
			return n->value;
	return -EINVAL;
}

static const struct ks_json_field attached_fields[] = {
	KS_STR(struct ks_volume, attached_uid, "podUid", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, attached_boot_id, "bootId", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field fields[] = {
	KS_STR(struct ks_volume, ns, "namespace", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, claim, "claim", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, uid, "uid", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, fs_type, "fsType", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, fs_uuid, "fsUuid", KS_FIELD_REQUIRED),
	KS_STR(struct ks_volume, created, "created", KS_FIELD_REQUIRED),
	KS_U64(struct ks_volume, size_bytes, "sizeBytes", KS_FIELD_REQUIRED),
	KS_ENUM(struct ks_volume, fsck, "fsck", KS_FIELD_REQUIRED, fsck_names),
	KS_WITHIN("attached", 0, attached_fields),
	KS_END,
};

int ks_volume_decode(struct ks_arena *a, const struct ks_json *body, struct ks_volume *ret,
		     struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_volume v = { 0 };
	int r = ks_json_decode(&ctx, body, fields, &v);

	if (r == 0)
		r = ks_check_names(v.ns, v.claim, "claim", err);
	if (r == 0 && !ks_fs_known(v.fs_type))
		r = ks_json_fail(&ctx, "fsType", "unknown file system \"%s\"", v.fs_type);
	if (r == 0)
		*ret = v;
	return r;
}

int ks_volume_write(int dirfd, const struct ks_volume *v, const char *file, const char *kind,
		    struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out o = { 0 };

	ks_volume_put(v, &o);
	if (o.buf.failed)
		return ks_err_oom(err);
	int r = ks_record_write(dirfd, file, kind, v->generation + 1, o.buf.data, err);

	return r < 0 ? ks_err_prefix(err, r, "volume \"%s/%s\"", v->ns, v->claim) : 0;
}

void ks_volume_put(const struct ks_volume *v, struct ks_json_out *o)
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
	if (v->attached_uid) {
		ks_json_open(o, "attached", '{');
		ks_json_put_str(o, "podUid", v->attached_uid);
		ks_json_put_str(o, "bootId", v->attached_boot_id);
		ks_json_close(o, '}');
	}
	ks_json_close(o, '}');
}

int ks_volume_open_dir(struct ks_store *s, const char *ns, const char *claim, bool make,
		       int *ret_fd, struct ks_err *err)
{
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "volumes/%s/%s", ns, claim);
	return ks_store_open_dir(s, path, make, ret_fd, err);
}

/* In its directory; KS_RECORD_ABSENT and KS_RECORD_CORRUPT as ks_record_read() gives them. */
int ks_volume_read(struct ks_arena *a, int dirfd, struct ks_volume *ret, struct ks_err *err)
{
	struct ks_record rec;
	int r = ks_record_read(a, dirfd, KS_VOLUME_RECORD, "volume", &rec, err);

	if (r != 0)
		return r;
	if (ks_volume_decode(a, rec.body, ret, err) < 0)
		return KS_RECORD_CORRUPT;
	ret->generation = rec.generation;
	return 0;
}

int ks_volume_load(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		   struct ks_volume *ret, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = ks_check_names(ns, claim, "claim", err);

	if (r == 0)
		r = ks_volume_open_dir(s, ns, claim, false, &dir, err);
	if (r == 0)
		r = ks_volume_read(a, dir, ret, err);
	if (r == -ENOENT || r == KS_RECORD_ABSENT)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "volume \"%s/%s\" does not exist", ns,
				   claim);
	if (r == KS_RECORD_CORRUPT)
		return ks_err_prefix(err, -EIO, "volume \"%s/%s\" (its data is left alone)", ns,
				     claim);
	return r;
}

bool ks_volume_in_use(struct ks_store *s, const char *ns, const char *claim)
{
	return ks_store_locked(s, "volume", ns, claim);
}

static int list_namespace(struct ks_arena *a, struct ks_store *s, const char *ns,
			  struct ks_volumes *ret, struct ks_err *err)
{
	struct ks_strv names = { 0 };
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "volumes/%s", ns);
	int r = ks_store_list(a, s, path, &names, err);
	struct ks_volume *v = r < 0 ? NULL :
				      KS_ARENA_NEWV(a, struct ks_volume, ret->n + names.n + 1);

	if (!v)
		return r < 0 ? r : ks_err_oom(err);
	if (ret->n)
		memcpy(v, ret->v, ret->n * sizeof(*v));
	ret->v = v;
	for (size_t i = 0; i < names.n; i++) {
		struct ks_err why = KS_ERR_INIT;

		if (ks_volume_load(a, s, ns, names.v[i], &v[ret->n], &why) == 0) {
			ret->n++;
			continue;
		}
		if (ks_strv_append(a, &ret->damaged, why.msg) < 0)
			return ks_err_oom(err);
	}
	return 0;
}

int ks_volume_list(struct ks_arena *a, struct ks_store *s, const char *ns, struct ks_volumes *ret,
		   struct ks_err *err)
{
	struct ks_strv spaces = { 0 };

	if (ns) {
		int r = ks_check_names(ns, "x", "claim", err);

		return r < 0 ? r : list_namespace(a, s, ns, ret, err);
	}
	int r = ks_store_list(a, s, "volumes", &spaces, err);

	for (size_t i = 0; i < spaces.n && r == 0; i++)
		if (ks_valid_dns_label(spaces.v[i]))
			r = list_namespace(a, s, spaces.v[i], ret, err);
	return r;
}

void ks_gc_note(struct ks_gc *gc, bool repaired, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	ks_vfmt(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (repaired)
		gc->repaired++;
	else
		gc->kept++;
	(void)ks_strv_append(gc->arena, &gc->lines, line);
}
