/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/mount.h>

#include <assert.h>
#include <string.h>
#include <sys/mount.h>

#include <kshim/compat.h>
#include <kshim/fd.h>

#define OPTION_MAX 4096 /* one option of a file system: overlayfs has long ones */

int ks_mount_clone(int dirfd, const char *path, bool recursive, int *ret_fd, struct ks_err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	int fd = ks_sys_open_tree(dirfd, path, flags);

	if (fd < 0)
		return ks_err_set(err, -errno, "open mount source %s", path);
	*ret_fd = fd;
	return 0;
}

/* The file system's own words, one message a read: "e tmpfs: Bad value for 'size'". */
static void read_log(int fs_fd, char *buf, size_t size)
{
	ssize_t n = read(fs_fd, buf, size - 1);

	if (n <= 0) {
		buf[0] = '\0';
		return;
	}
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (n > 2 && buf[1] == ' ')
		memmove(buf, buf + 2, strlen(buf + 2) + 1);
}

static int fail_config(int fs_fd, const char *type, const char *what, struct ks_err *err)
{
	char log[256];
	int num = -errno;

	read_log(fs_fd, log, sizeof(log));
	if (*log)
		return ks_err_set(err, num, "%s of %s (%s)", what, type, log);
	return ks_err_set(err, num, "%s of %s", what, type);
}

/* @opt of @n bytes is "key" or "key=value". */
static int set_option(int fs_fd, const char *type, const char *opt, size_t n, struct ks_err *err)
{
	char buf[OPTION_MAX];

	if (n >= sizeof(buf))
		return ks_err_set(err, -ENAMETOOLONG, "mount option of %s", type);
	memcpy(buf, opt, n);
	buf[n] = '\0';
	char *value = strchr(buf, '=');

	if (value)
		*value++ = '\0';
	bool label = value && strstr(buf, "context");

	/* In quotes, as mount(2) wants a label with a comma, it is not known to fsconfig(2). */
	if (label && *value == '"' && buf[n - 1] == '"' && value < &buf[n - 1]) {
		buf[n - 1] = '\0';
		value++;
	}
	int r = ks_sys_fsconfig(fs_fd, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, buf, value,
				0);
	if (r == 0)
		return 0;
	/* A label, of which the kernel does not say what is wrong with it; another value may be
	 * secret. */
	if (label)
		ks_fmt(buf, sizeof(buf), "%.*s", n < 200 ? (int)n : 200, opt);
	return fail_config(fs_fd, type, buf, err);
}

static int open_fs(const char *type, const char *source, int *ret, struct ks_err *err)
{
	ks_auto_fd int fs_fd = ks_sys_fsopen(type, FSOPEN_CLOEXEC);

	if (fs_fd < 0)
		return ks_err_set(err, -errno, "open file system type %s", type);
	if (!ks_str_empty(source) &&
	    ks_sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fail_config(fs_fd, type, "source", err);
	*ret = KS_TAKE_FD(fs_fd);
	return 0;
}

static int finish_fs(int fs_fd, const char *type, uint64_t attr, int *ret_fd, struct ks_err *err)
{
	if (ks_sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_config(fs_fd, type, "mount", err);
	int fd = ks_sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)attr);

	if (fd < 0)
		return ks_err_set(err, -errno, "mount %s", type);
	*ret_fd = fd;
	return 0;
}

int ks_mount_new(const char *type, const char *source, const char *data, uint64_t attr, int *ret_fd,
		 struct ks_err *err)
{
	ks_auto_fd int fs_fd = -EBADF;
	int r = open_fs(type, source, &fs_fd, err);

	for (const char *p = data; r == 0 && p && *p;) {
		size_t n = strcspn(p, ",");

		r = n ? set_option(fs_fd, type, p, n, err) : 0;
		p += n + (p[n] == ',');
	}
	return r < 0 ? r : finish_fs(fs_fd, type, attr, ret_fd, err);
}

int ks_mount_new_list(const char *type, const char *source, const struct ks_strv *options,
		      uint64_t attr, int *ret_fd, struct ks_err *err)
{
	ks_auto_fd int fs_fd = -EBADF;
	int r = open_fs(type, source, &fs_fd, err);

	for (size_t i = 0; r == 0 && i < options->n; i++)
		r = set_option(fs_fd, type, options->v[i], strlen(options->v[i]), err);
	return r < 0 ? r : finish_fs(fs_fd, type, attr, ret_fd, err);
}

int ks_mount_reconfigure(int mount_fd, const struct ks_strv *options, struct ks_err *err)
{
	static const char what[] = "the file system";
	ks_auto_fd int fs_fd = ks_sys_fspick(mount_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int r = fs_fd < 0 ? ks_err_set(err, -errno, "pick the file system of a mount") : 0;

	for (size_t i = 0; r == 0 && i < options->n; i++)
		r = set_option(fs_fd, what, options->v[i], strlen(options->v[i]), err);
	if (r == 0 && ks_sys_fsconfig(fs_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return fail_config(fs_fd, what, "remount", err);
	return r;
}

static int setattr(int fd, struct mount_attr *attr, bool recursive)
{
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);

	return ks_sys_mount_setattr(fd, "", flags, attr) < 0 ? -errno : 0;
}

int ks_mount_set(int fd, uint64_t set, uint64_t clr, bool recursive, struct ks_err *err)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clr };

	if (!set && !clr)
		return 0;
	int r = setattr(fd, &attr, recursive);

	return r < 0 ? ks_err_set(err, r, "set mount attributes") : 0;
}

int ks_mount_propagate(int fd, uint64_t propagation, bool recursive, struct ks_err *err)
{
	struct mount_attr attr = { .propagation = propagation };
	int r = setattr(fd, &attr, recursive);

	return r < 0 ? ks_err_set(err, r, "set mount propagation") : 0;
}

int ks_mount_idmap(int fd, int userns_fd, bool recursive, struct ks_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };
	int r = setattr(fd, &attr, recursive);

	return r < 0 ? ks_err_set(err, r, "map the ids of a mount") : 0;
}

int ks_mount_attach(int mount_fd, int target_fd, struct ks_err *err)
{
	if (ks_sys_move_mount(mount_fd, "", target_fd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return ks_err_set(err, -errno, "attach a mount");
	return 0;
}
