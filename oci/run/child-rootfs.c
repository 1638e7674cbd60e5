/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's file tree. rootfs_fd is a detached clone; it becomes the
 * root of the container. Every path below is resolved inside it.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/path.h>

#include "child.h"

int ks_child_propagation(struct ks_child *c)
{
	/*
	 * Nothing that is mounted here may reach the host. What the host mounts may still come
	 * in, until the old root is gone. Under a shared root only "/" itself is made private:
	 * pivot_root demands it.
	 */
	bool shared = c->p->root_propagation == MS_SHARED;

	if (mount(NULL, "/", NULL, shared ? MS_PRIVATE : MS_SLAVE | MS_REC, NULL) < 0)
		return ks_err_set(&c->err, -errno, "set the propagation of /");
	return 0;
}

int ks_child_attach_rootfs(struct ks_child *c)
{
	ks_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return ks_err_set(&c->err, -errno, "open /");
	/* Over the old root: no path that might be out of reach for a mapped user is needed. */
	int r = ks_mount_attach(c->p->rootfs_fd, root, &c->err);

	return r < 0 ? ks_err_prefix(&c->err, r, "root file system") : 0;
}

/*
 * proc and sysfs decide what a container can do to the host: they are mounted
 * on directories that the image or another container cannot have replaced by
 * a link (CVE-2019-19921, CVE-2023-27561).
 */
static int open_plain_dir(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};
	int fd = ks_sys_openat2(root_fd, path, &how);

	return fd < 0 ? -errno : fd;
}

static int open_target(struct ks_child *c, const struct ks_plan_mount *m)
{
	int fd = m->is_file ? ks_path_mkfile(c->p->rootfs_fd, m->target, 0755) :
			      ks_path_mkdir(c->p->rootfs_fd, m->target, 0755);

	if (fd < 0)
		return ks_err_set(&c->err, fd, "make the mount point %s", m->target);
	if (m->kind != KS_PLAN_NEW || (!ks_streq(m->type, "proc") && !ks_streq(m->type, "sysfs")))
		return fd;
	close(fd);
	fd = open_plain_dir(c->p->rootfs_fd, m->target);
	if (fd < 0)
		return ks_err_kind(&c->err, KS_ERR_INVALID,
				   "%s must be mounted on an ordinary directory: %s has a symbolic "
				   "link in it",
				   m->type, m->target);
	return fd;
}

static int set_opts(struct ks_child *c, int fd, const struct ks_mount_opts *o, uint64_t also_clear)
{
	int r = ks_mount_set(fd, o->attr_set, o->attr_clr | also_clear, false, &c->err);

	if (r == 0)
		r = ks_mount_set(fd, o->rec_set, o->rec_clr, true, &c->err);
	return r;
}

static int mount_bind(struct ks_child *c, struct ks_plan_mount *m)
{
	int target = open_target(c, m);

	if (target < 0)
		return target;
	int r = ks_mount_attach(m->fd, target, &c->err);

	close(target);
	return r;
}

