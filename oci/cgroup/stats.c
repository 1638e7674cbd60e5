/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/stats.h>

#include <dirent.h>

#include <kshim/fd.h>

#include "hierarchy.h"

#define MAX_TEXT  (1U << 20)
#define MAX_LINES 65536

/* A v1 limit of nearly 2^63 is how the kernel spells none. */
#define V1_NO_LIMIT (UINT64_C(1) << 62)

static bool read_text(struct ks_arena *a, int dirfd, const char *file, char **ret)
{
	return dirfd >= 0 && ks_file_read_at(a, dirfd, file, MAX_TEXT, ret, NULL) == 0;
}

static uint64_t read_u64(struct ks_arena *a, int dirfd, const char *file)
{
	uint64_t v = 0;
	char *text;

	if (!read_text(a, dirfd, file, &text))
		return 0;
	text[strcspn(text, " \n")] = '\0';
	if (ks_streq(text, "max"))
		return KS_STATS_NO_LIMIT;
	return ks_parse_u64(text, UINT64_MAX, &v) < 0 ? 0 : v;
}

/* The next "name value" line; cut in place. */
static bool next_pair(char **text, char **name, uint64_t *value)
{
	while (**text) {
		char *line = *text;
		size_t n = strcspn(line, "\n");
		size_t k = strcspn(line, " ");

		*text += n + (line[n] == '\n');
		line[n] = '\0';
		if (k >= n)
			continue;
		line[k] = '\0';
		if (ks_parse_u64(line + k + 1, UINT64_MAX, value) < 0)
			continue;
		*name = line;
		return true;
	}
	return false;
}

static uint64_t find_value(struct ks_arena *a, int dirfd, const char *file, const char *key)
{
	uint64_t v;
	char *text, *name;

	if (!read_text(a, dirfd, file, &text))
		return 0;
	while (next_pair(&text, &name, &v))
		if (ks_streq(name, key))
			return v;
	return 0;
}

static int read_raw(struct ks_arena *a, int dirfd, struct ks_cgroup_stats *s)
{
	char *text, *name;
	size_t lines = 1;
	uint64_t v;

	if (!read_text(a, dirfd, "memory.stat", &text))
		return 0;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	s->memory_raw = KS_ARENA_NEWV(a, struct ks_stat_value, lines);
	if (!s->memory_raw)
		return -ENOMEM;
	while (next_pair(&text, &name, &v))
		s->memory_raw[s->n_memory_raw++] = (struct ks_stat_value){ name, v };
	return 0;
}

static uint64_t raw(const struct ks_cgroup_stats *s, const char *name)
{
	for (size_t i = 0; i < s->n_memory_raw; i++)
		if (ks_streq(s->memory_raw[i].name, name))
			return s->memory_raw[i].value;
	return 0;
}

static int open_dir(const struct ks_cgroup *cg, const char *controller)
{
	char dir[PATH_MAX];

	if (ks_cgroup_dir(cg, controller, dir) < 0)
		return -ENOENT;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* hugetlb.2MB.max and the like: the sizes are found by the names of the files. */
static int read_hugetlb(struct ks_arena *a, int dirfd, bool v2, struct ks_cgroup_stats *s)
{
	const char *usage = v2 ? "current" : "usage_in_bytes";
	int copy = dirfd < 0 ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!d) {
		ks_fd_close(copy);
		return 0;
	}
	s->hugetlb = KS_ARENA_NEWV(a, struct ks_stat_hugetlb, 16);
	if (!s->hugetlb)
		r = -ENOMEM;
	for (struct dirent *e = readdir(d); r == 0 && e && s->n_hugetlb < 16; e = readdir(d)) {
		const char *size = ks_str_prefix(e->d_name, "hugetlb.");
		const char *dot = size ? strchr(size, '.') : NULL;
		char file[96];

		if (!dot || !ks_streq(dot + 1, usage))
			continue;
		struct ks_stat_hugetlb *h = &s->hugetlb[s->n_hugetlb];

		h->page_size = ks_arena_printf(a, "%.*s", (int)(dot - size), size);
		h->usage = read_u64(a, dirfd, e->d_name);
		ks_fmt(file, sizeof(file), "hugetlb.%s.%s", h->page_size,
		       v2 ? "events" : "max_usage_in_bytes");
		if (v2)
			h->failures = find_value(a, dirfd, file, "max");
		else
			h->max_usage = read_u64(a, dirfd, file);
		ks_fmt(file, sizeof(file), "hugetlb.%s.failcnt", h->page_size);
		if (!v2)
			h->failures = read_u64(a, dirfd, file);
		r = h->page_size ? 0 : -ENOMEM;
		s->n_hugetlb++;
	}
	closedir(d);
	return r;
}

/* "8:0"; false for anything else. */
static bool parse_device(char *s, struct ks_stat_io *ret)
{
	char *colon = strchr(s, ':');

	if (!colon)
		return false;
	*colon = '\0';
	return ks_parse_u64(s, UINT32_MAX, &ret->major) == 0 &&
	       ks_parse_u64(colon + 1, UINT32_MAX, &ret->minor) == 0;
}

