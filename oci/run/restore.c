/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes made again by criu from what a checkpoint wrote.
 *
 * Their mounts are prepared as those of a new container, opened before anything runs. criu takes
 * mounts by their paths only: a mount namespace that is criu's alone has them at paths that nobody
 * else can change, and ends with criu.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/path.h>

#include "checkpoint.h"
#include "launch.h"

#define STDIO_BYTES 16384

/* A mount that is not in the images; its place is named by its number. */
struct ext_mount {
	const char *key; /* path in the container */
	int fd;		 /* borrowed of the plan */
	bool is_file;
};

struct restore {
	struct ks_arena *arena;
	const struct ks_checkpoint *k;
	const struct ks_spec *spec;
	const struct ks_cgroup *cg;
	struct ks_plan *p;
	const struct ks_restore_steps *steps;
	struct ks_criu_dirs dirs;
	const char *stage; /* directory of the mounts, in criu's mount namespace */
	struct ext_mount *mounts;
	size_t n_mounts, max_mounts;
	struct ks_strv external;
	int keep[8];
	size_t n_keep;
	int images_fd; /* mount of the images, for who is root in the container; owned, or -EBADF */
	int tty_fd;    /* owned */
	int null_fd;   /* owned */
	Criu__Opts opts;
};

static int add_mount(struct restore *t, const char *key, int fd, bool is_file, struct ks_err *err)
{
	char number[16];

	if (t->n_mounts == t->max_mounts)
		return ks_err_kind(err, KS_ERR_INTERNAL, "more mounts than planned");
	ks_fmt(number, sizeof(number), "%zu", t->n_mounts);
	t->mounts[t->n_mounts++] = (struct ext_mount){ key, fd, is_file };
	const char *path = ks_arena_printf(t->arena, "%s/%s", t->stage, number);

	return !path || ks_criu_add_mount(t->arena, &t->external, key, path) < 0 ? ks_err_oom(err) :
										   0;
}

