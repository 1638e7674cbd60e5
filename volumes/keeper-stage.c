/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attach and stage, and the way back. Order, for a claim:
 *
 *   lock - record compared - mark written - loop device - superblock compared
 *   - fsck - mount;   back: umount - kernel asked (O_EXCL) - mark cleared - unlock
 *
 * Whatever is wrong refuses; nothing here formats.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/path.h>
#include <kshim/record.h>

#include "keeper.h"

#define CLAIM_MS  1000 /* for a command that is about to be done, as a gc */
#define DETACH_MS 10000

static int load_or_create(struct ks_keeper *k, const struct ks_pod_volume *pv, int lock_fd,
			  struct ks_volume *v, struct ks_err *err)
{
	struct ks_volume_params params = { .ns = k->pod.ns,
					   .claim = pv->claim,
					   .size_bytes = pv->size_bytes,
					   .fs_type = pv->fs_type,
					   .fsck = -1 };
	int r = ks_volume_load(&k->arena, k->store, k->pod.ns, pv->claim, v, err);

	if (r == -ENOENT && pv->size_bytes) {
		r = ks_volume_create_locked(&k->arena, k->store, &params, lock_fd, v, err);
		if (r == 0) /* with its generation */
			r = ks_volume_load(&k->arena, k->store, k->pod.ns, pv->claim, v, err);
	}
	return r;
}

static int open_image(int dir, const struct ks_volume *v, int *ret, struct ks_err *err)
{
	char have[24], want[24];
	struct stat st;
	ks_auto_fd int fd = openat(dir, KS_VOLUME_IMAGE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) < 0)
		return ks_err_set(err, -errno, "open the image");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != v->size_bytes.v)
		return ks_err_kind(err, KS_ERR_INVALID, "its image has %s, the record says %s",
				   ks_format_bytes((uint64_t)st.st_size, have),
				   ks_format_bytes(v->size_bytes.v, want));
	int r = ks_volume_wait_free(dir, err);

	if (r == 0)
		*ret = KS_TAKE_FD(fd);
	return r;
}

static int check_superblock(const struct ks_volume *v, const struct ks_loopdev *loop,
			    struct ks_err *err)
{
	struct ks_fs_info info = { 0 };
	int r = ks_fs_probe(loop->fd, loop->path, &info, err);

	if (r < 0)
		return r;
	if (!ks_streq(info.type, v->fs_type) || !ks_streq(info.uuid, v->fs_uuid))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "found file system \"%s\" with UUID \"%s\", the record says %s "
				   "with %s; nothing is changed",
				   info.type, info.uuid, v->fs_type, v->fs_uuid);
	return 0;
}

static int attach(struct ks_keeper *k, struct ks_staged *s, struct ks_volume *v, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int image = -EBADF;
	const char *name = ks_arena_printf(&k->arena, "%s/volumes/%s/%s/" KS_VOLUME_IMAGE,
					   k->store->path, v->ns, v->claim);
	int r = name ? ks_volume_open_dir(k->store, v->ns, v->claim, false, &dir, err) :
		       ks_err_oom(err);

	if (r == 0)
		r = open_image(dir, v, &image, err);
	if (r < 0)
		return r;
	v->attached_uid = k->pod.uid;
	v->attached_boot_id = k->pod.boot_id;
	r = ks_volume_write(dir, v, KS_VOLUME_RECORD, "volume", err);
	ks_crash_point("volume-marked");
	if (r == 0)
		r = ks_loopdev_attach(image, name, &s->loop, err);
	ks_crash_point("volume-attached");
	if (r == 0)
		r = check_superblock(v, &s->loop, err);
	/* Nobody else, in any mount namespace. */
	if (r == 0 && ks_loopdev_exclusive(k->dev_fd, s->loop.path) < 0)
		r = ks_err_kind(err, KS_ERR_BUSY, "%s is in use", s->loop.path);
	/* A volume that is mounted read-only too: after a crash its journal is to be replayed. */
	if (r == 0)
		r = ks_fs_check(&k->arena, s->loop.path, v->fs_type, v->fsck, s->lock_fd, err);
	ks_crash_point("volume-checked");
	return r;
}

