/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of service: made, joined, changed, removed. */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/process.h>

#include "resctrl-files.h"

#define LOCK_MS		10000 /* of who makes or changes something */
#define REMOVE_MS	1000  /* of who removes what is known to be its own, then without it */
#define EMPTY_MS	2000  /* for killed tasks to be gone */
#define MAX_TASKS_BYTES (16U << 20)

static int open_locked(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	int r = ks_resctrl_open(a, g, &root, err);

	if (r == 0)
		r = ks_resctrl_lock(root, LOCK_MS, err);
	if (r == 0)
		*ret = KS_TAKE_FD(root);
	return r;
}

struct ks_resctrl ks_resctrl_plan(const struct ks_spec_intel_rdt *s, const char *id)
{
	if (!s)
		return (struct ks_resctrl){ 0 };
	bool own = ks_str_empty(s->clos_id);

	return (struct ks_resctrl){
		.group = own			   ? id :
			 ks_streq(s->clos_id, "/") ? "" :
						     s->clos_id,
		.id = id,
	};
}

static void monitor_path(char *buf, size_t size, const struct ks_resctrl *g, const char *file)
{
	ks_fmt(buf, size, "%s%smon_groups/%s%s", g->group, *g->group ? "/" : "", g->id, file);
}

/* 0, or 1 when it is there; -errno. */
static int look(int root, const char *path, struct ks_err *err)
{
	struct stat st;

	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ?
		       0 :
		       ks_err_set(err, -errno, "look at %s of the resctrl file system", path);
}

/* Under the lock: what has to be made, and whether that may be. Nothing is made yet. */
static int decide(int root, const struct ks_spec_intel_rdt *s, bool limits, struct ks_resctrl *g,
		  struct ks_err *err)
{
	bool own = ks_str_empty(s->clos_id);
	char path[2 * NAME_MAX + 32];
	int r = *g->group ? look(root, g->group, err) : 1;

	if (r == 1 && own)
		return ks_err_kind(err, KS_ERR_EXISTS,
				   "linux.intelRdt: there is a class of the container's name, "
				   "\"%s\", already",
				   g->group);
	if (r == 0 && !own && !limits)
		return ks_err_kind(err, KS_ERR_NOT_FOUND,
				   "linux.intelRdt: there is no class \"%s\", and no limits are "
				   "given to make it with",
				   g->group);
	g->remove = r == 0;
	monitor_path(path, sizeof(path), g, "");
	if (r == 1 && s->enable_monitoring) {
		r = look(root, path, err);
		if (r == 1)
			return ks_err_kind(err, KS_ERR_EXISTS,
					   "linux.intelRdt.enableMonitoring: there is a monitoring "
					   "group \"%s\" already",
					   g->id);
	}
	g->monitor = s->enable_monitoring;
	return r < 0 ? r : 0;
}

static int make_group(struct ks_arena *a, int root, const struct ks_resctrl *g, struct ks_err *err)
{
	if (!g->remove || mkdirat(root, g->group, 0755) == 0)
		return 0;
	int r = -errno;
	const char *what = ks_arena_printf(a, "linux.intelRdt: make the class \"%s\"", g->group);

	return what ? ks_resctrl_fail(a, root, r, what, err) : ks_err_oom(err);
}

static int make_monitor(struct ks_arena *a, int root, const struct ks_resctrl *g,
			struct ks_err *err)
{
	char path[2 * NAME_MAX + 32];

	monitor_path(path, sizeof(path), g, "");
	if (!g->monitor || mkdirat(root, path, 0755) == 0)
		return 0;
	int r = -errno;

	if (r == -ENOENT || r == -EPERM)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.intelRdt.enableMonitoring: this host's resctrl has no "
				   "monitoring");
	return ks_resctrl_fail(a, root, r,
			       "linux.intelRdt.enableMonitoring: make a monitoring group", err);
}

/* The directory as it is known by from now on, whatever has its name later. */
static int record_inode(int dir, struct ks_resctrl *g, ks_resctrl_record_fn *record, void *data,
			struct ks_err *err)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return ks_err_set(err, -errno, "look at the class \"%s\"", g->group);
	g->inode = st.st_ino;
	return record(data, g, err);
}

/* What was decided, made and limited. @ret_made: whether there is a new class now. */
static int make_all(struct ks_arena *a, int root, const struct ks_strv *lines, struct ks_resctrl *g,
		    ks_resctrl_record_fn *record, void *data, bool *ret_made, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = make_group(a, root, g, err);

	*ret_made = r == 0 && g->remove;
	ks_crash_point("resctrl-group");
	if (r == 0)
		r = ks_resctrl_open_group(root, g, &dir, err);
	if (r == 0 && g->remove)
		r = record_inode(dir, g, record, data, err);
	if (r == 0)
		r = g->remove ? ks_schemata_write(a, root, dir, lines, err) :
				ks_schemata_compare(a, root, dir, *g->group ? g->group : "/", lines,
						    err);
	if (r == 0)
		r = make_monitor(a, root, g, err);
	ks_crash_point("resctrl-monitor");
	return r;
}

