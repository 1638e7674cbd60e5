/* SPDX-License-Identifier: Apache-2.0 */
/* From a profile to the program, by libseccomp. */
#include <seccomp.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "seccomp.h"

#define MAX_RULES 65536 /* names of all syscall entries together */

static int to_scmp(struct ks_json_ctx *ctx, int action, const struct ks_opt_u64 *errno_ret,
		   uint32_t *ret)
{
	uint64_t num = errno_ret->set ? errno_ret->v : (uint64_t)EPERM;

	if (num > 0xffff)
		return ks_json_fail(ctx, "errnoRet", "%llu is out of range",
				    (unsigned long long)num);
	if (errno_ret->set && action != KS_ACT_ERRNO && action != KS_ACT_TRACE)
		return ks_json_fail(ctx, "errnoRet", "only ERRNO and TRACE take a number");
	switch ((enum ks_seccomp_action)action) {
	case KS_ACT_KILL:
		*ret = SCMP_ACT_KILL_THREAD;
		break;
	case KS_ACT_KILL_PROCESS:
		*ret = SCMP_ACT_KILL_PROCESS;
		break;
	case KS_ACT_TRAP:
		*ret = SCMP_ACT_TRAP;
		break;
	case KS_ACT_ERRNO:
		*ret = SCMP_ACT_ERRNO((uint32_t)num);
		break;
	case KS_ACT_TRACE:
		*ret = SCMP_ACT_TRACE((uint32_t)num);
		break;
	case KS_ACT_LOG:
		*ret = SCMP_ACT_LOG;
		break;
	case KS_ACT_NOTIFY:
		*ret = SCMP_ACT_NOTIFY;
		break;
	case KS_ACT_ALLOW:
	default:
		*ret = SCMP_ACT_ALLOW;
		break;
	}
	return 0;
}

static int add_architectures(struct ks_json_ctx *ctx, scmp_filter_ctx scmp,
			     const struct ks_strv *archs)
{
	for (size_t i = 0; i < archs->n; i++) {
		uint32_t token = ks_seccomp_arch(archs->v[i]);

		if (!token)
			return ks_json_fail(ctx, "architectures", "unknown value \"%.*s\"", 64,
					    archs->v[i]);
		int r = seccomp_arch_add(scmp, token);

		if (r < 0 && r != -EEXIST)
			return ks_err_set(ctx->err, r, "seccomp: add architecture %s", archs->v[i]);
	}
	return 0;
}

/* Several conditions on one argument mean "any of them": libseccomp wants a rule for each. */
static int add_rule(scmp_filter_ctx scmp, uint32_t action, int nr, const struct ks_list *args)
{
	const struct ks_seccomp_arg *v = args->v;
	struct scmp_arg_cmp cmp[6];
	unsigned int seen = 0, n = 0;
	bool repeated = false;

	for (size_t i = 0; i < args->n; i++) {
		repeated |= seen >> v[i].index.v & 1;
		seen |= 1U << v[i].index.v;
	}
	if (!args->n)
		return seccomp_rule_add_array(scmp, action, nr, 0, NULL);
	for (size_t i = 0; i < args->n; i++) {
		struct scmp_arg_cmp one = { (unsigned)v[i].index.v, (enum scmp_compare)v[i].op,
					    v[i].value.v, v[i].value_two.v };

		if (!repeated) {
			cmp[n++] = one;
			continue;
		}
		int r = seccomp_rule_add_array(scmp, action, nr, 1, &one);

		if (r < 0 && r != -EEXIST)
			return r;
	}
	return repeated ? 0 : seccomp_rule_add_array(scmp, action, nr, n, cmp);
}

static int add_rules(struct ks_json_ctx *ctx, scmp_filter_ctx scmp,
		     const struct ks_seccomp_profile *p, uint32_t default_action)
{
	const struct ks_seccomp_rule *v = p->rules.v;
	size_t total = 0;

	for (size_t i = 0; i < p->rules.n; i++) {
		size_t old = ks_json_enter(ctx, "syscalls", 0);
		uint32_t action = 0;

		ks_json_enter(ctx, NULL, i);
		int r = to_scmp(ctx, v[i].action, &v[i].errno_ret, &action);

		if (r < 0)
			return r;
		const struct ks_seccomp_arg *args = v[i].args.v;

		for (size_t k = 0; k < v[i].args.n; k++)
			if (args[k].index.v > 5)
				return ks_json_fail(ctx, "args", "index %llu is above 5",
						    (unsigned long long)args[k].index.v);
		total += v[i].names.n;
		if (total > MAX_RULES)
			return ks_json_fail(ctx, NULL, "more than %d names", MAX_RULES);
		/* libseccomp refuses a rule that says what the default says. */
		for (size_t k = 0; k < v[i].names.n && action != default_action; k++) {
			int nr = seccomp_syscall_resolve_name(v[i].names.v[k]);

			/* Profiles name calls of other kernels and machines: those cannot be made.
			 */
			if (nr == __NR_SCMP_ERROR)
				continue;
			r = add_rule(scmp, action, nr, &v[i].args);
			if (r < 0 && r != -EEXIST)
				return ks_err_set(ctx->err, r, "%s: add %s to the seccomp filter",
						  ctx->path, v[i].names.v[k]);
		}
		ks_json_leave(ctx, old);
	}
	return 0;
}

static int export_program(struct ks_arena *a, scmp_filter_ctx scmp, char **ret, size_t *ret_len,
			  struct ks_err *err)
{
	ks_auto_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);

	if (fd < 0)
		return ks_err_set(err, -errno, "make a memory file");
	int r = seccomp_export_bpf(scmp, fd);

	if (r < 0)
		return ks_err_set(err, r, "compile the seccomp profile");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ks_err_set(err, -errno, "read the seccomp program");
	r = ks_fd_read_all(a, fd, 1U << 20, ret, ret_len);
	return r < 0 ? ks_err_set(err, r, "read the seccomp program") : 0;
}

int ks_seccomp_compile(struct ks_json_ctx *ctx, const struct ks_seccomp_profile *p, char **ret,
		       size_t *ret_len)
{
	uint32_t default_action = 0;
	int r = to_scmp(ctx, p->default_action, &p->default_errno, &default_action);

	if (r < 0)
		return r;
	scmp_filter_ctx scmp = seccomp_init(default_action);

	if (!scmp)
		return ks_err_oom(ctx->err);
	/* A binary tree over the call numbers: shorter paths at run time. Not in old libraries. */
	(void)seccomp_attr_set(scmp, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = add_architectures(ctx, scmp, &p->architectures);
	if (r == 0)
		r = add_rules(ctx, scmp, p, default_action);
	if (r == 0)
		r = export_program(ctx->arena, scmp, ret, ret_len, ctx->err);
	if (r == 0)
		r = ks_seccomp_add_enosys(ctx, p, scmp, ret, ret_len);
	if (r == 0)
		ks_seccomp_shrink(ctx->arena, ret, ret_len);
	seccomp_release(scmp);
	return r;
}
