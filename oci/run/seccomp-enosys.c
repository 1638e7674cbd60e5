/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "No such system call" for the calls that a profile cannot have known.
 *
 * A profile that allows what it lists answers EPERM to all else, also to calls
 * that Linux got after the profile was written. A C library takes that for a
 * final no, where ENOSYS would make it fall back to an older call. So the
 * program begins with a part of ours: a number above each that the profile
 * names, for the machine that the call is made for, is ENOSYS.
 *
 * Source: runc, which does the same since 1.0.0-rc93.
 */
#include <seccomp.h>

#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#include "seccomp.h"

#define MAX_ARCHS 32
#define X32_BIT	  0x40000000U

struct known {
	uint32_t token; /* SCMP_ARCH_*, which is the AUDIT_ARCH_* of the kernel, but for x32 */
	uint32_t last;	/* the highest number that the profile names; 0: none */
};

uint32_t ks_seccomp_arch(const char *name)
{
	const char *rest = ks_str_prefix(name, "SCMP_ARCH_");
	char lower[32] = "";

	for (size_t k = 0; rest && rest[k] && k + 1 < sizeof(lower); k++) {
		lower[k] = (char)tolower((unsigned char)rest[k]);
		lower[k + 1] = '\0';
	}
	return rest ? seccomp_arch_resolve_name(lower) : 0;
}

/* Actions under which a call that nobody knows gets to the kernel, or to whoever traces. */
static bool is_permissive(int action)
{
	return action == KS_ACT_ALLOW || action == KS_ACT_LOG || action == KS_ACT_TRACE ||
	       action == KS_ACT_NOTIFY;
}

static size_t find_known(const struct ks_seccomp_profile *p, scmp_filter_ctx scmp,
			 struct known ret[static MAX_ARCHS])
{
	const struct ks_seccomp_rule *v = p->rules.v;
	size_t n = 0;

	for (size_t i = 0; i < p->architectures.n + 1 && n < MAX_ARCHS; i++) {
		uint32_t token = i < p->architectures.n ? ks_seccomp_arch(p->architectures.v[i]) :
							  seccomp_arch_native();
		bool seen = seccomp_arch_exist(scmp, token) < 0;

		for (size_t k = 0; k < n; k++)
			seen |= ret[k].token == token;
		if (seen)
			continue;
		ret[n] = (struct known){ .token = token };
		for (size_t k = 0; k < p->rules.n; k++) {
			for (size_t m = 0; m < v[k].names.n; m++) {
				int nr = seccomp_syscall_resolve_name_arch(token, v[k].names.v[m]);

				/* A negative one stands for a call that this machine has not. */
				if (nr > 0 && (uint32_t)nr > ret[n].last)
					ret[n].last = (uint32_t)nr;
			}
		}
		n++;
	}
	return n;
}

struct program {
	struct sock_filter v[MAX_ARCHS * 10];
	unsigned short n;
};

static void put(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->v[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

/* With the number in the accumulator: 2 instructions, falls through when it is known. */
static void put_limit(struct program *p, uint32_t last)
{
	put(p, BPF_JMP | BPF_JGT | BPF_K, 0, 1, last);
	put(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
}

/* x86-64 and x32 are one machine to the kernel; a bit of the number tells them apart. */
static void put_x86_64(struct program *p, uint32_t last, uint32_t last_x32)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, last_x32 ? 7 : 4, SCMP_ARCH_X86_64);
	put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	if (last_x32) {
		put(p, BPF_JMP | BPF_JGE | BPF_K, 3, 0, X32_BIT);
		/* None is named: then none is known to be unknown. */
		put_limit(p, last ? last : X32_BIT - 1);
		put(p, BPF_JMP | BPF_JA, 0, 0, 2);
		put_limit(p, last_x32);
		return;
	}
	put(p, BPF_JMP | BPF_JGE | BPF_K, 2, 0, X32_BIT);
	put_limit(p, last);
}

static void put_arch(struct program *p, uint32_t token, uint32_t last)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, token);
	put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put_limit(p, last);
}

int ks_seccomp_add_enosys(struct ks_json_ctx *ctx, const struct ks_seccomp_profile *p,
			  scmp_filter_ctx scmp, char **prog, size_t *len)
{
	struct known known[MAX_ARCHS];
	struct program stub = { .n = 0 };
	uint32_t last_x86_64 = 0, last_x32 = 0;

	if (is_permissive(p->default_action) ||
	    (p->default_errno.set && p->default_errno.v == (uint64_t)ENOSYS))
		return 0;
	size_t n = find_known(p, scmp, known);

	for (size_t i = 0; i < n; i++) {
		if (known[i].token == SCMP_ARCH_X86_64)
			last_x86_64 = known[i].last;
		else if (known[i].token == SCMP_ARCH_X32)
			last_x32 = known[i].last;
	}
	/* Each part goes on to the next with the machine in the accumulator, or was its own. */
	for (size_t i = 0; i < n; i++) {
		bool x86 = known[i].token == SCMP_ARCH_X86_64;

		if (known[i].token == SCMP_ARCH_X32 || !(known[i].last || (x86 && last_x32)))
			continue;
		put(&stub, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
		if (x86)
			put_x86_64(&stub, last_x86_64, last_x32);
		else
			put_arch(&stub, known[i].token, known[i].last);
	}
	size_t bytes = stub.n * sizeof(stub.v[0]);
	char *joined = bytes ? ks_arena_alloc(ctx->arena, bytes + *len) : NULL;

	if (!bytes)
		return 0;
	if (!joined)
		return ks_err_oom(ctx->err);
	memcpy(joined, stub.v, bytes);
	memcpy(joined + bytes, *prog, *len);
	*prog = joined;
	*len += bytes;
	return 0;
}
