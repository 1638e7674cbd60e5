/* SPDX-License-Identifier: Apache-2.0 */
#include "fs.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

bool ks_fs_known(const char *type)
{
	return ks_streq(type, "ext4") || ks_streq(type, "xfs");
}

static void copy_value(blkid_probe pr, const char *name, char *buf, size_t size)
{
	const char *v = NULL;

	if (blkid_probe_lookup_value(pr, name, &v, NULL) == 0 && v)
		ks_fmt(buf, size, "%s", v);
	else
		buf[0] = '\0';
}

int ks_fs_probe(int fd, const char *name, struct ks_fs_info *ret, struct ks_err *err)
{
	blkid_probe pr = blkid_new_probe();
	int r = 0;

	if (!pr)
		return ks_err_oom(err);
	*ret = (struct ks_fs_info){ 0 };
	if (blkid_probe_set_device(pr, fd, 0, 0) < 0 || blkid_probe_enable_superblocks(pr, 1) < 0 ||
	    blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID) < 0) {
		blkid_free_probe(pr);
		return ks_err_kind(err, KS_ERR_INTERNAL, "cannot probe %s", name);
	}
	switch (blkid_do_safeprobe(pr)) {
	case 0:
		copy_value(pr, "TYPE", ret->type, sizeof(ret->type));
		copy_value(pr, "UUID", ret->uuid, sizeof(ret->uuid));
		break;
	case 1: /* nothing is recognised */
		break;
	case -2:
		r = ks_err_kind(err, KS_ERR_INVALID,
				"%s holds the signatures of more than one file system", name);
		break;
	default:
		r = ks_err_kind(err, KS_ERR_INTERNAL, "cannot read the superblock of %s", name);
		break;
	}
	blkid_free_probe(pr);
	return r;
}

/* The last line of a tool's output: mostly the reason. */
static const char *last_line(char *output)
{
	size_t n = strlen(output);

	while (n && output[n - 1] == '\n')
		output[--n] = '\0';
	char *nl = strrchr(output, '\n');

	return nl ? nl + 1 : output;
}

static char *arg(const char *s)
{
	return (char *)(uintptr_t)s; /* argv is not const, and not written to */
}

int ks_fs_make(struct ks_arena *a, int image_fd, const char *type, const char *uuid, int lock_fd,
	       struct ks_err *err)
{
	const int keep[] = { image_fd, lock_fd, -1 };
	const char *path = ks_arena_printf(a, "/proc/self/fd/%d", image_fd);
	const char *xfs_uuid = ks_arena_printf(a, "uuid=%s", uuid);

	if (!xfs_uuid || !path)
		return ks_err_oom(err);
	/* -m0: the reserve of a root file system is of no use to a database. */
	char *ext4[] = { arg("mkfs.ext4"), arg("-q"),
			 arg("-F"),	   arg("-m0"),
			 arg("-U"),	   arg(uuid),
			 arg("-E"),	   arg("lazy_itable_init=1,lazy_journal_init=1"),
			 arg(path),	   NULL };
	char *xfs[] = { arg("mkfs.xfs"), arg("-q"), arg("-f"), arg("-m"),
			arg(xfs_uuid),	 arg(path), NULL };
	struct ks_tool t;
	int r = ks_tool_run(a, ks_streq(type, "xfs") ? xfs : ext4, keep, &t, err);

	if (r < 0)
		return r;
	if (t.status != 0)
		return ks_err_kind(err, KS_ERR_INVALID, "mkfs.%s failed with status %d: %s", type,
				   t.status, last_line(t.output));
	return 0;
}

/* e2fsck(8): 1 corrected, 2 corrected and reboot, 4 left uncorrected, 8 and above: did not work. */
static int check_ext4(struct ks_arena *a, const char *dev, int policy, const int *keep,
		      struct ks_err *err)
{
	char *argv[] = { arg("e2fsck"), arg(policy == KS_FSCK_REPAIR ? "-p" : "-n"), arg(dev),
			 NULL };
	struct ks_tool t;
	int r = ks_tool_run(a, argv, keep, &t, err);

	if (r < 0)
		return r;
	if ((t.status & ~3) == 0)
		return 0;
	return ks_err_kind(err, KS_ERR_INVALID, "file system errors that e2fsck %s (status %d): %s",
			   t.status & 4 ? "does not repair by itself" : "could not check", t.status,
			   last_line(t.output));
}

/*
 * A dirty log is replayed by the mount; xfs_repair -n then reads what the log
 * has not reached yet and may report it. It says so, and that is no error.
 */
