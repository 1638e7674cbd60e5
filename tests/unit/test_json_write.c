/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/json-write.c"

#include "test.h"

static void what_is_written_reads_back(void)
{
	static const char *const strings[] = {
		"", "plain", "\"\\/\b\f\n\r\t", "\x01\x1f\x7f", "äöü€𝄞", "</script>"
	};
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;

	for (size_t i = 0; i < KS_ARRAY_LEN(strings); i++) {
		ks_auto_json_out struct ks_json_out o = { 0 };
		struct ks_err err = KS_ERR_INIT;
		struct ks_json *v;

		ks_json_open(&o, NULL, '{');
		ks_json_put_str(&o, strings[i], strings[i]);
		ks_json_close(&o, '}');
		CHECK_INT(ks_json_parse(&a, o.buf.data, o.buf.len, "t", &v, &err), 0);
		CHECK_STR(v->first->key, strings[i]);
		CHECK_STR(v->first->text, strings[i]);
	}
}

static void shape(void)
{
	ks_auto_json_out struct ks_json_out o = { 0 };
	struct ks_map_entry e[] = { { "k", "v" } };
	const struct ks_map m = { e, 1 };

	ks_json_open(&o, NULL, '{');
	ks_json_put_str(&o, "s", NULL);
	ks_json_put_i64(&o, "i", INT64_MIN);
	ks_json_put_u64(&o, "u", UINT64_MAX);
	ks_json_put_bool(&o, "b", false);
	ks_json_put_map(&o, "m", &m);
	ks_json_open(&o, "a", '[');
	ks_json_open(&o, NULL, '{');
	ks_json_close(&o, '}');
	ks_json_put_str(&o, NULL, "x");
	ks_json_close(&o, ']');
	ks_json_close(&o, '}');
	CHECK_STR(o.buf.data, "{\"s\":null,\"i\":-9223372036854775808,\"u\":18446744073709551615,"
			      "\"b\":false,\"m\":{\"k\":\"v\"},\"a\":[{},\"x\"]}");
}

static void a_parsed_value_is_written_as_it_was(void)
{
	const char *text = "{\"a\":[1,2.50,-3e7,true,false,null,\"x\",{\"b\":[]}]}";
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_json_out struct ks_json_out o = { 0 };
	struct ks_err err = KS_ERR_INIT;
	struct ks_json *v;

	CHECK_INT(ks_json_parse(&a, text, strlen(text), "t", &v, &err), 0);
	ks_json_put_json(&o, NULL, v);
	CHECK_STR(o.buf.data, text);
}

TEST_MAIN(CASE(what_is_written_reads_back), CASE(shape), CASE(a_parsed_value_is_written_as_it_was))
