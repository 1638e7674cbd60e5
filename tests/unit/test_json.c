/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/json.c"

#include "test.h"

static int parse(struct ks_arena *a, const char *text, struct ks_json **ret, struct ks_err *err)
{
	*err = KS_ERR_INIT;
	return ks_json_parse(a, text, strlen(text), "t", ret, err);
}

static void values_and_order(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_json *v;
	struct ks_err err;

	CHECK_INT(parse(&a, "{\"a\":[1,-2.5,\"x\\u0041\",true,null],\"b\":{}}", &v, &err), 0);
	const struct ks_json *list = ks_json_get(v, "a");

	CHECK(list && list->type == KS_JSON_ARRAY && list->count == 5);
	CHECK_STR(list->first->text, "1");
	CHECK_STR(list->first->next->text, "-2.5");
	CHECK_STR(list->first->next->next->text, "xA");
	CHECK(list->last->type == KS_JSON_NULL);
	CHECK(!ks_json_get(v, "c"));
	CHECK(!ks_json_get(list, "a"));
}

static void the_last_duplicate_counts(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_json *v;
	struct ks_err err;

	CHECK_INT(parse(&a, "{\"a\":1,\"a\":2}", &v, &err), 0);
	CHECK_STR(ks_json_get(v, "a")->text, "2");
}

static void offsets_span_the_value(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	const char *text = " { \"a\" : { \"b\" : [ 1 , 2 ] } } ";
	struct ks_json *v;
	struct ks_err err;

	CHECK_INT(parse(&a, text, &v, &err), 0);
	const struct ks_json *b = ks_json_get(v, "a");

	CHECK(text[b->begin] == '{' && text[b->end - 1] == '}');
	CHECK(!memcmp(text + b->begin, "{ \"b\" : [ 1 , 2 ] }", b->end - b->begin));
}

static void bad_texts(void)
{
	static const struct {
		const char *text, *part;
	} t[] = {
		{ "", "is empty" },
		{ "  ", "" },
		{ "{", "not valid JSON" },
		{ "{\"a\":1,}", "not valid" },
		{ "[1 2]", "not valid" },
		{ "nul", "not valid" },
		{ "{\"a\":1}x", "not valid" },
		{ "\"a\\u0000b\"", "NUL" },
		{ "{\"a\\u0000\":1}", "NUL" },
		{ "\n\n[}", "line 3" },
		{ "'a'", "not valid" },
		{ "01", "" },
		{ "\"\xff\xfe\"", "not valid" },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		struct ks_json *v = NULL;
		struct ks_err err;

		CHECK_INT(parse(&a, t[i].text, &v, &err), -EINVAL);
		CHECK_HAS(err.msg, t[i].part);
		CHECK(!v);
	}
}

static void depth_is_limited(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char text[200] = "";
	struct ks_json *v;
	struct ks_err err;

	for (int n = 64; n <= 65; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		text[2 * n] = '\0';
		CHECK_INT(parse(&a, text, &v, &err), n == 64 ? 0 : -EINVAL);
	}
	CHECK_HAS(err.msg, "deeper than 64");
}

static void size_is_limited(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char *text = malloc(KS_JSON_MAX_BYTES + 2);
	struct ks_json *v;
	struct ks_err err = KS_ERR_INIT;

	memset(text, ' ', KS_JSON_MAX_BYTES + 1);
	text[0] = '1';
	CHECK_INT(ks_json_parse(&a, text, KS_JSON_MAX_BYTES, "t", &v, &err), 0);
	CHECK_INT(ks_json_parse(&a, text, KS_JSON_MAX_BYTES + 1, "t", &v, &err), -EINVAL);
	free(text);
}

TEST_MAIN(CASE(values_and_order), CASE(the_last_duplicate_counts), CASE(offsets_span_the_value),
	  CASE(bad_texts), CASE(depth_is_limited), CASE(size_is_limited))
