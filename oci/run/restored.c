/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What criu has made, compared with what config.json demands, before it runs: the images say who a
 * process is, and may be anybody's; and some versions of criu forget things.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kshim/fd.h>

#include "checkpoint.h"

#define STATUS_BYTES 65536
#define MAP_LINES    340 /* Linux takes no more in a user namespace */

/* The value of a line of /proc/PID/status; false when there is none. */
static bool find_field(const char *status, const char *name, int base, uint64_t *ret)
{
	const char *p = strstr(status, name);
	char *end;

	if (!p)
		return false;
	p += strlen(name);
	errno = 0;
	*ret = strtoull(p, &end, base);
	return errno == 0 && end != p && *end == '\n';
}

static int check_status(const char *status, const struct ks_plan_process *p, struct ks_err *err)
{
	uint64_t bounding, permitted, inheritable, nnp, seccomp;

	if (!find_field(status, "\nCapBnd:\t", 16, &bounding) ||
	    !find_field(status, "\nCapPrm:\t", 16, &permitted) ||
	    !find_field(status, "\nCapInh:\t", 16, &inheritable) ||
	    !find_field(status, "\nNoNewPrivs:\t", 10, &nnp) ||
	    !find_field(status, "\nSeccomp:\t", 10, &seccomp))
		return ks_err_kind(err, KS_ERR_INTERNAL, "/proc/PID/status cannot be read");
	uint64_t may = p->caps.bounding | p->caps.permitted;

	if (p->caps.set && (bounding | permitted) & ~may)
		return ks_err_kind(err, KS_ERR_DENIED,
				   "with capabilities that config.json does not give it");
	if (p->caps.set && inheritable & ~(may | p->caps.inheritable))
		return ks_err_kind(err, KS_ERR_DENIED,
				   "with inheritable capabilities that config.json does not give "
				   "it");
	if (p->no_new_privs && !nnp)
		return ks_err_kind(err, KS_ERR_DENIED,
				   "without no_new_privs, which config.json demands (criu before "
				   "3.18 loses it)");
	if (p->seccomp.len && seccomp != 2)
		return ks_err_kind(err, KS_ERR_DENIED,
				   "without a seccomp filter, which config.json demands");
	return 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Of its own where it is to have its own, and the one that was asked for where it is to join. */
static int check_namespaces(pid_t pid, const struct ks_spec *s, const struct ks_plan *p,
			    struct ks_err *err)
{
	const struct ks_spec_namespace *v = s->lnx.namespaces.v;

	for (size_t i = 0; i < s->lnx.namespaces.n; i++) {
		enum ks_ns type = (enum ks_ns)v[i].type;
		struct stat its, ours, joined;
		char path[64];
		bool ok;

		ks_fmt(path, sizeof(path), "/proc/%d/ns/%s", pid, ks_ns_proc_name(type));
		if (stat(path, &its) < 0)
			return ks_err_set(err, -errno, "look at %s", path);
		ks_fmt(path, sizeof(path), "/proc/self/ns/%s", ks_ns_proc_name(type));
		if (stat(path, &ours) < 0)
			return ks_err_set(err, -errno, "look at %s", path);
		if (p->join_fd[type] >= 0)
			ok = fstat(p->join_fd[type], &joined) == 0 && same(&its, &joined);
		else
			ok = !same(&its, &ours);
		if (!ok)
			return ks_err_kind(err, KS_ERR_DENIED,
					   "in another %s namespace than config.json demands",
					   ks_ns_proc_name(type));
	}
	return 0;
}

/* Numbers of @text, up to @max; the kernel pads its columns with spaces. */
static size_t numbers(const char *text, uint64_t *ret, size_t max)
{
	size_t n = 0;
	char *end;

	for (; n < max; text = end) {
		uint64_t v = strtoull(text, &end, 10);

		if (end == text)
			break;
		ret[n++] = v;
	}
	return n;
}

/* Where the images are of another user namespace, its root would be somebody else. */
static int check_map(struct ks_arena *a, pid_t pid, const char *file, const char *want,
		     struct ks_err *err)
{
	const size_t max = 3 * MAP_LINES + 1;
	uint64_t *is = KS_ARENA_NEWV(a, uint64_t, 2 * max);
	char path[64];
	char *text;

	if (!want)
		return 0;
	if (!is)
		return ks_err_oom(err);
	ks_fmt(path, sizeof(path), "/proc/%d/%s", pid, file);
	int r = ks_file_read_at(a, AT_FDCWD, path, STATUS_BYTES, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	size_t n = numbers(text, is, max);

	if (n != numbers(want, is + max, max) || memcmp(is, is + max, n * sizeof(*is)) != 0)
		return ks_err_kind(err, KS_ERR_DENIED, "with another %s than config.json demands",
				   file);
	return 0;
}

const char *ks_restored_label(const struct ks_checkpoint *k, const char *type, const char *planned)
{
	size_t n = strlen(type);

	return k->lsm_profile && ks_str_prefix(k->lsm_profile, type) && k->lsm_profile[n] == ':' ?
		       k->lsm_profile + n + 1 :
		       planned;
}

/* criu that is built without a security module forgets its labels, and says nothing. */
static int check_label(struct ks_arena *a, pid_t pid, const char *const files[static 2],
		       const char *what, const char *want, struct ks_err *err)
{
	char path[64];
	char *is;
	int r = -ENOENT;

	for (size_t i = 0; want && i < 2 && r == -ENOENT; i++) {
		ks_fmt(path, sizeof(path), "/proc/%d/attr/%s", pid, files[i]);
		r = ks_file_read_at(a, AT_FDCWD, path, STATUS_BYTES, &is, NULL);
	}
	if (!want)
		return 0;
	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	/* Of a profile its mode follows in brackets; one below it, or stacked on it, confines
	 * further. */
	is[strcspn(is, " \n")] = '\0';
	if (ks_streq(is, want) ||
	    (ks_str_prefix(is, want) && ks_str_prefix(is + strlen(want), "//")))
		return 0;
	return ks_err_kind(err, KS_ERR_DENIED, "with the %s %s, but %s is demanded", what, is,
			   want);
}

static int check_labels(struct ks_arena *a, pid_t pid, const struct ks_checkpoint *k,
			const struct ks_plan_process *p, struct ks_err *err)
{
	static const char *const selinux[] = { "selinux/current", "current" };
	static const char *const apparmor[] = { "apparmor/current", "current" };
	int r = check_label(a, pid, selinux, "SELinux label",
			    ks_restored_label(k, "selinux", p->selinux), err);

	return r < 0 ? r :
		       check_label(a, pid, apparmor, "AppArmor profile",
				   ks_restored_label(k, "apparmor", p->apparmor), err);
}

int ks_restored_check(pid_t pid, const struct ks_checkpoint *k, const struct ks_spec *s,
		      const struct ks_plan *p, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char path[64];
	char *status;

	ks_fmt(path, sizeof(path), "/proc/%d/status", pid);
	int r = ks_file_read_at(&a, AT_FDCWD, path, STATUS_BYTES, &status, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	r = check_status(status, &p->process, err);
	if (r == 0)
		r = check_labels(&a, pid, k, &p->process, err);
	if (r == 0)
		r = check_namespaces(pid, s, p, err);
	if (r == 0)
		r = check_map(&a, pid, "uid_map", p->uid_map, err);
	if (r == 0)
		r = check_map(&a, pid, "gid_map", p->gid_map, err);
	return r < 0 ? ks_err_prefix(err, r, "criu has restored process %d", pid) : 0;
}
