/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/fd.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/compat.h>

int ks_fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -EBADF;
}

/* Doubles until the file ends; proc files tell no size, so none is asked for. */
int ks_fd_read_all(struct ks_arena *a, int fd, size_t max, char **ret_text, size_t *ret_len)
{
	ks_auto_free char *buf = NULL;
	size_t size = 4096;
	size_t len = 0;

	for (;;) {
		char *p = realloc(buf, size + 1);

		if (!p)
			return -ENOMEM;
		buf = p;
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (n == 0)
			break;
		if (len == size)
			size *= 2;
	}
	char *text = ks_arena_strndup(a, buf, len);

	if (!text)
		return -ENOMEM;
	*ret_text = text;
	if (ret_len)
		*ret_len = len;
	return 0;
}

int ks_fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int ks_file_read_at(struct ks_arena *a, int dirfd, const char *path, size_t max, char **ret_text,
		    size_t *ret_len)
{
	ks_auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return ks_fd_read_all(a, fd, max, ret_text, ret_len);
}

int ks_file_write_at(int dirfd, const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	/* One write: a proc or cgroup file takes each write as a value of its own. */
	ssize_t n = write(fd, text, len);
	int r = n < 0 ? -errno : 0;

	if (n >= 0 && (size_t)n != len)
		r = -EIO;
	close(fd);
	return r;
}

int ks_mkdir_p_at(int dirfd, const char *path, mode_t mode)
{
	char buf[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, len + 1);
	/* The whole first: mostly it is only the last that is missing. */
	if (mkdirat(dirfd, buf, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dirfd, buf, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdirat(dirfd, buf, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int ks_fd_stdio_null(void)
{
	ks_auto_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (dup2(fd, i) < 0)
			return -errno;
	if (fd < 3)
		(void)KS_TAKE_FD(fd); /* it is one of the three now */
	return 0;
}

int ks_fd_reserve_stdio(void)
{
	for (int i = 0; i < 3; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			continue;
		/* The lowest free number is i. Not close-on-exec, as standard streams are. */
		if (open("/dev/null", O_RDWR) < 0) // NOLINT(android-cloexec-open)
			return -errno;
	}
	return 0;
}

int ks_fd_close_others(unsigned int first, int *keep, size_t n)
{
	/* Insertion: the lists are short, and qsort(3) may allocate. */
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && keep[k - 1] > keep[k]; k--) {
			int t = keep[k];

			keep[k] = keep[k - 1];
			keep[k - 1] = t;
		}
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < 0 || (unsigned int)keep[i] < first)
			continue;
		unsigned int fd = (unsigned int)keep[i];

		if (fd > first && ks_sys_close_range(first, fd - 1, 0) < 0)
			return -errno;
		first = fd + 1;
	}
	return ks_sys_close_range(first, ~0U, 0) < 0 ? -errno : 0;
}