/* What stands at the path is the volume, not something that a link led to or that hides it. */
static int check_volume(struct ks_child *c, const struct ks_plan_mount *m)
{
	struct stat st;
	ks_auto_fd int fd = ks_path_open(c->p->rootfs_fd, m->target, O_PATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return ks_err_set(&c->err, fd < 0 ? fd : -errno, "look at %s", m->target);
	if (st.st_dev != m->dev || st.st_ino != m->ino)
		return ks_err_kind(&c->err, KS_ERR_INTERNAL,
				   "%s is not volume %s (device %u:%u, expected %u:%u)", m->target,
				   m->source, major(st.st_dev), minor(st.st_dev), major(m->dev),
				   minor(m->dev));
	return 0;
}

static bool has_mode(const struct ks_strv *options)
{
	for (size_t i = 0; i < options->n; i++)
		if (ks_str_prefix(options->v[i], "mode="))
			return true;
	return false;
}

static bool stat_target(struct ks_child *c, const struct ks_plan_mount *m, struct stat *ret)
{
	ks_auto_fd int fd = ks_path_open(c->p->rootfs_fd, m->target, O_PATH);

	return fd >= 0 && fstat(fd, ret) == 0;
}

static uint64_t mount_of(int fd)
{
	struct statx sx = { 0 };

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 ? sx.stx_mnt_id : 0;
}

/* One that config.json does not name, labelled as those that it does. */
static int make_tmpfs(struct ks_child *c, const char *option, uint64_t attr, int *ret_fd)
{
	char *v[] = { (char *)(uintptr_t)option, c->p->context };
	struct ks_strv options = { v, c->p->context ? 2 : 1 };

	return ks_mount_new_list("tmpfs", "tmpfs", &options, attr, ret_fd, &c->err);
}

static int mount_new(struct ks_child *c, struct ks_plan_mount *m)
{
	const uint64_t readonly = MOUNT_ATTR_RDONLY;
	ks_auto_fd int fd = -EBADF;
	struct stat st;
	/* As runc does: a tmpfs on a directory that is there takes its mode, unless one is given.
	 */
	bool inherit_mode = ks_streq(m->type, "tmpfs") && !has_mode(&m->opts.fs) &&
			    stat_target(c, m, &st);
	int target = open_target(c, m);

	if (target < 0)
		return target;
	/* Read-only comes after what is put into it. */
	int r = ks_mount_new_list(m->type, m->source, &m->opts.fs, m->opts.attr_set & ~readonly,
				  &fd, &c->err);

	if (r == 0 && m->label)
		r = ks_selinux_label(fd, m->label, &c->err);
	if (r == 0 && inherit_mode && fchmodat(fd, ".", st.st_mode & 07777, 0) < 0)
		r = ks_err_set(&c->err, -errno, "set the mode of a tmpfs");
	if (r == 0 && m->opts.copy_up)
		r = ks_child_copy_up(c, target, fd);
	if (r == 0 && m->idmap_fd >= 0)
		r = ks_mount_idmap(fd, m->idmap_fd, m->opts.idmap_rec, &c->err);
	if (r == 0)
		r = set_opts(c, fd, &m->opts, 0);
	if (r == 0 && m->opts.propagation)
		r = ks_mount_propagate(fd, m->opts.propagation, m->opts.propagation_rec, &c->err);
	if (r == 0)
		r = ks_mount_attach(fd, target, &c->err);
	if (r == 0)
		m->id = mount_of(fd);
	close(target);
	return r;
}

static const struct ks_plan_mount *new_mount_of(struct ks_child *c, int fd)
{
	uint64_t id = mount_of(fd);

	for (size_t i = 0; id && i < c->p->n_mounts; i++)
		if (c->p->mounts[i].id == id)
			return &c->p->mounts[i];
	return NULL;
}

bool ks_child_is_own(struct ks_child *c, int fd)
{
	uint64_t id = mount_of(fd);

	return (id && id == mount_of(c->p->rootfs_fd)) || new_mount_of(c, fd);
}

/*
 * Of these each mount has a file system of its own. The superblock of others, such as sysfs, the
 * host's proc or a block device, may be somebody else's too, who would get the options as well.
 */
static bool has_own_fs(const struct ks_plan_mount *m)
{
	static const char *const types[] = { "tmpfs", "ramfs", "devpts", "overlay" };

	for (size_t i = 0; m && i < KS_ARRAY_LEN(types); i++)
		if (ks_streq(m->type, types[i]))
			return true;
	return false;
}

/* The mount that stands at the target; its file system where it is the container's own. */
static int remount(struct ks_child *c, struct ks_plan_mount *m)
{
	ks_auto_fd int fd = ks_path_open(c->p->rootfs_fd, m->target, O_PATH);

	if (fd < 0)
		return ks_err_set(&c->err, fd, "open %s", m->target);
	if (m->opts.fs.n && !has_own_fs(new_mount_of(c, fd)))
		return ks_err_kind(
			&c->err, KS_ERR_UNSUPPORTED,
			"mount on %s: a remount changes the attributes of the mount, and "
			"options of a file system that is the container's alone",
			m->target);
	int r = m->opts.fs.n ? ks_mount_reconfigure(fd, &m->opts.fs, &c->err) : 0;

	if (r == 0)
		r = set_opts(c, fd, &m->opts, 0);
	if (r == 0 && m->opts.propagation)
		r = ks_mount_propagate(fd, m->opts.propagation, m->opts.propagation_rec, &c->err);
	return r;
}

static int mount_hierarchy(struct ks_child *c, int dir, struct ks_plan_cgroup *g,
			   const struct ks_mount_opts *o)
{
	if (mkdirat(dir, g->name, 0755) < 0)
		return ks_err_set(&c->err, -errno, "make the cgroup directory %s", g->name);
	ks_auto_fd int target = openat(dir, g->name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (target < 0)
		return ks_err_set(&c->err, -errno, "open the cgroup directory %s", g->name);
	int r = 0;

	if (g->fd < 0)
		r = ks_mount_new(g->type, "cgroup", g->data, o->attr_set, &g->fd, &c->err);
	if (r == 0)
		r = set_opts(c, g->fd, o, 0);
	if (r == 0)
		r = ks_mount_attach(g->fd, target, &c->err);
	return r < 0 ? ks_err_prefix(&c->err, r, "cgroup hierarchy %s", g->name) : 0;
}

/* Engines look for /sys/fs/cgroup/cpu also where the hierarchy is "cpu,cpuacct". */
static int link_controllers(struct ks_child *c, int dir, const char *name)
{
	char one[64];

	for (const char *p = name; strchr(name, ',') && *p;) {
		size_t n = strcspn(p, ",");

		ks_fmt(one, sizeof(one), "%.*s", (int)n, p);
		if (symlinkat(name, dir, one) < 0 && errno != EEXIST)
			return ks_err_set(&c->err, -errno, "link the cgroup directory %s", one);
		p += n + (p[n] == ',');
	}
	return 0;
}

static int mount_cgroup(struct ks_child *c, struct ks_plan_mount *m)
{
	ks_auto_fd int fd = -EBADF;
	int target = open_target(c, m);

	if (target < 0)
		return target;
	/* Read-only comes last: directories are still to be made in it. */
	int r = make_tmpfs(c, "mode=755", m->opts.attr_set & ~(uint64_t)MOUNT_ATTR_RDONLY, &fd);

	if (r == 0)
		r = ks_mount_attach(fd, target, &c->err);
	close(target);
	for (size_t i = 0; i < c->p->n_cgroups && r == 0; i++) {
		r = mount_hierarchy(c, fd, &c->p->cgroups[i], &m->opts);
		if (r == 0)
			r = link_controllers(c, fd, c->p->cgroups[i].name);
	}
	return r < 0 ? r : set_opts(c, fd, &m->opts, 0);
}

int ks_child_mounts(struct ks_child *c)
{
	for (size_t i = 0; i < c->p->n_mounts; i++) {
		struct ks_plan_mount *m = &c->p->mounts[i];
		int r;

		if (m->kind == KS_PLAN_NEW)
			r = mount_new(c, m);
		else if (m->kind == KS_PLAN_CGROUP)
			r = mount_cgroup(c, m);
		else if (m->kind == KS_PLAN_REMOUNT)
			r = remount(c, m);
		else
			r = mount_bind(c, m);
		if (r < 0)
			return ks_err_prefix(&c->err, r, "mount %s on %s",
					     m->source && *m->source ? m->source : m->type,
					     m->target);
	}
	/* When all are there: a later one must not hide a volume. */
	for (size_t i = 0; i < c->p->n_mounts; i++) {
		int r = c->p->mounts[i].kind == KS_PLAN_VOLUME ? check_volume(c, &c->p->mounts[i]) :
								 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* The host's /dev/null, looked at before it is used (CVE-2025-31133). */
static int open_null(struct ks_child *c)
{
	struct stat st;
	int fd = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return ks_err_set(&c->err, -errno, "open /dev/null");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
		close(fd);
		return ks_err_kind(&c->err, KS_ERR_INTERNAL, "/dev/null is not the null device");
	}
	return fd;
}

/* One empty read-only tmpfs for all directories: a superblock each would be felt on big nodes. */
static int mask_dir(struct ks_child *c, int target, int *empty_fd)
{
	const uint64_t attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      MOUNT_ATTR_NOEXEC;
	ks_auto_fd int fd = -EBADF;
	int r;

	if (*empty_fd < 0) {
		r = make_tmpfs(c, "nr_inodes=1", attr, empty_fd);
		return r < 0 ? r : ks_mount_attach(*empty_fd, target, &c->err);
	}
	r = ks_mount_clone(*empty_fd, "", false, &fd, &c->err);
	return r < 0 ? r : ks_mount_attach(fd, target, &c->err);
}

static int mask_path(struct ks_child *c, const char *path, int null_fd, int *empty_fd)
{
	ks_auto_fd int fd = -EBADF;
	struct stat st;
	ks_auto_fd int target = ks_path_open(c->p->rootfs_fd, path, O_PATH);

	/* What is not there need not be hidden. */
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return ks_err_set(&c->err, target < 0 ? target : -errno, "mask %s", path);
	int r;

	if (S_ISDIR(st.st_mode)) {
		r = mask_dir(c, target, empty_fd);
	} else {
		r = ks_mount_clone(null_fd, "", false, &fd, &c->err);
		if (r == 0)
			r = ks_mount_set(fd, KS_MASK_ATTR, 0, false, &c->err);
		if (r == 0)
			r = ks_mount_attach(fd, target, &c->err);
	}
	return r < 0 ? ks_err_prefix(&c->err, r, "mask %s", path) : 0;
}

static int make_readonly(struct ks_child *c, const char *path)
{
	ks_auto_fd int fd = -EBADF;
	ks_auto_fd int target = ks_path_open(c->p->rootfs_fd, path, O_PATH);

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return ks_err_set(&c->err, target, "make %s read-only", path);
	int r = ks_mount_clone(target, "", true, &fd, &c->err);

	if (r == 0)
		r = ks_mount_set(fd, MOUNT_ATTR_RDONLY, 0, false, &c->err);
	if (r == 0)
		r = ks_mount_attach(fd, target, &c->err);
	return r < 0 ? ks_err_prefix(&c->err, r, "make %s read-only", path) : 0;
}

int ks_child_mask(struct ks_child *c)
{
	ks_auto_fd int empty_fd = -EBADF;
	ks_auto_fd int null_fd = -EBADF;
	int r = 0;

	for (size_t i = 0; i < c->p->readonly->n && r == 0; i++)
		r = make_readonly(c, c->p->readonly->v[i]);
	if (r < 0 || !c->p->masked->n)
		return r;
	null_fd = open_null(c);
	if (null_fd < 0)
		return null_fd;
	for (size_t i = 0; i < c->p->masked->n && r == 0; i++)
		r = mask_path(c, c->p->masked->v[i], null_fd, &empty_fd);
	return r;
}

static int pivot(struct ks_child *c)
{
	ks_auto_fd int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return ks_err_set(&c->err, -errno, "open the old root");
	/* Both names are ".": the old root is mounted over the new one, and taken off at once. */
	if (ks_sys_pivot_root(".", ".") < 0)
		return ks_err_set(&c->err, -errno, "pivot_root");
	/* From the new one, MS_REC would reach the container's own mounts too. */
	if (fchdir(old) < 0)
		return ks_err_set(&c->err, -errno, "enter the old root");
	/*
	 * This namespace's copies of the host's mounts, never the mounts themselves: where they are
	 * shared still (rootfsPropagation), taking them off would take off the host's.
	 */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return ks_err_set(&c->err, -errno, "part the old root from the host");
	if (umount2(".", MNT_DETACH) < 0)
		return ks_err_set(&c->err, -errno, "detach the old root");
	return 0;
}

int ks_child_pivot(struct ks_child *c)
{
	int r = 0;

	if (fchdir(c->p->rootfs_fd) < 0)
		return ks_err_set(&c->err, -errno, "enter the root file system");
	/* Without pivot_root the old root stays below this one: docs/SECURITY.md. */
	if (!c->p->no_pivot)
		r = pivot(c);
	else if (chroot(".") < 0)
		r = ks_err_set(&c->err, -errno, "change the root");
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return ks_err_set(&c->err, -errno, "enter /");
	if (c->p->root_propagation &&
	    mount(NULL, "/", NULL,
		  c->p->root_propagation | (c->p->root_propagation_rec ? MS_REC : 0UL), NULL) < 0)
		return ks_err_set(&c->err, -errno, "set rootfsPropagation");
	return 0;
}

/* As the last of the mounts: mount points, devices and /dev/console are made in it before. */
int ks_child_root_readonly(struct ks_child *c)
{
	int r = 0;

	if (c->p->root_readonly)
		r = ks_mount_set(c->p->rootfs_fd, MOUNT_ATTR_RDONLY, 0, false, &c->err);
	c->p->rootfs_fd = ks_fd_close(c->p->rootfs_fd);
	return r < 0 ? ks_err_prefix(&c->err, r, "read-only root") : 0;
}
