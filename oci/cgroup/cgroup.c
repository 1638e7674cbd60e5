/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding, making, joining and removing. Values of controllers are in
 * resources-v1.c and resources-v2.c.
 */
#include <kshim/cgroup.h>

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/path.h>
#include <kshim/process.h>

#include "resources.h"

#define ROOT	   "/sys/fs/cgroup"
#define MAX_PIDS   65536 /* that are listed of one container */
#define KILL_MS	   10000 /* how long processes may take to end after SIGKILL */
#define MAX_LEVELS 32	 /* of cgroups below a container's that are walked */

/* "36 31 0:33 / /sys/fs/cgroup/devices rw,… - cgroup cgroup rw,devices" */
static int read_mount(struct ks_arena *a, struct ks_cgroup_host *host, struct ks_strv *f)
{
	size_t dash = 6;

	while (dash < f->n && !ks_streq(f->v[dash], "-"))
		dash++;
	if (dash + 3 >= f->n)
		return 0;
	const char *where = f->v[4], *type = f->v[dash + 1], *options = f->v[dash + 3];

	if (ks_streq(type, "cgroup2") && ks_str_prefix(where, ROOT)) {
		host->v2 |= ks_streq(where, ROOT);
		host->v2_mount = where;
		return 0;
	}
	const char *name = ks_str_prefix(where, ROOT "/");

	if (!ks_streq(type, "cgroup") || !name || strchr(name, '/'))
		return 0;
	struct ks_strv opts;
	const char *list = NULL;

	if (ks_str_split(a, options, ',', &opts) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < opts.n; i++) {
		static const char *const other[] = { "rw", "ro", "xattr", "noprefix",
						     "clone_children" };
		bool skip = ks_str_prefix(opts.v[i], "release_agent=") != NULL;

		for (size_t k = 0; k < KS_ARRAY_LEN(other); k++)
			skip |= ks_streq(opts.v[i], other[k]);
		if (!skip)
			list = list ? ks_arena_printf(a, "%s,%s", list, opts.v[i]) : opts.v[i];
	}
	if (!list || host->n_v1 == KS_CGROUP_MAX_V1)
		return 0;
	host->v1[host->n_v1++] = (struct ks_cgroup_hierarchy){ name, list };
	return 0;
}

int ks_cgroup_detect(struct ks_arena *a, struct ks_cgroup_host *ret, struct ks_err *err)
{
	struct ks_cgroup_host host = { 0 };
	struct statfs sfs;
	struct ks_strv lines, f;
	char *text;

	/* The common case needs no mount table. */
	if (statfs(ROOT, &sfs) == 0 && sfs.f_type == 0x63677270 /* CGROUP2_SUPER_MAGIC */) {
		*ret = (struct ks_cgroup_host){ .v2 = true, .v2_mount = ROOT };
		return 0;
	}
	int r = ks_file_read_at(a, AT_FDCWD, "/proc/self/mountinfo", 16U << 20, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read /proc/self/mountinfo");
	if (ks_str_split(a, text, '\n', &lines) < 0)
		return ks_err_oom(err);
	for (size_t i = 0; i < lines.n; i++) {
		if (!strstr(lines.v[i], " - cgroup"))
			continue;
		if (ks_str_split(a, lines.v[i], ' ', &f) < 0 || read_mount(a, &host, &f) < 0)
			return ks_err_oom(err);
	}
	*ret = host;
	return 0;
}

int ks_cgroup_path(struct ks_arena *a, const char *spec_path, const char *id, const char **ret,
		   struct ks_err *err)
{
	char buf[PATH_MAX];

	if (ks_str_empty(spec_path)) {
		*ret = ks_arena_printf(a, "/kshim-%s", id);
		return *ret ? 0 : ks_err_oom(err);
	}
	for (const char *p = spec_path; (p = strstr(p, "..")); p += 2)
		if ((p == spec_path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return ks_err_kind(err, KS_ERR_INVALID,
					   "linux.cgroupsPath: \"%s\" must not hold \"..\"",
					   spec_path);
	if (ks_path_clean(spec_path, buf, sizeof(buf)) < 0)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.cgroupsPath: is too long");
	if (ks_streq(buf, "/"))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.cgroupsPath: \"%s\" is the root cgroup", spec_path);
	*ret = ks_arena_strdup(a, buf);
	return *ret ? 0 : ks_err_oom(err);
}

static void hierarchy_dir(const struct ks_cgroup *cg, size_t i, char *buf)
{
	if (i == cg->host.n_v1)
		ks_fmt(buf, PATH_MAX, "%s%s", cg->host.v2_mount, cg->path);
	else
		ks_fmt(buf, PATH_MAX, ROOT "/%s%s", cg->host.v1[i].name, cg->path);
}

/* The v1 hierarchies, and behind them the v2 one when there is one. */
static size_t n_hierarchies(const struct ks_cgroup *cg)
{
	return cg->host.n_v1 + (cg->host.v2_mount != NULL);
}

static bool has_controller(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, name, n) && (!p[n] || p[n] == ','))
			return true;
	return false;
}

