/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <kshim/crash.h>
#include <kshim/fd.h>

#include "resctrl-files.h"

#define ROOT	    "/sys/fs/resctrl"
#define SUPER_MAGIC 0x7655821
#define LOCK_MS	    10000

/* ---- the file system -------------------------------------------------- */

/* "42 23 0:40 / /mnt/rdt rw - resctrl resctrl rw"; octal escapes are not undone: nobody puts a
 * space there. */
static const char *find_mount(struct ks_arena *a)
{
	struct ks_strv lines = { 0 }, f;
	char *text;

	if (ks_file_read_at(a, AT_FDCWD, "/proc/self/mountinfo", 16U << 20, &text, NULL) < 0 ||
	    ks_str_split(a, text, '\n', &lines) < 0)
		return NULL;
	for (size_t i = 0; i < lines.n; i++) {
		if (!strstr(lines.v[i], " - resctrl "))
			continue;
		f = (struct ks_strv){ 0 };
		if (ks_str_split(a, lines.v[i], ' ', &f) == 0 && f.n > 4)
			return f.v[4];
	}
	return NULL;
}

/* A record is believed in nothing that would lead out of the file system. */
static bool is_within(const char *name)
{
	return !name || (!strchr(name, '/') && !ks_streq(name, "..") && strlen(name) <= NAME_MAX);
}

int ks_resctrl_open(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	const char *path = ROOT;
	struct statfs sfs;

	if (!is_within(g->group) || !is_within(g->id))
		return ks_err_kind(err, KS_ERR_INVALID, "\"%.*s\" is no class of service", 64,
				   g->group);
	ks_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstatfs(fd, &sfs) < 0 || sfs.f_type != SUPER_MAGIC) {
		ks_fd_close(fd);
		path = find_mount(a);
		fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
		if (path && fd < 0)
			return ks_err_set(err, -errno, "open %s", path);
	}
	if (fd < 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.intelRdt: no resctrl file system is mounted (on " ROOT
				   ")");
	*ret = KS_TAKE_FD(fd);
	return 0;
}

