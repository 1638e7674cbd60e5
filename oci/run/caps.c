/* SPDX-License-Identifier: Apache-2.0 */
/* Names of capabilities to masks. What the host cannot grant is left out with a warning. */
#include <ctype.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

static int warn(struct ks_arena *a, struct ks_strv *warnings, const char *name, const char *why)
{
	const char *text = ks_arena_printf(a, "capability %s %s", name, why);

	/* Once, in however many sets it stands. */
	for (size_t i = 0; text && i < warnings->n; i++)
		if (ks_streq(warnings->v[i], text))
			return 0;
	return text ? ks_strv_append(a, warnings, text) : -ENOMEM;
}

static int read_set(struct ks_arena *a, const struct ks_strv *names, uint64_t grantable,
		    struct ks_strv *warnings, uint64_t *ret, struct ks_err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		cap_value_t v;
		int r = 0;

		if (cap_from_name(names->v[i], &v) < 0 || v < 0 || v > 63)
			r = warn(a, warnings, names->v[i], "is unknown and left out");
		else if (!(grantable >> v & 1))
			r = warn(a, warnings, names->v[i],
				 "cannot be granted here and is left out");
		else
			*ret |= UINT64_C(1) << v;
		if (r < 0)
			return ks_err_oom(err);
	}
	return 0;
}

/* Takes from a set what it can only hold together with others. */
static int need(struct ks_arena *a, struct ks_strv *warnings, uint64_t *set, uint64_t others,
		const char *why, struct ks_err *err)
{
	for (cap_value_t v = 0; v < 64; v++) {
		if (!(*set & ~others) || !((*set & ~others) >> v & 1))
			continue;
		char *name = cap_to_name(v);
		char upper[32] = "";

		for (size_t n = 0; name && name[n] && n + 1 < sizeof(upper); n++)
			upper[n] = (char)toupper((unsigned char)name[n]);
		cap_free(name);
		if (warn(a, warnings, upper, why) < 0)
			return ks_err_oom(err);
	}
	*set &= others;
	return 0;
}

/* What this process could hand on: its own permitted set, within its bounding set. */
static uint64_t own_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t mask = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	mask = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	for (unsigned int i = 0; i < 64; i++)
		if (mask >> i & 1 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 1)
			mask &= ~(UINT64_C(1) << i);
	return mask;
}

int ks_caps_plan(const struct ks_spec_caps *caps, bool new_userns, struct ks_arena *a,
		 struct ks_strv *warnings, struct ks_plan_caps *ret, struct ks_err *err)
{
	/* The first process of a user namespace holds all capabilities in it. */
	uint64_t own = new_userns ? ~UINT64_C(0) : own_caps();
	struct ks_plan_caps c = { .set = true };
	const struct {
		const struct ks_strv *names;
		uint64_t *ret;
	} sets[] = {
		{ &caps->bounding, &c.bounding },   { &caps->effective, &c.effective },
		{ &caps->permitted, &c.permitted }, { &caps->inheritable, &c.inheritable },
		{ &caps->ambient, &c.ambient },
	};
	int r = 0;

	for (size_t i = 0; i < KS_ARRAY_LEN(sets) && r == 0; i++)
		r = read_set(a, sets[i].names, own, warnings, sets[i].ret, err);
	if (r == 0)
		r = need(a, warnings, &c.effective, c.permitted,
			 "is effective without being permitted and is left out there", err);
	if (r < 0)
		return r;
	/*
	 * Ambient needs both. No word of it: the template of `runc spec` lists three that are not
	 * inheritable, so everybody would be warned of what everybody has.
	 */
	c.ambient &= c.permitted & c.inheritable;
	*ret = c;
	return 0;
}

void ks_caps_write_features(struct ks_json_out *o)
{
	char upper[64];

	ks_json_open(o, "capabilities", '[');
	for (cap_value_t v = 0; v < 64; v++) {
		char *name = cap_to_name(v);
		size_t n = 0;

		/* A number is what the library says of one that it does not know. */
		for (; name && strncmp(name, "cap_", 4) == 0 && name[n] && n + 1 < sizeof(upper);
		     n++)
			upper[n] = (char)toupper((unsigned char)name[n]);
		upper[n] = '\0';
		cap_free(name);
		if (n)
			ks_json_put_str(o, NULL, upper);
	}
	ks_json_close(o, ']');
}