int ks_cgroup_dir(const struct ks_cgroup *cg, const char *controller, char *buf)
{
	if (!controller) {
		if (!cg->host.v2_mount)
			return -ENOENT;
		hierarchy_dir(cg, cg->host.n_v1, buf);
		return 0;
	}
	for (size_t i = 0; i < cg->host.n_v1; i++) {
		if (has_controller(cg->host.v1[i].controllers, controller)) {
			hierarchy_dir(cg, i, buf);
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * Makes one directory and its parents. A v1 cpuset starts empty, and no task
 * can join it before it has cpus and memory nodes: each level copies them.
 */
static int make_dir(const char *mount, const char *path, bool cpuset, struct ks_err *err)
{
	char dir[PATH_MAX];
	size_t base = ks_fmt(dir, sizeof(dir), "%s", mount);

	for (const char *p = path; *p;) {
		size_t n = 1 + strcspn(p + 1, "/");

		if (base + n + 1 > sizeof(dir))
			return ks_err_set(err, -ENAMETOOLONG, "make cgroup %s", path);
		memcpy(dir + base, p, n);
		base += n;
		dir[base] = '\0';
		p += n;
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return ks_err_set(err, -errno, "make cgroup %s", dir);
		int r = cpuset ? ks_cpuset_inherit(dir, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

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
static int walk(const char *dir, int level, int (*fn)(const char *dir, void *data), void *data)
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
			r = walk(sub, level + 1, fn, data);
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
	if (n_hierarchies(cg)) {
		hierarchy_dir(cg, n_hierarchies(cg) - 1, dir);
		int r = walk(dir, 0, add_pids, &l);

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

/* In no hierarchy may somebody else's processes be where ours are to come. */
static int check_empty(const struct ks_cgroup *cg, bool *ret_existed, struct ks_err *err)
{
	struct stat st;
	char dir[PATH_MAX];

	for (size_t i = 0; i < n_hierarchies(cg); i++) {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		struct pid_list l = { 0 };

		hierarchy_dir(cg, i, dir);
		if (stat(dir, &st) < 0)
			continue;
		*ret_existed = true;
		l.v = KS_ARENA_NEWV(&a, pid_t, MAX_PIDS);
		if (!l.v)
			return ks_err_oom(err);
		int r = walk(dir, 0, add_pids, &l);

		if (r < 0)
			return ks_err_set(err, r, "list the processes of %s", dir);
		if (l.n)
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
	for (size_t i = 0; i < n_hierarchies(cg) && r >= 0; i++) {
		bool v2 = i == cg->host.n_v1;

		if (v2)
			ks_fmt(dir, sizeof(dir), "%s", cg->host.v2_mount);
		else
			ks_fmt(dir, sizeof(dir), ROOT "/%s", cg->host.v1[i].name);
		if (v2)
			r = ks_cgroup2_make(dir, cg->path, err);
		else
			r = make_dir(dir, cg->path,
				     has_controller(cg->host.v1[i].controllers, "cpuset"), err);
		ks_crash_point("cgroup-made");
	}
	if (r >= 0 && res)
		r = cg->host.v2 ? ks_cgroup2_apply(cg, res, err) : ks_cgroup1_apply(cg, res, err);
	if (r < 0 && !existed)
		ks_cgroup_destroy(cg, 0, NULL);
	return r;
}

int ks_cgroup_open_join(const struct ks_cgroup *cg, struct ks_cgroup_join *ret, struct ks_err *err)
{
	struct ks_cgroup_join j = { .v2_fd = -EBADF };
	char path[PATH_MAX];

	for (size_t i = 0; i < cg->host.n_v1; i++) {
		hierarchy_dir(cg, i, path);
		size_t n = strlen(path);

		ks_fmt(path + n, sizeof(path) - n, "/tasks");
		int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0) {
			int r = ks_err_set(err, -errno, "open %s", path);

			ks_cgroup_join_done(&j);
			return r;
		}
		j.tasks_fd[j.n_tasks++] = fd;
	}
	if (cg->host.v2_mount) {
		hierarchy_dir(cg, cg->host.n_v1, path);
		j.v2_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (j.v2_fd < 0) {
			int r = ks_err_set(err, -errno, "open %s", path);

			ks_cgroup_join_done(&j);
			return r;
		}
	}
	*ret = j;
	return 0;
}

void ks_cgroup_join_done(struct ks_cgroup_join *j)
{
	for (size_t i = 0; i < j->n_tasks; i++)
		j->tasks_fd[i] = ks_fd_close(j->tasks_fd[i]);
	j->n_tasks = 0;
	j->v2_fd = ks_fd_close(j->v2_fd);
}

/*
 * Without cgroup.kill the list is signalled until it is empty, since a
 * process may fork while it is read. A frozen v1 cgroup keeps SIGKILL
 * waiting, so it is thawed.
 */
static int kill_by_list(const struct ks_cgroup *cg, struct ks_err *err)
{
	char dir[PATH_MAX];

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
		if (ks_cgroup_dir(cg, "freezer", dir) == 0) {
			size_t len = strlen(dir);

			ks_fmt(dir + len, sizeof(dir) - len, "/freezer.state");
			(void)ks_file_write_at(AT_FDCWD, dir, "THAWED");
		}
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

static int remove_one(const char *dir, void *data)
{
	(void)data;
	return rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}

int ks_cgroup_destroy(const struct ks_cgroup *cg, unsigned int timeout_ms, struct ks_err *err)
{
	char dir[PATH_MAX];
	unsigned int waited = 0;

	for (size_t i = 0; i < n_hierarchies(cg); i++) {
		hierarchy_dir(cg, i, dir);
		/* A cgroup stays busy for a moment after its last process is reaped. */
		for (;; waited++) {
			/* Mostly there is nothing below: no need to look. */
			int r = rmdir(dir) == 0 || errno == ENOENT ? 0 :
								     walk(dir, 0, remove_one, NULL);

			if (r == 0)
				break;
			if (r != -EBUSY || waited >= timeout_ms)
				return ks_err_set(err, r, "remove cgroup %s", dir);
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	return 0;
}
