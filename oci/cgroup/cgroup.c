/* SPDX-License-Identifier: Apache-2.0 */
/* A container's directories: made, joined, removed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <kshim/crash.h>
#include <kshim/fd.h>

#include "hierarchy.h"
#include "resources.h"

/* Copies cpus and mems from the parent directory into a v1 cpuset that has none. */
static int cpuset_inherit(const char *dir, struct ks_err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s", dir);
	for (size_t i = 0; i < KS_ARRAY_LEN(files); i++) {
		char parent[64];
		char *text;
		int r = ks_file_read_at(&a, fd, files[i], 4096, &text, NULL);

		if (r == 0 && text[strspn(text, " \n")])
			continue;
		ks_fmt(parent, sizeof(parent), "../%s", files[i]);
		if (r == 0)
			r = ks_file_read_at(&a, fd, parent, 4096, &text, NULL);
		if (r < 0)
			return ks_err_set(err, r, "read %s of %s", files[i], dir);
		text[strcspn(text, "\n")] = '\0';
		r = ks_cgroup_write(fd, files[i], text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Enables for the children of a directory every controller that it has itself. */
static int enable_controllers(const char *dir, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct ks_strv list;
	char *text;

	if (dirfd < 0)
		return ks_err_set(err, -errno, "open %s", dir);
	if (ks_file_read_at(&a, dirfd, "cgroup.controllers", 4096, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (ks_str_split(&a, text, ' ', &list) < 0)
		return ks_err_oom(err);
	/*
	 * Each apart: one that cannot be had (processes in the parent, no real-time budget)
	 * must not keep the others away. A limit that then has no file is an error later.
	 */
	for (size_t i = 0; i < list.n; i++) {
		char *word = ks_arena_printf(&a, "+%s", list.v[i]);

		if (word)
			(void)ks_file_write_at(dirfd, "cgroup.subtree_control", word);
	}
	return 0;
}

/*
 * Makes one directory and its parents. On v2 each level hands its controllers
 * on. A v1 cpuset starts empty, and no task can join it before it has cpus and
 * memory nodes: each level copies them.
 */
static int make_dir(const char *mount, const char *path, bool v2, bool cpuset, struct ks_err *err)
{
	char dir[PATH_MAX];
	size_t base = ks_fmt(dir, sizeof(dir), "%s", mount);

	for (const char *p = path; *p;) {
		size_t n = 1 + strcspn(p + 1, "/");
		int r = v2 ? enable_controllers(dir, err) : 0;

		if (r < 0)
			return r;
		if (base + n + 1 > sizeof(dir))
			return ks_err_set(err, -ENAMETOOLONG, "make cgroup %s", path);
		memcpy(dir + base, p, n);
		base += n;
		dir[base] = '\0';
		p += n;
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return ks_err_set(err, -errno, "make cgroup %s", dir);
		r = cpuset ? cpuset_inherit(dir, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* In no hierarchy may somebody else's processes be where ours are to come. */
static int check_empty(const struct ks_cgroup *cg, bool *ret_existed, struct ks_err *err)
{
	struct stat st;
	char dir[PATH_MAX];

	for (size_t i = 0; i < ks_cgroup_n_hierarchies(cg); i++) {
		size_t n;

		ks_cgroup_hierarchy_dir(cg, i, dir);
		if (stat(dir, &st) < 0)
			continue;
		*ret_existed = true;
		int r = ks_cgroup_count(dir, &n);

		if (r < 0)
			return ks_err_set(err, r, "list the processes of %s", dir);
		if (n)
			return ks_err_kind(
				err, KS_ERR_BUSY,
				"cgroup %s is in use: it holds processes of somebody else", dir);
	}
	return 0;
}

int ks_cgroup_create(const struct ks_cgroup *cg, const struct ks_spec_resources *res,
		     struct ks_err *err)
{
	char dir[PATH_MAX];
	bool existed = false;
	int r = check_empty(cg, &existed, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ks_cgroup_n_hierarchies(cg) && r >= 0; i++) {
		bool v2 = i == cg->host.n_v1;

		if (v2)
			ks_fmt(dir, sizeof(dir), "%s", cg->host.v2_mount);
		else
			ks_fmt(dir, sizeof(dir), KS_CGROUP_ROOT "/%s", cg->host.v1[i].name);
		r = make_dir(dir, cg->path, v2,
			     !v2 && ks_cgroup_has_controller(cg->host.v1[i].controllers, "cpuset"),
			     err);
		ks_crash_point("cgroup-made");
	}
	if (r >= 0 && res)
		r = ks_cgroup_apply(cg, res, false, err);
	if (r < 0 && !existed)
		ks_cgroup_destroy(cg, 0, NULL);
	return r;
}

/* The path that @below gives for hierarchy @i, or NULL. */
static const char *path_below(const struct ks_cgroup *cg, size_t i, const struct ks_strv *below)
{
	bool v2 = i == cg->host.n_v1;

	for (size_t k = 0; k < below->n; k++) {
		const char *colon = strchr(below->v[k], ':');
		char list[128], *p = list;

		if (!colon && v2)
			return below->v[k];
		if (!colon || v2)
			continue;
		ks_fmt(list, sizeof(list), "%.*s", (int)(colon - below->v[k]), below->v[k]);
		for (char *word; (word = strsep(&p, ","));)
			if (ks_cgroup_has_controller(cg->host.v1[i].controllers, word))
				return colon + 1;
	}
	return NULL;
}

/* Each of them names what is there, and stays inside. */
static int check_below(const struct ks_cgroup *cg, const struct ks_strv *below, struct ks_err *err)
{
	for (size_t k = 0; k < below->n; k++) {
		const char *colon = strchr(below->v[k], ':');
		const char *path = colon ? colon + 1 : below->v[k];
		bool used = false;

		for (size_t i = 0; i < ks_cgroup_n_hierarchies(cg); i++)
			used |= path_below(cg, i, below) == path;
		if (!used)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "cgroup \"%s\": this host has no such hierarchy%s",
					   below->v[k], colon ? "" : "; v1 wants CONTROLLER:PATH");
		if (ks_cgroup_goes_up(path))
			return ks_err_kind(err, KS_ERR_INVALID,
					   "cgroup \"%s\": must not hold \"..\"", below->v[k]);
	}
	return 0;
}

static int open_one(const struct ks_cgroup *cg, size_t i, const struct ks_strv *below,
		    struct ks_cgroup_join *j, struct ks_err *err)
{
	bool v2 = i == cg->host.n_v1;
	const char *sub = path_below(cg, i, below);
	char path[PATH_MAX];

	ks_cgroup_hierarchy_dir(cg, i, path);
	size_t n = strlen(path);

	if (sub)
		n += ks_fmt(path + n, sizeof(path) - n, "/%s", sub);
	if (n + sizeof("/tasks") > sizeof(path))
		return ks_err_set(err, -ENAMETOOLONG, "open cgroup %s", sub);
	if (!v2)
		ks_fmt(path + n, sizeof(path) - n, "/tasks");
	int fd = open(path, (v2 ? O_PATH | O_DIRECTORY : O_WRONLY) | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s", path);
	if (v2)
		j->v2_fd = fd;
	else
		j->tasks_fd[j->n_tasks++] = fd;
	return 0;
}

int ks_cgroup_open_join_below(const struct ks_cgroup *cg, const struct ks_strv *below,
			      struct ks_cgroup_join *ret, struct ks_err *err)
{
	struct ks_cgroup_join j = { .v2_fd = -EBADF };
	int r = check_below(cg, below, err);

	for (size_t i = 0; i < ks_cgroup_n_hierarchies(cg) && r == 0; i++)
		r = open_one(cg, i, below, &j, err);
	if (r < 0) {
		ks_cgroup_join_done(&j);
		return r;
	}
	*ret = j;
	return 0;
}

int ks_cgroup_open_join(const struct ks_cgroup *cg, struct ks_cgroup_join *ret, struct ks_err *err)
{
	static const struct ks_strv none;

	return ks_cgroup_open_join_below(cg, &none, ret, err);
}

void ks_cgroup_join_done(struct ks_cgroup_join *j)
{
	for (size_t i = 0; i < j->n_tasks; i++)
		j->tasks_fd[i] = ks_fd_close(j->tasks_fd[i]);
	j->n_tasks = 0;
	j->v2_fd = ks_fd_close(j->v2_fd);
}

static int remove_one(const char *dir, void *data)
{
	(void)data;
	return rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}

int ks_cgroup_destroy(const struct ks_cgroup *cg, unsigned int timeout_ms, struct ks_err *err)
{
	char dir[PATH_MAX];
	unsigned int waited = 0;

	for (size_t i = 0; i < ks_cgroup_n_hierarchies(cg); i++) {
		ks_cgroup_hierarchy_dir(cg, i, dir);
		/* A cgroup stays busy for a moment after its last process is reaped. */
		for (;; waited++) {
			/* Mostly there is nothing below: no need to look. */
			int r = rmdir(dir) == 0 || errno == ENOENT ?
					0 :
					ks_cgroup_walk(dir, 0, remove_one, NULL);

			if (r == 0)
				break;
			if (r != -EBUSY || waited >= timeout_ms)
				return ks_err_set(err, r, "remove cgroup %s", dir);
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	return 0;
}
