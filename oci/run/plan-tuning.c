/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling, I/O priority, CPUs and memory nodes: from the spec to what the calls take. */
#include <linux/ioprio.h>
#include <stdlib.h>

#include "plan.h"

#define BITS_PER_LONG (8 * sizeof(unsigned long))

static int parse_number(const char **s, size_t *ret)
{
	char num[8];
	size_t n = strspn(*s, "0123456789");
	uint64_t v;

	if (!n || n >= sizeof(num))
		return -EINVAL;
	ks_fmt(num, sizeof(num), "%.*s", (int)n, *s);
	if (ks_parse_u64(num, KS_PLAN_MAX_CPUS - 1, &v) < 0)
		return -EINVAL;
	*s += n;
	*ret = (size_t)v;
	return 0;
}

/* "0-3,7": as the kernel's cpuset files have it. */
static int parse_list(struct ks_arena *a, const char *s, const char *what, struct ks_plan_set **ret,
		      struct ks_err *err)
{
	const char *p = s;
	size_t last = 0;

	if (ks_str_empty(s))
		return 0;
	struct ks_plan_set *set = KS_ARENA_NEW(a, struct ks_plan_set);

	if (!set)
		return ks_err_oom(err);
	while (*p) {
		size_t from = 0, to;
		int r = parse_number(&p, &from);

		to = from;
		if (r == 0 && *p == '-') {
			p++;
			r = parse_number(&p, &to);
		}
		if (r < 0 || to < from || (*p && *p != ',') || (*p == ',' && !p[1]))
			return ks_err_kind(err, KS_ERR_INVALID,
					   "%s: \"%.64s\" is no list like 0-3,7", what, s);
		for (size_t i = from; i <= to; i++)
			set->bits[i / BITS_PER_LONG] |= 1UL << i % BITS_PER_LONG;
		last = to > last ? to : last;
		p += *p == ',';
	}
	set->size = (last / BITS_PER_LONG + 1) * sizeof(unsigned long);
	*ret = set;
	return 0;
}

static void plan_scheduler(const struct ks_spec_scheduler *s, struct ks_plan_tuning *t)
{
	t->has_scheduler = true;
	t->scheduler = (struct ks_sched_attr){
		.size = sizeof(t->scheduler),
		.policy = (uint32_t)s->policy,
		.flags = s->flags,
		.nice = (int32_t)s->nice.v,
		.priority = (uint32_t)s->priority.v,
		.runtime = s->runtime_ns.v,
		.deadline = s->deadline_ns.v,
		.period = s->period_ns.v,
	};
}

int ks_plan_tuning(struct ks_arena *a, const struct ks_spec_process *sp, struct ks_plan_tuning *ret,
		   struct ks_err *err)
{
	if (sp->scheduler)
		plan_scheduler(sp->scheduler, ret);
	if (sp->io_priority) {
		ret->has_io_priority = true;
		ret->io_priority = sp->io_priority->class << IOPRIO_CLASS_SHIFT |
				   (int)sp->io_priority->priority.v;
	}
	int r = parse_list(a, sp->exec_affinity.initial, "process.execCPUAffinity.initial",
			   &ret->initial_cpus, err);

	if (r == 0)
		r = parse_list(a, sp->exec_affinity.final, "process.execCPUAffinity.final",
			       &ret->final_cpus, err);
	return r;
}

int ks_plan_memory_policy(struct ks_arena *a, const struct ks_spec_memory_policy *mp,
			  struct ks_plan_tuning *ret, struct ks_err *err)
{
	if (!mp)
		return 0;
	ret->has_memory_policy = true;
	ret->memory_mode = mp->mode | mp->flags;
	return parse_list(a, mp->nodes, "linux.memoryPolicy.nodes", &ret->memory_nodes, err);
}