/* The container's own directories, whatever of a hierarchy it was shown before. */
static int add_cgroups(struct restore *t, const char *target, struct ks_err *err)
{
	for (size_t i = 0; i < t->p->n_cgroups; i++) {
		struct ks_plan_cgroup *g = &t->p->cgroups[i];
		const char *key = ks_arena_printf(t->arena, "%s/%s", target, g->name);
		char dir[PATH_MAX];
		int r = 0;

		ks_fmt(dir, sizeof(dir), "/sys/fs/cgroup/%s%s", g->name, t->cg->path);
		if (g->fd < 0)
			r = ks_mount_clone(AT_FDCWD, dir, false, &g->fd, err);
		if (r == 0)
			r = key ? add_mount(t, key, g->fd, false, err) : ks_err_oom(err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * criu opens the images also where it is root of the container's user namespace alone: to that
 * they are its own. Before its ids are mapped it is nobody there, but still of the group of the
 * host's root, which stays theirs. Not every file system can do it.
 */
static int map_images(struct restore *t, struct ks_err *err)
{
	struct ks_spec_idmap root_group = { .container_id = 0, .host_id = 0, .size = 1 };
	const struct ks_list gids = { &root_group, 1 };
	ks_auto_fd int ns = -EBADF;
	struct stat st;
	int r = ks_plan_idmap(t->arena, &t->spec->lnx.uid_mappings, &gids, &ns, err);

	if (r == 0)
		r = ks_mount_clone(t->dirs.image_fd, "", false, &t->images_fd, err);
	if (r < 0 || ks_mount_idmap(t->images_fd, ns, false, NULL) == 0)
		return r;
	t->images_fd = ks_fd_close(t->images_fd);
	if (fstat(t->dirs.image_fd, &st) == 0 && st.st_mode & S_IXOTH)
		return 0;
	return ks_err_kind(err, KS_ERR_UNSUPPORTED,
			   "restore in a user namespace: the file system of %s does not know "
			   "idmapped mounts",
			   t->k->image_path);
}

/* A volume's ids are those of the namespace that criu will make, which has these mappings. */
static int map_ids(struct restore *t, struct ks_err *err)
{
	ks_auto_fd int ns = -EBADF;

	if (!t->p->uid_map)
		return 0;
	int r = ks_plan_idmap(t->arena, &t->spec->lnx.uid_mappings, &t->spec->lnx.gid_mappings, &ns,
			      err);

	if (r < 0)
		return r;
	r = map_images(t, err);
	if (r < 0)
		return r;
	return ks_launch_map_volumes(t->p, ns, err);
}

static int add_mounts(struct restore *t, struct ks_err *err)
{
	const struct ks_plan *p = t->p;
	int r = map_ids(t, err);

	t->max_mounts = p->n_mounts * (p->n_cgroups + 1) + p->n_devices + p->masked->n;
	t->mounts = KS_ARENA_NEWV(t->arena, struct ext_mount, t->max_mounts + 1);
	if (!t->mounts)
		return ks_err_oom(err);
	for (size_t i = 0; i < p->n_mounts && r == 0; i++) {
		const struct ks_plan_mount *m = &p->mounts[i];

		if (m->kind == KS_PLAN_BIND || m->kind == KS_PLAN_VOLUME)
			r = add_mount(t, m->target, m->fd, m->is_file, err);
		else if (m->kind == KS_PLAN_CGROUP)
			r = add_cgroups(t, m->target, err);
	}
	for (size_t i = 0; i < p->n_devices && r == 0; i++)
		if (p->devices[i].bind_fd >= 0)
			r = add_mount(t, p->devices[i].path, p->devices[i].bind_fd, true, err);
	return r;
}

/* All that are masked: which of them are files is known to the images. */
static int add_masked(struct restore *t, struct ks_err *err)
{
	const struct ks_strv *v = t->p->masked;
	size_t first = t->n_mounts;
	struct stat st;
	int r = v->n ? ks_mount_clone(AT_FDCWD, "/dev/null", false, &t->null_fd, err) : 0;

	if (r == 0 && v->n &&
	    (fstat(t->null_fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)))
		r = ks_err_kind(err, KS_ERR_INTERNAL, "/dev/null is not the null device");
	if (r == 0 && v->n)
		r = ks_mount_set(t->null_fd, KS_MASK_ATTR, 0, false, err);

	for (size_t i = 0; i < v->n && r == 0; i++) {
		char path[PATH_MAX];

		if (ks_path_clean(v->v[i], path, sizeof(path)) < 0)
			continue;
		const char *key = ks_arena_strdup(t->arena, path);
		const char *null = ks_arena_printf(t->arena, "%s/%zu", t->stage, first);

		if (!key || !null)
			return ks_err_oom(err);
		r = i == 0 ? add_mount(t, key, t->null_fd, true, err) :
		    ks_criu_add_mount(t->arena, &t->external, key, null) < 0 ? ks_err_oom(err) :
									       0;
	}
	return r;
}

/* In a root that the container was never in there may be no places for its mounts. */
static int make_places(struct restore *t, struct ks_err *err)
{
	const struct ks_plan *p = t->p;

	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct ks_plan_mount *m = &p->mounts[i];
		bool below = false;

		for (size_t j = 0; j < p->n_mounts; j++) {
			const char *rest = ks_str_prefix(m->target, p->mounts[j].target);

			below |= rest && *rest == '/';
		}
		if (below || m->kind == KS_PLAN_REMOUNT)
			continue; /* of a file system that criu restores, or that has it */
		int r = m->is_file ? ks_path_mkfile(p->rootfs_fd, m->target, 0644) :
				     ks_path_mkdir(p->rootfs_fd, m->target, 0755);

		if (r < 0)
			return ks_err_set(err, r, "make the place of the mount on %s", m->target);
		close(r);
	}
	return p->root_readonly ? ks_mount_set(p->rootfs_fd, MOUNT_ATTR_RDONLY, 0, false, err) : 0;
}

static int attach(int dir, const char *name, int mount_fd, bool is_file, struct ks_err *err)
{
	int r = is_file ? mknodat(dir, name, S_IFREG | 0600, 0) : mkdirat(dir, name, 0700);
	ks_auto_fd int target = r < 0 ? -EBADF : openat(dir, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);

	if (target < 0)
		return ks_err_set(err, -errno, "make a place for a mount");
	return ks_mount_attach(mount_fd, target, err);
}

static int use_images(const struct restore *t, int stage_fd, struct ks_err *err)
{
	int r = attach(stage_fd, "images", t->images_fd, false, err);
	ks_auto_fd int fd = r < 0 ? -EBADF :
				    openat(stage_fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (r == 0 && (fd < 0 || dup2(fd, t->dirs.image_fd) < 0))
		r = ks_err_set(err, -errno, "open the images");
	return r;
}

static bool ignores_cgroups(const struct restore *t)
{
	return t->opts.has_manage_cgroups_mode && t->opts.manage_cgroups_mode == KS_CRIU_CG_IGNORE;
}

/* In criu's process: its own view of the host, with the container's mounts in one place. */
static int stage(void *data, struct ks_err *err)
{
	struct restore *t = data;
	const char *keyring = t->p->process.keyring;
	const char *label = ks_restored_label(t->k, "selinux", t->p->process.selinux);
	ks_auto_fd int fs = -EBADF;

	int r = keyring && label ? ks_file_write_at(AT_FDCWD, "/proc/self/attr/keycreate", label) :
				   0;

	if (r < 0)
		return ks_err_set(err, r, "label the session keyring as %s", label);
	/* What criu makes has its session keyring, which is not to be the caller's. */
	if (keyring && ks_sys_join_session_keyring(keyring) < 0 && errno != ENOSYS &&
	    errno != EOPNOTSUPP)
		return ks_err_set(err, -errno, "make a session keyring");

	/* Where it is to ignore cgroups it makes no namespace of them: theirs is its own. */
	if (t->p->new_cgroupns && ignores_cgroups(t) && unshare(CLONE_NEWCGROUP) < 0)
		return ks_err_set(err, -errno, "make a cgroup namespace");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return ks_err_set(err, -errno, "make a mount namespace");
	r = ks_criu_dirs_reopen(t->k, &t->dirs, err);
	if (r == 0)
		r = ks_mount_new("tmpfs", "kshim", "mode=0711", 0, &fs, err);
	ks_auto_fd int over = open(t->stage, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (r == 0 && over < 0)
		r = ks_err_set(err, -errno, "open %s", t->stage);
	if (r == 0)
		r = ks_mount_attach(fs, over, err);
	if (r == 0)
		r = attach(fs, "root", t->p->rootfs_fd, false, err);
	for (size_t i = 0; i < t->n_mounts && r == 0; i++) {
		char number[16];

		ks_fmt(number, sizeof(number), "%zu", i);
		r = attach(fs, number, t->mounts[i].fd, t->mounts[i].is_file, err);
	}
	return r < 0 || t->images_fd < 0 ? r : use_images(t, fs, err);
}

static int add_inherited(struct restore *t, const char *key, int fd, struct ks_err *err)
{
	Criu__InheritFd *f = KS_ARENA_NEW(t->arena, Criu__InheritFd);
	Criu__InheritFd **v = t->opts.inherit_fd;

	if (!v)
		v = t->opts.inherit_fd = KS_ARENA_NEWV(t->arena, Criu__InheritFd *, 8);
	if (!f || !v)
		return ks_err_oom(err);
	criu__inherit_fd__init(f);
	f->key = (char *)(uintptr_t)key;
	f->fd = fd;
	v[t->opts.n_inherit_fd++] = f;
	if (fd > 2)
		t->keep[t->n_keep++] = fd;
	return 0;
}

/* Those that have a name: any other criu opens by itself, or it is the container's terminal. */
static int add_stdio(struct restore *t, struct ks_err *err)
{
	ks_auto_fd int file = openat(t->dirs.image_fd, "descriptors.json",
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct ks_json *v = NULL;
	char *text = NULL;
	size_t len = 0;
	struct stat st;
	int fd = 0;
	int r = file < 0 || fstat(file, &st) < 0 ?
			ks_err_set(err, -errno, "descriptors.json") :
		!S_ISREG(st.st_mode) ?
			ks_err_kind(err, KS_ERR_INVALID, "descriptors.json: no file") :
			ks_fd_read_all(t->arena, file, STDIO_BYTES, &text, &len);

	if (r == 0)
		r = ks_json_parse(t->arena, text, len, "descriptors.json", &v, err);
	if (r < 0)
		return ks_err_prefix(err, r, "%s is no checkpoint of a container",
				     t->k->image_path);
	for (const struct ks_json *e = v ? v->first : NULL; e && fd < 3 && r == 0;
	     e = e->next, fd++)
		if (e->type == KS_JSON_STRING &&
		    (ks_str_prefix(e->text, "pipe:[") || ks_str_prefix(e->text, "file[")))
			r = add_inherited(t, e->text, fd, err);
	return r;
}

static int add_joined(struct restore *t, const char *ns, const char *path, struct ks_err *err)
{
	Criu__JoinNs *j = KS_ARENA_NEW(t->arena, Criu__JoinNs);
	Criu__JoinNs **v = t->opts.join_ns;

	if (!v)
		v = t->opts.join_ns = KS_ARENA_NEWV(t->arena, Criu__JoinNs *, KS_NS_COUNT);
	if (!j || !v)
		return ks_err_oom(err);
	criu__join_ns__init(j);
	j->ns = (char *)(uintptr_t)ns;
	j->ns_file = (char *)(uintptr_t)path;
	v[t->opts.n_join_ns++] = j;
	return 0;
}

static int add_namespaces(struct restore *t, struct ks_err *err)
{
	const struct ks_spec_namespace *v = t->spec->lnx.namespaces.v;
	int r = 0;

	for (size_t i = 0; i < t->spec->lnx.namespaces.n && r == 0; i++) {
		enum ks_ns type = (enum ks_ns)v[i].type;

		if (ks_str_empty(v[i].path))
			continue;
		if (type == KS_NS_NETWORK || type == KS_NS_PID)
			r = add_inherited(t, type == KS_NS_PID ? KS_EXT_PID : KS_EXT_NET,
					  t->p->join_fd[type], err);
		else if (type == KS_NS_IPC || type == KS_NS_UTS)
			r = add_joined(t, ks_ns_proc_name(type), v[i].path, err);
		else
			r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
					"a %s namespace that is joined by its path is not "
					"supported",
					ks_ns_proc_name(type));
	}
	return r;
}

static int add_cgroup_root(struct restore *t, Criu__CgroupRoot **v, const char *controllers,
			   struct ks_err *err)
{
	Criu__CgroupRoot *g = KS_ARENA_NEW(t->arena, Criu__CgroupRoot);

	if (!g)
		return ks_err_oom(err);
	criu__cgroup_root__init(g);
	g->ctrl = (char *)(uintptr_t)controllers;
	g->path = (char *)(uintptr_t)t->cg->path;
	v[t->opts.n_cg_root++] = g;
	return 0;
}

/* The cgroups of the images begin at the container's; it may be another one now. */
static int add_cgroup_roots(struct restore *t, struct ks_err *err)
{
	const struct ks_cgroup_host *h = &t->cg->host;
	struct ks_strv names = { 0 };
	int r = 0;

	if (!*t->cg->path) {
		t->opts.has_manage_cgroups_mode = true;
		t->opts.manage_cgroups_mode = KS_CRIU_CG_IGNORE;
		return 0;
	}
	for (size_t i = 0; i < h->n_v1 && r == 0; i++)
		r = ks_str_split(t->arena, h->v1[i].controllers, ',', &names);
	Criu__CgroupRoot **v = KS_ARENA_NEWV(t->arena, Criu__CgroupRoot *, names.n + 1);

	if (r < 0 || !v)
		return ks_err_oom(err);
	t->opts.cg_root = v;
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = add_cgroup_root(t, v, names.v[i], err);
	if (r == 0 && h->v2_mount)
		r = add_cgroup_root(t, v, NULL, err);
	return r;
}

static int on_notify(void *data, const char *script, pid_t pid, int *fd, struct ks_err *err)
{
	struct restore *t = data;
	int r = 0;

	if (ks_streq(script, "setup-namespaces")) {
		r = t->steps->namespaces(t->steps->data, pid, err);
	} else if (ks_streq(script, "orphan-pts-master") && t->tty_fd < 0) {
		t->tty_fd = KS_TAKE_FD(*fd);
	} else if (ks_streq(script, "post-restore")) {
		int tty = KS_TAKE_FD(t->tty_fd);

		r = t->steps->restored(t->steps->data, pid, tty, err);
	} else if (ks_streq(script, "pre-resume")) {
		r = t->steps->resume(t->steps->data, err);
	}
	return r;
}

/*
 * The runtime root is hidden by the mounts: a process in a user namespace could not get into it,
 * or into the container's directory, and criu needs neither.
 */
static int find_stage(struct restore *t, int root_fd, struct ks_err *err)
{
	char link[64], path[PATH_MAX];

	ks_fmt(link, sizeof(link), "/proc/self/fd/%d", root_fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n < 0)
		return ks_err_set(err, -errno, "find the runtime root");
	path[n] = '\0';
	t->stage = ks_arena_strdup(t->arena, path);
	return t->stage ? 0 : ks_err_oom(err);
}

static int prepare(struct restore *t, int root_fd, struct ks_err *err)
{
	int r = find_stage(t, root_fd, err);

	if (r == 0)
		r = ks_criu_dirs_open(t->k, 0, &t->dirs, err);
	if (r == 0)
		r = ks_criu_options(t->arena, t->k, &t->dirs, "restore.log", &t->opts, err);
	if (r == 0)
		r = add_mounts(t, err);
	if (r == 0)
		r = add_masked(t, err);
	if (r == 0)
		r = add_stdio(t, err);
	if (r == 0)
		r = add_namespaces(t, err);
	if (r == 0)
		r = add_cgroup_roots(t, err);
	if (r == 0)
		r = make_places(t, err);
	if (r < 0)
		return r;
	t->opts.root = (char *)(uintptr_t)ks_arena_printf(t->arena, "%s/root", t->stage);
	t->opts.external = t->external.v;
	t->opts.n_external = t->external.n;
	t->opts.has_rst_sibling = t->opts.rst_sibling = true;
	t->opts.has_evasive_devices = t->opts.evasive_devices = true;
	if (t->k->status_fd >= 0)
		t->keep[t->n_keep++] = t->k->status_fd;
	t->keep[t->n_keep++] = t->dirs.image_fd;
	t->keep[t->n_keep++] = t->dirs.work_fd;
	t->keep[t->n_keep] = -1;
	return t->opts.root ? 0 : ks_err_oom(err);
}

int ks_restore_run(struct ks_arena *a, const struct ks_checkpoint *k, const struct ks_spec *s,
		   const struct ks_cgroup *cg, int root_fd, struct ks_plan *p,
		   const struct ks_restore_steps *steps, struct ks_err *err)
{
	struct restore t = { .arena = a,
			     .k = k,
			     .spec = s,
			     .cg = cg,
			     .p = p,
			     .steps = steps,
			     .dirs = KS_CRIU_DIRS_INIT,
			     .images_fd = -EBADF,
			     .tty_fd = -EBADF,
			     .null_fd = -EBADF };
	struct ks_criu_call call = { .type = KS_CRIU_RESTORE,
				     .opts = &t.opts,
				     .keep = t.keep,
				     .umask = 0077,
				     .join = &p->cgroup,
				     .stage = stage,
				     .notify = on_notify,
				     .data = &t };
	int r = prepare(&t, root_fd, err);

	call.work_path = t.dirs.work_path;
	if (r == 0)
		r = ks_criu_call(&call, err);
	ks_fd_close(t.images_fd);
	ks_fd_close(t.tty_fd);
	ks_fd_close(t.null_fd);
	ks_criu_dirs_done(&t.dirs);
	return r;
}
