/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of a container: listed, killed, frozen. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <kshim/fd.h>

#include "hierarchy.h"

#define MAX_PIDS   65536 /* that are listed of one container */
#define KILL_MS	   10000 /* how long processes may take to end after SIGKILL */
#define FREEZE_MS  10000 /* and to stop where they are */
#define MAX_LEVELS 32	 /* of cgroups below a container's that are walked */

static int read_pids(const char *dir, pid_t *pids, size_t max, size_t *n)
{
	char path[PATH_MAX];
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv lines;
	char *text;

	if (ks_fmt(path, sizeof(path), "%s/cgroup.procs", dir) + 1 >= sizeof(path))
		return -ENAMETOOLONG;
	int r = ks_file_read_at(&a, AT_FDCWD, path, 16U << 20, &text, NULL);

	/* A threaded cgroup has no such list; what is gone has no pids. */
	if (r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	if (ks_str_split(&a, text, '\n', &lines) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < lines.n && *n < max; i++) {
		uint64_t v;

		/* 0 stands for a process of another pid namespace. */
		if (ks_parse_u64(lines.v[i], INT_MAX, &v) == 0 && v > 0)
			pids[(*n)++] = (pid_t)v;
	}
	return 0;
}

/* Calls @fn for the directory and all below, children first. */
int ks_cgroup_walk(const char *dir, int level, int (*fn)(const char *dir, void *data), void *data)
{
	DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	int r = 0;

	for (struct dirent *e = readdir(d); e && r >= 0; e = readdir(d)) {
		char *sub = NULL;

		if (e->d_type != DT_DIR || e->d_name[0] == '.' || level == MAX_LEVELS)
			continue;
		if (asprintf(&sub, "%s/%s", dir, e->d_name) < 0)
			r = -ENOMEM;
		else
			r = ks_cgroup_walk(sub, level + 1, fn, data);
		free(sub);
	}
	closedir(d);
	return r < 0 ? r : fn(dir, data);
}

struct pid_list {
	pid_t *v;
	size_t n;
};

static int add_pids(const char *dir, void *data)
{
	struct pid_list *l = data;

	return read_pids(dir, l->v, MAX_PIDS, &l->n);
}

int ks_cgroup_pids(struct ks_arena *a, const struct ks_cgroup *cg, pid_t **ret, size_t *ret_n,
		   struct ks_err *err)
{
	struct pid_list l = { .v = KS_ARENA_NEWV(a, pid_t, MAX_PIDS) };
	char dir[PATH_MAX];

	if (!l.v)
		return ks_err_oom(err);
	/* A container's processes are in every hierarchy alike; the v2 one is the last. */
	if (ks_cgroup_n_hierarchies(cg)) {
		ks_cgroup_hierarchy_dir(cg, ks_cgroup_n_hierarchies(cg) - 1, dir);
		int r = ks_cgroup_walk(dir, 0, add_pids, &l);

		if (r < 0)
			return ks_err_set(err, r, "list the processes of %s", dir);
	}
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}

bool ks_cgroup_populated(const struct ks_cgroup *cg)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	pid_t *pids;
	size_t n = 0;

	/* A list that cannot be read is not known to be empty. */
	return ks_cgroup_pids(&a, cg, &pids, &n, NULL) < 0 || n > 0;
}

/*
 * Without cgroup.kill the list is signalled until it is empty, since a
 * process may fork while it is read. A frozen v1 cgroup keeps SIGKILL
 * waiting, so it is thawed.
 */
static int kill_by_list(const struct ks_cgroup *cg, struct ks_err *err)
{
	/* The memory of a large process takes its time to be given back. */
	for (unsigned int waited_ms = 0, pause_ms = 1; waited_ms < KILL_MS; waited_ms += pause_ms) {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		pid_t *pids = NULL;
		size_t n = 0;
		int r = ks_cgroup_pids(&a, cg, &pids, &n, err);

		if (r < 0)
			return r;
		if (!n)
			return 0;
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
		ks_cgroup_thaw(cg);
		pause_ms = pause_ms < 50 ? pause_ms * 2 : pause_ms;
		nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000L }, NULL);
	}
	return ks_err_kind(err, KS_ERR_TIMEOUT, "processes of cgroup %s do not end", cg->path);
}

