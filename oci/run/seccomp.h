/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The profile as config.json has it, between its parser and its compiler. */
#include "plan.h"

enum ks_seccomp_action {
	KS_ACT_KILL = 1,
	KS_ACT_KILL_PROCESS,
	KS_ACT_TRAP,
	KS_ACT_ERRNO,
	KS_ACT_TRACE,
	KS_ACT_ALLOW,
	KS_ACT_LOG,
	KS_ACT_NOTIFY,
};

struct ks_seccomp_arg {
	struct ks_opt_u64 index, value, value_two;
	int op; /* enum scmp_compare */
};

struct ks_seccomp_rule {
	struct ks_strv names;
	int action;
	struct ks_opt_u64 errno_ret;
	struct ks_list args; /* of struct ks_seccomp_arg */
};

struct ks_seccomp_profile {
	int default_action;
	struct ks_opt_u64 default_errno;
	struct ks_strv architectures, flags;
	struct ks_list rules; /* of struct ks_seccomp_rule */
	const char *listener_path, *listener_metadata;
};

/* libseccomp's number of "SCMP_ARCH_X86_64" and the like; 0: unknown */
uint32_t ks_seccomp_arch(const char *name);

/* seccomp-enosys.c: puts the answer to calls that the profile cannot know before the program. */
int ks_seccomp_add_enosys(struct ks_json_ctx *ctx, const struct ks_seccomp_profile *p, void *scmp,
			  char **prog, size_t *len);

/*
 * seccomp-ranges.c: *@prog becomes a shorter program in @a that decides every call as the old one,
 * *@len (bytes) its length. Left as they are where there is none, or no memory.
 */
void ks_seccomp_shrink(struct ks_arena *a, char **prog, size_t *len);

/* The program: *ret in the context's arena, *ret_len in bytes. */
int ks_seccomp_compile(struct ks_json_ctx *ctx, const struct ks_seccomp_profile *p, char **ret,
		       size_t *ret_len);
