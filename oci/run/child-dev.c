/* SPDX-License-Identifier: Apache-2.0 */
/* Device nodes, the links that every container has in /dev, and its terminal. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/fd.h>
#include <kshim/path.h>

#include "child.h"

#define DEVPTS_MAGIC 0x1cd1

static int bind_node(struct ks_child *c, const struct ks_plan_device *d)
{
	ks_auto_fd int target = ks_path_mkfile(c->p->rootfs_fd, d->path, 0666);
	struct stat st;

	if (target < 0)
		return ks_err_set(&c->err, target, "make %s", d->path);
	if (fstat(target, &st) < 0)
		return ks_err_set(&c->err, -errno, "look at %s", d->path);
	/* An empty file is what a run before this one left to mount on. */
	if (!(S_ISREG(st.st_mode) && st.st_size == 0) &&
	    ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) || st.st_rdev != d->rdev))
		return ks_err_kind(&c->err, KS_ERR_EXISTS,
				   "%s is there already and is another device", d->path);
	return ks_mount_attach(d->bind_fd, target, &c->err);
}

/*
 * One that is there must be the same; one of the container's own gets the mode and the owner that
 * are asked for.
 */
static int take_node(struct ks_child *c, const struct ks_plan_device *d, int dir, const char *name)
{
	ks_auto_fd int node = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[64];
	struct stat st;

	if (node < 0 || fstat(node, &st) < 0)
		return ks_err_set(&c->err, -errno, "look at %s", d->path);
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) || st.st_rdev != d->rdev)
		return ks_err_kind(&c->err, KS_ERR_EXISTS,
				   "%s is there already and is another device", d->path);
	if (!ks_child_is_own(c, node))
		return 0;
	if (d->has_owner && (st.st_uid != d->uid || st.st_gid != d->gid) &&
	    fchownat(node, "", d->uid, d->gid, AT_EMPTY_PATH) < 0)
		return ks_err_set(&c->err, -errno, "set the owner of %s", d->path);
	/* The host's /proc: the root is not changed yet. Nothing else takes such a descriptor. */
	ks_fmt(path, sizeof(path), "/proc/self/fd/%d", node);
	if (d->has_mode && (st.st_mode & 07777) != (d->mode & 07777) &&
	    chmod(path, d->mode & 07777) < 0)
		return ks_err_set(&c->err, -errno, "set the mode of %s", d->path);
	return 0;
}

static int make_node(struct ks_child *c, const struct ks_plan_device *d)
{
	const char *name;
	ks_auto_fd int dir = ks_path_open_parent(c->p->rootfs_fd, d->path, 0755, &name);

	if (dir < 0)
		return ks_err_set(&c->err, dir, "make the directory of %s", d->path);
	if (mknodat(dir, name, d->mode, d->rdev) < 0) {
		if (errno != EEXIST)
			return ks_err_set(&c->err, -errno, "make device %s", d->path);
		return take_node(c, d, dir, name);
	}
	if ((d->uid || d->gid) && fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ks_err_set(&c->err, -errno, "set the owner of %s", d->path);
	return 0;
}

static int make_link(struct ks_child *c, int dev, const char *target, const char *name)
{
	if (symlinkat(target, dev, name) < 0 && errno != EEXIST)
		return ks_err_set(&c->err, -errno, "link /dev/%s", name);
	return 0;
}

/*
 * Source: runtime-spec, config-linux.md, "Default Devices" and runtime-linux.md, "Dev symbolic
 * links".
 */
static int make_links(struct ks_child *c)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" },
	};
	/* Opened once: an image whose /dev is a link gets its nodes inside itself. */
	ks_auto_fd int dev = ks_path_mkdir(c->p->rootfs_fd, "/dev", 0755);

	if (dev < 0)
		return ks_err_set(&c->err, dev, "open /dev of the container");
	for (size_t i = 0; i < KS_ARRAY_LEN(links); i++) {
		int r = make_link(c, dev, links[i][0], links[i][1]);

		if (r < 0)
			return r;
	}
	if (access("/proc/kcore", F_OK) == 0) {
		int r = make_link(c, dev, "/proc/kcore", "core");

		if (r < 0)
			return r;
	}
	/* The container's own ptmx, not the host's that an image may bring. */
	if (unlinkat(dev, "ptmx", 0) < 0 && errno != ENOENT)
		return ks_err_set(&c->err, -errno, "replace /dev/ptmx");
	return make_link(c, dev, "pts/ptmx", "ptmx");
}

/*
 * A /dev that the host lent stays as it is, also when a link of the image leads there: its nodes
 * are everybody's.
 */
