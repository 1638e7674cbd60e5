/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp profile as a program.
 *
 * Compiling containerd's profile takes longer than all the rest of a start,
 * so the program is kept in <root>/seccomp/<hash>.bpf. The hash is over the
 * profile's text, libseccomp's version and the machine: a program is found
 * again only by what it was made from.
 */
#include <seccomp.h>

#include <ctype.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/sha256.h>

#include "plan.h"

#define MAX_RULES 65536 /* names of all syscall entries together */
#define DIR_NAME  "seccomp"

struct arg {
	struct ks_opt_u64 index, value, value_two;
	int op;
};

struct rule {
	struct ks_strv names;
	int action;
	struct ks_opt_u64 errno_ret;
	struct ks_list args;
};

struct profile {
	int default_action;
	struct ks_opt_u64 default_errno;
	struct ks_strv architectures, flags;
	struct ks_list rules;
};

enum action { KILL = 1, KILL_PROCESS, TRAP, ERRNO, TRACE, ALLOW, LOG };

static const struct ks_json_name actions[] = {
	{ "SCMP_ACT_KILL", KILL },
	{ "SCMP_ACT_KILL_THREAD", KILL },
	{ "SCMP_ACT_KILL_PROCESS", KILL_PROCESS },
	{ "SCMP_ACT_TRAP", TRAP },
	{ "SCMP_ACT_ERRNO", ERRNO },
	{ "SCMP_ACT_TRACE", TRACE },
	{ "SCMP_ACT_ALLOW", ALLOW },
	{ "SCMP_ACT_LOG", LOG },
	{ NULL, 0 },
};

static const struct ks_json_name ops[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	{ NULL, 0 },
};

static const struct ks_json_field arg_fields[] = {
	KS_U64(struct arg, index, "index", KS_FIELD_REQUIRED),
	KS_U64(struct arg, value, "value", KS_FIELD_REQUIRED),
	KS_U64(struct arg, value_two, "valueTwo", 0),
	KS_ENUM(struct arg, op, "op", KS_FIELD_REQUIRED, ops),
	KS_END,
};

