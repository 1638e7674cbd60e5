/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities: identities/NS/NAME.json. The record says what a pod of this
 * name is; the lock "identity.NS.NAME", held by its keeper, says that there
 * is one now.
 */
#include "identity.h"

#include <fcntl.h>
#include <limits.h>

#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/process.h>
#include <kshim/record.h>

static const struct ks_json_field holder_fields[] = {
	KS_STR(struct ks_identity, holder_uid, "podUid", KS_FIELD_REQUIRED),
	KS_STR(struct ks_identity, holder_boot_id, "bootId", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field fields[] = {
	KS_STR(struct ks_identity, ns, "namespace", KS_FIELD_REQUIRED),
	KS_STR(struct ks_identity, name, "name", KS_FIELD_REQUIRED),
	KS_STR(struct ks_identity, hostname, "hostname", KS_FIELD_REQUIRED),
	KS_STR(struct ks_identity, machine_id, "machineId", KS_FIELD_REQUIRED),
	KS_STR(struct ks_identity, created, "created", KS_FIELD_REQUIRED),
	KS_U64(struct ks_identity, incarnation, "incarnation", KS_FIELD_REQUIRED),
	KS_STRV(struct ks_identity, claims, "claims", KS_FIELD_REQUIRED),
	KS_WITHIN("holder", 0, holder_fields),
	KS_END,
};

void ks_identity_put(const struct ks_identity *id, struct ks_json_out *o)
{
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "namespace", id->ns);
	ks_json_put_str(o, "name", id->name);
	ks_json_put_str(o, "hostname", id->hostname);
	ks_json_put_str(o, "machineId", id->machine_id);
	ks_json_put_str(o, "created", id->created);
	ks_json_put_u64(o, "incarnation", id->incarnation.v);
	ks_json_put_strv(o, "claims", &id->claims);
	if (id->holder_uid) {
		ks_json_open(o, "holder", '{');
		ks_json_put_str(o, "podUid", id->holder_uid);
		ks_json_put_str(o, "bootId", id->holder_boot_id);
		ks_json_close(o, '}');
	}
	ks_json_close(o, '}');
}

static int open_dir(struct ks_store *s, const char *ns, bool make, int *ret, struct ks_err *err)
{
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "identities/%s", ns);
	return ks_store_open_dir(s, path, make, ret, err);
}

int ks_identity_load(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
		     struct ks_identity *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_identity id = { 0 };
	char file[NAME_MAX + 1];
	ks_auto_fd int dir = -EBADF;
	struct ks_record rec = { 0 };
	int r = ks_check_names(ns, name, "pod", err);

	if (r < 0)
		return r;
	r = open_dir(s, ns, false, &dir, err);
	if (r == -ENOENT)
		return KS_IDENTITY_ABSENT;
	ks_fmt(file, sizeof(file), "%s.json", name);
	if (r == 0)
		r = ks_record_read(a, dir, file, "identity", &rec, err);
	if (r == KS_RECORD_ABSENT)
		return KS_IDENTITY_ABSENT;
	/* A name with a damaged record is not free for a fresh start: somebody must look at it. */
	if (r == KS_RECORD_CORRUPT || (r == 0 && ks_json_decode(&ctx, rec.body, fields, &id) < 0))
		return ks_err_prefix(err, -EIO, "identity %s/%s", ns, name);
	if (r < 0)
		return r;
	id.generation = rec.generation;
	*ret = id;
	return 0;
}

int ks_identity_save(struct ks_store *s, struct ks_identity *id, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out o = { 0 };
	ks_auto_fd int dir = -EBADF;
	char file[NAME_MAX + 1];

	ks_identity_put(id, &o);
	if (o.buf.failed)
		return ks_err_oom(err);
	int r = open_dir(s, id->ns, true, &dir, err);

	ks_fmt(file, sizeof(file), "%s.json", id->name);
	if (r == 0)
		r = ks_record_write(dir, file, "identity", id->generation + 1, o.buf.data, err);
	if (r < 0)
		return ks_err_prefix(err, r, "identity %s/%s", id->ns, id->name);
	id->generation++;
	return 0;
}

static const char *expected_hostname(const struct ks_pod_spec *p, char buf[static 64])
{
	if (!ks_str_empty(p->hostname))
		return p->hostname;
	/* As Kubernetes does: the pod's name, cut to what a host name may have and may end in. */
	size_t n = ks_fmt(buf, 64, "%s", p->name);

	while (n && (buf[n - 1] == '.' || buf[n - 1] == '-'))
		buf[--n] = '\0';
	return buf;
}

static int make_first(struct ks_arena *a, const struct ks_pod_spec *p, struct ks_identity *id,
		      struct ks_err *err)
{
	char machine_id[33], now[40], host[64];

	if (ks_random_hex(machine_id, 32) < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "no random numbers");
	*id = (struct ks_identity){
		.ns = p->ns,
		.name = p->name,
		.hostname = ks_arena_strdup(a, expected_hostname(p, host)),
		.machine_id = ks_arena_strdup(a, machine_id),
		.created = ks_arena_strdup(a, ks_now_rfc3339(now)),
		.incarnation = { true, 0 },
	};
	return id->hostname && id->machine_id && id->created ? 0 : ks_err_oom(err);
}

