/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's cgroup as a transient scope of systemd, which then knows of
 * it: it is accounted to its slice, and a reload of systemd does not take its
 * limits away.
 *
 * A scope needs a process, and ours is to be made inside: so a placeholder is
 * the first one. systemd-run registers it and becomes it, `cat` on a socket of
 * ours, whose echo says that the scope is there. It ends when that socket is
 * closed, by us or by our end; the scope ends with its last process.
 *
 * Through systemd's own tools, since a static program cannot have its library
 * (docs/adr/0009-systemd.md).
 */
#include <kshim/systemd.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "hierarchy.h"
#include "resources.h"

#define START_MS      60000
#define LETTERS	      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_MAX_UNIT 255 /* of a unit, in systemd */

static bool for_user(void)
{
	return ks_outer_uid() != 0;
}

static bool is_unit_name(const char *s)
{
	/* No leading dash: a word of systemctl's command line would be an option. */
	return *s && *s != '-' && strlen(s) <= NAME_MAX_UNIT &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") ==
		       strlen(s);
}

/* "a-b.slice" is /a.slice/a-b.slice, "-.slice" the root. */
static const char *slice_path(struct ks_arena *a, const char *slice)
{
	size_t n = strlen(slice) - strlen(".slice");
	const char *path = "";

	if (ks_streq(slice, "-.slice"))
		return path;
	for (size_t i = 0; i <= n && path; i++)
		if (i == n || slice[i] == '-')
			path = ks_arena_printf(a, "%s/%.*s.slice", path, (int)i, slice);
	return path;
}

static bool is_slice(const char *s)
{
	size_t n = strlen(s), k = strlen(".slice");

	if (ks_streq(s, "-.slice"))
		return true;
	return is_unit_name(s) && n > k && ks_streq(s + n - k, ".slice") && s[0] != '-' &&
	       s[n - k - 1] != '-' && !strstr(s, "--");
}

int ks_systemd_path(struct ks_arena *a, const char *spec_path, const char *id, const char **ret,
		    struct ks_err *err)
{
	const char *slice = "", *prefix = "kshim", *name = id, *unit, *user = "";

	if (!ks_str_empty(spec_path)) {
		char *text = ks_arena_strdup(a, spec_path);

		if (!text)
			return ks_err_oom(err);
		slice = strsep(&text, ":");
		prefix = text ? strsep(&text, ":") : NULL;
		name = text;
		if (!name || strchr(name, ':'))
			return ks_err_kind(
				err, KS_ERR_INVALID,
				"linux.cgroupsPath: \"%s\" is not \"slice:prefix:name\", "
				"as the systemd cgroup driver wants it",
				spec_path);
	}
	if (!*slice)
		slice = for_user() ? "user.slice" : "system.slice";
	unit = ks_arena_printf(a, "%s%s%s.scope", prefix, *prefix ? "-" : "", name);
	if (!unit)
		return ks_err_oom(err);
	if (!is_slice(slice) || !*name || !is_unit_name(unit))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.cgroupsPath: %s in %s are no names of systemd", unit,
				   slice);
	if (for_user())
		user = ks_arena_printf(a, "/user.slice/user-%u.slice/user@%u.service",
				       ks_outer_uid(), ks_outer_uid());
	const char *above = slice_path(a, slice);

	*ret = user && above ? ks_arena_printf(a, "%s%s/%s", user, above, unit) : NULL;
	return *ret ? 0 : ks_err_oom(err);
}

/* The last two parts of a scope's path. */
static const char *unit_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int slice_of(struct ks_arena *a, const char *path, const char **ret)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin > path && begin[-1] != '/')
		begin--;
	*ret = begin == path ? "-.slice" : ks_arena_strndup(a, begin, (size_t)(end - begin));
	return *ret ? 0 : -ENOMEM;
}

/* ---- properties ------------------------------------------------------------------------------ */

struct props {
	struct ks_arena *a;
	struct ks_strv v; /* "NAME=VALUE" */
	bool failed;
};

static void put(struct props *p, const char *name, const char *value)
{
	const char *text = ks_arena_printf(p->a, "%s=%s", name, value);

	p->failed |= !text || ks_strv_append(p->a, &p->v, text) < 0;
}