/* v1: "8:0 Read 4096"; the lines with a total and of the whole are left out. */
static int read_io1(struct ks_arena *a, int dirfd, const char *file, struct ks_stat_io **ret,
		    size_t *ret_n)
{
	struct ks_strv lines, f;
	char *text;

	if (!read_text(a, dirfd, file, &text))
		return 0;
	if (ks_str_split(a, text, '\n', &lines) < 0)
		return -ENOMEM;
	*ret = KS_ARENA_NEWV(a, struct ks_stat_io, lines.n + 1);
	if (!*ret)
		return -ENOMEM;
	for (size_t i = 0; i < lines.n && i < MAX_LINES; i++) {
		struct ks_stat_io *io = &(*ret)[*ret_n];

		if (ks_str_split(a, lines.v[i], ' ', &f) < 0)
			return -ENOMEM;
		if (f.n != 3 || !parse_device(f.v[0], io) ||
		    ks_parse_u64(f.v[2], UINT64_MAX, &io->value) < 0)
			continue;
		io->op = f.v[1];
		(*ret_n)++;
	}
	return 0;
}

/* v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static int read_io2(struct ks_arena *a, int dirfd, struct ks_cgroup_stats *s)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} keys[] = { { "rbytes", "Read", true },    { "wbytes", "Write", true },
		     { "dbytes", "Discard", true }, { "rios", "Read", false },
		     { "wios", "Write", false },    { "dios", "Discard", false } };
	struct ks_strv lines, f;
	char *text;

	if (!read_text(a, dirfd, "io.stat", &text))
		return 0;
	if (ks_str_split(a, text, '\n', &lines) < 0)
		return -ENOMEM;
	s->io_bytes = KS_ARENA_NEWV(a, struct ks_stat_io, lines.n * 3 + 1);
	s->io_ops = KS_ARENA_NEWV(a, struct ks_stat_io, lines.n * 3 + 1);
	if (!s->io_bytes || !s->io_ops)
		return -ENOMEM;
	for (size_t i = 0; i < lines.n && i < MAX_LINES; i++) {
		struct ks_stat_io io = { 0 };

		if (ks_str_split(a, lines.v[i], ' ', &f) < 0)
			return -ENOMEM;
		if (!f.n || !parse_device(f.v[0], &io))
			continue;
		for (size_t k = 0; k < KS_ARRAY_LEN(keys); k++) {
			bool found = false;

			for (size_t j = 1; j < f.n; j++) {
				const char *rest = ks_str_prefix(f.v[j], keys[k].key);

				if (rest && *rest == '=' &&
				    ks_parse_u64(rest + 1, UINT64_MAX, &io.value) == 0)
					found = true;
			}
			io.op = keys[k].op;
			if (found && keys[k].bytes)
				s->io_bytes[s->n_io_bytes++] = io;
			else if (found)
				s->io_ops[s->n_io_ops++] = io;
		}
	}
	return 0;
}

static void read_memory1(struct ks_arena *a, int fd, const char *prefix, struct ks_stat_memory *m)
{
	char file[64];

	ks_fmt(file, sizeof(file), "memory.%susage_in_bytes", prefix);
	m->usage = read_u64(a, fd, file);
	ks_fmt(file, sizeof(file), "memory.%smax_usage_in_bytes", prefix);
	m->max_usage = read_u64(a, fd, file);
	ks_fmt(file, sizeof(file), "memory.%slimit_in_bytes", prefix);
	m->limit = read_u64(a, fd, file);
	if (m->limit >= V1_NO_LIMIT)
		m->limit = KS_STATS_NO_LIMIT;
	ks_fmt(file, sizeof(file), "memory.%sfailcnt", prefix);
	m->failures = read_u64(a, fd, file);
}

static int read_cpus(struct ks_arena *a, int fd, struct ks_cgroup_stats *s)
{
	struct ks_strv f;
	char *text;

	if (!read_text(a, fd, "cpuacct.usage_percpu", &text))
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (ks_str_split(a, text, ' ', &f) < 0)
		return -ENOMEM;
	s->cpu_each_ns = KS_ARENA_NEWV(a, uint64_t, f.n + 1);
	if (!s->cpu_each_ns)
		return -ENOMEM;
	for (size_t i = 0; i < f.n; i++)
		if (ks_parse_u64(f.v[i], UINT64_MAX, &s->cpu_each_ns[s->n_cpus]) == 0)
			s->n_cpus++;
	return 0;
}

static int stats1(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_cgroup_stats *s)
{
	const uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	ks_auto_fd int acct = open_dir(cg, "cpuacct");
	ks_auto_fd int cpu = open_dir(cg, "cpu");
	ks_auto_fd int memory = open_dir(cg, "memory");
	ks_auto_fd int pids = open_dir(cg, "pids");
	ks_auto_fd int blkio = open_dir(cg, "blkio");
	ks_auto_fd int hugetlb = open_dir(cg, "hugetlb");

	s->cpu_total_ns = read_u64(a, acct, "cpuacct.usage");
	s->cpu_user_ns = find_value(a, acct, "cpuacct.stat", "user") * tick_ns;
	s->cpu_kernel_ns = find_value(a, acct, "cpuacct.stat", "system") * tick_ns;
	s->periods = find_value(a, cpu, "cpu.stat", "nr_periods");
	s->throttled_periods = find_value(a, cpu, "cpu.stat", "nr_throttled");
	s->throttled_ns = find_value(a, cpu, "cpu.stat", "throttled_time");
	read_memory1(a, memory, "", &s->memory);
	read_memory1(a, memory, "memsw.", &s->swap);
	read_memory1(a, memory, "kmem.", &s->kernel);
	read_memory1(a, memory, "kmem.tcp.", &s->kernel_tcp);
	s->oom_kills = find_value(a, memory, "memory.oom_control", "oom_kill");
	s->pids = read_u64(a, pids, "pids.current");
	s->pids_limit = read_u64(a, pids, "pids.max");
	int r = read_cpus(a, acct, s);

	if (r == 0)
		r = read_raw(a, memory, s);
	if (r == 0)
		r = read_io1(a, blkio, "blkio.throttle.io_service_bytes_recursive", &s->io_bytes,
			     &s->n_io_bytes);
	if (r == 0)
		r = read_io1(a, blkio, "blkio.throttle.io_serviced_recursive", &s->io_ops,
			     &s->n_io_ops);
	if (r == 0)
		r = read_hugetlb(a, hugetlb, false, s);
	s->memory_cache = raw(s, "cache");
	return r;
}

/* "some avg10=…\nfull avg10=…" */
static void read_pressure(struct ks_arena *a, int fd, const char *file, struct ks_stat_pressure *p)
{
	char *text;

	if (!read_text(a, fd, file, &text))
		return;
	while (*text) {
		char *line = text;
		size_t n = strcspn(line, "\n");

		text += n + (line[n] == '\n');
		line[n] = '\0';
		if (ks_str_prefix(line, "some "))
			p->some = line + 5;
		else if (ks_str_prefix(line, "full "))
			p->full = line + 5;
	}
	p->set = p->some != NULL;
}

