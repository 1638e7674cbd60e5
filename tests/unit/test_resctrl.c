/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cgroup/resctrl-schemata.c"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static struct ks_arena a;
static struct ks_err err;

static int parse(const char *text, struct limits *ret)
{
	*ret = (struct limits){ 0 };
	err = KS_ERR_INIT;
	return parse_schemata(&a, text, false, ret, &err);
}

static void limits_of_the_kernel_are_read(void)
{
	struct limits l;

	CHECK_INT(parse("    L3:0=00f;1=fff\n    MB:0=  20;1= 100\n", &l), 0);
	CHECK_INT(l.n, 4);
	CHECK_STR(l.v[0].resource, "L3");
	CHECK(l.v[1].domain == 1);
	CHECK(l.v[1].value == 0xfff);
	CHECK_STR(l.v[2].resource, "MB");
	CHECK(l.v[2].value == 20 && l.v[3].value == 100);
	CHECK_INT(parse("", &l), 0);
	CHECK_INT(l.n, 0);
	CHECK_INT(parse("L3CODE:0=f;", &l), 0);
	CHECK_INT(l.n, 1);
	CHECK_INT(parse("L3:0=f; ;01=ff", &l), 0);
	CHECK_INT(l.n, 2);
	CHECK(l.v[1].domain == 1);
	/* One of the kernel's that is in no form we know. */
	l = (struct limits){ 0 };
	CHECK_INT(parse_schemata(&a, "NEW\nL3:0=uninitialized\nMB:0=10", true, &l, &err), 0);
	CHECK_INT(l.n, 1);
}

static void what_is_no_limit_is_named(void)
{
	static const char *const bad[] = {
		"L3",	    "L3:0",   "L3:0=",	  "L3:0=g",   "MB:0=f",
		"L3:0=1=2", "L3:=f",  ":",	  ":0=f",     "L3:0=0x1",
		"L3:0=-1",  "L3:a=1", "L3:0=f;1", "MB:0=1 2", "L3:0=fffffffffffffffff"
	};
	struct limits l;

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		CHECK_INT(parse(bad[i], &l), -EINVAL);
		CHECK(strstr(err.msg, bad[i]) != NULL);
	}
}

/* A root whose files are what they are here. */
static int compare(const char *have, const char *const *want, size_t n)
{
	struct ks_strv lines = { 0 };
	int root = test_dir();

	mkdirat(root, "info", 0755);
	mkdirat(root, "info/MB", 0755);
	test_write("info/MB/bandwidth_gran", "10\n");
	test_write("schemata", have);
	for (size_t i = 0; i < n; i++)
		if (ks_strv_append(&a, &lines, want[i]) < 0)
			abort();
	err = KS_ERR_INIT;
	return ks_schemata_compare(&a, root, root, "gold", &lines, &err);
}

#define COMPARE(have, ...)                                  \
	compare(have, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void a_class_is_held_against_what_is_asked_for(void)
{
	const char *have = "    L3:0=00f;1=fff\n    MB:0=  30;1= 100\n";

	CHECK_INT(COMPARE(have, "L3:0=f"), 0);
	CHECK_INT(COMPARE(have, "L3:1=0FFF;0=0f", "MB:0=30"), 0);
	CHECK_INT(COMPARE(have, "MB:0=25"), 0);
	CHECK_INT(COMPARE(have, "MB:0=20"), -EINVAL);
	CHECK_STR(err.msg, "linux.intelRdt: the class \"gold\" is there with other limits: MB of "
			   "domain 0 is 30, not 20");
	CHECK_INT(COMPARE(have, "L3:0=10"), -EINVAL);
	CHECK_STR(err.msg, "linux.intelRdt: the class \"gold\" is there with other limits: L3 of "
			   "domain 0 is f, not 10");
	CHECK_INT(COMPARE(have, "L3:2=0"), -EINVAL);
	CHECK_STR(err.msg, "linux.intelRdt: the class \"gold\" has no L3 of domain 2");
	CHECK_INT(COMPARE(have, "L2:0=f"), -EINVAL);
	/* The last of one domain counts. */
	CHECK_INT(COMPARE(have, "L3:0=1", "L3:0=f"), 0);
	CHECK_INT(COMPARE(have, "L3:0=f", "L3:0=1"), -EINVAL);
}

static void there_is_an_end_to_it(void)
{
	struct limits l = { 0 };

	for (int i = 0; i < MAX_LIMITS; i++)
		if (parse_schemata(&a, "L3:0=f", false, &l, &err) < 0)
			abort();
	CHECK_INT(parse_schemata(&a, "L3:0=f", false, &l, &err), -EINVAL);
}

static void bandwidth_is_said_once(void)
{
	const struct ks_spec_intel_rdt s = { .l3_cache_schema = "L3:0=f\n MB:1=10\nL2:0=1",
					     .mem_bw_schema = "MB:0=20" };
	struct ks_strv lines = { 0 };

	CHECK_INT(ks_schemata_list(&a, &s, &lines, &err), 0);
	CHECK_INT(lines.n, 2);
	CHECK_STR(lines.v[0], "L3:0=f\nL2:0=1");
	CHECK_STR(lines.v[1], "MB:0=20");
}

static void a_record_does_not_lead_out(void)
{
	static const char *const names[] = { "..", "../..", "a/b", "/" };
	int fd;

	for (size_t i = 0; i < KS_ARRAY_LEN(names); i++) {
		struct ks_resctrl g = { .group = names[i], .id = "x" };

		CHECK_INT(ks_resctrl_open(&a, &g, &fd, &err), -EINVAL);
		g = (struct ks_resctrl){ .group = "x", .id = names[i] };
		CHECK_INT(ks_resctrl_open(&a, &g, &fd, &err), -EINVAL);
	}
}

TEST_MAIN(CASE(limits_of_the_kernel_are_read), CASE(what_is_no_limit_is_named),
	  CASE(a_class_is_held_against_what_is_asked_for), CASE(there_is_an_end_to_it),
	  CASE(bandwidth_is_said_once), CASE(a_record_does_not_lead_out))
