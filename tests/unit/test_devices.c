/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules: leaving out those that repeat others changes nothing that a container may do, and
 * the program for v2 says what the rules say.
 */
#include "oci/cgroup/devices-bpf.c"

#include <stdlib.h>

#include "test.h"

#define ALLOW(t, ma, mi, acc)                                                           \
	(struct ks_spec_device_rule)                                                    \
	{                                                                               \
		.allow = true, .type = t, .major = { true, ma }, .minor = { true, mi }, \
		.access = acc                                                           \
	}

static struct ks_err err;

static struct ks_device_plan plan_of(struct ks_spec_device_rule *v, size_t n)
{
	struct ks_list rules = { .v = v, .n = n };
	struct ks_device_plan plan;

	CHECK_INT(ks_device_plan(&rules, &plan, &err), 0);
	return plan;
}

static void a_default_device_is_not_allowed_twice(void)
{
	struct ks_spec_device_rule v[] = {
		{ .allow = false }, /* as every engine begins */
		ALLOW("c", 1, 3, "rwm"),   ALLOW("c", 136, -1, ""), ALLOW("c", 1, 3, "mrw"),
		ALLOW("c", 1, 3, "r"),	   ALLOW("b", 1, 3, "rwm"), ALLOW("c", 10, 229, "rw"),
		ALLOW("c", 10, 229, "rw"),
	};
	struct ks_device_plan plan = plan_of(v, KS_ARRAY_LEN(v));
	static const bool repeats[] = { true, true, true, false, false, false, true };

	CHECK_INT(plan.n, KS_ARRAY_LEN(repeats));
	for (size_t i = 0; i < KS_ARRAY_LEN(repeats); i++)
		CHECK_INT(ks_device_rule_repeats(&plan, i), repeats[i]);
}

static void what_was_denied_is_allowed_again(void)
{
	struct ks_spec_device_rule deny = ALLOW("c", 1, 3, "w");
	struct ks_spec_device_rule v[] = { ALLOW("c", 1, 3, "rwm"), deny, ALLOW("c", 1, 3, "rwm") };

	v[1].allow = false;
	struct ks_device_plan plan = plan_of(v, KS_ARRAY_LEN(v));

	CHECK(ks_device_rule_repeats(&plan, 0));
	CHECK(!ks_device_rule_repeats(&plan, 1));
	CHECK(!ks_device_rule_repeats(&plan, 2));
}

/* "deny all", an exception of it, and everything again: the start is not the default list. */
static void nothing_repeats_a_start_that_allows_all(void)
{
	struct ks_spec_device_rule v[] = { { .allow = true }, ALLOW("c", 1, 3, "rwm") };
	struct ks_device_plan plan = plan_of(v, KS_ARRAY_LEN(v));

	CHECK(plan.allow_all);
	CHECK(!ks_device_rule_repeats(&plan, 0));
}

static const char *const accesses[] = { "r", "w", "m", "rw", "rwm", "wm", "" };
static const char *const types[] = { "b", "c" };
static const int64_t numbers[] = { -1, 1, 3, 5, 136 };

static struct ks_spec_device_rule any_rule(unsigned int *seed)
{
#define PICK(a) (a)[(size_t)rand_r(seed) % KS_ARRAY_LEN(a)]
	struct ks_spec_device_rule r =
		ALLOW(PICK(types), PICK(numbers), PICK(numbers), PICK(accesses));
#undef PICK
	r.allow = rand_r(seed) % 16 != 0;
	return r;
}

static bool covers(const struct ks_opt_i64 *n, int64_t v)
{
	return !n->set || n->v < 0 || n->v == v;
}

/* Whether one access to a device is allowed, by the rules in their order. */
static bool allowed(const struct ks_device_plan *p, const char *type, int64_t major, int64_t minor,
		    char access, bool leave_out)
{
	bool may = p->allow_all;

	for (size_t i = 0; i < ks_n_default_device_rules + p->n; i++) {
		bool is_default = i < ks_n_default_device_rules;
		const struct ks_spec_device_rule *r =
			is_default ? &ks_default_device_rules[i] :
				     &p->rules[i - ks_n_default_device_rules];

		if (is_default ?
			    p->allow_all :
			    leave_out && ks_device_rule_repeats(p, i - ks_n_default_device_rules))
			continue;
		if (strcmp(r->type, type) == 0 && covers(&r->major, major) &&
		    covers(&r->minor, minor) && (!*r->access || strchr(r->access, access)))
			may = r->allow;
	}
	return may;
}

static void random_lists_mean_the_same_without_repeated_rules(void)
{
	unsigned int seed = 20261126;
	size_t left_out = 0;

	for (int round = 0; round < 3000; round++) {
		struct ks_spec_device_rule v[12];

		for (size_t i = 0; i < KS_ARRAY_LEN(v); i++)
			v[i] = any_rule(&seed);
		struct ks_device_plan p = plan_of(v, KS_ARRAY_LEN(v));

		for (size_t i = 0; i < p.n; i++)
			left_out += ks_device_rule_repeats(&p, i);
		for (size_t t = 0; t < KS_ARRAY_LEN(types); t++)
			for (size_t k = 1; k < KS_ARRAY_LEN(numbers); k++)
				for (const char *acc = "rwm"; *acc; acc++) {
					int64_t minor = numbers[1 + (k + (size_t)round) % 4];

					CHECK_INT(allowed(&p, types[t], numbers[k], minor, *acc,
							  true),
						  allowed(&p, types[t], numbers[k], minor, *acc,
							  false));
				}
	}
	CHECK(left_out > 500); /* else the test says nothing */
}