int ks_cgroup_kill(const struct ks_cgroup *cg, struct ks_err *err)
{
	char dir[PATH_MAX];

	/* On a hybrid host too every process is in the v2 hierarchy. */
	if (ks_cgroup_dir(cg, NULL, dir) == 0) {
		size_t n = strlen(dir);

		ks_fmt(dir + n, sizeof(dir) - n, "/cgroup.kill");
		int r = ks_file_write_at(AT_FDCWD, dir, "1");

		if (r == 0 && !cg->host.n_v1)
			return 0;
	}
	return kill_by_list(cg, err);
}

int ks_cgroup_count(const char *dir, size_t *ret)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct pid_list l = { .v = KS_ARENA_NEWV(&a, pid_t, MAX_PIDS) };
	int r = l.v ? ks_cgroup_walk(dir, 0, add_pids, &l) : -ENOMEM;

	*ret = l.n;
	return r;
}

int ks_cgroup_freezer(const struct ks_cgroup *cg, char *buf)
{
	bool v1 = ks_cgroup_dir(cg, "freezer", buf) == 0;

	if (!v1 && ks_cgroup_dir(cg, NULL, buf) < 0)
		return -ENOENT;
	size_t n = strlen(buf);

	ks_fmt(buf + n, PATH_MAX - n, v1 ? "/freezer.state" : "/cgroup.freeze");
	return 0;
}

/* What that file is told. */
static const char *freezer_word(const char *path, bool freeze)
{
	bool v1 = strstr(path, "/freezer.state") != NULL;

	return v1 ? (freeze ? "FROZEN" : "THAWED") : (freeze ? "1" : "0");
}

void ks_cgroup_thaw(const struct ks_cgroup *cg)
{
	char path[PATH_MAX];

	if (ks_cgroup_freezer(cg, path) == 0)
		(void)ks_file_write_at(AT_FDCWD, path, freezer_word(path, false));
}

/* v1 tells in the file itself: THAWED, FREEZING, FROZEN; v2 in cgroup.events. */
static int read_frozen(const struct ks_cgroup *cg, bool *ret)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char path[PATH_MAX];
	bool v1 = ks_cgroup_dir(cg, "freezer", path) == 0;
	char *text;

	if (!v1 && ks_cgroup_dir(cg, NULL, path) < 0)
		return -ENOENT;
	size_t n = strlen(path);

	ks_fmt(path + n, sizeof(path) - n, v1 ? "/freezer.state" : "/cgroup.events");
	int r = ks_file_read_at(&a, AT_FDCWD, path, 4096, &text, NULL);

	if (r == 0)
		*ret = strstr(text, v1 ? "FROZEN" : "frozen 1") != NULL;
	return r;
}

int ks_cgroup_freeze(const struct ks_cgroup *cg, bool freeze, struct ks_err *err)
{
	char path[PATH_MAX];
	bool is = !freeze;

	if (ks_cgroup_freezer(cg, path) < 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED, "this host has no cgroup freezer");
	const char *value = freezer_word(path, freeze);

	/* v1 may stay FREEZING when a process forks or is traced: it is told again. */
	for (unsigned int ms = 0, pause_ms = 1; ms < FREEZE_MS; ms += pause_ms) {
		int r = ks_file_write_at(AT_FDCWD, path, value);

		if (r < 0)
			return ks_err_set(err, r, "write %s to %s", value, path);
		r = read_frozen(cg, &is);
		if (r < 0)
			return ks_err_set(err, r, "read whether cgroup %s is frozen", cg->path);
		if (is == freeze)
			return 0;
		pause_ms = pause_ms < 20 ? pause_ms * 2 : pause_ms;
		nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000L }, NULL);
	}
	if (freeze)
		ks_cgroup_thaw(cg);
	return ks_err_kind(err, KS_ERR_TIMEOUT, "cgroup %s does not %s within %d s", cg->path,
			   freeze ? "freeze" : "thaw", FREEZE_MS / 1000);
}
