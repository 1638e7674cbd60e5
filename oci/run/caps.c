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
	struct ks_strv once = { 0 }; /* each capability is warned of in one set only */
	struct ks_plan_caps c = { .set = true };
	int r = read_set(a, &caps->bounding, own, warnings, &c.bounding, err);

	if (r == 0)
		r = read_set(a, &caps->effective, own, &once, &c.effective, err);
	if (r == 0)
		r = read_set(a, &caps->permitted, own, caps->bounding.n ? &once : warnings,
			     &c.permitted, err);
	if (r == 0)
		r = read_set(a, &caps->inheritable, own, &once, &c.inheritable, err);
	if (r == 0)
		r = read_set(a, &caps->ambient, own, &once, &c.ambient, err);
	if (r < 0)
		return r;
	/* Ambient needs permitted and inheritable; what lacks them can be in no process. */
	c.ambient &= c.permitted & c.inheritable;
	c.effective &= c.permitted;
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
