/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and deleting volumes so that a cut at any moment loses nothing.
 *
 * Create, each line durable before the next:
 *   journal/volume-create.NS.CLAIM.json   what is to be made, with its UUID
 *   volumes/NS/CLAIM/image.creating       allocated, formatted with that UUID, verified
 *   volumes/NS/CLAIM/image                renamed: it is complete
 *   volumes/NS/CLAIM/volume.json          it exists
 *   the journal entry is removed
 * Recovery: a record means done; an image of the right UUID is completed; an
 * image.creating was never handed out and is removed. An image whose UUID is
 * another is nobody's to delete: it stays and is reported.
 *
 * Delete: journal entry, rename of the directory to trash/, entry removed, purge.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/process.h>
#include <kshim/record.h>

#include "pod.h"
#include "policy.h"

#define CREATING KS_VOLUME_IMAGE ".creating"
#define LOCK_MS	 10000

static void journal_name(char buf[static NAME_MAX + 1], const char *op, const char *ns,
			 const char *claim)
{
	ks_fmt(buf, NAME_MAX + 1, "volume-%s.%s.%s.json", op, ns, claim);
}

static int open_journal(struct ks_store *s, int *ret, struct ks_err *err)
{
	return ks_store_open_dir(s, "journal", true, ret, err);
}

static int check_params(const struct ks_volume_params *p, struct ks_err *err)
{
	char buf[24];
	int r = ks_check_names(p->ns, p->claim, "claim", err);

	if (r < 0)
		return r;
	/* Its journal entry is a file of that name. */
	if (strlen(p->ns) + strlen(p->claim) > 220)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "namespace and claim \"%s/%s\" are longer than 220 together",
				   p->ns, p->claim);
	if (p->fs_type && !ks_fs_known(p->fs_type))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "file system \"%s\" is not supported: ext4 or xfs", p->fs_type);
	if (p->size_bytes < KS_VOLUME_MIN_BYTES || p->size_bytes > KS_VOLUME_MAX_BYTES)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "size %s of volume \"%s/%s\" is not between 16Mi and 64Ti",
				   ks_format_bytes(p->size_bytes, buf), p->ns, p->claim);
	if (p->fs_type && ks_streq(p->fs_type, "xfs") && p->size_bytes < 300ULL << 20)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "size %s of volume \"%s/%s\" is below xfs' least, 300Mi",
				   ks_format_bytes(p->size_bytes, buf), p->ns, p->claim);
	return 0;
}

/* The absolute path of a file of a volume, for tools. */
static const char *volume_path(struct ks_arena *a, struct ks_store *s, const struct ks_volume *v,
			       const char *file)
{
	return ks_arena_printf(a, "%s/volumes/%s/%s/%s", s->path, v->ns, v->claim, file);
}

/* Sparse: a claim's size is a limit. The directory is on no copy-on-write file system's good side.
 */
