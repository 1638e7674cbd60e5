/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/num.c"

#include "test.h"

static void unsigned_numbers_are_strict(void)
{
	static const char *const bad[] = { "",	  " 1", "1 ",  "+1",  "-1",  "01", "00",
					   "0x1", "1a", "1.0", "1e3", "\t1", "١" };
	uint64_t v = 7;

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++)
		CHECK_INT(ks_parse_u64(bad[i], UINT64_MAX, &v), -EINVAL);
	CHECK_INT(v, 7);
	CHECK_INT(ks_parse_u64("0", 0, &v), 0);
	CHECK_INT(v, 0);
	CHECK_INT(ks_parse_u64("18446744073709551615", UINT64_MAX, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_INT(ks_parse_u64("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	CHECK_INT(ks_parse_u64("99999999999999999999999999", UINT64_MAX, &v), -ERANGE);
	CHECK_INT(ks_parse_u64("11", 10, &v), -ERANGE);
}

static void signed_numbers_reach_both_ends(void)
{
	int64_t v;

	CHECK_INT(ks_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
	CHECK(v == INT64_MIN);
	CHECK_INT(ks_parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v), 0);
	CHECK(v == INT64_MAX);
	CHECK_INT(ks_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -ERANGE);
	CHECK_INT(ks_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
	CHECK_INT(ks_parse_i64("--1", INT64_MIN, INT64_MAX, &v), -EINVAL);
	CHECK_INT(ks_parse_i64("-", INT64_MIN, INT64_MAX, &v), -EINVAL);
	CHECK_INT(ks_parse_i64("-1", 0, INT64_MAX, &v), -ERANGE);
}

static void octal(void)
{
	uint32_t v;

	CHECK_INT(ks_parse_octal("0755", 07777, &v), 0);
	CHECK_INT(v, 0755);
	CHECK_INT(ks_parse_octal("8", 07777, &v), -EINVAL);
	CHECK_INT(ks_parse_octal("", 07777, &v), -EINVAL);
	CHECK_INT(ks_parse_octal("10000", 07777, &v), -ERANGE);
	CHECK_INT(ks_parse_octal("77777777777777777777", UINT32_MAX, &v), -ERANGE);
}

/* Values as Kubernetes' resource.Quantity.Value() gives them. */
static void quantities(void)
{
	static const struct {
		const char *s;
		int64_t want; /* negative: the error */
	} t[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "64Mi", 64LL << 20 },
		{ "1Gi", 1LL << 30 },
		{ "1.5G", 1500000000 },
		{ "1.5Gi", 3LL << 29 },
		{ "1e3", 1000 },
		{ "1E3", 1000 },
		{ "1E", 1000000000000000000 },
		{ "129e6", 129000000 },
		{ "100m", 1 },
		{ "1500m", 2 },
		{ "1n", 1 },
		{ "0.1Ki", 103 },
		{ ".5Gi", 1LL << 29 },
		{ "5.", 5 },
		{ "+5", 5 },
		{ "1e-3", 1 },
		{ "1000000e-6", 1 },
		{ "-0", 0 },
		{ "0.0000000000000000000000000000000000000000", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "7Ei", 7LL << 60 },
		{ "8Ei", -ERANGE },
		{ "9223372036854775808", -ERANGE },
		{ "1e400", -ERANGE },
		{ "1e-400", 1 },
		{ "-1", -ERANGE },
		{ "-1Gi", -ERANGE },
		{ "", -EINVAL },
		{ "Gi", -EINVAL },
		{ "1Zi", -EINVAL },
		{ "1gi", -EINVAL },
		{ "1 Gi", -EINVAL },
		{ "1GiB", -EINVAL },
		{ "1K", -EINVAL },
		{ "--1", -EINVAL },
		{ "1e", -EINVAL },
		{ "1e+", -EINVAL },
		{ "1e3Gi", -EINVAL },
		{ "0x10", -EINVAL },
		{ "1..5", -EINVAL },
		{ ".", -EINVAL },
		{ "1,5", -EINVAL },
		{ "inf", -EINVAL },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		int64_t v = -77;
		int r = ks_parse_quantity(t[i].s, &v);

		if ((t[i].want < 0 ? r != t[i].want || v != -77 : r != 0 || v != t[i].want)) {
			printf("#   \"%s\": r %d, v %lld\n", t[i].s, r, (long long)v);
			test_failed++;
		}
	}
}

static void bytes_are_written_exactly(void)
{
	char b[24];
	int64_t v;
	static const uint64_t t[] = { 0,	 1, 1023, 1024, 1536, 1ULL << 30, (1ULL << 30) + 1,
				      7ULL << 60 };

	CHECK_STR(ks_format_bytes(1ULL << 30, b), "1Gi");
	CHECK_STR(ks_format_bytes(1536, b), "1536");
	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		CHECK_INT(ks_parse_quantity(ks_format_bytes(t[i], b), &v), 0);
		CHECK_INT(v, t[i]);
	}
}

TEST_MAIN(CASE(unsigned_numbers_are_strict), CASE(signed_numbers_reach_both_ends), CASE(octal),
	  CASE(quantities), CASE(bytes_are_written_exactly))
