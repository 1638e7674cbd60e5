/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/ioprio.h>
#include <linux/sched.h>
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
	KS_U32(struct ks_spec_process, user.uid, "uid", KS_FIELD_REQUIRED),
	KS_U32(struct ks_spec_process, user.gid, "gid", KS_FIELD_REQUIRED),
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

static const struct ks_json_name io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	{ NULL, 0 },
};

static const struct ks_json_field io_priority_fields[] = {
	KS_ENUM(struct ks_spec_io_priority, class, "class", KS_FIELD_REQUIRED, io_classes),
	KS_I64_AS(struct ks_spec_io_priority, priority, "priority", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_name policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	{ "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_ISO", 4 }, /* reserved by Linux, which answers EINVAL */
	{ "SCHED_IDLE", SCHED_IDLE },
	{ "SCHED_DEADLINE", SCHED_DEADLINE },
	{ NULL, 0 },
};

static const struct ks_json_name scheduler_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	{ NULL, 0 },
};

static const struct ks_json_field scheduler_fields[] = {
	KS_ENUM(struct ks_spec_scheduler, policy, "policy", KS_FIELD_REQUIRED, policies),
	KS_I64(struct ks_spec_scheduler, nice, "nice"),
	KS_I64(struct ks_spec_scheduler, priority, "priority"),
	KS_STRV(struct ks_spec_scheduler, flag_names, "flags", 0),
	KS_U64(struct ks_spec_scheduler, runtime_ns, "runtime", 0),
	KS_U64(struct ks_spec_scheduler, deadline_ns, "deadline", 0),
	KS_U64(struct ks_spec_scheduler, period_ns, "period", 0),
	KS_END,
};

static const struct ks_json_field affinity_fields[] = {
	KS_STR(struct ks_spec_process, exec_affinity.initial, "initial", 0),
	KS_STR(struct ks_spec_process, exec_affinity.final, "final", 0),
	KS_END,
};

const struct ks_json_field ks_process_fields[] = {
	KS_BOOL(struct ks_spec_process, terminal, "terminal"),
	KS_JSON_ANY(struct ks_spec_process, console_size_object, "consoleSize", 0),
	/* Objects whose members lie in the process itself: offset 0. */
	KS_WITHIN("user", KS_FIELD_REQUIRED, user_fields),
	KS_STRV(struct ks_spec_process, args, "args", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STRV(struct ks_spec_process, env, "env", 0),
	KS_STR(struct ks_spec_process, cwd, "cwd", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_PTR(struct ks_spec_process, caps, struct ks_spec_caps, "capabilities", caps_fields),
	KS_LIST(struct ks_spec_process, rlimits, struct ks_spec_rlimit, "rlimits", rlimit_fields),
	KS_BOOL(struct ks_spec_process, no_new_privileges, "noNewPrivileges"),
	KS_I64(struct ks_spec_process, oom_score_adj, "oomScoreAdj"),
	KS_STR(struct ks_spec_process, apparmor_profile, "apparmorProfile", 0),
	KS_STR(struct ks_spec_process, selinux_label, "selinuxLabel", 0),
	KS_PTR(struct ks_spec_process, io_priority, struct ks_spec_io_priority, "ioPriority",
	       io_priority_fields),
	KS_PTR(struct ks_spec_process, scheduler, struct ks_spec_scheduler, "scheduler",
	       scheduler_fields),
	KS_WITHIN("execCPUAffinity", 0, affinity_fields),
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

/* Without a terminal it is ignored, whatever it is. */
static int read_console_size(struct ks_json_ctx *ctx, struct ks_spec_process *p)
{
	size_t old = ks_json_enter(ctx, "consoleSize", 0);
	int r = p->terminal && p->console_size_object ?
			ks_json_decode(ctx, p->console_size_object, console_fields, p) :
			0;

	if (r == 0 && (p->console_size.height > UINT16_MAX || p->console_size.width > UINT16_MAX))
		return ks_json_fail(ctx, NULL, "is out of range");
	if (r == 0)
		ks_json_leave(ctx, old);
	return r;
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

static int check_priorities(struct ks_json_ctx *ctx, const struct ks_spec_process *p)
{
	struct ks_spec_scheduler *s = p->scheduler;

	if (p->io_priority && (p->io_priority->priority.v < 0 || p->io_priority->priority.v > 7))
		return ks_json_fail(ctx, "ioPriority.priority", "%lld is not between 0 and 7",
				    (long long)p->io_priority->priority.v);
	if (!s)
		return 0;
	if (s->nice.v < -20 || s->nice.v > 19)
		return ks_json_fail(ctx, "scheduler.nice", "%lld is not between -20 and 19",
				    (long long)s->nice.v);
	if (s->priority.v < 0 || s->priority.v > 99)
		return ks_json_fail(ctx, "scheduler.priority", "%lld is not between 0 and 99",
				    (long long)s->priority.v);
	return ks_flags_read(ctx, "scheduler.flags", &s->flag_names, scheduler_flags, &s->flags);
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
	int r = read_console_size(ctx, p);

	if (r == 0)
		r = check_rlimits(ctx, p);

	if (r == 0)
		r = check_priorities(ctx, p);

	if (r == 0 && p->additional_gids)
		r = read_gids(ctx, p);
	return r;
}