static int look_at_dev(struct ks_child *c)
{
	if (!c->p->make_dev)
		return 0;
	ks_auto_fd int dev = ks_path_mkdir(c->p->rootfs_fd, "/dev", 0755);

	if (dev < 0)
		return ks_err_set(&c->err, dev, "open /dev of the container");
	c->p->make_dev = ks_child_is_own(c, dev);
	return 0;
}

int ks_child_devices(struct ks_child *c)
{
	mode_t old = umask(0);
	int r = look_at_dev(c);

	for (size_t i = 0; i < c->p->n_devices && r == 0; i++) {
		const struct ks_plan_device *d = &c->p->devices[i];

		if (!c->p->make_dev && ks_str_prefix(d->path, "/dev/"))
			continue;
		r = d->bind_fd >= 0 ? bind_node(c, d) : make_node(c, d);
	}
	if (r == 0 && c->p->make_dev)
		r = make_links(c);
	umask(old);
	return r;
}

/*
 * The slave is taken from the master itself (TIOCGPTPEER), and the master is
 * checked to be on a devpts: no name in /dev/pts is trusted (CVE-2025-52565).
 */
static int open_terminal(struct ks_child *c, int *ret_master, int *ret_slave)
{
	struct statfs sfs;
	int unlock = 0;
	ks_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int master = ks_path_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);

	if (master < 0)
		return ks_err_set(&c->err, master, "open /dev/pts/ptmx for the terminal");
	if (fstatfs(master, &sfs) < 0 || sfs.f_type != DEVPTS_MAGIC)
		return ks_err_kind(&c->err, KS_ERR_INVALID,
				   "/dev/pts of the container is no devpts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return ks_err_set(&c->err, -errno, "unlock the terminal");
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (slave < 0)
		return ks_err_set(&c->err, -errno, "open the terminal");
	*ret_master = KS_TAKE_FD(master);
	*ret_slave = slave;
	return 0;
}

static int bind_console(struct ks_child *c, int slave)
{
	ks_auto_fd int fd = -EBADF;
	ks_auto_fd int target = -EBADF;

	if (!c->p->make_dev)
		return 0;
	target = ks_path_mkfile(c->p->rootfs_fd, "/dev/console", 0620);
	if (target < 0)
		return ks_err_set(&c->err, target, "make /dev/console");
	int r = ks_mount_clone(slave, "", false, &fd, &c->err);

	if (r == 0)
		r = ks_mount_attach(fd, target, &c->err);
	return r < 0 ? ks_err_prefix(&c->err, r, "/dev/console") : 0;
}

static bool is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/*
 * The caller's null device is a file of the host, and stays so for as long as it is open: the
 * container's own takes its place, where it has one.
 */
static int replace_null(struct ks_child *c)
{
	ks_auto_fd int own = -EBADF;

	for (int i = 0; i < 3; i++) {
		if (!is_null(i))
			continue;
		if (own < 0)
			own = open("/dev/null",
				   O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own < 0 || !is_null(own))
			return 0;
		if (fcntl(own, F_SETFL, O_RDWR) < 0 || dup2(own, i) < 0)
			return ks_err_set(&c->err, -errno,
					  "use the container's /dev/null as standard stream");
	}
	return 0;
}

int ks_child_console(struct ks_child *c)
{
	const struct ks_plan_process *p = &c->p->process;
	struct winsize ws = { .ws_row = p->rows, .ws_col = p->cols };
	ks_auto_fd int master = -EBADF;
	ks_auto_fd int slave = -EBADF;

	/* Whom an exec enters may have put anything there. */
	if (!p->terminal)
		return c->p->rootfs_fd >= 0 ? replace_null(c) : 0;
	int r = open_terminal(c, &master, &slave);

	if (r < 0)
		return r;
	if ((p->rows || p->cols) && ioctl(slave, TIOCSWINSZ, &ws) < 0)
		return ks_err_set(&c->err, -errno, "set the size of the terminal");
	if (p->uid && fchown(slave, p->uid, (gid_t)-1) < 0)
		return ks_err_set(&c->err, -errno, "give the terminal to its user");
	/* Only the first process of a container owns /dev/console. */
	if (c->p->rootfs_fd >= 0) {
		r = bind_console(c, slave);
		if (r < 0)
			return r;
	}
	r = ks_channel_send(c->sock, KS_MSG_TTY, NULL, 0, master, &c->err);
	if (r != 0)
		return r < 0 ? r :
			       ks_err_kind(&c->err, KS_ERR_INTERNAL,
					   "the parent of the launch is gone");
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return ks_err_set(&c->err, -errno, "make the terminal the controlling one");
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return ks_err_set(&c->err, -errno, "use the terminal as standard stream");
	return 0;
}