/* What a rule list says: the last rule that matches decides. */
static bool says(const struct ks_device_plan *p, const struct bpf_cgroup_dev_ctx *ctx)
{
	int type = (int)(ctx->access_type & 0xffff), access = (int)(ctx->access_type >> 16);
	size_t defaults = p->allow_all ? 0 : ks_n_default_device_rules;

	for (size_t i = p->n + defaults; i-- > 0;) {
		const struct ks_spec_device_rule *r = i < defaults ? &ks_default_device_rules[i] :
								     &p->rules[i - defaults];
		int mask = ks_device_access(r);
		bool of_type = ks_str_empty(r->type) || *r->type == 'a' ||
			     *r->type == (type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c');

		if (of_type && covers(&r->major, ctx->major) && covers(&r->minor, ctx->minor) &&
		    (r->allow ? (access & ~mask) == 0 : access & mask))
			return r->allow;
	}
	return p->allow_all;
}

/* As Linux executes it; what the program does not use is not here. */
static uint64_t execute(const struct prog *p, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[10] = { 0 };

	for (size_t pc = 0; pc < p->n; pc++) {
		const struct bpf_insn *f = &p->insns[pc];
		uint32_t v = BPF_SRC(f->code) == BPF_X ? (uint32_t)r[f->src_reg] : (uint32_t)f->imm;
		uint32_t dst = (uint32_t)r[f->dst_reg];

		switch (f->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&v, (const char *)ctx + f->off, sizeof(v));
			r[f->dst_reg] = v;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[f->dst_reg] = v;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[f->dst_reg] = dst & v;
			break;
		case BPF_ALU | BPF_OR | BPF_X:
			r[f->dst_reg] = dst | v;
			break;
		case BPF_ALU | BPF_LSH | BPF_K:
			r[f->dst_reg] = (uint32_t)(dst << v);
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[f->dst_reg] = dst >> v;
			break;
		case BPF_JMP32 | BPF_JEQ | BPF_K:
			pc += dst == v ? (size_t)f->off : 0;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			pc += dst != v ? (size_t)f->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			abort();
		}
	}
	abort();
}

static void check_program(const struct ks_device_plan *plan, unsigned int *seed)
{
	static const uint32_t majors[] = { 0, 1, 3, 5, 10, 136, 137, 2048, MAX_MAJOR };
	static const uint32_t minors[] = { 0, 1, 3, 5, 136, 229, 65536, MAX_MINOR };
	struct prog *p = calloc(1, sizeof(*p));

	build(p, plan);
	for (size_t i = 0; i < KS_ARRAY_LEN(majors) * KS_ARRAY_LEN(minors); i++) {
		uint32_t access = 1 + (uint32_t)rand_r(seed) % 7,
			 type = 1 + (uint32_t)rand_r(seed) % 2;
		struct bpf_cgroup_dev_ctx ctx = { access << 16 | type,
						  majors[i % KS_ARRAY_LEN(majors)],
						  minors[i / KS_ARRAY_LEN(majors)] };

		CHECK_INT(execute(p, &ctx), says(plan, &ctx));
	}
	free(p);
}

static void the_program_says_what_the_rules_say(void)
{
	unsigned int seed = 7;

	for (int round = 0; round < 3000; round++) {
		struct ks_spec_device_rule v[12];
		size_t n = (size_t)rand_r(&seed) % KS_ARRAY_LEN(v);

		for (size_t i = 0; i < KS_ARRAY_LEN(v); i++) {
			v[i] = any_rule(&seed);
			if (rand_r(&seed) % 30 == 0)
				v[i].type = NULL, v[i].major.v = v[i].minor.v = -1;
			else if (rand_r(&seed) % 30 == 0)
				v[i].major.v = MAX_MAJOR + 1 + rand_r(&seed) % 2 * 100000;
		}
		struct ks_device_plan plan = plan_of(v, n);

		check_program(&plan, &seed);
	}
}

/* As many rules as are taken, each of its own group. */
static void the_longest_program_has_room(void)
{
	static struct ks_spec_device_rule v[KS_DEVICE_MAX_RULES];
	unsigned int seed = 8;

	for (size_t i = 0; i < KS_ARRAY_LEN(v); i++) {
		v[i] = ALLOW(i % 2 ? "b" : "c", (int64_t)(i % 4000), 5, "rw");
		v[i].allow = i % 4 < 2;
	}
	struct ks_device_plan plan = plan_of(v, KS_ARRAY_LEN(v));

	check_program(&plan, &seed);
}

TEST_MAIN(CASE(a_default_device_is_not_allowed_twice), CASE(what_was_denied_is_allowed_again),
	  CASE(nothing_repeats_a_start_that_allows_all),
	  CASE(random_lists_mean_the_same_without_repeated_rules),
	  CASE(the_program_says_what_the_rules_say), CASE(the_longest_program_has_room))