/* Whether no volume of the pod wants to write to the claim. */
static bool all_readonly(const struct ks_keeper *k, const char *claim)
{
	for (size_t i = 0; i < k->spec->n_volumes; i++) {
		const struct ks_pod_volume *v = &k->spec->volumes[i];

		if (v->kind == KS_POD_CLAIM && ks_streq(v->claim, claim) && !v->readonly)
			return false;
	}
	return true;
}

/*
 * A volume's file system is the pod's alone: it has the pod's label as a whole, whatever label its
 * files were given at another time.
 */
static int mount_labelled(struct ks_keeper *k, struct ks_staged *s, const char *type,
			  const char *source, const char *options, uint64_t attr,
			  struct ks_err *err)
{
	struct ks_strv list = { 0 };
	int r = *options ? ks_str_split(&k->arena, options, ',', &list) : 0;

	if (r == 0 && k->spec->label) {
		const char *context = ks_arena_printf(&k->arena, "context=%s", k->spec->label);

		r = context ? ks_strv_append(&k->arena, &list, context) : -ENOMEM;
	}
	return r < 0 ? ks_err_oom(err) :
		       ks_mount_new_list(type, source, &list, attr, &s->mount_fd, err);
}

static int stage_claim(struct ks_keeper *k, struct ks_staged *s, struct ks_err *err)
{
	struct ks_volume v = { 0 };
	uint64_t attr = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
	int r = ks_claim_lock(&k->arena, k->store, k->pod.ns, s->v->claim, CLAIM_MS, &s->lock_fd,
			      err);

	if (r == 0)
		r = load_or_create(k, s->v, s->lock_fd, &v, err);
	if (r < 0)
		return r;
	bool ro = all_readonly(k, s->v->claim);

	r = attach(k, s, &v, err);
	if (r == 0)
		r = mount_labelled(k, s, v.fs_type, s->loop.path, ro ? "ro" : "",
				   ro ? attr | MOUNT_ATTR_RDONLY : attr, err);
	ks_crash_point("volume-staged");
	return r < 0 ? ks_err_prefix(err, r, "volume \"%s/%s\"", v.ns, v.claim) : 0;
}

/* A claim that two volumes of the pod name is staged once. */
static struct ks_staged *find_same_claim(struct ks_keeper *k, const struct ks_staged *s)
{
	for (size_t i = 0; i + 1 < k->n_staged; i++)
		if (s->v->kind == KS_POD_CLAIM && k->staged[i].v->kind == KS_POD_CLAIM &&
		    ks_streq(k->staged[i].v->claim, s->v->claim))
			return &k->staged[i];
	return NULL;
}

static int stage_memory(struct ks_keeper *k, struct ks_staged *s, struct ks_err *err)
{
	const uint64_t attr = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
	char data[96], size[48] = "";
	struct ks_err first = KS_ERR_INIT;

	if (s->v->size_bytes)
		ks_fmt(size, sizeof(size), ",size=%llu", (unsigned long long)s->v->size_bytes);
	/* What is in memory should not reach a disk by swap; kernels before 6.4 cannot promise it.
	 */
	ks_fmt(data, sizeof(data), "mode=%o%s,noswap", s->v->mode, size);
	if (mount_labelled(k, s, "tmpfs", "tmpfs", data, attr, &first) == 0)
		return 0;
	ks_fmt(data, sizeof(data), "mode=%o%s", s->v->mode, size);
	int r = mount_labelled(k, s, "tmpfs", "tmpfs", data, attr, err);

	return r < 0 ? ks_err_prefix(err, r, "emptyDir \"%s\"", s->v->name) : 0;
}