static const struct ks_json_field rule_fields[] = {
	KS_STRV(struct rule, names, "names", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_ENUM(struct rule, action, "action", KS_FIELD_REQUIRED, actions),
	KS_U64(struct rule, errno_ret, "errnoRet", 0),
	KS_LIST(struct rule, args, struct arg, "args", arg_fields),
	KS_END,
};

static const struct ks_json_field profile_fields[] = {
	KS_ENUM(struct profile, default_action, "defaultAction", KS_FIELD_REQUIRED, actions),
	KS_U64(struct profile, default_errno, "defaultErrnoRet", 0),
	KS_STRV(struct profile, architectures, "architectures", 0),
	KS_STRV(struct profile, flags, "flags", 0),
	KS_LIST(struct profile, rules, struct rule, "syscalls", rule_fields),
	KS_REFUSE("listenerPath"),
	KS_REFUSE("listenerMetadata"),
	KS_END,
};

static int to_scmp(struct ks_json_ctx *ctx, int action, const struct ks_opt_u64 *errno_ret,
		   uint32_t *ret)
{
	uint64_t num = errno_ret->set ? errno_ret->v : (uint64_t)EPERM;

	if (num > 0xffff)
		return ks_json_fail(ctx, "errnoRet", "%llu is out of range",
				    (unsigned long long)num);
	if (errno_ret->set && action != ERRNO && action != TRACE)
		return ks_json_fail(ctx, "errnoRet", "only ERRNO and TRACE take a number");
	switch ((enum action)action) {
	case KILL:
		*ret = SCMP_ACT_KILL_THREAD;
		break;
	case KILL_PROCESS:
		*ret = SCMP_ACT_KILL_PROCESS;
		break;
	case TRAP:
		*ret = SCMP_ACT_TRAP;
		break;
	case ERRNO:
		*ret = SCMP_ACT_ERRNO((uint32_t)num);
		break;
	case TRACE:
		*ret = SCMP_ACT_TRACE((uint32_t)num);
		break;
	case LOG:
		*ret = SCMP_ACT_LOG;
		break;
	case ALLOW:
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
		const char *rest = ks_str_prefix(archs->v[i], "SCMP_ARCH_");
		char name[32] = "";

		for (size_t k = 0; rest && rest[k] && k + 1 < sizeof(name); k++) {
			name[k] = (char)tolower((unsigned char)rest[k]);
			name[k + 1] = '\0';
		}
		uint32_t token = rest ? seccomp_arch_resolve_name(name) : 0;

		if (!token)
			return ks_json_fail(ctx, "architectures", "unknown value \"%.*s\"", 64,
					    archs->v[i]);
		int r = seccomp_arch_add(scmp, token);

		if (r < 0 && r != -EEXIST)
			return ks_err_set(ctx->err, r, "seccomp: add architecture %s", name);
	}
	return 0;
}

/* Several conditions on one argument mean "any of them": libseccomp wants a rule for each. */
static int add_rule(scmp_filter_ctx scmp, uint32_t action, int nr, const struct ks_list *args)
{
	const struct arg *v = args->v;
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

static int add_rules(struct ks_json_ctx *ctx, scmp_filter_ctx scmp, const struct profile *p,
		     uint32_t default_action)
{
	const struct rule *v = p->rules.v;
	size_t total = 0;

	for (size_t i = 0; i < p->rules.n; i++) {
		size_t old = ks_json_enter(ctx, "syscalls", 0);
		uint32_t action = 0;

		ks_json_enter(ctx, NULL, i);
		int r = to_scmp(ctx, v[i].action, &v[i].errno_ret, &action);

		if (r < 0)
			return r;
		const struct arg *args = v[i].args.v;

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

static int compile(struct ks_json_ctx *ctx, const struct profile *p, char **ret, size_t *ret_len)
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
	seccomp_release(scmp);
	return r;
}

static const struct ks_json_name flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ NULL, 0 },
};

static int read_flags(struct ks_json_ctx *ctx, const struct ks_strv *flags, unsigned int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < flags->n; i++) {
		const struct ks_json_name *n = flag_names;

		while (n->name && !ks_streq(n->name, flags->v[i]))
			n++;
		if (!n->name)
			return ks_json_fail(ctx, "flags", "unknown value \"%.*s\"", 64,
					    flags->v[i]);
		*ret |= (unsigned int)n->value;
	}
	return 0;
}

static int cache_name(const struct ks_spec *s, char name[static 80], struct ks_err *err)
{
	const struct scmp_version *v = seccomp_version();
	const struct ks_json *j = s->lnx.seccomp;
	char digest[KS_SHA256_HEX_SIZE];
	ks_auto_buf struct ks_buf b = { 0 };
	struct utsname u;

	uname(&u);
	ks_buf_addf(&b, "%u.%u.%u %s\n", v->major, v->minor, v->micro, u.machine);
	ks_buf_add(&b, s->text + j->begin, j->end - j->begin);
	if (b.failed)
		return ks_err_oom(err);
	ks_sha256_hex(b.data, b.len, digest);
	ks_fmt(name, 80, "%s.bpf", digest);
	return 0;
}

/* A cache: whatever goes wrong here only costs time. The name is unique to this process. */
static void cache_store(int dir, const char *name, const char *prog, size_t len)
{
	char tmp[32];

	ks_fmt(tmp, sizeof(tmp), ".%d.tmp", getpid());
	ks_auto_fd int fd =
		openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	if (ks_fd_write_all(fd, prog, len) < 0 || renameat(dir, tmp, dir, name) < 0)
		unlinkat(dir, tmp, 0);
}

