/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device rules of a spec mean, for v1 and v2 alike.
 *
 * A container starts with everything denied but its default devices. A rule
 * for everything undoes all before it: "deny all" leads back to that start,
 * "allow all" to no limit at all. The other rules count in their order.
 */
#include "resources.h"

/* mknod of any device is harmless without access to it; the rest is the OCI default list. */
/* NOLINTBEGIN(bugprone-macro-parentheses): these are initialisers of members, not expressions. */
#define DEV(t, ma, mi, acc)                                                                   \
	{                                                                                     \
		.allow = true, .type = t, .major = { ma >= 0, ma }, .minor = { mi >= 0, mi }, \
		.access = acc                                                                 \
	}

/* NOLINTEND(bugprone-macro-parentheses) */

const struct ks_spec_device_rule ks_default_device_rules[] = {
	DEV("c", -1, -1, "m"),	  DEV("b", -1, -1, "m"), DEV("c", 1, 3, "rwm"),
	DEV("c", 1, 5, "rwm"),	  DEV("c", 1, 7, "rwm"), DEV("c", 1, 8, "rwm"),
	DEV("c", 1, 9, "rwm"),	  DEV("c", 5, 0, "rwm"), DEV("c", 5, 2, "rwm"),
	DEV("c", 136, -1, "rwm"),
};
const size_t ks_n_default_device_rules = KS_ARRAY_LEN(ks_default_device_rules);

/* -1, or no number at all. */
bool ks_device_any_number(const struct ks_opt_i64 *n)
{
	return !n->set || n->v < 0;
}

char ks_device_type(const struct ks_spec_device_rule *r)
{
	return ks_str_empty(r->type) ? 'a' : *r->type;
}

int ks_device_access(const struct ks_spec_device_rule *r)
{
	int mask = 0;

	for (const char *c = r->access; c && *c; c++)
		mask |= *c == 'r' ? KS_DEVICE_READ : *c == 'w' ? KS_DEVICE_WRITE : KS_DEVICE_MKNOD;
	return mask ? mask : KS_DEVICE_ALL;
}

static bool matches_all(const struct ks_spec_device_rule *r)
{
	return ks_device_type(r) == 'a' && ks_device_access(r) == KS_DEVICE_ALL;
}

static int check(const struct ks_spec_device_rule *r, size_t i, struct ks_err *err)
{
	static const char *const types[] = { "a", "b", "c" };
	bool known = ks_str_empty(r->type);

	for (size_t k = 0; k < KS_ARRAY_LEN(types); k++)
		known |= r->type && ks_streq(r->type, types[k]);
	if (!known || (r->major.set && r->major.v > INT32_MAX) ||
	    (r->minor.set && r->minor.v > INT32_MAX) ||
	    (r->access && r->access[strspn(r->access, "rwm")]))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.devices[%zu]: wrong type, number or access", i);
	/* The kernel's v1 takes "a 1:3" for every device; nobody can mean that. */
	if (ks_device_type(r) == 'a' &&
	    (!ks_device_any_number(&r->major) || !ks_device_any_number(&r->minor)))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.devices[%zu]: a number needs the type b or c",
				   i);
	return 0;
}

static bool same_number(const struct ks_opt_i64 *a, const struct ks_opt_i64 *b)
{
	return ks_device_any_number(a) ? ks_device_any_number(b) :
					 !ks_device_any_number(b) && a->v == b->v;
}

static bool same(const struct ks_spec_device_rule *a, const struct ks_spec_device_rule *b)
{
	return a->allow == b->allow && ks_device_type(a) == ks_device_type(b) &&
	       same_number(&a->major, &b->major) && same_number(&a->minor, &b->minor) &&
	       ks_device_access(a) == ks_device_access(b);
}

bool ks_device_rule_repeats(const struct ks_device_plan *plan, size_t i)
{
	const struct ks_spec_device_rule *rule = &plan->rules[i];
	bool found = false;

	for (size_t k = 0; k < ks_n_default_device_rules && !plan->allow_all; k++)
		found |= same(rule, &ks_default_device_rules[k]);
	for (size_t k = 0; k < i; k++) {
		/* What was there may have been taken away. */
		if (!plan->rules[k].allow)
			return false;
		found |= same(rule, &plan->rules[k]);
	}
	return found;
}

int ks_device_plan(const struct ks_list *rules, struct ks_device_plan *ret, struct ks_err *err)
{
	const struct ks_spec_device_rule *v = rules->v;

	if (rules->n > KS_DEVICE_MAX_RULES)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.resources.devices: more than %d rules",
				   KS_DEVICE_MAX_RULES);
	*ret = (struct ks_device_plan){ .rules = v, .n = rules->n };
	for (size_t i = 0; i < rules->n; i++) {
		int r = check(&v[i], i, err);

		if (r < 0)
			return r;
		if (!matches_all(&v[i]))
			continue;
		ret->allow_all = v[i].allow;
		ret->rules = &v[i + 1];
		ret->n = rules->n - i - 1;
	}
	return 0;
}
