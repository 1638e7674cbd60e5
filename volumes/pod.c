/* SPDX-License-Identifier: Apache-2.0 */
#include "pod.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/process.h>
#include <kshim/record.h>
#include <kshim/state.h>

#define LOOK_MS 200 /* how long `kshim gc` looks at a directory without a record, at most */

static const struct ks_json_field container_fields[] = {
	KS_STR(struct ks_pod_container, id, "id", KS_FIELD_REQUIRED),
	KS_STR(struct ks_pod_container, cgroup_path, "cgroupPath", 0),
	KS_U64(struct ks_pod_container, pid, "pid", 0),
	KS_U64(struct ks_pod_container, start_time, "startTime", 0),
	KS_END,
};

static const struct ks_json_field fields[] = {
	KS_STR(struct ks_pod, uid, "uid", KS_FIELD_REQUIRED),
	KS_STR(struct ks_pod, ns, "namespace", KS_FIELD_REQUIRED),
	KS_STR(struct ks_pod, name, "name", KS_FIELD_REQUIRED),
	KS_STR(struct ks_pod, boot_id, "bootId", KS_FIELD_REQUIRED),
	KS_STRV(struct ks_pod, claims, "claims", KS_FIELD_REQUIRED),
	KS_LIST(struct ks_pod, containers, struct ks_pod_container, "containers", container_fields),
	KS_END,
};

int ks_pod_open_dir(struct ks_store *s, const char *uid, bool make, int *ret, struct ks_err *err)
{
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "pods/%s", uid);
	return ks_store_open_dir(s, path, make, ret, err);
}

int ks_pod_lock(struct ks_store *s, const char *uid, bool make, int *ret_dir, int *ret_lock,
		struct ks_err *err)
{
	struct stat st;

	for (int i = 0; i < 100; i++) {
		ks_auto_fd int dir = -EBADF;
		ks_auto_fd int lock = -EBADF;
		int r = ks_pod_open_dir(s, uid, make, &dir, err);

		if (r == -ENOENT && make)
			continue;
		if (r < 0)
			return r;
		r = ks_lock_open(dir, "lock", make ? LOOK_MS : 0, &lock, err);
		/* Removed between our two steps. */
		if (r == -ENOENT)
			continue;
		if (r != 0)
			return r;
		if (fstat(lock, &st) < 0 || !st.st_nlink || fstat(dir, &st) < 0 || !st.st_nlink)
			continue;
		*ret_dir = KS_TAKE_FD(dir);
		*ret_lock = KS_TAKE_FD(lock);
		return 0;
	}
	return ks_err_kind(err, KS_ERR_BUSY, "pod uid %s comes and goes", uid);
}