/* "QUOTA PERIOD", in percent, rounded up as runc does: systemd's own files have no finer. */
static void put_quota(struct props *p, char *text)
{
	char *space = strchr(text, ' '), buf[48];
	uint64_t quota = 0, period = 0;

	if (!space)
		return;
	*space = '\0';
	if (ks_parse_u64(space + 1, UINT32_MAX, &period) < 0 || !period)
		return;
	ks_fmt(buf, sizeof(buf), "%lluus", (unsigned long long)period);
	put(p, "CPUQuotaPeriodSec", buf);
	if (ks_parse_u64(text, UINT64_MAX / 20000, &quota) < 0) {
		put(p, "CPUQuota", "");
		return;
	}
	ks_fmt(buf, sizeof(buf), "%llu%%",
	       (unsigned long long)((quota * 100 + period - 1) / period));
	put(p, "CPUQuota", buf);
}

static char *read_value(struct ks_arena *a, int dir, const char *file)
{
	char *text;

	if (ks_file_read_at(a, dir, file, 4096, &text, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* What is in force, however it came to be: what systemd is not told, it sets back one day. */
static void put_resources(struct props *p, int dir)
{
	static const char *const names[][2] = {
		{ "memory.max", "MemoryMax" },		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },		{ "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpuset.cpus", "AllowedCPUs" },	{ "cpuset.mems", "AllowedMemoryNodes" },
	};
	char *idle = read_value(p->a, dir, "cpu.idle");
	char *weight = read_value(p->a, dir, "cpu.weight");
	char *io = read_value(p->a, dir, "io.weight");
	char *quota = read_value(p->a, dir, "cpu.max");

	for (size_t i = 0; i < KS_ARRAY_LEN(names); i++) {
		const char *v = read_value(p->a, dir, names[i][0]);

		if (v)
			put(p, names[i][1], ks_streq(v, "max") ? "infinity" : v);
	}
	if (idle && ks_streq(idle, "1"))
		put(p, "CPUWeight", "idle");
	else if (weight)
		put(p, "CPUWeight", weight);
	if (io && ks_str_prefix(io, "default "))
		put(p, "IOWeight", ks_str_prefix(io, "default "));
	if (quota)
		put_quota(p, quota);
}

/*
 * Annotations come from whoever may make a pod; a property such as Conflicts= would stop a service
 * of the host. These tell systemd about the scope alone.
 */
static bool is_allowed(const char *name)
{
	static const char *const names[] = {
		"After",	  "Before",	"CollectMode", "DefaultDependencies",
		"Description",	  "KillMode",	"KillSignal",  "RuntimeMaxSec",
		"RuntimeMaxUSec", "SendSIGHUP", "SendSIGKILL", "TimeoutStopSec",
		"TimeoutStopUSec"
	};
	static const char *const prefixes[] = { "CPU", "IO", "Memory", "ManagedOOM", "Tasks" };

	for (size_t i = 0; i < KS_ARRAY_LEN(names); i++)
		if (ks_streq(name, names[i]))
			return true;
	for (size_t i = 0; i < KS_ARRAY_LEN(prefixes); i++)
		if (ks_str_prefix(name, prefixes[i]))
			return name[strspn(name, LETTERS)] == '\0' &&
			       !ks_streq(name, "CPUQuotaPerSecUSec");
	return false;
}

/*
 * GVariant's text, as runc takes it, as far as properties need it: "uint64 10", "true", "'text'",
 * "['a', 'b']"; as systemd-run has it: 10, true, text, a b. NULL when it is none.
 */
static const char *plain_value(struct ks_arena *a, const char *text)
{
	static const char *const types[] = { "uint16 ", "uint32 ", "uint64 ", "int16 ",
					     "int32 ",	"int64 ",  "byte " };
	bool list = *text == '[';
	char *out = ks_arena_alloc(a, strlen(text) + 1);
	size_t n = 0;

	for (size_t i = 0; i < KS_ARRAY_LEN(types); i++)
		if (ks_str_prefix(text, types[i]))
			text = ks_str_prefix(text, types[i]);
	for (const char *p = text + list; out && *p;) {
		char end = *p;

		if (list && strchr(", ", end)) {
			p++;
		} else if (list && end == ']') {
			return p[1] ? NULL : out;
		} else if (end == '\'' || end == '"') {
			size_t k = strcspn(p + 1, (char[]){ end, '\0' });

			if (p[1 + k] != end || (!list && p[2 + k]))
				return NULL;
			n += ks_fmt(out + n, strlen(text) + 1 - n, "%s%.*s", n ? " " : "", (int)k,
				    p + 1);
			p += k + 2;
		} else if (list) {
			return NULL;
		} else {
			return p;
		}
	}
	return list ? NULL : out;
}

/* Annotations "org.systemd.property.NAME", as runc and crun read them. */
static int put_annotations(struct props *p, const struct ks_map *m, struct ks_err *err)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *name = ks_str_prefix(m->v[i].key, "org.systemd.property.");
		size_t n = name ? strlen(name) : 0;

		if (!name)
			continue;
		if (!is_allowed(name))
			return ks_err_kind(err, KS_ERR_DENIED,
					   "annotations: \"%.*s\" is no property that a container "
					   "may set",
					   100, m->v[i].key);
		const char *value = plain_value(p->a, m->v[i].value);

		if (!value)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "annotations: %s: \"%.*s\" is no value of a property",
					   name, 100, m->v[i].value);
		/* On the bus they are microseconds, in systemd's files and tools a time. */
		if (n > 4 && ks_streq(name + n - 4, "USec")) {
			name = ks_arena_printf(p->a, "%.*sSec", (int)(n - 4), name);
			value = ks_arena_printf(p->a, "%sus", value);
		}
		if (!name || !value)
			return ks_err_oom(err);
		put(p, name, value);
	}
	return 0;
}