static int stage_disk(struct ks_keeper *k, struct ks_staged *s, struct ks_err *err)
{
	char path[PATH_MAX];
	struct stat made, seen;
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int here = -EBADF;

	ks_fmt(path, sizeof(path), "pods/%s/emptydir/%s", k->pod.uid, s->v->name);
	int r = ks_store_open_dir(k->store, path, true, &dir, err);

	if (r == 0 && fchmod(dir, s->v->mode) < 0)
		r = ks_err_set(err, -errno, "set the mode of %s", path);
	/* What is made in it follows it. A file system that has one label for all its files keeps
	 * that. */
	if (r == 0 && k->spec->label) {
		r = ks_selinux_label(dir, k->spec->label, err);
		r = r == -EOPNOTSUPP ? 0 : r;
	}
	if (r < 0)
		return ks_err_prefix(err, r, "emptyDir \"%s\"", s->v->name);
	/* Only a mount of this namespace can be cloned; the store was opened in the host's. */
	ks_fmt(path, sizeof(path), "%s/pods/%s/emptydir/%s", k->store->path, k->pod.uid,
	       s->v->name);
	here = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (here < 0 || fstat(here, &seen) < 0 || fstat(dir, &made) < 0)
		return ks_err_set(err, -errno, "open %s", path);
	if (seen.st_dev != made.st_dev || seen.st_ino != made.st_ino)
		return ks_err_kind(err, KS_ERR_INTERNAL, "%s is not the state directory's", path);
	r = ks_mount_clone(here, "", false, &s->mount_fd, err);
	if (r == 0)
		r = ks_mount_propagate(s->mount_fd, MS_PRIVATE, false, err);
	if (r == 0)
		r = ks_mount_set(s->mount_fd, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, 0, false, err);
	return r < 0 ? ks_err_prefix(err, r, "emptyDir \"%s\"", s->v->name) : 0;
}

/*
 * The keeper's own tree: an empty tmpfs with one directory for each volume.
 * Nothing of the host stays in it, so the keeper keeps no file system of the
 * host from being unmounted.
 */
