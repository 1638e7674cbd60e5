/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <kshim/str.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), buf[24];
	int64_t v, w;
	uint64_t u;
	uint32_t o;

	if (ks_parse_quantity(text, &v) == 0) {
		assert(v >= 0);
		/* What is written for it means the same number. */
		assert(ks_parse_quantity(ks_format_bytes((uint64_t)v, buf), &w) == 0 && v == w);
	}
	if (ks_parse_i64(text, INT64_MIN, INT64_MAX, &v) == 0) {
		ks_fmt(buf, sizeof(buf), "%lld", (long long)v);
		assert(ks_streq(buf, text) || ks_streq(text, "-0"));
	}
	if (ks_parse_u64(text, UINT64_MAX, &u) == 0) {
		ks_fmt(buf, sizeof(buf), "%llu", (unsigned long long)u);
		assert(ks_streq(buf, text));
	}
	(void)ks_parse_octal(text, 07777, &o);
	(void)ks_valid_id(text);
	(void)ks_valid_dns_name(text);
	free(text);
	return 0;
}