/* ---- the scope ------------------------------------------------------------------------------ */

static int check_host(const struct ks_cgroup *cg, struct ks_err *err)
{
	struct stat st;

	if (stat("/run/systemd/system", &st) < 0 || !S_ISDIR(st.st_mode))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "the systemd cgroup driver: systemd is not the first process of "
				   "this host");
	if (!cg->host.v2 || cg->host.n_v1)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "the systemd cgroup driver is for cgroup v2; on v1 and hybrid "
				   "hosts use --cgroup-manager=cgroupfs");
	return 0;
}

static int start_args(struct ks_arena *a, const struct ks_cgroup *cg, const char *id,
		      const struct ks_map *annotations, struct ks_strv *argv, struct ks_err *err)
{
	const char *slice;
	struct props p = { .a = a };
	int r = slice_of(a, cg->path, &slice);
	const char *unit = ks_arena_printf(a, "--unit=%s", unit_of(cg->path));
	const char *what = ks_arena_printf(a, "--description=container %s", id);
	const char *in = r == 0 ? ks_arena_printf(a, "--slice=%s", slice) : NULL;
	const char *const fixed[] = { "systemd-run",
				      for_user() ? "--user" : "--system",
				      "--quiet",
				      "--scope",
				      "--collect",
				      unit,
				      in,
				      what };

	put(&p, "Delegate", "yes");
	put(&p, "DefaultDependencies", "no");
	r = put_annotations(&p, annotations, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < KS_ARRAY_LEN(fixed); i++)
		p.failed |= !fixed[i] || ks_strv_append(a, argv, fixed[i]) < 0;
	for (size_t i = 0; i < p.v.n; i++)
		p.failed |= ks_strv_append(a, argv, "-p") < 0 ||
			    ks_strv_append(a, argv, p.v.v[i]) < 0;
	p.failed |= ks_strv_append(a, argv, "--") < 0 || ks_strv_append(a, argv, "cat") < 0;
	return p.failed ? ks_err_oom(err) : 0;
}

