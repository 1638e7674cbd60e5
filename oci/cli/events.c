/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics as lines of JSON, in the form that runc's callers parse: once,
 * or at an interval until the container ends, with its out-of-memory kills.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/loop.h>
#include <kshim/stats.h>

#include "verbs.h"

const struct ks_option ks_events_options[] = {
	{ "interval", 0, KS_OPT_STR, offsetof(struct ks_events_opts, interval), "TIME",
	  "time between two lines: 500ms, 5s (the default), 1m" },
	{ "stats", 0, KS_OPT_FLAG, offsetof(struct ks_events_opts, stats), NULL,
	  "print the statistics once" },
	{ 0 },
};

static void put_memory(struct ks_json_out *o, const char *key, const struct ks_stat_memory *m)
{
	ks_json_open(o, key, '{');
	ks_json_put_u64(o, "limit", m->limit);
	if (m->usage)
		ks_json_put_u64(o, "usage", m->usage);
	if (m->max_usage)
		ks_json_put_u64(o, "max", m->max_usage);
	ks_json_put_u64(o, "failcnt", m->failures);
	ks_json_close(o, '}');
}

static void put_io(struct ks_json_out *o, const char *key, const struct ks_stat_io *v, size_t n)
{
	if (!n)
		return;
	ks_json_open(o, key, '[');
	for (size_t i = 0; i < n; i++) {
		ks_json_open(o, NULL, '{');
		ks_json_put_u64(o, "major", v[i].major);
		ks_json_put_u64(o, "minor", v[i].minor);
		ks_json_put_str(o, "op", v[i].op);
		ks_json_put_u64(o, "value", v[i].value);
		ks_json_close(o, '}');
	}
	ks_json_close(o, ']');
}

/* "avg10=0.12 avg60=0.00 avg300=0.00 total=77" as an object: the kernel's numbers as they are. */
static void put_pressure_line(struct ks_json_out *o, const char *key, const char *line)
{
	char name[16], num[32];

	if (!line)
		return;
	ks_json_open(o, key, '{');
	while (*line) {
		size_t n = strcspn(line, "="), len = strcspn(line, " ");

		if (n < len && strspn(line + n + 1, "0123456789.") == len - n - 1) {
			ks_fmt(name, sizeof(name), "%.*s", (int)n, line);
			ks_fmt(num, sizeof(num), "%.*s", (int)(len - n - 1), line + n + 1);
			ks_json_put_json(o, name,
					 &(struct ks_json){ .type = KS_JSON_NUMBER, .text = num });
		}
		line += len + (line[len] == ' ');
	}
	ks_json_close(o, '}');
}

static void put_pressure(struct ks_json_out *o, const struct ks_stat_pressure *p)
{
	if (!p->set)
		return;
	ks_json_open(o, "psi", '{');
	put_pressure_line(o, "some", p->some);
	put_pressure_line(o, "full", p->full);
	ks_json_close(o, '}');
}

static void put_cpu(struct ks_json_out *o, const struct ks_cgroup_stats *s)
{
	ks_json_open(o, "cpu", '{');
	ks_json_open(o, "usage", '{');
	ks_json_put_u64(o, "total", s->cpu_total_ns);
	if (s->n_cpus) {
		ks_json_open(o, "percpu", '[');
		for (size_t i = 0; i < s->n_cpus; i++)
			ks_json_put_u64(o, NULL, s->cpu_each_ns[i]);
		ks_json_close(o, ']');
	}
	ks_json_put_u64(o, "kernel", s->cpu_kernel_ns);
	ks_json_put_u64(o, "user", s->cpu_user_ns);
	ks_json_close(o, '}');
	ks_json_open(o, "throttling", '{');
	if (s->periods) {
		ks_json_put_u64(o, "periods", s->periods);
		ks_json_put_u64(o, "throttledPeriods", s->throttled_periods);
		ks_json_put_u64(o, "throttledTime", s->throttled_ns);
	}
	ks_json_close(o, '}');
	put_pressure(o, &s->cpu_psi);
	ks_json_close(o, '}');
}

static void put_data(struct ks_json_out *o, const struct ks_cgroup_stats *s)
{
	put_cpu(o, s);
	ks_json_open(o, "memory", '{');
	ks_json_put_u64(o, "cache", s->memory_cache);
	put_memory(o, "usage", &s->memory);
	put_memory(o, "swap", &s->swap);
	put_memory(o, "kernel", &s->kernel);
	put_memory(o, "kernelTCP", &s->kernel_tcp);
	ks_json_open(o, "raw", '{');
	for (size_t i = 0; i < s->n_memory_raw; i++)
		ks_json_put_u64(o, s->memory_raw[i].name, s->memory_raw[i].value);
	ks_json_close(o, '}');
	put_pressure(o, &s->memory_psi);
	ks_json_close(o, '}');
	ks_json_open(o, "pids", '{');
	ks_json_put_u64(o, "current", s->pids);
	if (s->pids_limit)
		ks_json_put_u64(o, "limit", s->pids_limit);
	ks_json_close(o, '}');
	ks_json_open(o, "blkio", '{');
	put_io(o, "ioServiceBytesRecursive", s->io_bytes, s->n_io_bytes);
	put_io(o, "ioServicedRecursive", s->io_ops, s->n_io_ops);
	put_pressure(o, &s->io_psi);
	ks_json_close(o, '}');
	ks_json_open(o, "hugetlb", '{');
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		ks_json_open(o, s->hugetlb[i].page_size, '{');
		ks_json_put_u64(o, "usage", s->hugetlb[i].usage);
		ks_json_put_u64(o, "max", s->hugetlb[i].max_usage);
		ks_json_put_u64(o, "failcnt", s->hugetlb[i].failures);
		ks_json_close(o, '}');
	}
	ks_json_close(o, '}');
}

