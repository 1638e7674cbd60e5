/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

#include "tables.h"

/* Linux gives setgroups(2) a limit of 65536. */
#define MAX_GIDS 65536

static const struct ks_json_name rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
	{ NULL, 0 },
};

static const struct ks_json_field console_fields[] = {
	KS_U32(struct ks_spec_process, console_size.height, "height", KS_FIELD_REQUIRED),
	KS_U32(struct ks_spec_process, console_size.width, "width", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field user_fields[] = {
	KS_U32(struct ks_spec_process, user.uid, "uid", 0),
	KS_U32(struct ks_spec_process, user.gid, "gid", 0),
	KS_U64(struct ks_spec_process, user.umask, "umask", 0),
	KS_JSON_ANY(struct ks_spec_process, additional_gids, "additionalGids", 0),
	KS_END,
};

static const struct ks_json_field rlimit_fields[] = {
	KS_ENUM(struct ks_spec_rlimit, type, "type", KS_FIELD_REQUIRED, rlimit_names),
	KS_U64(struct ks_spec_rlimit, soft, "soft", KS_FIELD_REQUIRED),
	KS_U64(struct ks_spec_rlimit, hard, "hard", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field caps_fields[] = {
	KS_STRV(struct ks_spec_caps, bounding, "bounding", 0),
	KS_STRV(struct ks_spec_caps, effective, "effective", 0),
	KS_STRV(struct ks_spec_caps, inheritable, "inheritable", 0),
	KS_STRV(struct ks_spec_caps, permitted, "permitted", 0),
	KS_STRV(struct ks_spec_caps, ambient, "ambient", 0),
	KS_END,
};

const struct ks_json_field ks_process_fields[] = {
	KS_BOOL(struct ks_spec_process, terminal, "terminal"),
	/* Objects whose members lie in the process itself: offset 0. */
	{ "consoleSize", KS_FIELD_OBJECT, 0, 0, 0, console_fields, NULL },
	{ "user", KS_FIELD_OBJECT, 0, 0, 0, user_fields, NULL },
	KS_STRV(struct ks_spec_process, args, "args", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STRV(struct ks_spec_process, env, "env", 0),
	KS_STR(struct ks_spec_process, cwd, "cwd", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_PTR(struct ks_spec_process, caps, struct ks_spec_caps, "capabilities", caps_fields),
	KS_LIST(struct ks_spec_process, rlimits, struct ks_spec_rlimit, "rlimits", rlimit_fields),
	KS_BOOL(struct ks_spec_process, no_new_privileges, "noNewPrivileges"),
	KS_I64(struct ks_spec_process, oom_score_adj, "oomScoreAdj"),
	KS_REFUSE("apparmorProfile"),
	KS_REFUSE("selinuxLabel"),
	KS_REFUSE("ioPriority"),
	KS_REFUSE("scheduler"),
	KS_REFUSE("execCPUAffinity"),
	KS_END,
};

static int read_gids(struct ks_json_ctx *ctx, struct ks_spec_process *p)
{
	const struct ks_json *list = p->additional_gids;
	size_t old = ks_json_enter(ctx, "user.additionalGids", 0);

	if (list->type != KS_JSON_ARRAY)
		return ks_json_fail(ctx, NULL, "expected array, got %s",
				    ks_json_type_name(list->type));
	if (list->count > MAX_GIDS)
		return ks_json_fail(ctx, NULL, "more than %d groups", MAX_GIDS);
	p->gids = KS_ARENA_NEWV(ctx->arena, uint32_t, list->count + 1);
	if (!p->gids)
		return ks_err_oom(ctx->err);
	for (const struct ks_json *e = list->first; e; e = e->next) {
		size_t inner = ks_json_enter(ctx, NULL, p->n_gids);
		int64_t gid;
		int r = ks_json_i64(ctx, e, 0, UINT32_MAX, &gid);

		if (r < 0)
			return r;
		ks_json_leave(ctx, inner);
		p->gids[p->n_gids++] = (uint32_t)gid;
	}
	ks_json_leave(ctx, old);
	return 0;
}

static int check_rlimits(struct ks_json_ctx *ctx, const struct ks_spec_process *p)
{
	const struct ks_spec_rlimit *v = p->rlimits.v;
	uint64_t seen = 0;

	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct ks_json_name *name = rlimit_names;

		while (name->name && name->value != v[i].type)
			name++;
		if (seen & UINT64_C(1) << v[i].type)
			return ks_json_fail(ctx, "rlimits", "%s stands twice", name->name);
		seen |= UINT64_C(1) << v[i].type;
		if (v[i].soft.v > v[i].hard.v)
			return ks_json_fail(ctx, "rlimits",
					    "soft limit %llu is above hard limit %llu",
					    (unsigned long long)v[i].soft.v,
					    (unsigned long long)v[i].hard.v);
	}
	return 0;
}

int ks_process_check(struct ks_json_ctx *ctx, struct ks_spec_process *p)
{
	if (p->cwd[0] != '/')
		return ks_json_fail(ctx, "cwd", "\"%s\" is not absolute", p->cwd);
	if (ks_str_empty(p->args.v[0]))
		return ks_json_fail(ctx, "args[0]", "must not be empty");
	for (size_t i = 0; i < p->env.n; i++)
		if (!strchr(p->env.v[i], '=') || p->env.v[i][0] == '=')
			return ks_json_fail(ctx, "env", "\"%.*s\" is not NAME=VALUE", 64,
					    p->env.v[i]);
	if (p->user.umask.set && p->user.umask.v > 0777)
		return ks_json_fail(ctx, "user.umask", "%llu is out of range",
				    (unsigned long long)p->user.umask.v);
	if (p->oom_score_adj.set && (p->oom_score_adj.v < -1000 || p->oom_score_adj.v > 1000))
		return ks_json_fail(ctx, "oomScoreAdj", "%lld is not between -1000 and 1000",
				    (long long)p->oom_score_adj.v);
	int r = check_rlimits(ctx, p);

	if (r == 0 && p->additional_gids)
		r = read_gids(ctx, p);
	return r;
}
