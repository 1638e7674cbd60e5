/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/fmt.c"

#include <stdint.h>

#include "test.h"

/* Whatever it knows it writes as snprintf(3) does. */
#define SAME(...)                                                \
	do {                                                     \
		char _a[256], _b[256];                           \
		size_t _n = ks_fmt(_a, sizeof(_a), __VA_ARGS__); \
		snprintf(_b, sizeof(_b), __VA_ARGS__);           \
		CHECK_STR(_a, _b);                               \
		CHECK_INT(_n, strlen(_b));                       \
	} while (0)

static void like_snprintf(void)
{
	SAME("plain");
	SAME("%s|%.*s|%c|%%", "abc", 2, "xyz", 'q');
	SAME("%d %i %d", 0, -1, INT32_MIN);
	SAME("%u %x %o", 4294967295U, 0xdeadbeefU, 0755U);
	SAME("%ld %lld %lu %llu %zu", -5L, (long long)INT64_MIN, 7UL,
	     (unsigned long long)UINT64_MAX, (size_t)99);
	SAME("%02d:%09ld", 7, 123L);
	SAME("%.*s", 50, "short");
	SAME("%.3s/%.64s", "precision", "short");
	SAME("%.*s", 0, "nothing");
}

static void a_long_text_is_cut(void)
{
	char buf[8];

	CHECK_INT(ks_fmt(buf, sizeof(buf), "%s", "0123456789"), 7);
	CHECK_STR(buf, "0123456");
	CHECK_INT(ks_fmt(buf, 1, "%d", 12345), 0);
	CHECK_STR(buf, "");
}

static void a_null_string_is_no_crash(void)
{
	char buf[32];
	const char *volatile none = NULL;

	ks_fmt(buf, sizeof(buf), "<%s>", none);
	CHECK_STR(buf, "<(null)>");
}

TEST_MAIN(CASE(like_snprintf), CASE(a_long_text_is_cut), CASE(a_null_string_is_no_crash))
