/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system that containerd asks the shim to mount. In a worker:
 * an overlay may take its time, and the working directory is the worker's own.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "task.h"

#define UNMOUNT_MS 10000 /* somebody may look into it still: a backup, an indexer */

/* Options that are flags of mount(2); the rest is the file system's. */
static const struct {
	const char *name;
	unsigned long set, clear;
} flags[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "bind", MS_BIND, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "defaults", 0, 0 },
	{ "private", MS_PRIVATE, 0 },
	{ "rprivate", MS_PRIVATE | MS_REC, 0 },
	{ "slave", MS_SLAVE, 0 },
	{ "rslave", MS_SLAVE | MS_REC, 0 },
};

#define PROPAGATION (MS_PRIVATE | MS_SLAVE)

static bool add_flag(const char *option, unsigned long *mask, unsigned long *propagation)
{
	for (size_t i = 0; i < KS_ARRAY_LEN(flags); i++) {
		if (!ks_streq(flags[i].name, option))
			continue;
		if (flags[i].set & PROPAGATION)
			*propagation = flags[i].set;
		else
			*mask = (*mask & ~flags[i].clear) | flags[i].set;
		return true;
	}
	return false;
}

/* The directory that all lower layers are below, with its slash; 0 when there is none. */
static size_t common_dir(const char *lower)
{
	size_t n = strcspn(lower, ":");

	for (const char *p = lower; *p;) {
		size_t len = strcspn(p, ":"), i = 0;

		while (i < len && i < n && p[i] == lower[i])
			i++;
		n = i;
		p += len + (p[len] == ':');
	}
	while (n && lower[n - 1] != '/')
		n--;
	return n;
}

/*
 * The kernel takes one page of options. With many layers their names are given relative to the
 * directory that they share.
 */
static int shorten(struct ks_arena *a, const struct ks_strv *data, struct ks_buf *ret,
		   struct ks_err *err)
{
	for (size_t i = 0; i < data->n; i++) {
		const char *lower = ks_str_prefix(data->v[i], "lowerdir=");
		size_t n = lower ? common_dir(lower) : 0;

		ks_buf_adds(ret, i ? "," : "");
		if (n <= 1) {
			ks_buf_adds(ret, data->v[i]);
			continue;
		}
		const char *dir = ks_arena_strndup(a, lower, n);

		if (!dir)
			return ks_err_oom(err);
		if (chdir(dir) < 0)
			return ks_err_set(err, -errno, "go to %s", dir);
		ks_buf_adds(ret, "lowerdir=");
		for (const char *p = lower; *p;) {
			size_t len = strcspn(p, ":");

			/* The shared directory itself as a layer. */
			ks_buf_add(ret, len > n ? p + n : ".", len > n ? len - n : 1);
			ks_buf_add(ret, ":", p[len] == ':');
			p += len + (p[len] == ':');
		}
	}
	return 0;
}

static int mount_one(const struct ks_rootfs_mount *m, const char *target, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_buf struct ks_buf data = { 0 };
	unsigned long mask = 0, propagation = 0;
	struct ks_strv rest = { 0 };
	int r = 0;

	for (size_t i = 0; i < m->options.n && r == 0; i++)
		if (!add_flag(m->options.v[i], &mask, &propagation))
			r = ks_strv_append(&a, &rest, m->options.v[i]);
	if (r < 0)
		return ks_err_oom(err);
	for (size_t i = 0; i < rest.n; i++) {
		ks_buf_adds(&data, i ? "," : "");
		ks_buf_adds(&data, rest.v[i]);
	}
	if (data.len >= (size_t)sysconf(_SC_PAGESIZE)) {
		ks_buf_done(&data);
		data = (struct ks_buf){ 0 };
		r = shorten(&a, &rest, &data, err);
		if (r < 0)
			return r;
	}
	if (data.failed)
		return ks_err_oom(err);
	if (data.len >= (size_t)sysconf(_SC_PAGESIZE))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "mount of the root file system: the options are longer than "
				   "what the kernel takes");
	const char *text = mask & MS_BIND || !data.len ? NULL : data.data;

	if (mount(m->source, target, m->type, mask, text) < 0)
		return ks_err_set(err, -errno, "mount %s (%s) on %s", m->source, m->type, target);
	/* A bind mount takes its flags only in a second step. */
	if (mask & MS_BIND && mask & ~(unsigned long)(MS_BIND | MS_REC) &&
	    mount(NULL, target, NULL, mask | MS_REMOUNT, NULL) < 0)
		return ks_err_set(err, -errno, "remount %s", target);
	if (propagation && mount(NULL, target, NULL, propagation, NULL) < 0)
		return ks_err_set(err, -errno, "set the propagation of %s", target);
	return 0;
}

/* Below the first one it would be looked up through links of the image. */
static int check_target(const struct ks_rootfs_mount *m, struct ks_err *err)
{
	if (ks_str_empty(m->target) || ks_streq(m->target, "/"))
		return 0;
	return ks_err_kind(err, KS_ERR_UNSUPPORTED,
			   "a mount of the root file system on \"%.*s\" is not supported", 200,
			   m->target);
}

int ks_rootfs_mount(const struct ks_create_args *c, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	const char *rootfs = ks_arena_printf(&a, "%s/rootfs", c->bundle);
	int r = 0;

	if (!rootfs)
		return ks_err_oom(err);
	if (c->n_rootfs && mkdir(rootfs, 0711) < 0 && errno != EEXIST)
		return ks_err_set(err, -errno, "make %s", rootfs);
	for (size_t i = 0; i < c->n_rootfs && r == 0; i++) {
		r = check_target(&c->rootfs[i], err);
		if (r == 0)
			r = mount_one(&c->rootfs[i], rootfs, err);
	}
	if (r < 0)
		(void)ks_rootfs_unmount(c->bundle, NULL);
	return r;
}

/* Whatever is mounted there, one on top of the other. */
int ks_rootfs_unmount(const char *bundle, struct ks_err *err)
{
	char path[PATH_MAX];
	int waited = 0;

	ks_fmt(path, sizeof(path), "%s/rootfs", bundle);
	for (;;) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return 0;
		if (errno != EBUSY || waited >= UNMOUNT_MS)
			return ks_err_set(err, -errno, "unmount %s", path);
		poll(NULL, 0, 10);
		waited += 10;
	}
}
