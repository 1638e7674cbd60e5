/* SPDX-License-Identifier: Apache-2.0 */
/* Which hierarchies this host has, and where a container's directories are in them. */
#include <string.h>
#include <sys/vfs.h>

#include <kshim/fd.h>
#include <kshim/path.h>

#include "hierarchy.h"

/* "36 31 0:33 / /sys/fs/cgroup/devices rw,… - cgroup cgroup rw,devices" */
static int read_mount(struct ks_arena *a, struct ks_cgroup_host *host, struct ks_strv *f)
{
	size_t dash = 6;

	while (dash < f->n && !ks_streq(f->v[dash], "-"))
		dash++;
	if (dash + 3 >= f->n)
		return 0;
	const char *where = f->v[4], *type = f->v[dash + 1], *options = f->v[dash + 3];

	if (ks_streq(type, "cgroup2") && ks_str_prefix(where, KS_CGROUP_ROOT)) {
		host->v2 |= ks_streq(where, KS_CGROUP_ROOT);
		host->v2_mount = where;
		return 0;
	}
	const char *name = ks_str_prefix(where, KS_CGROUP_ROOT "/");

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
	if (statfs(KS_CGROUP_ROOT, &sfs) == 0 &&
	    sfs.f_type == 0x63677270 /* CGROUP2_SUPER_MAGIC */) {
		*ret = (struct ks_cgroup_host){ .v2 = true, .v2_mount = KS_CGROUP_ROOT };
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

bool ks_cgroup_goes_up(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
	return false;
}

int ks_cgroup_path(struct ks_arena *a, const char *spec_path, const char *id, const char **ret,
		   struct ks_err *err)
{
	char buf[PATH_MAX];

	if (ks_str_empty(spec_path)) {
		*ret = ks_arena_printf(a, "/kshim-%s", id);
		return *ret ? 0 : ks_err_oom(err);
	}
	if (ks_cgroup_goes_up(spec_path))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.cgroupsPath: \"%s\" must not hold \"..\"", spec_path);
	if (ks_path_clean(spec_path, buf, sizeof(buf)) < 0)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.cgroupsPath: is too long");
	if (ks_streq(buf, "/"))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.cgroupsPath: \"%s\" is the root cgroup", spec_path);
	*ret = ks_arena_strdup(a, buf);
	return *ret ? 0 : ks_err_oom(err);
}

void ks_cgroup_hierarchy_dir(const struct ks_cgroup *cg, size_t i, char *buf)
{
	if (i == cg->host.n_v1)
		ks_fmt(buf, PATH_MAX, "%s%s", cg->host.v2_mount, cg->path);
	else
		ks_fmt(buf, PATH_MAX, KS_CGROUP_ROOT "/%s%s", cg->host.v1[i].name, cg->path);
}

/* The v1 hierarchies, and behind them the v2 one when there is one. */
size_t ks_cgroup_n_hierarchies(const struct ks_cgroup *cg)
{
	return cg->host.n_v1 + (cg->host.v2_mount != NULL);
}

bool ks_cgroup_has_controller(const char *list, const char *name)
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
		ks_cgroup_hierarchy_dir(cg, cg->host.n_v1, buf);
		return 0;
	}
	for (size_t i = 0; i < cg->host.n_v1; i++) {
		if (ks_cgroup_has_controller(cg->host.v1[i].controllers, controller)) {
			ks_cgroup_hierarchy_dir(cg, i, buf);
			return 0;
		}
	}
	return -ENOENT;
}

int ks_cgroup_open(struct ks_arena *a, const char *path, struct ks_cgroup *ret, struct ks_err *err)
{
	/* Of a record: nobody may lead a kill or a removal out of the cgroups by it. */
	if (*path && (*path != '/' || !path[1] || ks_cgroup_goes_up(path)))
		return ks_err_kind(err, KS_ERR_INVALID, "\"%s\" is no path of a cgroup", path);
	*ret = (struct ks_cgroup){ .path = path };
	return *path ? ks_cgroup_detect(a, &ret->host, err) : 0;
}