static int check_xfs(struct ks_arena *a, const char *dev, const int *keep, struct ks_err *err)
{
	char *argv[] = { arg("xfs_repair"), arg("-n"), arg(dev), NULL };
	struct ks_tool t;
	int r = ks_tool_run(a, argv, keep, &t, err);

	if (r < 0)
		return r;
	if (t.status == 0 || strstr(t.output, "valuable metadata changes in a log"))
		return 0;
	return ks_err_kind(err, KS_ERR_INVALID, "file system errors found by xfs_repair -n: %s",
			   last_line(t.output));
}

int ks_fs_check(struct ks_arena *a, const char *dev, const char *type, int policy, int lock_fd,
		struct ks_err *err)
{
	const int keep[] = { lock_fd, -1 };

	return ks_streq(type, "xfs") ? check_xfs(a, dev, keep, err) :
				       check_ext4(a, dev, policy, keep, err);
}

static int configure(int loop, int image_fd, const char *name)
{
	struct loop_config cfg = { .fd = (uint32_t)image_fd };

	cfg.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
	ks_fmt((char *)cfg.info.lo_file_name, LO_NAME_SIZE, "%s", name);
	if (ioctl(loop, LOOP_CONFIGURE, &cfg) == 0)
		return 0;
	/* A file system without direct I/O, such as tmpfs. */
	if (errno != EINVAL)
		return -errno;
	cfg.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
	return ioctl(loop, LOOP_CONFIGURE, &cfg) < 0 ? -errno : 0;
}

int ks_loopdev_attach(int image_fd, const char *name, struct ks_loopdev *ret, struct ks_err *err)
{
	ks_auto_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return ks_err_set(err, -errno, "open /dev/loop-control");
	/* Somebody else may take the free one first. */
	for (int i = 0; i < 64; i++) {
		struct ks_loopdev d;
		struct stat st;
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return ks_err_set(err, -errno, "find a free loop device");
		ks_fmt(d.path, sizeof(d.path), "/dev/loop%d", n);
		ks_auto_fd int fd = open(d.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			return ks_err_set(err, -errno, "open %s", d.path);
		int r = configure(fd, image_fd, name);

		if (r == -EBUSY)
			continue;
		if (r < 0 || fstat(fd, &st) < 0)
			return ks_err_set(err, r < 0 ? r : -errno, "attach %s to %s", name, d.path);
		d.rdev = st.st_rdev;
		d.fd = KS_TAKE_FD(fd);
		*ret = d;
		return 0;
	}
	return ks_err_kind(err, KS_ERR_BUSY, "no free loop device");
}

/* One device that /sys says is bound. */
static int compare_loop(const char *path, const struct stat *image, struct ks_err *err)
{
	struct loop_info64 info;
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return ks_err_set(err, -errno, "cannot tell what is attached to %s", path);
	if (ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		/* It was cleared just now. */
		return errno == ENXIO ?
			       0 :
			       ks_err_set(err, -errno, "cannot tell what is attached to %s", path);
	return info.lo_device == image->st_dev && info.lo_inode == image->st_ino ?
		       KS_LOOPDEV_FOUND :
		       0;
}

int ks_loopdev_find(int image_fd, char path[static 32], struct ks_err *err)
{
	struct stat st;
	DIR *d = opendir("/sys/block");
	int r = 0;

	if (!d || fstat(image_fd, &st) < 0) {
		r = ks_err_set(err, -errno, "look for loop devices in /sys/block");
		if (d)
			closedir(d);
		return r;
	}
	errno = 0;
	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d)) {
		const char *num = ks_str_prefix(e->d_name, "loop");
		char backing[64];
		uint64_t n;

		if (!num || ks_parse_u64(num, 1 << 20, &n) < 0)
			continue;
		/* Only a bound device has this file: opening the others is not needed. */
		ks_fmt(backing, sizeof(backing), "/sys/block/loop%d/loop/backing_file", (int)n);
		if (access(backing, F_OK) < 0 && errno == ENOENT)
			continue;
		ks_fmt(path, 32, "/dev/loop%d", (int)n);
		r = compare_loop(path, &st, err);
		errno = 0;
	}
	closedir(d);
	return r;
}

int ks_loopdev_exclusive(int dev_dir_fd, const char *path)
{
	const char *name = strrchr(path, '/');
	ks_auto_fd int fd = openat(dev_dir_fd, name ? name + 1 : path,
				   O_RDONLY | O_EXCL | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : 0;
}