static bool has_claim(const struct ks_identity *id, const char *claim)
{
	for (size_t i = 0; i < id->claims.n; i++)
		if (ks_streq(id->claims.v[i], claim))
			return true;
	return false;
}

/* Claims are only ever added: a pod that mounts fewer today keeps what it had. */
static int add_claims(struct ks_arena *a, const struct ks_pod_spec *p, struct ks_identity *id,
		      struct ks_err *err)
{
	struct ks_strv all = { 0 };

	for (size_t i = 0; i < id->claims.n; i++)
		if (ks_strv_append(a, &all, id->claims.v[i]) < 0)
			return ks_err_oom(err);
	for (size_t i = 0; i < p->n_volumes; i++)
		if (p->volumes[i].kind == KS_POD_CLAIM && !has_claim(id, p->volumes[i].claim) &&
		    ks_strv_append(a, &all, p->volumes[i].claim) < 0)
			return ks_err_oom(err);
	id->claims = all;
	return 0;
}

int ks_identity_take(struct ks_arena *a, struct ks_store *s, const struct ks_pod_spec *p,
		     const char *uid, const char *boot_id, struct ks_identity *ret,
		     struct ks_err *err)
{
	struct ks_identity id;
	char host[64];
	int r = ks_identity_load(a, s, p->ns, p->name, &id, err);

	if (r == KS_IDENTITY_ABSENT)
		r = make_first(a, p, &id, err);
	if (r < 0)
		return r;
	const char *want = expected_hostname(p, host);

	if (!ks_streq(id.hostname, want))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "pod %s/%s has the host name \"%s\", this one asks for \"%s\"; "
				   "use the recorded one, or `kshim pod forget %s/%s` to start "
				   "afresh",
				   p->ns, p->name, id.hostname, want, p->ns, p->name);
	r = add_claims(a, p, &id, err);
	if (r < 0)
		return r;
	id.incarnation.v++;
	id.holder_uid = uid;
	id.holder_boot_id = boot_id;
	r = ks_identity_save(s, &id, err);
	if (r == 0)
		*ret = id;
	return r;
}

int ks_identity_give_up(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
			const char *uid, struct ks_err *err)
{
	struct ks_identity id;
	int r = ks_identity_load(a, s, ns, name, &id, err);

	if (r != 0 || !id.holder_uid || !ks_streq(id.holder_uid, uid))
		return r < 0 ? r : 0;
	id.holder_uid = NULL;
	return ks_identity_save(s, &id, err);
}

bool ks_identity_held(struct ks_store *s, const char *ns, const char *name)
{
	return ks_store_locked(s, "identity", ns, name);
}

int ks_identity_list(struct ks_arena *a, struct ks_store *s, struct ks_identities *ret,
		     struct ks_err *err)
{
	struct ks_strv spaces = { 0 };
	int r = ks_store_list(a, s, "identities", &spaces, err);

	for (size_t i = 0; i < spaces.n && r == 0; i++) {
		struct ks_strv names = { 0 };
		char path[PATH_MAX];

		ks_fmt(path, sizeof(path), "identities/%s", spaces.v[i]);
		r = ks_store_list(a, s, path, &names, err);
		struct ks_identity *v = KS_ARENA_NEWV(a, struct ks_identity, ret->n + names.n + 1);

		if (!v)
			return ks_err_oom(err);
		if (ret->n)
			memcpy(v, ret->v, ret->n * sizeof(*v));
		ret->v = v;
		for (size_t k = 0; k < names.n && r == 0; k++) {
			size_t len = strlen(names.v[k]);

			if (len < 6 || !ks_streq(names.v[k] + len - 5, ".json"))
				continue;
			names.v[k][len - 5] = '\0';
			if (ks_identity_load(a, s, spaces.v[i], names.v[k], &v[ret->n], NULL) == 0)
				ret->n++;
		}
	}
	return r;
}

int ks_identity_forget(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
		       struct ks_err *err)
{
	ks_auto_fd int lock = -EBADF;
	ks_auto_fd int dir = -EBADF;
	char file[NAME_MAX + 1];
	struct ks_identity id = { 0 };
	int r = ks_check_names(ns, name, "pod", err);

	if (r == 0)
		r = ks_store_lock(s, "identity", ns, name, 0, &lock, err);
	if (r == KS_LOCK_HELD)
		return ks_err_kind(err, KS_ERR_BUSY, "pod %s/%s is running", ns, name);
	if (r == 0)
		r = ks_identity_load(a, s, ns, name, &id, err);
	if (r == KS_IDENTITY_ABSENT)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "pod %s/%s has no identity", ns, name);
	if (r == 0 && id.holder_uid)
		return ks_err_kind(err, KS_ERR_BUSY,
				   "pod %s/%s was not taken down; run `kshim pod release %s/%s` "
				   "first",
				   ns, name, ns, name);
	if (r == 0)
		r = open_dir(s, ns, false, &dir, err);
	ks_fmt(file, sizeof(file), "%s.json", name);
	return r < 0 ? r : ks_record_remove(dir, file, err);
}