static int stats2(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_cgroup_stats *s)
{
	ks_auto_fd int fd = open_dir(cg, NULL);

	if (fd < 0)
		return fd;
	s->cpu_total_ns = find_value(a, fd, "cpu.stat", "usage_usec") * 1000;
	s->cpu_user_ns = find_value(a, fd, "cpu.stat", "user_usec") * 1000;
	s->cpu_kernel_ns = find_value(a, fd, "cpu.stat", "system_usec") * 1000;
	s->periods = find_value(a, fd, "cpu.stat", "nr_periods");
	s->throttled_periods = find_value(a, fd, "cpu.stat", "nr_throttled");
	s->throttled_ns = find_value(a, fd, "cpu.stat", "throttled_usec") * 1000;
	s->memory.usage = read_u64(a, fd, "memory.current");
	s->memory.max_usage = read_u64(a, fd, "memory.peak");
	s->memory.limit = read_u64(a, fd, "memory.max");
	s->memory.failures = find_value(a, fd, "memory.events", "max");
	s->oom_kills = find_value(a, fd, "memory.events", "oom_kill");
	/* As v1 counts it, and the OCI limit: memory and swap together. */
	s->swap.usage = s->memory.usage + read_u64(a, fd, "memory.swap.current");
	uint64_t swap_max = read_u64(a, fd, "memory.swap.max");

	s->swap.limit = swap_max == KS_STATS_NO_LIMIT || s->memory.limit == KS_STATS_NO_LIMIT ?
				KS_STATS_NO_LIMIT :
				swap_max + s->memory.limit;
	s->swap.failures = find_value(a, fd, "memory.swap.events", "fail");
	s->pids = read_u64(a, fd, "pids.current");
	s->pids_limit = read_u64(a, fd, "pids.max");
	read_pressure(a, fd, "cpu.pressure", &s->cpu_psi);
	read_pressure(a, fd, "memory.pressure", &s->memory_psi);
	read_pressure(a, fd, "io.pressure", &s->io_psi);
	int r = read_raw(a, fd, s);

	if (r == 0)
		r = read_io2(a, fd, s);
	if (r == 0)
		r = read_hugetlb(a, fd, true, s);
	s->memory_cache = raw(s, "file");
	return r;
}

int ks_cgroup_stats(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_cgroup_stats *ret,
		    struct ks_err *err)
{
	struct ks_cgroup_stats s = { 0 };
	int r = cg->host.v2 ? stats2(a, cg, &s) : stats1(a, cg, &s);

	if (r < 0)
		return ks_err_set(err, r, "read the statistics of cgroup %s", cg->path);
	if (s.pids_limit == KS_STATS_NO_LIMIT)
		s.pids_limit = 0;
	*ret = s;
	return 0;
}
