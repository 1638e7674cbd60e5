/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/json-table.c"

#include "test.h"

struct inner {
	uint32_t n;
	const char *s;
};

struct outer {
	const char *name;
	bool flag;
	uint32_t u32;
	struct ks_opt_i64 i64;
	struct ks_opt_u64 u64;
	struct ks_strv list;
	struct inner in;
	struct inner *ptr;
	struct ks_list items;
	int color;
	struct ks_map map;
	const struct ks_json *any;
};

static const struct ks_json_name colors[] = { { "red", 3 }, { "blue", 4 }, { NULL, 0 } };

static const struct ks_json_field inner_fields[] = {
	KS_U32(struct inner, n, "n", KS_FIELD_REQUIRED),
	KS_STR(struct inner, s, "s", 0),
	KS_END,
};

static const struct ks_json_field outer_fields[] = {
	KS_STR(struct outer, name, "name", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_BOOL(struct outer, flag, "flag"),
	KS_U32(struct outer, u32, "u32", 0),
	KS_I64(struct outer, i64, "i64"),
	KS_U64(struct outer, u64, "u64", 0),
	KS_STRV(struct outer, list, "list", 0),
	KS_OBJ(struct outer, in, "in", inner_fields),
	KS_PTR(struct outer, ptr, struct inner, "ptr", inner_fields),
	KS_LIST(struct outer, items, struct inner, "items", inner_fields),
	KS_ENUM(struct outer, color, "color", 0, colors),
	KS_MAP(struct outer, map, "map"),
	KS_JSON_ANY(struct outer, any, "any", 0),
	KS_REFUSE("later"),
	KS_END,
};

static int decode(struct ks_arena *a, const char *text, struct outer *o, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_json *root;

	*o = (struct outer){ 0 };
	*err = KS_ERR_INIT;
	int r = ks_json_parse(a, text, strlen(text), "t", &root, err);

	return r < 0 ? r : ks_json_decode(&ctx, root, outer_fields, o);
}

static void every_kind(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err;
	struct outer o;

	CHECK_INT(decode(&a,
			 "{\"name\":\"x\",\"flag\":true,\"u32\":4294967295,\"i64\":-1,"
			 "\"u64\":18446744073709551615,\"list\":[\"a\",\"b\"],\"in\":{\"n\":1},"
			 "\"ptr\":{\"n\":2,\"s\":\"t\"},\"items\":[{\"n\":3},{\"n\":4}],"
			 "\"color\":\"blue\",\"map\":{\"k\":\"1\",\"j\":\"2\",\"k\":\"3\"},"
			 "\"any\":[1],\"unknown\":{\"deep\":[]}}",
			 &o, &err),
		  0);
	CHECK_STR(o.name, "x");
	CHECK(o.flag && o.u32 == UINT32_MAX && o.i64.set && o.i64.v == -1);
	CHECK(o.u64.set && o.u64.v == UINT64_MAX);
	CHECK(o.list.n == 2 && o.in.n == 1 && o.ptr && o.ptr->n == 2);
	CHECK_INT(o.items.n, 2);
	CHECK_INT(((struct inner *)o.items.v)[1].n, 4);
	CHECK_INT(o.color, 4);
	CHECK_INT(o.map.n, 2);
	CHECK_STR(ks_map_get(&o.map, "k"), "3");
	CHECK(o.any && o.any->type == KS_JSON_ARRAY);
}

static void null_counts_as_absent(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err;
	struct outer o;

	CHECK_INT(decode(&a,
			 "{\"name\":\"x\",\"ptr\":null,\"i64\":null,\"later\":null,\"list\":null}",
			 &o, &err),
		  0);
	CHECK(!o.ptr && !o.i64.set && !o.list.n);
	CHECK_INT(decode(&a, "{\"name\":null}", &o, &err), -EINVAL);
}

static void errors_name_the_path(void)
{
	static const struct {
		const char *text, *part;
	} t[] = {
		{ "[]", "expected object" },
		{ "{}", "name" },
		{ "{\"name\":\"\"}", "name: " },
		{ "{\"name\":5}", "name: expected string, got 5" },
		{ "{\"name\":\"x\",\"flag\":1}", "flag: expected boolean" },
		{ "{\"name\":\"x\",\"u32\":-1}", "u32: " },
		{ "{\"name\":\"x\",\"u32\":4294967296}", "u32: " },
		{ "{\"name\":\"x\",\"u32\":1.5}", "u32: " },
		{ "{\"name\":\"x\",\"u32\":\"64M\"}", "u32: expected integer, got \"64M\"" },
		{ "{\"name\":\"x\",\"u64\":18446744073709551616}", "u64: " },
		{ "{\"name\":\"x\",\"list\":[\"a\",1]}", "list[1]: expected string" },
		{ "{\"name\":\"x\",\"in\":{\"n\":true}}", "in.n: expected integer" },
		{ "{\"name\":\"x\",\"in\":[]}", "in: expected object" },
		{ "{\"name\":\"x\",\"ptr\":{}}", "ptr.n" },
		{ "{\"name\":\"x\",\"items\":[{\"n\":1},{\"n\":\"y\"}]}", "items[1].n: " },
		{ "{\"name\":\"x\",\"items\":{}}", "items: expected array" },
		{ "{\"name\":\"x\",\"color\":\"green\"}", "color: unknown value \"green\"" },
		{ "{\"name\":\"x\",\"map\":{\"k\":1}}", "map.k: expected string" },
		{ "{\"name\":\"x\",\"later\":1}", "later" },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		struct ks_err err;
		struct outer o;

		CHECK(decode(&a, t[i].text, &o, &err) < 0);
		CHECK_HAS(err.msg, t[i].part);
	}
}

static void numbers_with_an_exponent(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err;
	struct outer o;

	/* Go writes large integers without one; what is no plain integer is refused. */
	CHECK(decode(&a, "{\"name\":\"x\",\"i64\":1e3}", &o, &err) < 0);
	CHECK_HAS(err.msg, "i64");
}

static void a_long_path_is_cut(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_json_ctx ctx = { .arena = &a, .err = &err };
	char key[200];
	size_t old[20];

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		old[i] = ks_json_enter(&ctx, key, 0);
	CHECK_INT(ks_json_fail(&ctx, "x", "bad"), -EINVAL);
	for (int i = 19; i >= 0; i--)
		ks_json_leave(&ctx, old[i]);
	CHECK_STR(ctx.path, "");
}

TEST_MAIN(CASE(every_kind), CASE(null_counts_as_absent), CASE(errors_name_the_path),
	  CASE(numbers_with_an_exponent), CASE(a_long_path_is_cut))