static int open_cache(int runtime_fd)
{
	int fd = openat(runtime_fd, DIR_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int cache_load(struct ks_arena *a, int dir, const char *name, char **ret, size_t *ret_len)
{
	int r = ks_file_read_at(a, dir, name, 1U << 20, ret, ret_len);

	if (r == 0 && (!*ret_len || *ret_len % sizeof(struct sock_filter) ||
		       *ret_len / sizeof(struct sock_filter) > BPF_MAXINSNS))
		r = -ENOENT;
	return r;
}

static void set_program(struct ks_plan_process *p, char *prog, size_t len)
{
	p->seccomp.len = (unsigned short)(len / sizeof(struct sock_filter));
	p->seccomp.filter = (struct sock_filter *)(void *)prog;
}

int ks_seccomp_reuse(struct ks_arena *a, int runtime_fd, const char *name,
		     struct ks_plan_process *ret)
{
	ks_auto_fd int dir = open_cache(runtime_fd);
	char *prog;
	size_t len;
	int r = strchr(name, '/') ? -ENOENT : dir < 0 ? dir : cache_load(a, dir, name, &prog, &len);

	if (r == 0)
		set_program(ret, prog, len);
	return r;
}

int ks_seccomp_plan(struct ks_arena *a, const struct ks_spec *s, int runtime_fd,
		    struct ks_plan_process *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct profile p = { 0 };
	char name[80];
	char *prog = NULL;
	size_t len = 0;

	if (!s->lnx.seccomp)
		return 0;
	ks_json_enter(&ctx, "linux.seccomp", 0);
	int r = ks_json_decode(&ctx, s->lnx.seccomp, profile_fields, &p);

	if (r == 0)
		r = read_flags(&ctx, &p.flags, &ret->seccomp_flags);
	if (r == 0)
		r = cache_name(s, name, err);
	if (r < 0)
		return r;
	if (mkdirat(runtime_fd, DIR_NAME, 0700) < 0 && errno != EEXIST)
		return ks_err_set(err, -errno, "make the directory of seccomp programs");
	ks_auto_fd int dir = open_cache(runtime_fd);

	if (dir < 0 || cache_load(a, dir, name, &prog, &len) < 0) {
		r = compile(&ctx, &p, &prog, &len);
		if (r < 0)
			return r;
		if (dir >= 0)
			cache_store(dir, name, prog, len);
	}
	if (len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return ks_json_fail(&ctx, NULL, "the program has more than %d instructions",
				    BPF_MAXINSNS);
	set_program(ret, prog, len);
	ret->seccomp_name = ks_arena_strdup(a, name);
	return ret->seccomp_name ? 0 : ks_err_oom(err);
}

static void put_names(struct ks_json_out *o, const char *key, const struct ks_json_name *n)
{
	ks_json_open(o, key, '[');
	for (; n->name; n++)
		ks_json_put_str(o, NULL, n->name);
	ks_json_close(o, ']');
}

/* The names that the spec has; those that this library knows are the ones that are recognized. */
static void put_architectures(struct ks_json_out *o)
{
	static const char *const names[] = {
		"aarch64",   "arm",    "loongarch64", "m68k",	     "mips",   "mips64",
		"mips64n32", "mipsel", "mipsel64",    "mipsel64n32", "parisc", "parisc64",
		"ppc",	     "ppc64",  "ppc64le",     "riscv64",     "s390",   "s390x",
		"sheb",	     "sh",     "x32",	      "x86",	     "x86_64",
	};
	char name[32];

	ks_json_open(o, "archs", '[');
	for (size_t i = 0; i < KS_ARRAY_LEN(names); i++) {
		size_t n = ks_fmt(name, sizeof(name), "SCMP_ARCH_%s", names[i]);

		for (size_t k = 0; k < n; k++)
			name[k] = (char)toupper((unsigned char)name[k]);
		if (seccomp_arch_resolve_name(names[i]))
			ks_json_put_str(o, NULL, name);
	}
	ks_json_close(o, ']');
}

/* Whether the kernel takes a flag: it looks at the flags before it reads the program. */
static bool kernel_takes(int flag)
{
	return ks_sys_seccomp(SECCOMP_SET_MODE_FILTER, (unsigned int)flag, NULL) < 0 &&
	       errno == EFAULT;
}

void ks_seccomp_write_features(struct ks_json_out *o)
{
	ks_json_open(o, "seccomp", '{');
	ks_json_put_bool(o, "enabled", true);
	put_names(o, "actions", actions);
	put_names(o, "operators", ops);
	put_architectures(o);
	put_names(o, "knownFlags", flag_names);
	ks_json_open(o, "supportedFlags", '[');
	for (const struct ks_json_name *n = flag_names; n->name; n++)
		if (kernel_takes(n->value))
			ks_json_put_str(o, NULL, n->name);
	ks_json_close(o, ']');
	ks_json_close(o, '}');
}