/* What a watch needs; @stats_failed is told once the cgroup is gone. */
struct watcher {
	const char *id;
	struct ks_watched of;
	struct ks_watch timer, end, oom;
	uint64_t oom_kills;
};

static int print_event(struct ks_arena *a, const struct watcher *w, const char *type,
		       const struct ks_cgroup_stats *s, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { 0 };
	int r = 0;

	ks_json_open(&out, NULL, '{');
	ks_json_put_str(&out, "type", type);
	ks_json_put_str(&out, "id", w->id);
	if (s) {
		ks_json_open(&out, "data", '{');
		put_data(&out, s);
		ks_json_open(&out, "intel_rdt", '{');
		r = ks_resctrl_write_stats(a, &w->of.resctrl, &out, err);
		ks_json_close(&out, '}');
		ks_json_close(&out, '}');
	}
	ks_json_close(&out, '}');
	ks_buf_adds(&out.buf, "\n");
	return r < 0 ? r : ks_cli_print(&out.buf, err);
}

static int print_stats(struct watcher *w, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup_stats s;
	int r = ks_cgroup_stats(&a, &w->of.cgroup, &s, err);

	return r < 0 ? r : print_event(&a, w, "stats", &s, err);
}

static int on_timer(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	uint64_t n;

	(void)l;
	(void)events;
	if (read(watch->fd, &n, sizeof(n)) < 0)
		return 0;
	return print_stats(watch->data, err);
}

static int on_end(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	(void)watch;
	(void)events;
	(void)err;
	l->quit = true;
	return 0;
}

/*
 * On v2 the descriptor tells of other events of the controller too: only a new kill is
 * printed. v1 tells of nothing else, and before it kills.
 */
static int on_oom(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct watcher *w = watch->data;
	struct ks_cgroup_stats s;
	char buf[4096];

	(void)l;
	(void)events;
	if (read(watch->fd, buf, sizeof(buf)) < 0 ||
	    ks_cgroup_stats(&a, &w->of.cgroup, &s, NULL) < 0)
		return 0;
	if (w->of.cgroup.host.v2 && s.oom_kills == w->oom_kills)
		return 0;
	w->oom_kills = s.oom_kills;
	return print_event(&a, w, "oom", NULL, err);
}

static int parse_interval(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	size_t n = strspn(s, "0123456789");
	char num[16];
	uint64_t v;

	if (n >= sizeof(num))
		return -EINVAL;
	ks_fmt(num, sizeof(num), "%.*s", (int)n, s);
	if (ks_parse_u64(num, 86400000, &v) < 0 || !v)
		return -EINVAL;
	for (size_t i = 0; i < KS_ARRAY_LEN(units); i++) {
		if (ks_streq(s + n, units[i].unit)) {
			*ret_ms = v * units[i].ms;
			return 0;
		}
	}
	return -EINVAL;
}

static int follow(struct watcher *w, uint64_t interval_ms, struct ks_err *err)
{
	ks_auto_fd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	ks_auto_fd int oom = -EBADF;
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct timespec t = { (time_t)(interval_ms / 1000), (long)(interval_ms % 1000) * 1000000L };
	struct itimerspec its = { t, t };
	struct ks_cgroup_stats s;
	struct ks_loop l;

	if (timer < 0 || timerfd_settime(timer, 0, &its, NULL) < 0)
		return ks_err_set(err, -errno, "make a timer");
	int r = ks_cgroup_stats(&a, &w->of.cgroup, &s, err);

	if (r < 0)
		return r;
	w->oom_kills = s.oom_kills;
	/* A host without the memory controller has statistics still. */
	(void)ks_cgroup_watch_oom(&w->of.cgroup, &oom, NULL);
	r = ks_loop_init(&l, err);
	if (r < 0)
		return r;
	w->timer = (struct ks_watch){ .fd = timer, .fn = on_timer, .data = w };
	w->end = (struct ks_watch){ .fd = w->of.pidfd, .fn = on_end, .data = w };
	w->oom = (struct ks_watch){ .fd = oom, .fn = on_oom, .data = w };
	r = ks_loop_add(&l, &w->timer, EPOLLIN, err);
	if (r == 0)
		r = ks_loop_add(&l, &w->end, EPOLLIN, err);
	if (r == 0 && oom >= 0)
		r = ks_loop_add(&l, &w->oom, EPOLLIN, err);
	if (r == 0)
		r = ks_loop_run(&l, err);
	ks_loop_done(&l);
	return r == -ENOENT ? 0 : r;
}

int ks_verb_events(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	const struct ks_events_opts *o = opts;
	struct watcher w = { .id = args->v[0], .of.pidfd = -EBADF };
	ks_auto_fd int root = -EBADF;
	uint64_t interval_ms = 5000;

	if (o->interval && parse_interval(o->interval, &interval_ms) < 0)
		return ks_cli_usage_error(cli, err, "option --interval: \"%s\" is no time like 5s",
					  o->interval);
	int r = ks_cli_open_root(cli, &root, err);

	if (r == 0)
		r = ks_container_watch(&cli->arena, root, w.id, &w.of, err);
	if (r == 0)
		r = o->stats ? print_stats(&w, err) : follow(&w, interval_ms, err);
	ks_fd_close(w.of.pidfd);
	return r;
}
