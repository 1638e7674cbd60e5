/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether there is room for one more volume. Others are made and finished meanwhile: who wants to
 * stand in the journal needs the lock, so the journal is read first, and what it has counts by it
 * however far it has come when the records are read.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/record.h>

#include "policy.h"

#define LOCK_MS 10000

struct room {
	struct ks_arena *arena;
	struct ks_store *store;
	const char *ns;	       /* whose sum is .own */
	bool all;	       /* the others count, too */
	struct ks_volumes new; /* that others are making */
	uint64_t used, own;    /* bytes */
};

static void add(struct room *m, const char *ns, uint64_t size)
{
	if (__builtin_add_overflow(m->used, size, &m->used))
		m->used = UINT64_MAX;
	if (ks_streq(ns, m->ns) && __builtin_add_overflow(m->own, size, &m->own))
		m->own = UINT64_MAX;
}

static bool is_new(const struct room *m, const char *ns, const char *claim)
{
	for (size_t i = 0; i < m->new.n; i++)
		if (ks_streq(m->new.v[i].ns, ns) && ks_streq(m->new.v[i].claim, claim))
			return true;
	return false;
}

/* An entry whose claim is not locked is of a create that was cut off: what it left counts by that.
 */
static int read_journal(struct room *m, struct ks_err *err)
{
	struct ks_strv names = { 0 };
	ks_auto_fd int journal = -EBADF;
	int r = ks_store_open_dir(m->store, "journal", true, &journal, err);

	if (r == 0)
		r = ks_store_list(m->arena, m->store, "journal", &names, err);
	if (r < 0)
		return r;
	m->new.v = KS_ARENA_NEWV(m->arena, struct ks_volume, names.n + 1);
	if (!m->new.v)
		return ks_err_oom(err);
	for (size_t i = 0; i < names.n; i++) {
		struct ks_volume *v = &m->new.v[m->new.n];
		struct ks_record rec;

		if (!ks_str_prefix(names.v[i], "volume-create."))
			continue;
		r = ks_record_read(m->arena, journal, names.v[i], "volume-create", &rec, err);
		if (r < 0)
			return r;
		/* Done in this moment, or of no use to anybody: recovery sets it aside. */
		if (r != 0 || ks_volume_decode(m->arena, rec.body, v, NULL) < 0)
			continue;
		if (ks_store_locked(m->store, "volume", v->ns, v->claim)) {
			add(m, v->ns, v->size_bytes.v);
			m->new.n++;
		}
	}
	return 0;
}

/* 1 for a directory, 0 for what is none or is not there; what a link leads to is not ours to judge.
 */
static int is_dir(struct room *m, const char *path, struct ks_err *err)
{
	struct stat st;

	if (fstatat(m->store->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ?
			       0 :
			       ks_err_set(err, -errno, "look at %s/%s", m->store->path, path);
	if (S_ISLNK(st.st_mode))
		return ks_err_kind(err, KS_ERR_INVALID, "%s/%s is a symbolic link", m->store->path,
				   path);
	return S_ISDIR(st.st_mode);
}

/* By the record, or where that cannot be read by the image. */
static int add_volume(struct room *m, const char *ns, const char *claim, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int dir = -EBADF;
	struct ks_volume v = { 0 };
	char path[PATH_MAX];
	struct stat st;

	ks_fmt(path, sizeof(path), "volumes/%s/%s", ns, claim);
	int r = is_dir(m, path, err);

	if (r <= 0)
		return r;
	r = ks_volume_open_dir(m->store, ns, claim, false, &dir, err);
	if (r == 0)
		r = ks_volume_read(&a, dir, &v, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* deleted in this moment */
	if (r == 0) {
		add(m, ns, v.size_bytes.v);
		return 0;
	}
	if (fstatat(dir, KS_VOLUME_IMAGE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		add(m, ns, (uint64_t)st.st_size);
	else if (errno != ENOENT)
		return ks_err_set(err, -errno, "look at the image of volume \"%s/%s\"", ns, claim);
	return 0;
}

static int add_namespace(struct room *m, const char *ns, struct ks_err *err)
{
	struct ks_strv names = { 0 };
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "volumes/%s", ns);
	int r = is_dir(m, path, err);

	if (r == 1)
		r = ks_store_list(m->arena, m->store, path, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		if (!is_new(m, ns, names.v[i]))
			r = add_volume(m, ns, names.v[i], err);
	return r;
}

static int count(struct room *m, struct ks_err *err)
{
	struct ks_strv spaces = { 0 };
	int r = read_journal(m, err);

	ks_crash_point("policy-counting");
	if (r == 0 && !m->all)
		return add_namespace(m, m->ns, err);
	if (r == 0)
		r = ks_store_list(m->arena, m->store, "volumes", &spaces, err);
	for (size_t i = 0; i < spaces.n && r == 0; i++)
		r = add_namespace(m, spaces.v[i], err);
	return r;
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
	struct ks_opt_u64 own = pol->ns_capacity;
	struct room m = { .arena = a, .store = s, .ns = p->ns, .all = pol->capacity.set };
	int64_t v;

	if (listed && ks_parse_quantity(listed, &v) == 0)
		own = (struct ks_opt_u64){ true, (uint64_t)v };
	if (!pol->capacity.set && !own.set)
		return 0;
	ks_auto_fd int lock = -EBADF;
	int r = ks_store_lock(s, "policy", "volumes", "capacity", LOCK_MS, &lock, err);

	if (r == KS_LOCK_HELD)
		return ks_err_kind(err, KS_ERR_BUSY,
				   "volume \"%s/%s\": another command has been counting the "
				   "volumes of this node for %d s",
				   p->ns, p->claim, LOCK_MS / 1000);
	if (r == 0)
		r = count(&m, err);
	if (r == 0 && pol->capacity.set)
		r = check_room(m.used, pol->capacity.v, pol, p, "this node", err);
	if (r == 0 && own.set)
		r = check_room(m.own, own.v, pol, p, "its namespace", err);
	if (r == 0)
		*ret_lock = KS_TAKE_FD(lock);
	return r;
}