/* Whether the placeholder answers: 1; 0 when it has ended. */
static int await_echo(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	char c = '.';
	int r;

	if (send(sock, &c, 1, MSG_NOSIGNAL) != 1)
		return 0;
	do {
		r = poll(&pfd, 1, START_MS);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	return read(sock, &c, 1) == 1;
}

static int check_place(struct ks_arena *a, const struct ks_cgroup *cg, pid_t pid,
		       struct ks_err *err)
{
	char path[64], *text, *place;

	ks_fmt(path, sizeof(path), "/proc/%d/cgroup", pid);
	int r = ks_file_read_at(a, AT_FDCWD, path, 65536, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	place = strstr(text, "0::");
	if (!place)
		return ks_err_kind(err, KS_ERR_INTERNAL, "%s names no cgroup", path);
	place[strcspn(place, "\n")] = '\0';
	if (!ks_streq(place + 3, cg->path))
		return ks_err_kind(err, KS_ERR_INTERNAL,
				   "systemd put the scope at %s instead of %s", place + 3,
				   cg->path);
	return 0;
}

int ks_scope_start(struct ks_arena *a, const struct ks_cgroup *cg, const char *id,
		   const struct ks_map *annotations, struct ks_scope *ret, struct ks_err *err)
{
	struct ks_strv argv = { 0 };
	int pair[2], error_pipe[2];
	int r = check_host(cg, err);

	if (r == 0)
		r = start_args(a, cg, id, annotations, &argv, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return ks_err_set(err, -errno, "make a socket pair");
	if (pipe2(error_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = ks_err_set(err, -errno, "make a pipe");
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	struct ks_scope s = { .sock = pair[0] };

	r = ks_tool_start(argv.v, pair[1], pair[1], error_pipe[1], &s.pid, err);
	close(pair[1]);
	close(error_pipe[1]);
	int there = r == 0 ? await_echo(s.sock) : 0;

	if (r == 0 && there == 1)
		r = check_place(a, cg, s.pid, err);
	else if (r == 0 && there < 0)
		r = ks_err_set(err, there, "start scope %s", unit_of(cg->path));
	else if (r == 0) {
		char text[400];
		/* It may have closed one stream and not ended: what it has said must do. */
		ssize_t n = read(error_pipe[0], text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		r = ks_err_kind(err, KS_ERR_INTERNAL, "start scope %s: %s", unit_of(cg->path),
				*text ? text : "is systemd-run installed?");
	}
	close(error_pipe[0]);
	if (r < 0) {
		ks_scope_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void ks_scope_done(struct ks_scope *s)
{
	s->sock = ks_fd_close(s->sock);
	if (s->pid > 0) {
		kill(s->pid, SIGKILL); /* it may be at the call to systemd still */
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	s->pid = 0;
}

int ks_scope_update(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_err *err)
{
	struct ks_strv argv = { 0 };
	struct ks_tool tool;
	struct props p = { .a = a };
	const char *const fixed[] = { "systemctl",    for_user() ? "--user" : "--system",
				      "set-property", "--runtime",
				      "--",	      unit_of(cg->path) };
	char path[PATH_MAX];
	int r = ks_cgroup_dir(cg, NULL, path);
	ks_auto_fd int dir = r < 0 ? r : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return ks_err_set(err, r < 0 ? r : -errno, "open cgroup %s", cg->path);
	put_resources(&p, dir);
	for (size_t i = 0; i < KS_ARRAY_LEN(fixed); i++)
		p.failed |= ks_strv_append(a, &argv, fixed[i]) < 0;
	for (size_t i = 0; i < p.v.n; i++)
		p.failed |= ks_strv_append(a, &argv, p.v.v[i]) < 0;
	if (p.failed)
		return ks_err_oom(err);
	r = ks_tool_run(a, argv.v, NULL, &tool, err);
	if (r == 0 && tool.status != 0) {
		tool.output[strcspn(tool.output, "\n")] = '\0';
		return ks_err_kind(err, KS_ERR_INTERNAL, "set the limits of scope %s: %s",
				   unit_of(cg->path), tool.output);
	}
	return r;
}

void ks_scope_stop(struct ks_arena *a, const char *path)
{
	struct ks_tool tool;
	char *const argv[] = { (char *)(uintptr_t) "systemctl",
			       (char *)(uintptr_t)(for_user() ? "--user" : "--system"),
			       (char *)(uintptr_t) "stop",
			       (char *)(uintptr_t) "--",
			       (char *)(uintptr_t)unit_of(path),
			       NULL };

	(void)ks_tool_run(a, argv, NULL, &tool, NULL);
}