static int enter_own_tree(struct ks_keeper *k, struct ks_err *err)
{
	ks_auto_fd int tree = -EBADF;
	ks_auto_fd int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = ks_mount_new("tmpfs", "kshim", "mode=700,size=64k", MOUNT_ATTR_NODEV, &tree, err);

	if (r == 0)
		r = ks_mount_attach(tree, slash, err);
	for (size_t i = 0; i < k->n_staged && r == 0; i++) {
		struct ks_staged *s = &k->staged[i];
		const char *name = s->mount_point + 1;

		if (s->same)
			continue;
		if (mkdirat(tree, name, 0700) < 0)
			return ks_err_set(err, -errno, "make %s", name);
		ks_auto_fd int at = openat(tree, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (at < 0)
			return ks_err_set(err, -errno, "open %s", name);
		r = ks_mount_attach(s->mount_fd, at, err);
		if (r == 0) {
			s->mount_fd = ks_fd_close(s->mount_fd);
			s->attached = true;
		}
	}
	if (r < 0)
		return r;
	if (fchdir(tree) < 0 || ks_sys_pivot_root(".", ".") < 0)
		return ks_err_set(err, -errno, "enter the keeper's tree");
	/* Copies of the host's mounts that this namespace was born with; no volume is among them.
	 */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return ks_err_set(err, -errno, "leave the host's tree");
	return 0;
}

int ks_keeper_stage(struct ks_keeper *k, struct ks_err *err)
{
	const struct ks_pod_spec *p = k->spec;

	k->staged = KS_ARENA_NEWV(&k->arena, struct ks_staged, p->n_volumes + 1);
	if (!k->staged)
		return ks_err_oom(err);
	/* Before the first mount, and private: what is mounted here is nowhere else. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return ks_err_set(err, -errno, "make the keeper's mount namespace");
	for (size_t i = 0; i < p->n_volumes; i++) {
		struct ks_staged *s = &k->staged[k->n_staged++];
		int r;

		*s = (struct ks_staged){ .v = &p->volumes[i],
					 .loop = { .fd = -EBADF },
					 .lock_fd = -EBADF,
					 .mount_fd = -EBADF };
		ks_fmt(s->mount_point, sizeof(s->mount_point), "/%s", s->v->name);
		s->same = find_same_claim(k, s);
		if (s->same)
			r = 0;
		else if (s->v->kind == KS_POD_CLAIM)
			r = stage_claim(k, s, err);
		else if (s->v->kind == KS_POD_EMPTY_MEMORY)
			r = stage_memory(k, s, err);
		else
			r = stage_disk(k, s, err);
		if (r < 0)
			return r;
	}
	return enter_own_tree(k, err);
}

static int wait_free(struct ks_keeper *k, const struct ks_staged *s, struct ks_err *err)
{
	/* The mount namespaces of the dead go a moment after their last process. */
	for (unsigned int ms = 0;; ms += 5) {
		if (ks_loopdev_exclusive(k->dev_fd, s->loop.path) == 0)
			return 0;
		if (ms >= DETACH_MS)
			return ks_err_kind(err, KS_ERR_BUSY,
					   "volume \"%s/%s\" is detaching: %s is still mounted "
					   "somewhere",
					   k->pod.ns, s->v->claim, s->loop.path);
		usleep(5000);
	}
}

int ks_keeper_unstage(struct ks_keeper *k, struct ks_err *err)
{
	for (size_t i = k->n_staged; i-- > 0;) {
		struct ks_staged *s = &k->staged[i];
		int r = 0;

		s->mount_fd = ks_fd_close(s->mount_fd);
		/* Plain, never lazy: what is busy is told. */
		if (s->attached && umount2(s->mount_point, UMOUNT_NOFOLLOW) < 0)
			return ks_err_set(err, -errno, "unmount volume %s", s->v->name);
		s->attached = false;
		ks_crash_point("volume-unmounted");
		if (s->loop.fd >= 0)
			r = wait_free(k, s, err);
		if (r < 0)
			return r;
		/* With the last descriptor the loop device clears itself. */
		s->loop.fd = ks_fd_close(s->loop.fd);
	}
	return 0;
}

/*
 * Missing parts are made with the permissions of the volume's root, as kubelet
 * does; a link that a container left there is not followed out.
 */
static int open_sub_path(int root, const char *sub_path, int *ret, struct ks_err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	struct stat st;
	int fd = ks_sys_openat2(root, sub_path, &how);

	if (fd < 0 && errno == ENOENT) {
		if (fstat(root, &st) < 0)
			return ks_err_set(err, -errno, "look at the volume's root");
		mode_t old = umask(0);
		ks_auto_fd int made = ks_path_mkdir(root, sub_path, st.st_mode & 07777);

		umask(old);
		if (made < 0)
			return ks_err_set(err, made, "make subPath %s", sub_path);
		fd = ks_sys_openat2(root, sub_path, &how);
	}
	if (fd < 0)
		return ks_err_set(err, -errno, "open subPath %s", sub_path);
	*ret = fd;
	return 0;
}

int ks_keeper_publish(struct ks_keeper *k, const char *volume, const char *sub_path, int *ret_fd,
		      bool *ret_readonly, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	ks_auto_fd int sub = -EBADF;
	struct ks_staged *s = NULL;

	for (size_t i = 0; i < k->n_staged; i++)
		if (ks_streq(k->staged[i].v->name, volume))
			s = &k->staged[i];
	bool readonly = s && s->v->readonly;

	if (s && s->same)
		s = s->same;
	if (!s || !s->attached)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "the pod has no volume \"%s\"", volume);
	root = open(s->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (root < 0)
		return ks_err_set(err, -errno, "open volume %s", volume);
	int r = *sub_path ? open_sub_path(root, sub_path, &sub, err) : 0;

	if (r == 0)
		r = ks_mount_clone(*sub_path ? sub : root, "", false, ret_fd, err);
	*ret_readonly = readonly;
	return r < 0 ? ks_err_prefix(err, r, "volume %s", volume) : 0;
}
