/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "tmpcopyup": a new tmpfs begins with what the directory below it holds.
 * Files, directories, links and nodes with their owner and mode; not extended
 * attributes. The tmpfs is still detached, so nobody sees it half-filled, and
 * nothing of the source is followed: each name is opened in its directory.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/str.h>

#include "child.h"

#define MAX_DEPTH 48   /* directories; each holds two descriptors and a buffer */
#define BUF_SIZE  4096 /* of directory entries */

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int copy_dir(struct ks_child *c, int from, int to, int depth);

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	ks_auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ks_auto_fd int out = -EBADF;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	for (off_t left = st->st_size; left > 0;) {
		ssize_t n = sendfile(out, in, NULL, (size_t)left);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		left -= n;
	}
	return 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_subdir(struct ks_child *c, int from, int to, const char *name, int depth)
{
	ks_auto_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ks_auto_fd int out = -EBADF;

	if (in >= 0 && mkdirat(to, name, 0700) == 0)
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return ks_err_set(&c->err, -errno, "tmpcopyup: copy %s", name);
	return copy_dir(c, in, out, depth + 1);
}

static int copy_entry(struct ks_child *c, int from, int to, const char *name, int depth)
{
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ks_err_set(&c->err, -errno, "tmpcopyup: copy %s", name);
	if (S_ISDIR(st.st_mode)) {
		/* Its error tells of what is inside. */
		r = copy_subdir(c, from, to, name, depth);
		if (r < 0)
			return r;
	} else if (S_ISLNK(st.st_mode)) {
		r = copy_link(from, to, name);
	} else if (S_ISREG(st.st_mode)) {
		r = copy_file(from, to, name, &st);
	} else if (!S_ISSOCK(st.st_mode)) {
		r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	} else {
		return 0; /* nobody listens on a copy */
	}
	if (r == 0 && fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	/* After the owner, whose change takes the setuid bits away. */
	if (r == 0 && !S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		r = -errno;
	return r < 0 ? ks_err_set(&c->err, r, "tmpcopyup: copy %s", name) : 0;
}

static int copy_dir(struct ks_child *c, int from, int to, int depth)
{
	char buf[BUF_SIZE] __attribute__((aligned(8)));
	long n;

	if (depth > MAX_DEPTH)
		return ks_err_kind(&c->err, KS_ERR_INVALID,
				   "tmpcopyup: more than %d directories deep", MAX_DEPTH);
	while ((n = syscall(SYS_getdents64, from, buf, sizeof(buf))) > 0) {
		for (long off = 0; off < n;) {
			const struct linux_dirent *d =
				(const struct linux_dirent *)(const void *)(buf + off);

			off += d->len;
			if (ks_streq(d->name, ".") || ks_streq(d->name, ".."))
				continue;
			int r = copy_entry(c, from, to, d->name, depth);

			if (r < 0)
				return r;
		}
	}
	return n < 0 ? ks_err_set(&c->err, -errno, "tmpcopyup: list a directory") : 0;
}

int ks_child_copy_up(struct ks_child *c, int target_fd, int mount_fd)
{
	struct stat st;
	/* The descriptors are O_PATH; these can be read. */
	ks_auto_fd int from = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int to = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return ks_err_set(&c->err, -errno, "tmpcopyup: open the directory");
	if (fchown(to, st.st_uid, st.st_gid) < 0)
		return ks_err_set(&c->err, -errno, "tmpcopyup: set the owner");
	return copy_dir(c, from, to, 0);
}