/* The empty directory of a pod, by the holder of its lock. What is not ours keeps it there. */
static int remove_dir(struct ks_store *s, int dir, const char *uid, struct ks_err *err)
{
	char path[PATH_MAX];

	ks_fmt(path, sizeof(path), "pods/%s", uid);
	(void)unlinkat(dir, "." KS_POD_RECORD ".tmp", 0);
	(void)unlinkat(dir, "lock", 0);
	if (unlinkat(s->fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return ks_err_set(err, -errno, "remove %s", path);
	return 0;
}

int ks_pod_save(int dirfd, struct ks_pod *p, struct ks_err *err)
{
	const struct ks_pod_container *c = p->containers.v;
	ks_auto_json_out struct ks_json_out o = { 0 };

	ks_json_open(&o, NULL, '{');
	ks_json_put_str(&o, "uid", p->uid);
	ks_json_put_str(&o, "namespace", p->ns);
	ks_json_put_str(&o, "name", p->name);
	ks_json_put_str(&o, "bootId", p->boot_id);
	ks_json_put_strv(&o, "claims", &p->claims);
	ks_json_open(&o, "containers", '[');
	for (size_t i = 0; i < p->containers.n; i++) {
		ks_json_open(&o, NULL, '{');
		ks_json_put_str(&o, "id", c[i].id);
		if (c[i].pid.set) {
			ks_json_put_str(&o, "cgroupPath", c[i].cgroup_path);
			ks_json_put_u64(&o, "pid", c[i].pid.v);
			ks_json_put_u64(&o, "startTime", c[i].start_time.v);
		}
		ks_json_close(&o, '}');
	}
	ks_json_close(&o, ']');
	ks_json_close(&o, '}');
	if (o.buf.failed)
		return ks_err_oom(err);
	int r = ks_record_write(dirfd, KS_POD_RECORD, "pod", p->generation + 1, o.buf.data, err);

	if (r < 0)
		return ks_err_prefix(err, r, "pod %s", p->uid);
	p->generation++;
	return 0;
}

int ks_pod_load(struct ks_arena *a, int dirfd, struct ks_pod *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_record rec = { 0 };
	struct ks_pod p = { 0 };
	int r = ks_record_read(a, dirfd, KS_POD_RECORD, "pod", &rec, err);

	if (r != 0)
		return r;
	if (ks_json_decode(&ctx, rec.body, fields, &p) < 0)
		return KS_RECORD_CORRUPT;
	p.generation = rec.generation;
	*ret = p;
	return 0;
}

/* Its first process, or any that this one left behind in the cgroup. */
static bool container_alive(const struct ks_store *s, const struct ks_pod_container *c)
{
	if (!c->pid.set)
		return false;
	return ks_process_alive((pid_t)c->pid.v, c->start_time.v) ||
	       (s->populated && !ks_str_empty(c->cgroup_path) && s->populated(c->cgroup_path));
}

const struct ks_pod_container *ks_pod_alive(const struct ks_store *s, const struct ks_pod *p)
{
	const struct ks_pod_container *c = p->containers.v;
	char boot_id[KS_BOOT_ID_SIZE];

	/* Pids of another boot say nothing; the kernel's view of the volumes still counts. */
	if (ks_boot_id(boot_id, NULL) < 0 || !ks_streq(boot_id, p->boot_id))
		return NULL;
	for (size_t i = 0; i < p->containers.n; i++)
		if (container_alive(s, &c[i]))
			return &c[i];
	return NULL;
}

static int release_claims(struct ks_arena *a, struct ks_store *s, const struct ks_pod *p,
			  bool detached, struct ks_err *err)
{
	for (size_t i = 0; i < p->claims.n; i++) {
		ks_auto_fd int lock = -EBADF;
		int r = detached ?
				0 :
				ks_store_lock(s, "volume", p->ns, p->claims.v[i], 1000, &lock, err);

		/* Somebody has it, who clears our mark before anything else: ks_claim_lock(). */
		if (r == KS_LOCK_HELD)
			continue;
		if (r == 0)
			r = ks_volume_clear_attached(a, s, p->ns, p->claims.v[i], p->uid, detached,
						     err);
		if (r < 0)
			return r;
		ks_crash_point("pod-detached");
	}
	return 0;
}

/* The data goes first: it needs no space, and may be what took all of it. */
static int tear_down(struct ks_arena *a, struct ks_store *s, const struct ks_pod *p, bool detached,
		     struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = ks_pod_open_dir(s, p->uid, false, &dir, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ks_trash_put(s, dir, "emptydir", err);
	ks_crash_point("pod-trashed");
	if (r == 0)
		r = release_claims(a, s, p, detached, err);
	if (r == 0 && *p->name)
		r = ks_identity_give_up(a, s, p->ns, p->name, p->uid, err);
	ks_crash_point("pod-identity");
	if (r == 0)
		r = ks_record_remove(dir, KS_POD_RECORD, err);
	if (r < 0)
		return r;
	return remove_dir(s, dir, p->uid, err);
}

int ks_pod_tear_down(struct ks_arena *a, struct ks_store *s, const struct ks_pod *p, bool detached,
		     struct ks_err *err)
{
	int r = tear_down(a, s, p, detached, err);

	if (r != -ENOSPC)
		return r;
	/* Every step may be repeated. */
	(void)ks_trash_purge(s, NULL, NULL);
	return tear_down(a, s, p, detached, err);
}

static int recover_locked(struct ks_arena *a, struct ks_store *s, int dir, const char *uid,
			  bool identity_locked, struct ks_gc *gc, struct ks_err *err)
{
	ks_auto_fd int id_lock = -EBADF;
	struct ks_pod p = { 0 };
	char path[PATH_MAX];
	int r = ks_pod_load(a, dir, &p, err);

	ks_fmt(path, sizeof(path), "pods/%s", uid);
	if (r == KS_RECORD_ABSENT) {
		/* Cut before its record, or after its removal: nothing else was there. */
		return remove_dir(s, dir, uid, err);
	}
	if (r == KS_RECORD_CORRUPT) {
		if (gc)
			ks_gc_note(gc, false,
				   "%s: %s; left alone, `kshim pod release` frees its name", path,
				   err->msg);
		return -EUCLEAN;
	}
	if (r != 0)
		return r;
	const struct ks_pod_container *alive = ks_pod_alive(s, &p);

	if (alive) {
		ks_err_kind(err, KS_ERR_BUSY,
			    "pod %s%s%s (uid %s) lost its keeper, but container \"%s\" (pid "
			    "%llu) or a process of it still runs; delete it first",
			    p.ns, *p.name ? "/" : "", p.name, uid, alive->id,
			    (unsigned long long)alive->pid.v);
		return KS_POD_ALIVE;
	}
	if (*p.name && !identity_locked) {
		r = ks_store_lock(s, "identity", p.ns, p.name, 0, &id_lock, err);
		if (r < 0)
			return r;
		/* A new incarnation has the name already: then it did this clearing. */
	}
	r = ks_pod_tear_down(a, s, &p, false, err);
	if (r == 0 && gc)
		ks_gc_note(gc, true, "pod %s%s%s (uid %s): took down what its keeper left", p.ns,
			   *p.name ? "/" : "", p.name, uid);
	return r;
}

int ks_pod_recover(struct ks_arena *a, struct ks_store *s, const char *uid, bool identity_locked,
		   struct ks_gc *gc, struct ks_err *err)
{
	ks_auto_fd int lock = -EBADF;
	ks_auto_fd int dir = -EBADF;
	int r = ks_pod_lock(s, uid, false, &dir, &lock, err);

	if (r == KS_LOCK_HELD)
		return KS_POD_KEPT;
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : recover_locked(a, s, dir, uid, identity_locked, gc, err);
}

/* Whether a container of the runtime root that says it is of the pod may still run. */
static int check_no_container(const struct ks_pod_ctx *ctx, const char *uid, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv ids = { 0 };
	int r = ks_state_list(&a, ctx->root_fd, &ids, err);

	for (size_t i = 0; i < ids.n && r == 0; i++) {
		ks_auto_fd int dir = -EBADF;
		struct ks_container c = { 0 };

		if (ks_state_open(ctx->root_fd, ids.v[i], &dir, NULL, NULL) < 0 ||
		    ks_state_load(&a, dir, &c, NULL) != 0 || !c.storage ||
		    !ks_streq(c.storage, uid))
			continue;
		if (ks_state_status(dir, &c) != KS_STATUS_STOPPED ||
		    (ctx->store->populated && ctx->store->populated(c.cgroup_path)))
			r = ks_err_kind(err, KS_ERR_BUSY,
					"container \"%s\" still runs; delete it first", ids.v[i]);
	}
	return r;
}

/*
 * A pod whose record is damaged. Its claims are known by the identity, and the
 * kernel tells whether they are free; the record is set aside, and what else
 * is in its directory stays, since nobody can tell any more whose it is.
 */
static int release_damaged(struct ks_arena *a, const struct ks_pod_ctx *ctx,
			   const struct ks_identity *id, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int lock = -EBADF;
	struct ks_pod p = { .uid = id->holder_uid, .ns = id->ns, .claims = id->claims };
	int r = check_no_container(ctx, id->holder_uid, err);

	if (r == 0)
		r = ks_pod_lock(ctx->store, id->holder_uid, false, &dir, &lock, err);
	if (r == KS_LOCK_HELD)
		r = ks_err_kind(err, KS_ERR_BUSY, "its keeper lives");
	if (r == 0)
		r = release_claims(a, ctx->store, &p, false, err);
	return r < 0 ? r : ks_record_set_aside(dir, KS_POD_RECORD, err);
}

int ks_pod_release(struct ks_arena *a, const struct ks_pod_ctx *ctx, const char *ns,
		   const char *name, struct ks_err *err)
{
	ks_auto_fd int lock = -EBADF;
	struct ks_identity id = { 0 };
	int r = ks_check_names(ns, name, "pod", err);

	if (r == 0)
		r = ks_store_lock(ctx->store, "identity", ns, name, 0, &lock, err);
	if (r == KS_LOCK_HELD)
		return ks_err_kind(err, KS_ERR_BUSY, "pod %s/%s is running; delete its containers",
				   ns, name);
	if (r == 0)
		r = ks_identity_load(a, ctx->store, ns, name, &id, err);
	if (r == KS_IDENTITY_ABSENT)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "pod %s/%s has no identity", ns, name);
	if (r < 0 || !id.holder_uid)
		return r;
	r = ks_pod_recover(a, ctx->store, id.holder_uid, true, NULL, err);
	if (r == KS_POD_KEPT)
		return ks_err_kind(err, KS_ERR_BUSY, "pod %s/%s is being taken down", ns, name);
	if (r == KS_POD_ALIVE)
		return -EBUSY;
	if (r == -EUCLEAN)
		r = release_damaged(a, ctx, &id, err);
	/* Its record was gone already: only the mark was left. */
	return r < 0 ? r : ks_identity_give_up(a, ctx->store, ns, name, id.holder_uid, err);
}

/* One socket in the runtime root; under the pod's lock, so that no keeper is starting there. */
static void remove_run_dir(const struct ks_pod_ctx *ctx, const char *uid, struct ks_gc *gc)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int lock = -EBADF;

	if (ks_pod_is_up(ctx, uid) || ks_pod_lock(ctx->store, uid, true, &dir, &lock, NULL) != 0)
		return;
	if (faccessat(dir, KS_POD_RECORD, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		if (ks_pod_remove_run_dir(ctx, uid))
			ks_gc_note(gc, true, "pod uid %s: removed its keeper's socket", uid);
		(void)remove_dir(ctx->store, dir, uid, NULL);
	}
}

/* What dead keepers left in the runtime root. */
static void remove_run_dirs(const struct ks_pod_ctx *ctx, struct ks_gc *gc)
{
	int fd = openat(ctx->root_fd, "pods", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		if (e->d_name[0] != '.')
			remove_run_dir(ctx, e->d_name, gc);
	if (d)
		closedir(d);
}

int ks_pod_gc(const struct ks_pod_ctx *ctx, struct ks_gc *gc, struct ks_err *err)
{
	struct ks_strv uids = { 0 };
	struct ks_identities ids = { 0 };
	int r = ks_store_list(gc->arena, ctx->store, "pods", &uids, err);

	for (size_t i = 0; i < uids.n && r == 0; i++) {
		struct ks_err why = KS_ERR_INIT;

		int one = ks_pod_recover(gc->arena, ctx->store, uids.v[i], false, gc, &why);

		/* A damaged one has been told of. */
		if ((one < 0 || one == KS_POD_ALIVE) && one != -EUCLEAN && *why.msg)
			ks_gc_note(gc, false, "%s", why.msg);
	}
	if (r == 0)
		remove_run_dirs(ctx, gc);
	/* Holders whose incarnation left nothing behind. */
	if (r == 0)
		r = ks_identity_list(gc->arena, ctx->store, &ids, err);
	for (size_t i = 0; i < ids.n && r == 0; i++) {
		struct ks_err why = KS_ERR_INIT;

		if (!ids.v[i].holder_uid ||
		    ks_identity_held(ctx->store, ids.v[i].ns, ids.v[i].name))
			continue;
		if (ks_pod_release(gc->arena, ctx, ids.v[i].ns, ids.v[i].name, &why) == 0)
			ks_gc_note(gc, true, "identity %s/%s: freed", ids.v[i].ns, ids.v[i].name);
	}
	return r;
}
