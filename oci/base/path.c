/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/path.h>

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/str.h>

/* openat2 gives EAGAIN when a rename raced with "..": try again, but not for ever. */
#define RETRIES 64

int ks_path_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0;; i++) {
		int fd = ks_sys_openat2(root_fd, *path ? path : ".", &how);

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN || i == RETRIES)
			return -errno;
	}
}

int ks_path_clean(const char *path, char *buf, size_t size)
{
	size_t len = 0;

	if (size < 2)
		return -ENAMETOOLONG;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len && buf[--len] != '/')
				;
		} else if (n && !(n == 1 && path[0] == '.')) {
			if (len + n + 2 > size)
				return -ENAMETOOLONG;
			buf[len++] = '/';
			memcpy(buf + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	if (!len)
		buf[len++] = '/';
	buf[len] = '\0';
	return 0;
}

/*
 * One component below @dir, which is the resolved directory of all before it.
 * A name that exists is opened through the root by the whole prefix, so that
 * a symlink is followed inside the root.
 */
static int mkdir_step(int root_fd, int dir, const char *prefix, const char *name, mode_t mode)
{
	int fd = ks_path_open(root_fd, prefix, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
		return -errno;
	/* Made by us, or by somebody at the same time; a dangling link stays ENOENT. */
	return ks_path_open(root_fd, prefix, O_PATH | O_DIRECTORY);
}

int ks_path_mkdir(int root_fd, const char *path, mode_t mode)
{
	char buf[PATH_MAX];
	int r = ks_path_clean(path, buf, sizeof(buf));

	if (r < 0)
		return r;
	int dir = ks_path_open(root_fd, buf, O_PATH | O_DIRECTORY);

	if (dir != -ENOENT)
		return dir;
	dir = ks_path_open(root_fd, "/", O_PATH | O_DIRECTORY);
	for (char *name = buf + 1; dir >= 0 && *name;) {
		char *end = strchrnul(name, '/');
		char saved = *end;

		*end = '\0';
		int next = mkdir_step(root_fd, dir, buf, name, mode);

		*end = saved;
		ks_fd_close(dir);
		dir = next;
		name = end + (saved == '/');
	}
	return dir;
}

int ks_path_open_parent(int root_fd, const char *path, mode_t mode, const char **ret_name)
{
	char buf[PATH_MAX];
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	size_t start = len;

	while (start && path[start - 1] != '/')
		start--;
	const char *name = path + start;

	/* The name is used as it stands, so nothing may follow it. */
	if (path[len] || ks_str_empty(name) || ks_streq(name, ".") || ks_streq(name, ".."))
		return -EINVAL;
	if (start >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, start);
	buf[start] = '\0';
	*ret_name = name;
	return ks_path_mkdir(root_fd, buf, mode);
}

int ks_path_mkfile(int root_fd, const char *path, mode_t mode)
{
	char buf[PATH_MAX];
	const char *name;
	int r = ks_path_clean(path, buf, sizeof(buf));

	if (r < 0)
		return r;
	int fd = ks_path_open(root_fd, buf, O_PATH);

	if (fd != -ENOENT)
		return fd;
	ks_auto_fd int dir = ks_path_open_parent(root_fd, buf, 0755, &name);

	if (dir < 0)
		return dir;
	ks_auto_fd int made =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (made < 0 && errno != EEXIST)
		return -errno;
	return ks_path_open(root_fd, buf, O_PATH);
}