int ks_resctrl_make(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_resctrl *g,
		    ks_resctrl_record_fn *record, void *data, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	struct ks_strv lines = { 0 };

	if (!g->group)
		return 0;
	int r = ks_schemata_list(a, s, &lines, err);

	if (r == 0)
		r = open_locked(a, g, &root, err);
	if (r == 0)
		r = decide(root, s, lines.n, g, err);
	if (r == 0 && (g->remove || g->monitor))
		r = record(data, g, err);
	if (r < 0) {
		g->remove = g->monitor = false;
		return r;
	}
	bool made;

	r = make_all(a, root, &lines, g, record, data, &made, err);
	if (r < 0) {
		/* Nobody else can have joined it: the lock is held. */
		g->remove = made && unlinkat(root, g->group, AT_REMOVEDIR) < 0 && errno != ENOENT;
		g->monitor = false;
		return r;
	}
	/* One that was named is everybody's from now on. */
	if (!ks_str_empty(s->clos_id))
		g->remove = false;
	return 0;
}

static int open_tasks(int root, const char *path, struct ks_cgroup_join *j, struct ks_err *err)
{
	int fd = openat(root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s of the resctrl file system", path);
	j->tasks_fd[j->n_tasks++] = fd;
	return 0;
}

int ks_resctrl_open_join(const struct ks_resctrl *g, struct ks_cgroup_join *j, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int root = -EBADF;
	char path[2 * NAME_MAX + 32];

	if (!g->group)
		return 0;
	int r = ks_resctrl_open(&a, g, &root, err);

	ks_fmt(path, sizeof(path), "%s%stasks", g->group, *g->group ? "/" : "");
	if (r == 0)
		r = open_tasks(root, path, j, err);
	/* Behind the class: a monitoring group takes only tasks of its class. */
	monitor_path(path, sizeof(path), g, "/tasks");
	if (r == 0 && g->monitor)
		r = open_tasks(root, path, j, err);
	return r;
}

int ks_resctrl_update(struct ks_arena *a, const struct ks_resctrl *g,
		      const struct ks_spec_intel_rdt *s, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	ks_auto_fd int dir = -EBADF;
	struct ks_strv lines = { 0 };
	int r = ks_schemata_list(a, s, &lines, err);

	if (r < 0 || !lines.n)
		return r;
	if (!g->group)
		return ks_err_kind(err, KS_ERR_STATE,
				   "container \"%s\" has no class of service: it was made without "
				   "linux.intelRdt",
				   g->id);
	r = open_locked(a, g, &root, err);
	if (r == 0)
		r = ks_resctrl_open_group(root, g, &dir, err);
	return r < 0 ? r : ks_schemata_write(a, root, dir, &lines, err);
}

/* A process that is dead keeps its class until its parent has asked for it. */
static bool is_dead(struct ks_arena *a, const char *tid)
{
	const char *path = ks_arena_printf(a, "/proc/%s/stat", tid);
	char *text;
	int r = path ? ks_file_read_at(a, AT_FDCWD, path, 4096, &text, NULL) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT || r == -ESRCH;
	const char *state = strrchr(text, ')');

	return state && (ks_str_prefix(state, ") Z") || ks_str_prefix(state, ") X"));
}

/* 1 when a living task is in it, 0, or -errno; a group that is gone has none. */
static int has_tasks(int root, const char *group, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char path[2 * NAME_MAX + 48];
	struct ks_strv tids = { 0 };
	char *text;

	ks_fmt(path, sizeof(path), "%s/tasks", group);
	int r = ks_file_read_at(&a, root, path, MAX_TASKS_BYTES, &text, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ks_err_set(err, r, "read %s of the resctrl file system", path);
	if (ks_str_split(&a, text, '\n', &tids) < 0)
		return ks_err_oom(err);
	for (size_t i = 0; i < tids.n; i++)
		if (*tids.v[i] && !is_dead(&a, tids.v[i]))
			return 1;
	return 0;
}

/*
 * The container's own have been killed, and take a moment to be gone. Who is in it after that has
 * been put there, and stays.
 */
static int remove_group(int root, const char *path, struct ks_err *err)
{
	uint64_t end = ks_now_ms() + EMPTY_MS;
	int r = has_tasks(root, path, err);

	while (r == 1 && ks_now_ms() < end) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		r = has_tasks(root, path, err);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	if (unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove %s of the resctrl file system", path);
	return 0;
}

/* Of a create that was cut off before it knew, any of the name counts, as long as it is empty. */
static bool is_that_class(int root, const struct ks_resctrl *g)
{
	struct stat st;

	return !g->inode ||
	       (fstatat(root, g->group, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == g->inode);
}

int ks_resctrl_remove(struct ks_arena *a, const struct ks_resctrl *g, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	char path[2 * NAME_MAX + 32];

	if (!g->group || !(g->remove || g->monitor))
		return 0;
	int r = ks_resctrl_open(a, g, &root, err);

	/* Unmounted, it has forgotten all classes. */
	if (r == -EOPNOTSUPP)
		return 0;
	/* It is this container's: that somebody holds the lock must not keep its volumes. */
	if (r == 0)
		(void)ks_resctrl_lock(root, REMOVE_MS, NULL);
	monitor_path(path, sizeof(path), g, "");
	if (r == 0 && g->monitor)
		r = remove_group(root, path, err);
	if (r == 0 && g->remove && *g->group && is_that_class(root, g))
		r = remove_group(root, g->group, err);
	return r;
}
