/* SPDX-License-Identifier: Apache-2.0 */
/* What `events` tells of a class of service, with the names that runc gives it. */
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "resctrl-files.h"

static void put_number(struct ks_arena *a, int dir, const char *file, const char *key,
		       struct ks_json_out *o)
{
	const char *text;
	uint64_t v;

	/* "Unavailable" while the counter has not counted yet. */
	if (ks_resctrl_read(a, dir, file, &text, NULL) == 0 &&
	    ks_parse_u64(text, UINT64_MAX, &v) == 0)
		ks_json_put_u64(o, key, v);
}

/* The line of one resource, as it stands in the file but for what pads it. */
static void put_schema(struct ks_arena *a, int dir, const char *prefix, const char *key,
		       struct ks_json_out *o)
{
	struct ks_strv lines = { 0 };
	const char *text;

	if (ks_resctrl_read(a, dir, "schemata", &text, NULL) < 0 ||
	    ks_str_split(a, text, '\n', &lines) < 0)
		return;
	for (size_t i = 0; i < lines.n; i++) {
		const char *line = lines.v[i] + strspn(lines.v[i], " ");

		if (ks_str_prefix(line, prefix)) {
			ks_json_put_str(o, key, line);
			return;
		}
	}
}

static void put_cache(struct ks_arena *a, int root, int dir, struct ks_json_out *o)
{
	const char *mask;

	if (ks_resctrl_read(a, root, "info/L3/cbm_mask", &mask, NULL) < 0)
		return;
	ks_json_open(o, "l3_cache_info", '{');
	ks_json_put_str(o, "cbm_mask", mask);
	put_number(a, root, "info/L3/min_cbm_bits", "min_cbm_bits", o);
	put_number(a, root, "info/L3/num_closids", "num_closids", o);
	ks_json_close(o, '}');
	put_schema(a, root, "L3:", "l3_cache_schema_root", o);
	put_schema(a, dir, "L3:", "l3_cache_schema", o);
}

static void put_bandwidth(struct ks_arena *a, int root, int dir, struct ks_json_out *o)
{
	static const char *const numbers[] = { "bandwidth_gran", "delay_linear", "min_bandwidth",
					       "num_closids" };

	if (faccessat(root, "info/MB", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	ks_json_open(o, "mem_bw_info", '{');
	for (size_t i = 0; i < KS_ARRAY_LEN(numbers); i++) {
		char path[48];

		ks_fmt(path, sizeof(path), "info/MB/%s", numbers[i]);
		put_number(a, root, path, numbers[i], o);
	}
	ks_json_close(o, '}');
	put_schema(a, root, "MB:", "mem_bw_schema_root", o);
	put_schema(a, dir, "MB:", "mem_bw_schema", o);
}

/* Those of the domains that have @counters[0], in the order of their names. */
static int put_counters(struct ks_arena *a, int data, const struct ks_strv *domains,
			const char *key, const char *const *counters, struct ks_json_out *o,
			struct ks_err *err)
{
	bool any = false;

	for (size_t i = 0; i < domains->n; i++) {
		const char *first = ks_arena_printf(a, "%s/%s", domains->v[i], counters[0]);

		if (!first)
			return ks_err_oom(err);
		if (faccessat(data, first, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!any)
			ks_json_open(o, key, '[');
		any = true;
		ks_json_open(o, NULL, '{');
		for (size_t c = 0; counters[c]; c++) {
			const char *file = ks_arena_printf(a, "%s/%s", domains->v[i], counters[c]);

			if (!file)
				return ks_err_oom(err);
			put_number(a, data, file, counters[c], o);
		}
		ks_json_close(o, '}');
	}
	if (any)
		ks_json_close(o, ']');
	return 0;
}

static int put_monitors(struct ks_arena *a, int dir, const struct ks_resctrl *g,
			struct ks_json_out *o, struct ks_err *err)
{
	static const char *const bandwidth[] = { "mbm_total_bytes", "mbm_local_bytes", NULL };
	static const char *const cache[] = { "llc_occupancy", NULL };
	struct ks_strv domains = { 0 };
	char path[NAME_MAX + 32] = "mon_data";

	if (g->monitor)
		ks_fmt(path, sizeof(path), "mon_groups/%s/mon_data", g->id);
	ks_auto_fd int data = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int copy = data < 0 ? -1 : fcntl(data, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!d) {
		ks_fd_close(copy);
		return 0; /* this host does not monitor */
	}
	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d))
		if (ks_str_prefix(e->d_name, "mon_L3_"))
			r = ks_strv_append(a, &domains, e->d_name);
	closedir(d);
	if (r < 0)
		return ks_err_oom(err);
	ks_strv_sort(&domains);
	r = put_counters(a, data, &domains, "mbm_stats", bandwidth, o, err);
	return r < 0 ? r : put_counters(a, data, &domains, "cmt_stats", cache, o, err);
}

int ks_resctrl_write_stats(struct ks_arena *a, const struct ks_resctrl *g, struct ks_json_out *o,
			   struct ks_err *err)
{
	ks_auto_fd int root = -EBADF;
	ks_auto_fd int dir = -EBADF;

	if (!g->group)
		return 0;
	int r = ks_resctrl_open(a, g, &root, err);

	if (r == 0)
		r = ks_resctrl_open_group(root, g, &dir, err);
	/* What somebody has removed or unmounted has no statistics; the container has others. */
	if (r < 0)
		return r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
	put_cache(a, root, dir, o);
	put_bandwidth(a, root, dir, o);
	return put_monitors(a, dir, g, o, err);
}
