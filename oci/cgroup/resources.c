/* SPDX-License-Identifier: Apache-2.0 */
/* What the controllers of v1 and v2 have in common. */
#include <kshim/fd.h>

#include "hierarchy.h"
#include "resources.h"

int ks_cgroup_write(int dirfd, const char *file, const char *value, struct ks_err *err)
{
	int r = ks_file_write_at(dirfd, file, value);

	if (r == -ENOENT)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "cgroup file %s is not there: the host does not have this "
				   "controller or kernel option",
				   file);
	if (r < 0)
		return ks_err_set(err, r, "write \"%s\" to cgroup file %s", value, file);
	return 0;
}

bool ks_hugepages_all_zero(const struct ks_list *limits)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	bool zero = true;

	for (size_t i = 0; i < limits->n; i++)
		zero &= !v[i].limit.v;
	return zero;
}

int ks_hugepage_check(const struct ks_spec_hugepage_limit *l, size_t i, struct ks_err *err)
{
	size_t n = strspn(l->page_size, "0123456789");

	if (n && n < 8 && strchr("KMG", l->page_size[n]) && l->page_size[n] &&
	    ks_streq(l->page_size + n + 1, "B") && l->limit.v <= INT64_MAX)
		return 0;
	return ks_err_kind(err, KS_ERR_INVALID,
			   "linux.resources.hugepageLimits[%zu]: page size \"%.*s\" or its limit "
			   "is not valid",
			   i, 32, l->page_size);
}

int ks_cgroup_write_i64(int dirfd, const char *file, int64_t v, struct ks_err *err)
{
	char buf[32];

	ks_fmt(buf, sizeof(buf), "%lld", (long long)v);
	return ks_cgroup_write(dirfd, file, buf, err);
}

bool ks_cgroup_has_file(int dirfd, const char *file)
{
	return faccessat(dirfd, file, F_OK, 0) == 0;
}

int ks_cgroup_read_i64(int dirfd, const char *file, int64_t *ret, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	uint64_t v;
	char *text;
	int r = ks_file_read_at(&a, dirfd, file, 4096, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read cgroup file %s", file);
	text[strcspn(text, " \n")] = '\0';
	if (ks_streq(text, "max") || ks_streq(text, "-1"))
		*ret = -1;
	else if (ks_parse_u64(text, INT64_MAX, &v) == 0)
		*ret = (int64_t)v;
	else
		return ks_err_kind(err, KS_ERR_INTERNAL, "cgroup file %s says \"%s\"", file, text);
	return 0;
}

/* Source: runtime-spec, config-linux.md, "checkBeforeUpdate": below the usage MUST be refused. */
int ks_cgroup_check_usage(int dirfd, const char *file, const struct ks_spec_memory *m,
			  struct ks_err *err)
{
	int64_t usage = 0;

	if (!m->check_before_update || m->limit.v <= 0)
		return 0;
	int r = ks_cgroup_read_i64(dirfd, file, &usage, err);

	if (r < 0 || m->limit.v >= usage)
		return r;
	return ks_err_kind(err, KS_ERR_INVALID,
			   "linux.resources.memory.limit: %lld is below the usage of %lld",
			   (long long)m->limit.v, (long long)usage);
}

int ks_cgroup_write_rdma(int dirfd, const struct ks_spec_resources *res, struct ks_err *err)
{
	char line[320];
	int r = 0;

	const struct ks_spec_rdma *v = res->rdma.v;

	for (size_t i = 0; i < res->rdma.n && r == 0; i++) {
		const struct ks_spec_rdma *d = &v[i];
		size_t n = ks_fmt(line, sizeof(line), "%.200s", d->device);

		if (d->handles.set)
			n += ks_fmt(line + n, sizeof(line) - n, " hca_handle=%llu",
				    (unsigned long long)d->handles.v);
		if (d->objects.set)
			ks_fmt(line + n, sizeof(line) - n, " hca_object=%llu",
			       (unsigned long long)d->objects.v);
		r = ks_cgroup_write(dirfd, "rdma.max", line, err);
	}
	return r;
}

int ks_cgroup_write_hugepages(int dirfd, const struct ks_list *limits, const char *suffix,
			      struct ks_err *err)
{
	const struct ks_spec_hugepage_limit *v = limits->v;
	bool all_zero = ks_hugepages_all_zero(limits);
	char file[96];

	for (size_t i = 0; i < limits->n; i++) {
		int r = ks_hugepage_check(&v[i], i, err);

		if (r < 0)
			return r;
		ks_fmt(file, sizeof(file), "hugetlb.%s.%s", v[i].page_size, suffix);
		/* kubelet lists every size with 0, also where there is no controller. */
		if (all_zero && !ks_cgroup_has_file(dirfd, file))
			continue;
		r = ks_cgroup_write_i64(dirfd, file, (int64_t)v[i].limit.v, err);
		/* A reservation is refused early; a page fault ends in SIGBUS. Not in old kernels.
		 */
		ks_fmt(file, sizeof(file), "hugetlb.%s.rsvd.%s", v[i].page_size, suffix);
		if (r == 0 && ks_cgroup_has_file(dirfd, file))
			r = ks_cgroup_write_i64(dirfd, file, (int64_t)v[i].limit.v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int ks_cgroup_apply(const struct ks_cgroup *cg, const struct ks_spec_resources *res, bool update,
		    struct ks_err *err)
{
	return cg->host.v2 ? ks_cgroup2_apply(cg, res, update, err) :
			     ks_cgroup1_apply(cg, res, update, err);
}
