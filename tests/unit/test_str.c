/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/str.c"

#include "test.h"

static void splitting_drops_empty_parts(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv v;

	CHECK_INT(ks_str_split(&a, "::a:bc::d:", ':', &v), 0);
	CHECK_INT(v.n, 3);
	CHECK_STR(v.v[0], "a");
	CHECK_STR(v.v[2], "d");
	CHECK(v.v[3] == NULL);
	CHECK_INT(ks_str_split(&a, "", ':', &v), 0);
	CHECK_INT(v.n, 0);
}

static void a_list_grows_and_stays_terminated(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv v = { 0 };
	char text[16];

	for (int i = 0; i < 1000; i++) {
		ks_fmt(text, sizeof(text), "%d", i);
		CHECK_INT(ks_strv_append(&a, &v, text), 0);
		CHECK(v.v[v.n] == NULL);
	}
	for (int i = 0; i < 1000; i++)
		CHECK_INT(atoi(v.v[i]), i);
}

static void sorting(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv v = { 0 };

	ks_strv_sort(&v);
	CHECK_INT(ks_str_split(&a, "b,a10,a2,B", ',', &v), 0);
	ks_strv_sort(&v);
	CHECK_STR(v.v[0], "B");
	CHECK_STR(v.v[1], "a10");
	CHECK_STR(v.v[3], "b");
	CHECK(!v.v[4]);
}

static void a_buffer_grows(void)
{
	ks_auto_buf struct ks_buf b = { 0 };

	for (int i = 0; i < 5000; i++)
		ks_buf_addf(&b, "%d,", i % 10);
	CHECK(!b.failed);
	CHECK_INT(b.len, 10000);
	CHECK_INT(strlen(b.data), 10000);
	ks_buf_add(&b, NULL, 0);
	CHECK_INT(b.len, 10000);
}

static void ids(void)
{
	static char longest[1026];

	CHECK(ks_valid_id("a") && ks_valid_id("A9_+-.x") && ks_valid_id("..x") == false);
	CHECK(!ks_valid_id("") && !ks_valid_id(".") && !ks_valid_id("..") && !ks_valid_id("a/b"));
	CHECK(!ks_valid_id("a b") && !ks_valid_id("a\nb") && !ks_valid_id("ä") &&
	      !ks_valid_id("a\\b"));
	memset(longest, 'x', 1025);
	CHECK(!ks_valid_id(longest));
	longest[1024] = '\0';
	CHECK(ks_valid_id(longest));
}

static void names(void)
{
	CHECK(ks_valid_dns_label("a") && ks_valid_dns_label("data-0"));
	CHECK(!ks_valid_dns_label("") && !ks_valid_dns_label("-a") && !ks_valid_dns_label("a-"));
	CHECK(!ks_valid_dns_label("A") && !ks_valid_dns_label("a.b") && !ks_valid_dns_label("a_b"));
	CHECK(!ks_valid_dns_label("a23456789012345678901234567890123456789012345678901234567890"
				  "1234"));
	CHECK(ks_valid_dns_name("a.b-c.d") && !ks_valid_dns_name("a..b") &&
	      !ks_valid_dns_name(".a"));
	CHECK(!ks_valid_dns_name("a.") && !ks_valid_dns_name("../x"));
}

TEST_MAIN(CASE(splitting_drops_empty_parts), CASE(a_list_grows_and_stays_terminated), CASE(sorting),
	  CASE(a_buffer_grows), CASE(ids), CASE(names))