static int make_image(struct ks_arena *a, struct ks_store *s, int dir, const struct ks_volume *v,
		      int lock_fd, struct ks_err *err)
{
	struct ks_fs_info info = { 0 };
	const char *path = volume_path(a, s, v, CREATING);

	if (!path)
		return ks_err_oom(err);
	if (unlinkat(dir, CREATING, 0) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove %s", path);
	ks_auto_fd int fd =
		openat(dir, CREATING, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ks_err_set(err, -errno, "make %s", path);
	if (ftruncate(fd, (off_t)v->size_bytes.v) < 0)
		return ks_err_set(err, -errno, "size %s", path);
	ks_crash_point("volume-allocated");
	int r = ks_fs_make(a, fd, v->fs_type, v->fs_uuid, lock_fd, err);

	ks_crash_point("volume-formatted");
	if (r == 0 && fsync(fd) < 0)
		r = ks_err_set(err, -errno, "sync %s", path);
	if (r == 0)
		r = ks_fs_probe(fd, path, &info, err);
	if (r == 0 && (!ks_streq(info.type, v->fs_type) || !ks_streq(info.uuid, v->fs_uuid)))
		r = ks_err_kind(err, KS_ERR_INTERNAL, "%s was formatted as %s %s, expected %s %s",
				path, info.type, info.uuid, v->fs_type, v->fs_uuid);
	return r;
}

/* From the finished image to the record; recovery enters here too. */
static int finish_create(int dir, const struct ks_volume *v, struct ks_err *err)
{
	if (fsync(dir) < 0)
		return ks_err_set(err, -errno, "sync the directory of volume \"%s/%s\"", v->ns,
				  v->claim);
	ks_crash_point("volume-image");
	int r = ks_volume_write(dir, v, KS_VOLUME_RECORD, "volume", err);

	ks_crash_point("volume-recorded");
	return r;
}

#define IMAGE_STAYS 1

/*
 * Removes what an interrupted or failed create made. Never a record, and never
 * an `image`: IMAGE_STAYS says that there is one, which the journal entry may
 * still be needed for.
 */
static int undo_create(struct ks_store *s, const char *ns, const char *claim, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int parent = -EBADF;
	char path[PATH_MAX];
	int r = ks_volume_open_dir(s, ns, claim, false, &dir, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (unlinkat(dir, CREATING, 0) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove the unfinished image of \"%s/%s\"", ns,
				  claim);
	(void)unlinkat(dir, "." KS_VOLUME_RECORD ".tmp", 0);
	if (faccessat(dir, KS_VOLUME_IMAGE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return IMAGE_STAYS;
	ks_fmt(path, sizeof(path), "volumes/%s", ns);
	r = ks_store_open_dir(s, path, false, &parent, err);
	if (r < 0)
		return r;
	/* Not empty: something that is not of this create's making. It stays. */
	if (unlinkat(parent, claim, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return ks_err_set(err, -errno, "remove the directory of \"%s/%s\"", ns, claim);
	(void)unlinkat(s->fd, path, AT_REMOVEDIR);
	return 0;
}

static int init_volume(struct ks_arena *a, const struct ks_volume_params *p, struct ks_volume *v,
		       struct ks_err *err)
{
	char uid[37], uuid[37], now[40];

	if (ks_random_uuid(uid) < 0 || ks_random_uuid(uuid) < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "no random numbers");
	*v = (struct ks_volume){
		.ns = p->ns,
		.claim = p->claim,
		.uid = ks_arena_strdup(a, uid),
		.fs_type = p->fs_type,
		.fs_uuid = ks_arena_strdup(a, uuid),
		.created = ks_arena_strdup(a, ks_now_rfc3339(now)),
		.size_bytes = { true, p->size_bytes },
		.fsck = p->fsck,
	};
	return v->uid && v->fs_uuid && v->created ? 0 : ks_err_oom(err);
}

static int create_journalled(struct ks_arena *a, struct ks_store *s, const struct ks_volume *v,
			     int lock_fd, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = ks_volume_open_dir(s, v->ns, v->claim, true, &dir, err);

	if (r == 0)
		r = make_image(a, s, dir, v, lock_fd, err);
	if (r < 0)
		return r;
	/* Never over an image that is there. */
	if (renameat2(dir, CREATING, dir, KS_VOLUME_IMAGE, RENAME_NOREPLACE) < 0)
		return ks_err_set(err, -errno, "name the image of \"%s/%s\"", v->ns, v->claim);
	return finish_create(dir, v, err);
}

static int refuse_existing(struct ks_store *s, const struct ks_volume_params *p, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = ks_volume_open_dir(s, p->ns, p->claim, false, &dir, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* An image without a record, too, is somebody's data. */
	if (faccessat(dir, KS_VOLUME_RECORD, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ks_err_kind(err, KS_ERR_EXISTS, "volume \"%s/%s\" already exists", p->ns,
				   p->claim);
	if (faccessat(dir, KS_VOLUME_IMAGE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return ks_err_kind(err, KS_ERR_EXISTS,
				   "volume \"%s/%s\" has an image without a record; it is left "
				   "alone",
				   p->ns, p->claim);
	return 0;
}

/* From here on others count it, and recovery knows of it. */
static int write_journal(struct ks_arena *a, struct ks_store *s, const struct ks_policy *policy,
			 const struct ks_volume_params *p, int journal, const struct ks_volume *v,
			 struct ks_err *err)
{
	char entry[NAME_MAX + 1];
	ks_auto_fd int lock = -EBADF;
	int r = ks_policy_admit(a, s, policy, p, &lock, err);

	journal_name(entry, "create", p->ns, p->claim);
	return r < 0 ? r : ks_volume_write(journal, v, entry, "volume-create", err);
}

int ks_volume_create_locked(struct ks_arena *a, struct ks_store *s,
			    const struct ks_volume_params *params, int lock_fd,
			    struct ks_volume *ret, struct ks_err *err)
{
	struct ks_volume_params whole = *params, *p = &whole;
	char entry[NAME_MAX + 1];
	ks_auto_fd int journal = -EBADF;
	struct ks_volume v = { 0 };
	struct ks_policy policy;
	int r = check_params(p, err); /* the names become paths */

	if (r == 0)
		r = ks_volume_recover(a, s, p->ns, p->claim, NULL, err);
	if (r == 0)
		r = refuse_existing(s, p, err);
	if (r == 0)
		r = ks_policy_load(a, &policy, err);
	if (r == 0)
		r = ks_policy_apply(&policy, p, err);
	if (r == 0)
		r = check_params(p, err); /* with the file system that it is now known to have */
	if (r == 0)
		r = init_volume(a, p, &v, err);
	if (r == 0)
		r = open_journal(s, &journal, err);
	if (r == 0)
		r = write_journal(a, s, &policy, p, journal, &v, err);
	if (r < 0)
		return r;
	journal_name(entry, "create", p->ns, p->claim);
	ks_crash_point("volume-journalled");
	r = create_journalled(a, s, &v, lock_fd, err);
	if (r < 0) {
		if (undo_create(s, p->ns, p->claim, NULL) == 0)
			(void)ks_record_remove(journal, entry, NULL);
		return ks_err_prefix(err, r, "create volume \"%s/%s\"", p->ns, p->claim);
	}
	r = ks_record_remove(journal, entry, err);
	if (r == 0)
		*ret = v;
	return r;
}

int ks_volume_create(struct ks_arena *a, struct ks_store *s, const struct ks_volume_params *p,
		     struct ks_volume *ret, struct ks_err *err)
{
	ks_auto_fd int lock = -EBADF;
	int r = check_params(p, err);

	if (r == 0)
		r = ks_claim_lock(a, s, p->ns, p->claim, LOCK_MS, &lock, err);
	return r < 0 ? r : ks_volume_create_locked(a, s, p, lock, ret, err);
}

int ks_volume_wait_free(int dir, struct ks_err *err)
{
	char path[32];
	int r = 0;
	ks_auto_fd int image = openat(dir, KS_VOLUME_IMAGE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ks_auto_fd int dev_dir = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (image < 0)
		return errno == ENOENT ? 0 : ks_err_set(err, -errno, "open the image");
	for (int i = 0; i < 200; i++) {
		r = ks_loopdev_find(image, path, err);
		if (r <= 0)
			return r;
		usleep(10000);
	}
	return ks_err_kind(err, KS_ERR_BUSY, "its image is still attached to %s%s", path,
			   ks_loopdev_exclusive(dev_dir, path) < 0 ? ", which is mounted" : "");
}

int ks_volume_clear_attached(struct ks_arena *a, struct ks_store *s, const char *ns,
			     const char *claim, const char *pod_uid, bool detached,
			     struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	struct ks_volume v = { 0 };
	int r = ks_volume_open_dir(s, ns, claim, false, &dir, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = ks_volume_read(a, dir, &v, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!v.attached_uid || !ks_streq(v.attached_uid, pod_uid))
		return 0;
	r = detached ? 0 : ks_volume_wait_free(dir, err);
	if (r < 0)
		return ks_err_prefix(err, r, "volume \"%s/%s\"", ns, claim);
	v.attached_uid = NULL;
	return ks_volume_write(dir, &v, KS_VOLUME_RECORD, "volume", err);
}

/* Whether what stands under the name is the volume that was to be deleted. */
static bool is_that_volume(struct ks_arena *a, struct ks_store *s, const struct ks_volume *v)
{
	ks_auto_fd int dir = -EBADF;
	struct ks_volume now = { 0 };

	return ks_volume_open_dir(s, v->ns, v->claim, false, &dir, NULL) == 0 &&
	       ks_volume_read(a, dir, &now, NULL) == 0 && ks_streq(now.uid, v->uid);
}

/* @v: as the journal has it. Another volume that has got the name since then is not touched. */
static int delete_journalled(struct ks_arena *a, struct ks_store *s, const struct ks_volume *v,
			     struct ks_err *err)
{
	char path[PATH_MAX], entry[NAME_MAX + 1];
	ks_auto_fd int parent = -EBADF;
	ks_auto_fd int journal = -EBADF;

	ks_fmt(path, sizeof(path), "volumes/%s", v->ns);
	int r = open_journal(s, &journal, err);

	if (r == 0 && is_that_volume(a, s, v)) {
		r = ks_store_open_dir(s, path, false, &parent, err);
		if (r == 0)
			r = ks_trash_put(s, parent, v->claim, err);
	}
	ks_crash_point("volume-trashed");
	if (r < 0)
		return r;
	(void)unlinkat(s->fd, path, AT_REMOVEDIR);
	journal_name(entry, "delete", v->ns, v->claim);
	r = ks_record_remove(journal, entry, err);
	/* It is deleted; what of the trash cannot go now is left to `kshim gc`. */
	(void)ks_trash_purge(s, NULL, NULL);
	return r;
}

int ks_volume_delete(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		     struct ks_err *err)
{
	char entry[NAME_MAX + 1];
	ks_auto_fd int lock = -EBADF;
	ks_auto_fd int journal = -EBADF;
	ks_auto_fd int dir = -EBADF;
	struct ks_volume v = { 0 };
	int r = ks_check_names(ns, claim, "claim", err);

	if (r == 0)
		r = ks_claim_lock(a, s, ns, claim, LOCK_MS, &lock, err);
	if (r == 0)
		r = ks_volume_load(a, s, ns, claim, &v, err);
	if (r < 0)
		return r;
	r = ks_volume_open_dir(s, ns, claim, false, &dir, err);
	if (r == 0)
		r = ks_volume_wait_free(dir, err);
	if (r == 0)
		r = open_journal(s, &journal, err);
	if (r < 0)
		return ks_err_prefix(err, r, "delete volume \"%s/%s\"", ns, claim);
	journal_name(entry, "delete", ns, claim);
	r = ks_volume_write(journal, &v, entry, "volume-delete", err);
	ks_crash_point("volume-delete-journalled");
	return r < 0 ? r : delete_journalled(a, s, &v, err);
}

static int recover_create(struct ks_arena *a, struct ks_store *s, int journal, const char *entry,
			  const struct ks_volume *v, struct ks_gc *gc, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int image = -EBADF;
	struct ks_volume present;
	struct ks_fs_info info = { 0 };
	int r = ks_volume_open_dir(s, v->ns, v->claim, false, &dir, err);

	if (r == 0 && ks_volume_read(a, dir, &present, NULL) == 0)
		return ks_record_remove(journal, entry, err);
	if (r == 0) {
		image = openat(dir, KS_VOLUME_IMAGE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (image < 0 && errno != ENOENT)
			return ks_err_set(err, -errno, "open the image of volume \"%s/%s\"", v->ns,
					  v->claim);
	} else if (r != -ENOENT) {
		return r;
	}
	if (image < 0) {
		r = undo_create(s, v->ns, v->claim, err);
		if (r == IMAGE_STAYS)
			return ks_err_kind(err, KS_ERR_BUSY, "volume \"%s/%s\" changes just now",
					   v->ns, v->claim);
		if (r == 0 && gc)
			ks_gc_note(gc, true, "volume \"%s/%s\": undid an interrupted create", v->ns,
				   v->claim);
		return r < 0 ? r : ks_record_remove(journal, entry, err);
	}
	r = ks_fs_probe(image, "image", &info, err);
	if (r < 0 || !ks_streq(info.uuid, v->fs_uuid))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "volume \"%s/%s\": its image has the UUID \"%s\", the journal "
				   "says %s; nothing is changed",
				   v->ns, v->claim, info.uuid, v->fs_uuid);
	r = finish_create(dir, v, err);
	if (r == 0 && gc)
		ks_gc_note(gc, true, "volume \"%s/%s\": finished an interrupted create", v->ns,
			   v->claim);
	return r < 0 ? r : ks_record_remove(journal, entry, err);
}

int ks_volume_recover(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		      struct ks_gc *gc, struct ks_err *err)
{
	static const char *const ops[] = { "create", "delete" };
	ks_auto_fd int journal = -EBADF;
	struct ks_err ignored = KS_ERR_INIT;

	err = err ? err : &ignored; /* it is looked at below */
	int r = open_journal(s, &journal, err);

	for (size_t i = 0; i < KS_ARRAY_LEN(ops) && r == 0; i++) {
		char entry[NAME_MAX + 1], kind[32];
		struct ks_record rec;
		struct ks_volume v = { 0 };

		journal_name(entry, ops[i], ns, claim);
		ks_fmt(kind, sizeof(kind), "volume-%s", ops[i]);
		r = ks_record_read(a, journal, entry, kind, &rec, err);
		if (r == KS_RECORD_ABSENT) {
			r = 0;
			continue;
		}
		if (r == 0 && ks_volume_decode(a, rec.body, &v, err) < 0) {
			if (err && err->num == ENOMEM)
				return -ENOMEM;
			r = KS_RECORD_CORRUPT;
		}
		/* Nobody can tell what was meant: it is kept, and nothing is done. */
		if (r == KS_RECORD_CORRUPT) {
			if (gc)
				ks_gc_note(gc, false, "journal/%s is damaged and set aside", entry);
			r = ks_record_set_aside(journal, entry, err);
			continue;
		}
		if (r == 0 && i == 0) {
			r = recover_create(a, s, journal, entry, &v, gc, err);
		} else if (r == 0) {
			r = delete_journalled(a, s, &v, err);
			if (r == 0 && gc)
				ks_gc_note(gc, true,
					   "volume \"%s/%s\": finished an interrupted delete", ns,
					   claim);
		}
	}
	return r;
}

/* "volume-create.NS.CLAIM.json" to its parts; false for what is no such name. */
static bool split_entry(struct ks_arena *a, const char *entry, const char **ns, const char **claim)
{
	const char *rest = ks_str_prefix(entry, "volume-create.");

	if (!rest)
		rest = ks_str_prefix(entry, "volume-delete.");
	const char *dot = rest ? strchr(rest, '.') : NULL;
	size_t len = dot ? strlen(dot + 1) : 0;

	if (len < 6 || !ks_streq(dot + 1 + len - 5, ".json"))
		return false;
	*ns = ks_arena_strndup(a, rest, (size_t)(dot - rest));
	*claim = ks_arena_strndup(a, dot + 1, len - 5);
	return *ns && *claim && ks_check_names(*ns, *claim, "claim", NULL) == 0;
}

/* What a writer of the journal that was cut off left beside an entry: never one itself. */
static void remove_unwritten(struct ks_store *s, int journal, const char *file)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int lock = -EBADF;
	const char *ns, *claim;
	size_t len = strlen(file);

	if (file[0] != '.' || len < 6 || !ks_streq(file + len - 4, ".tmp"))
		return;
	const char *entry = ks_arena_strndup(&a, file + 1, len - 5);

	if (entry && split_entry(&a, entry, &ns, &claim) &&
	    ks_store_lock(s, "volume", ns, claim, 0, &lock, NULL) == 0)
		(void)unlinkat(journal, file, 0);
}

static void remove_all_unwritten(struct ks_store *s)
{
	int fd = openat(s->fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		remove_unwritten(s, fd, e->d_name);
	if (d)
		closedir(d);
}

/* One that is wrong lets nobody make a volume: it is told before somebody wants to. */
static void note_policy(struct ks_gc *gc)
{
	struct ks_policy ignored;
	struct ks_err why = KS_ERR_INIT;

	if (ks_policy_load(gc->arena, &ignored, &why) < 0)
		ks_gc_note(gc, false, "%s", why.msg);
}

int ks_volume_gc(struct ks_store *s, struct ks_gc *gc, struct ks_err *err)
{
	struct ks_strv names = { 0 };
	unsigned int purged = 0;
	int r = ks_store_list(gc->arena, s, "journal", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++) {
		ks_auto_fd int lock = -EBADF;
		struct ks_err why = KS_ERR_INIT;
		const char *ns, *claim;

		if (!split_entry(gc->arena, names.v[i], &ns, &claim)) {
			ks_gc_note(gc, false, "journal/%s: not known, left alone", names.v[i]);
			continue;
		}
		/* At work right now. */
		if (ks_store_lock(s, "volume", ns, claim, 0, &lock, &why) != 0)
			continue;
		if (ks_volume_recover(gc->arena, s, ns, claim, gc, &why) < 0)
			ks_gc_note(gc, false, "%s", why.msg);
	}
	remove_all_unwritten(s);
	note_policy(gc);
	if (r == 0)
		r = ks_claim_gc(s, gc, err);
	if (r == 0) {
		struct ks_err why = KS_ERR_INIT;

		if (ks_trash_purge(s, &purged, &why) < 0)
			ks_gc_note(gc, false, "%s", why.msg);
	}
	if (r == 0 && purged)
		ks_gc_note(gc, true, "trash: removed %u entries", purged);
	return r;
}