/* flock(2), not a lock of fcntl(2): it is what the others use. It goes with the descriptor. */
static int open_locked(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	int r = ks_resctrl_open(a, g, &root, err);

	if (r < 0)
		return r;
	for (unsigned int ms = 0; flock(root, LOCK_EX | LOCK_NB) < 0; ms++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ks_err_set(err, -errno, "lock the resctrl file system");
		if (ms == LOCK_MS)
			return ks_err_kind(err, KS_ERR_BUSY,
					   "the resctrl file system is locked by another program");
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	*ret = KS_TAKE_FD(root);
	return 0;
}

int ks_resctrl_read(struct ks_arena *a, int dir, const char *file, const char **ret,
		    struct ks_err *err)
{
	char *text;
	int r = ks_file_read_at(a, dir, file, 65536, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s of the resctrl file system", file);
	size_t n = strlen(text);

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	*ret = text + strspn(text, " ");
	return 0;
}

/* What the kernel has to say of the last failure goes behind the error. */
static int fail(struct ks_arena *a, int root, int r, const char *what, struct ks_err *err)
{
	const char *said;

	if (ks_resctrl_read(a, root, "info/last_cmd_status", &said, NULL) < 0 || !*said ||
	    ks_streq(said, "ok"))
		return ks_err_set(err, r, "%s", what);
	return ks_err_set(err, r, "%s: the kernel says \"%s\"", what, said);
}

int ks_resctrl_open_group(int root, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	*ret = openat(root, *g->group ? g->group : ".",
		      O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret < 0 ? ks_err_set(err, -errno, "open the resctrl group \"%s\"", g->group) : 0;
}

/* ---- limits ------------------------------------------------------------ */

/* The schemata of a spec in the order in which they are written; those behind win. */
static int list_schemata(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_strv *ret,
			 struct ks_err *err)
{
	int r = 0;

	if (!ks_str_empty(s->l3_cache_schema))
		r = ks_strv_append(a, ret, s->l3_cache_schema);
	if (r == 0 && !ks_str_empty(s->mem_bw_schema))
		r = ks_strv_append(a, ret, s->mem_bw_schema);
	for (size_t i = 0; i < s->schemata.n && r == 0; i++)
		if (*s->schemata.v[i])
			r = ks_strv_append(a, ret, s->schemata.v[i]);
	return r < 0 ? ks_err_oom(err) : 0;
}

/* Each by a write of its own: the kernel takes no domain twice in one. */
static int write_schemata(struct ks_arena *a, int root, int dir, const struct ks_strv *lines,
			  struct ks_err *err)
{
	for (size_t i = 0; i < lines->n; i++) {
		const char *text = ks_arena_printf(a, "%s\n", lines->v[i]);
		int r = text ? ks_file_write_at(dir, "schemata", text) : ks_err_oom(err);
		const char *what = ks_arena_printf(a, "linux.intelRdt: set \"%s\"", lines->v[i]);

		if (r == -ENOMEM || !what)
			return ks_err_oom(err);
		if (r < 0)
			return fail(a, root, r, what, err);
	}
	return 0;
}

/* One limit: of a resource, in a domain, such as "L3", 0, 0x7f. */
struct limit {
	const char *resource, *domain;
	uint64_t value;
};

struct limits {
	struct limit *v;
	size_t n;
};

static bool is_bandwidth(const char *resource)
{
	return ks_streq(resource, "MB") || ks_streq(resource, "SMBA");
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	for (size_t n = strlen(s); n && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
		s[n - 1] = '\0';
	return s;
}

/* "L3:0=7f;1=ff", as the kernel pads it; false when it is no such line. */
static bool parse_line(char *line, struct limits *ret)
{
	char *rest = strchr(line, ':'), *save = NULL;

	if (!rest)
		return false;
	*rest++ = '\0';
	const char *resource = trim(line);

	for (char *p = strtok_r(rest, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
		char *value = strchr(p, '='), *end;

		if (!value)
			return !*trim(p);
		*value++ = '\0';
		value = trim(value);
		struct limit *l = &ret->v[ret->n++];

		*l = (struct limit){ resource, trim(p), 0 };
		errno = 0;
		l->value = strtoull(value, &end, is_bandwidth(resource) ? 10 : 16);
		if (errno || end == value || *end)
			return false;
	}
	return true;
}

/* @text: lines; what is no line of that form is an error that names it. */
static int parse_schemata(struct ks_arena *a, const char *text, struct limits *ret,
			  struct ks_err *err)
{
	struct ks_strv lines = { 0 };
	size_t max = ret->n + 1;

	for (const char *p = text; *p; p++)
		max += *p == '=';
	struct limit *v = KS_ARENA_NEWV(a, struct limit, max);

	if (!v || ks_str_split(a, text, '\n', &lines) < 0)
		return ks_err_oom(err);
	if (ret->n)
		memcpy(v, ret->v, ret->n * sizeof(*v));
	ret->v = v;
	for (size_t i = 0; i < lines.n; i++) {
		char *line = ks_arena_strdup(a, lines.v[i]);

		if (!line)
			return ks_err_oom(err);
		if (*trim(line) && !parse_line(line, ret))
			return ks_err_kind(err, KS_ERR_INVALID,
					   "linux.intelRdt: \"%s\" is no line of schemata",
					   lines.v[i]);
	}
	return 0;
}

/* The last one counts, as it would if they were written one after the other. */
static const struct limit *find(const struct limits *all, const struct limit *of)
{
	for (size_t i = all->n; i-- > 0;)
		if (ks_streq(all->v[i].resource, of->resource) &&
		    ks_streq(all->v[i].domain, of->domain))
			return &all->v[i];
	return NULL;
}

/* What a bandwidth becomes when it is written: the next step of the hardware. */
static uint64_t rounded(struct ks_arena *a, int root, const struct limit *l)
{
	char path[48];
	const char *text;
	uint64_t step = 1;

	if (!is_bandwidth(l->resource))
		return l->value;
	ks_fmt(path, sizeof(path), "info/%s/bandwidth_gran", l->resource);
	if (ks_resctrl_read(a, root, path, &text, NULL) < 0 ||
	    ks_parse_u64(text, 1000000, &step) < 0 || !step)
		return l->value;
	return (l->value + step - 1) / step * step;
}

/* Of a class that is there: what is asked for must be so already; what is not may be anything. */
static int compare_schemata(struct ks_arena *a, int root, int dir, const char *group,
			    const struct ks_strv *lines, struct ks_err *err)
{
	struct limits want = { 0 }, have = { 0 };
	const char *text;
	int r = ks_resctrl_read(a, dir, "schemata", &text, err);

	if (r == 0)
		r = parse_schemata(a, text, &have, err);
	for (size_t i = 0; i < lines->n && r == 0; i++)
		r = parse_schemata(a, lines->v[i], &want, err);
	for (size_t i = 0; i < want.n && r == 0; i++) {
		const struct limit *w = find(&want, &want.v[i]);
		const struct limit *h = find(&have, w);

		if (!h || (h->value != w->value && h->value != rounded(a, root, w)))
			return ks_err_kind(
				err, KS_ERR_INVALID,
				is_bandwidth(w->resource) ?
					"linux.intelRdt: the class \"%s\" is there with other "
					"limits: %s of %s is %llu, not %llu" :
					"linux.intelRdt: the class \"%s\" is there with other "
					"limits: %s of %s is %llx, not %llx",
				group, w->resource, w->domain, h ? (unsigned long long)h->value : 0,
				(unsigned long long)w->value);
	}
	return r;
}

/* ---- classes ----------------------------------------------------------- */

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
		.own = own,
		.monitor = s->enable_monitoring,
	};
}

/* Returns 1 when it is there already, and may be. */
static int make_group(struct ks_arena *a, int root, const struct ks_resctrl *g, bool limits,
		      struct ks_err *err)
{
	struct stat st;

	if (!g->own && (!limits || !*g->group)) {
		if (fstatat(root, *g->group ? g->group : ".", &st, AT_SYMLINK_NOFOLLOW) == 0)
			return 1;
		return errno != ENOENT ?
			       ks_err_set(err, -errno, "look at the class \"%s\"", g->group) :
			       ks_err_kind(err, KS_ERR_NOT_FOUND,
					   "linux.intelRdt: there is no class \"%s\", and no "
					   "limits are given to make it with",
					   g->group);
	}
	if (mkdirat(root, g->group, 0755) == 0)
		return 0;
	if (errno == EEXIST && !g->own)
		return 1;
	if (errno == EEXIST)
		return ks_err_kind(err, KS_ERR_EXISTS,
				   "linux.intelRdt: there is a class of the container's name, "
				   "\"%s\", already",
				   g->group);
	int r = -errno;
	const char *what = ks_arena_printf(a, "linux.intelRdt: make the class \"%s\"", g->group);

	return what ? fail(a, root, r, what, err) : ks_err_oom(err);
}

static void monitor_path(char *buf, size_t size, const struct ks_resctrl *g, const char *file)
{
	ks_fmt(buf, size, "%s%smon_groups/%s%s", g->group, *g->group ? "/" : "", g->id, file);
}

static int make_monitor(struct ks_arena *a, int root, const struct ks_resctrl *g,
			struct ks_err *err)
{
	char path[2 * NAME_MAX + 32];

	monitor_path(path, sizeof(path), g, "");
	if (mkdirat(root, path, 0755) == 0)
		return 0;
	int r = -errno;

	if (r == -ENOENT || r == -EPERM)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.intelRdt.enableMonitoring: this host's resctrl has no "
				   "monitoring");
	return fail(a, root, r, "linux.intelRdt.enableMonitoring: make a monitoring group", err);
}

int ks_resctrl_make(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_resctrl *g,
		    struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	ks_auto_fd int dir = -EBADF;
	struct ks_strv lines = { 0 };

	if (!g->group)
		return 0;
	int r = list_schemata(a, s, &lines, err);

	if (r == 0)
		r = open_locked(a, g, &root, err);
	if (r == 0)
		r = make_group(a, root, g, lines.n, err);
	if (r < 0)
		return r;
	bool was_there = r == 1;

	ks_crash_point("resctrl-group");
	r = ks_resctrl_open_group(root, g, &dir, err);
	if (r == 0)
		r = was_there ? compare_schemata(a, root, dir, *g->group ? g->group : "/", &lines,
						 err) :
				write_schemata(a, root, dir, &lines, err);
	if (r == 0 && g->monitor)
		r = make_monitor(a, root, g, err);
	ks_crash_point("resctrl-monitor");
	/* Nobody else can have joined it: the lock is held. */
	if (r < 0 && !was_there)
		(void)unlinkat(root, g->group, AT_REMOVEDIR);
	g->made = r == 0 && (g->own || g->monitor);
	return r;
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
	int r = list_schemata(a, s, &lines, err);

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
	return r < 0 ? r : write_schemata(a, root, dir, &lines, err);
}

static int remove_group(struct ks_arena *a, int root, const char *path, bool made,
			struct ks_err *err)
{
	char tasks[2 * NAME_MAX + 48];
	const char *text = "";

	ks_fmt(tasks, sizeof(tasks), "%s/tasks", path);
	if (!made && (ks_resctrl_read(a, root, tasks, &text, NULL) < 0 || *text))
		return 0;
	if (unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return ks_err_set(err, -errno, "remove %s of the resctrl file system", path);
	return 0;
}

int ks_resctrl_remove(struct ks_arena *a, const struct ks_resctrl *g, struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	char path[2 * NAME_MAX + 32];

	if (!g->group || !(g->own || g->monitor))
		return 0;
	int r = open_locked(a, g, &root, err);

	/* Unmounted, it has forgotten all classes. */
	if (r == -EOPNOTSUPP)
		return 0;
	monitor_path(path, sizeof(path), g, "");
	if (r == 0 && g->monitor)
		r = remove_group(a, root, path, g->made, err);
	return r == 0 && g->own ? remove_group(a, root, g->group, g->made, err) : r;
}
