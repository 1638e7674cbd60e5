/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp profile as a program.
 *
 * Compiling containerd's profile takes longer than all the rest of a start,
 * so the program is kept in <root>/seccomp/<hash>.bpf. The hash is over the
 * profile's text, libseccomp's version, that of our own part and the machine: a
 * program is found again only by what it was made from.
 */
#include <seccomp.h>

#include <ctype.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/sha256.h>

#include "seccomp.h"

#define DIR_NAME "seccomp"
#define FORMAT	 3 /* of what is made of libseccomp's program */

static const struct ks_json_name actions[] = {
	{ "SCMP_ACT_KILL", KS_ACT_KILL },
	{ "SCMP_ACT_KILL_THREAD", KS_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", KS_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", KS_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", KS_ACT_ERRNO },
	{ "SCMP_ACT_TRACE", KS_ACT_TRACE },
	{ "SCMP_ACT_ALLOW", KS_ACT_ALLOW },
	{ "SCMP_ACT_LOG", KS_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", KS_ACT_NOTIFY },
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
	KS_U64(struct ks_seccomp_arg, index, "index", KS_FIELD_REQUIRED),
	KS_U64(struct ks_seccomp_arg, value, "value", KS_FIELD_REQUIRED),
	KS_U64(struct ks_seccomp_arg, value_two, "valueTwo", 0),
	KS_ENUM(struct ks_seccomp_arg, op, "op", KS_FIELD_REQUIRED, ops),
	KS_END,
};

static const struct ks_json_field rule_fields[] = {
	KS_STRV(struct ks_seccomp_rule, names, "names", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_ENUM(struct ks_seccomp_rule, action, "action", KS_FIELD_REQUIRED, actions),
	KS_U64(struct ks_seccomp_rule, errno_ret, "errnoRet", 0),
	KS_LIST(struct ks_seccomp_rule, args, struct ks_seccomp_arg, "args", arg_fields),
	KS_END,
};

static const struct ks_json_field profile_fields[] = {
	KS_ENUM(struct ks_seccomp_profile, default_action, "defaultAction", KS_FIELD_REQUIRED,
		actions),
	KS_U64(struct ks_seccomp_profile, default_errno, "defaultErrnoRet", 0),
	KS_STRV(struct ks_seccomp_profile, architectures, "architectures", 0),
	KS_STRV(struct ks_seccomp_profile, flags, "flags", 0),
	KS_LIST(struct ks_seccomp_profile, rules, struct ks_seccomp_rule, "syscalls", rule_fields),
	KS_STR(struct ks_seccomp_profile, listener_path, "listenerPath", 0),
	KS_STR(struct ks_seccomp_profile, listener_metadata, "listenerMetadata", 0),
	KS_END,
};

static const struct ks_json_name flag_names[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
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

/* A filter that notifies needs somebody who listens, and only such a one has a use for them. */
static int read_listener(struct ks_json_ctx *ctx, const struct ks_seccomp_profile *p,
			 struct ks_plan_process *ret, struct ks_seccomp_target *target)
{
	const struct ks_seccomp_rule *v = p->rules.v;
	bool notifies = p->default_action == KS_ACT_NOTIFY;

	for (size_t i = 0; i < p->rules.n; i++)
		notifies |= v[i].action == KS_ACT_NOTIFY;
	if (!notifies && ret->seccomp_flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		return ks_json_fail(ctx, "flags",
				    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is only for a profile "
				    "with SCMP_ACT_NOTIFY");
	if (notifies && ks_str_empty(p->listener_path))
		return ks_json_fail(ctx, "listenerPath",
				    "is missing: the profile has "
				    "SCMP_ACT_NOTIFY");
	if (notifies && p->listener_path[0] != '/')
		return ks_json_fail(ctx, "listenerPath", "must be absolute");
	if (p->listener_metadata && !p->listener_path)
		return ks_json_fail(ctx, "listenerMetadata", "is given without listenerPath");
	ret->seccomp_listener = notifies;
	if (notifies)
		*target = (struct ks_seccomp_target){ p->listener_path, p->listener_metadata };
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
	ks_buf_addf(&b, "%d %u.%u.%u %s\n", FORMAT, v->major, v->minor, v->micro, u.machine);
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
		    struct ks_plan_process *ret, struct ks_seccomp_target *ret_target,
		    struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_seccomp_profile p = { 0 };
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
		r = read_listener(&ctx, &p, ret, ret_target);
	if (r == 0)
		r = cache_name(s, name, err);
	if (r < 0)
		return r;
	if (mkdirat(runtime_fd, DIR_NAME, 0700) < 0 && errno != EEXIST)
		return ks_err_set(err, -errno, "make the directory of seccomp programs");
	ks_auto_fd int dir = open_cache(runtime_fd);

	if (dir < 0 || cache_load(a, dir, name, &prog, &len) < 0) {
		r = ks_seccomp_compile(&ctx, &p, &prog, &len);
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
	unsigned int flags = (unsigned int)flag;

	if (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	return ks_sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
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
