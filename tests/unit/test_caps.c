/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/run/caps.c"

#include "test.h"

static struct ks_arena a;
static struct ks_err err;

static struct ks_strv list(const char *s)
{
	struct ks_strv v = { 0 };

	if (ks_str_split(&a, s, ' ', &v) < 0)
		abort();
	return v;
}

static void unknown_ones_warn_once(void)
{
	struct ks_spec_caps c = { .bounding = list("CAP_CHOWN CAP_NOPE"),
				  .effective = list("CAP_CHOWN CAP_NOPE"),
				  .permitted = list("CAP_CHOWN CAP_NOPE") };
	struct ks_strv warnings = { 0 };
	struct ks_plan_caps p;

	CHECK_INT(ks_caps_plan(&c, true, &a, &warnings, &p, &err), 0);
	CHECK(p.set && p.bounding == 1 && p.effective == 1 && p.permitted == 1);
	CHECK_INT(warnings.n, 1);
	CHECK_HAS(warnings.v[0], "CAP_NOPE is unknown");
}

static void ambient_needs_the_other_two(void)
{
	struct ks_spec_caps c = { .permitted = list("CAP_CHOWN CAP_KILL"),
				  .inheritable = list("CAP_KILL"),
				  .effective = list("CAP_CHOWN CAP_SYS_ADMIN"),
				  .ambient = list("CAP_CHOWN CAP_KILL") };
	struct ks_strv warnings = { 0 };
	struct ks_plan_caps p;

	CHECK_INT(ks_caps_plan(&c, true, &a, &warnings, &p, &err), 0);
	CHECK_INT(p.ambient, 1 << 5);
	CHECK_INT(p.effective, 1);
	CHECK_INT(p.inheritable, 1 << 5);
}

static void the_last_capability_is_in_the_mask(void)
{
	struct ks_spec_caps c = { .bounding = list("CAP_CHECKPOINT_RESTORE") };
	struct ks_strv warnings = { 0 };
	struct ks_plan_caps p;

	CHECK_INT(ks_caps_plan(&c, true, &a, &warnings, &p, &err), 0);
	CHECK(p.bounding == UINT64_C(1) << 40);
}

TEST_MAIN(CASE(unknown_ones_warn_once), CASE(ambient_needs_the_other_two),
	  CASE(the_last_capability_is_in_the_mask))
