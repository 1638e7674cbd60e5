/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tree to typed structures. A value of the wrong type or out of
 * range is an error that names its path; never does it count as absent.
 */
#include <kshim/json.h>

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define MAX_FIELDS 64	/* of the largest table: process and linux have about 20 */
#define MAX_KEYS   4096 /* of an object whose keys are the user's: duplicates are found by scans */

size_t ks_json_enter(struct ks_json_ctx *ctx, const char *key, size_t index)
{
	size_t old = ctx->path_len;
	char *end = ctx->path + old;
	size_t left = sizeof(ctx->path) - old;

	if (key)
		ctx->path_len += ks_fmt(end, left, old ? ".%s" : "%s", key);
	else
		ctx->path_len += ks_fmt(end, left, "[%zu]", index);
	return old;
}

void ks_json_leave(struct ks_json_ctx *ctx, size_t old)
{
	ctx->path_len = old;
	ctx->path[old] = '\0';
}

int ks_json_fail(struct ks_json_ctx *ctx, const char *key, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	ks_vfmt(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return ks_err_kind(ctx->err, KS_ERR_INVALID, "%s%s%s%s%s", ctx->path,
			   key && ctx->path_len ? "." : "", key ? key : "",
			   ctx->path_len || key ? ": " : "", msg);
}

static int fail_type(struct ks_json_ctx *ctx, const struct ks_json *v, const char *expected)
{
	if (v->type == KS_JSON_STRING)
		return ks_json_fail(ctx, NULL, "expected %s, got \"%.*s\"", expected, 64, v->text);
	if (v->type == KS_JSON_NUMBER)
		return ks_json_fail(ctx, NULL, "expected %s, got %.*s", expected, 64, v->text);
	return ks_json_fail(ctx, NULL, "expected %s, got %s", expected, ks_json_type_name(v->type));
}

const char *ks_json_str(struct ks_json_ctx *ctx, const struct ks_json *v)
{
	if (v->type == KS_JSON_STRING)
		return v->text;
	fail_type(ctx, v, "string");
	return NULL;
}

int ks_json_i64(struct ks_json_ctx *ctx, const struct ks_json *v, int64_t min, int64_t max,
		int64_t *ret)
{
	if (v->type != KS_JSON_NUMBER)
		return fail_type(ctx, v, "integer");
	int r = ks_parse_i64(v->text, min, max, ret);

	if (r == -ERANGE)
		return ks_json_fail(ctx, NULL, "%.*s is out of range", 64, v->text);
	if (r < 0)
		return fail_type(ctx, v, "integer");
	return 0;
}

static int decode_u64(struct ks_json_ctx *ctx, const struct ks_json *v, uint64_t max, uint64_t *ret)
{
	if (v->type != KS_JSON_NUMBER)
		return fail_type(ctx, v, "integer");
	int r = ks_parse_u64(v->text, max, ret);

	if (r == -ERANGE || (r < 0 && v->text[0] == '-'))
		return ks_json_fail(ctx, NULL, "%.*s is out of range", 64, v->text);
	if (r < 0)
		return fail_type(ctx, v, "integer");
	return 0;
}

static int decode_strv(struct ks_json_ctx *ctx, const struct ks_json *v, struct ks_strv *dst)
{
	struct ks_strv out = { 0 };
	size_t i = 0;

	if (v->type != KS_JSON_ARRAY)
		return fail_type(ctx, v, "array of strings");
	out.v = KS_ARENA_NEWV(ctx->arena, char *, v->count + 1);
	if (!out.v)
		return ks_err_oom(ctx->err);
	for (const struct ks_json *e = v->first; e; e = e->next, i++) {
		size_t old = ks_json_enter(ctx, NULL, i);
		const char *s = ks_json_str(ctx, e);

		if (!s)
			return -EINVAL;
		ks_json_leave(ctx, old);
		out.v[out.n++] = (char *)(uintptr_t)s;
	}
	*dst = out;
	return 0;
}

static int decode_list(struct ks_json_ctx *ctx, const struct ks_json *v,
		       const struct ks_json_field *f, struct ks_list *dst)
{
	size_t i = 0;

	if (v->type != KS_JSON_ARRAY)
		return fail_type(ctx, v, "array");
	char *items = ks_arena_array(ctx->arena, v->count + 1, f->size);

	if (!items)
		return ks_err_oom(ctx->err);
	for (const struct ks_json *e = v->first; e; e = e->next, i++) {
		size_t old = ks_json_enter(ctx, NULL, i);
		int r = ks_json_decode(ctx, e, f->table, items + i * f->size);

		if (r < 0)
			return r;
		ks_json_leave(ctx, old);
	}
	dst->v = items;
	dst->n = i;
	return 0;
}

static int decode_dict(struct ks_json_ctx *ctx, const struct ks_json *v,
		       const struct ks_json_field *f, struct ks_list *dst)
{
	size_t n = 0;

	if (v->type != KS_JSON_OBJECT)
		return fail_type(ctx, v, "object");
	if (v->count > MAX_KEYS)
		return ks_json_fail(ctx, NULL, "more than %d entries", MAX_KEYS);
	char *items = ks_arena_array(ctx->arena, v->count + 1, f->size);

	if (!items)
		return ks_err_oom(ctx->err);
	for (const struct ks_json *e = v->first; e; e = e->next) {
		size_t old = ks_json_enter(ctx, e->key, 0);
		size_t i = 0;

		/* Of duplicates the last one counts. */
		while (i < n && !ks_streq(*(const char **)(void *)(items + i * f->size), e->key))
			i++;
		memset(items + i * f->size, 0, f->size);
		/* null is a value without members, as it is to other decoders. */
		int r = e->type == KS_JSON_NULL ?
				0 :
				ks_json_decode(ctx, e, f->table, items + i * f->size);

		if (r < 0)
			return r;
		*(const char **)(void *)(items + i * f->size) = e->key;
		n += i == n;
		ks_json_leave(ctx, old);
	}
	dst->v = items;
	dst->n = n;
	return 0;
}

static int decode_map(struct ks_json_ctx *ctx, const struct ks_json *v, struct ks_map *dst)
{
	struct ks_map m = { 0 };

	if (v->type != KS_JSON_OBJECT)
		return fail_type(ctx, v, "object");
	if (v->count > MAX_KEYS)
		return ks_json_fail(ctx, NULL, "more than %d entries", MAX_KEYS);
	m.v = KS_ARENA_NEWV(ctx->arena, struct ks_map_entry, v->count + 1);
	if (!m.v)
		return ks_err_oom(ctx->err);
	for (const struct ks_json *e = v->first; e; e = e->next) {
		size_t old = ks_json_enter(ctx, e->key, 0);
		const char *s = ks_json_str(ctx, e);
		size_t i = 0;

		if (!s)
			return -EINVAL;
		ks_json_leave(ctx, old);
		while (i < m.n && !ks_streq(m.v[i].key, e->key))
			i++;
		m.v[i] = (struct ks_map_entry){ e->key, s };
		m.n += i == m.n;
	}
	*dst = m;
	return 0;
}

const char *ks_map_get(const struct ks_map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (ks_streq(m->v[i].key, key))
			return m->v[i].value;
	return NULL;
}

static int decode_enum(struct ks_json_ctx *ctx, const struct ks_json *v,
		       const struct ks_json_name *names, int *dst)
{
	const char *s = ks_json_str(ctx, v);

	if (!s)
		return -EINVAL;
	for (; names->name; names++) {
		if (ks_streq(names->name, s)) {
			*dst = names->value;
			return 0;
		}
	}
	return ks_json_fail(ctx, NULL, "unknown value \"%.*s\"", 64, s);
}

static int decode_number(struct ks_json_ctx *ctx, const struct ks_json *v, enum ks_json_kind kind,
			 void *dst)
{
	uint64_t u = 0;
	int64_t i = 0;
	int r;

	if (kind == KS_FIELD_OPT_I64) {
		r = ks_json_i64(ctx, v, INT64_MIN, INT64_MAX, &i);
		if (r == 0)
			*(struct ks_opt_i64 *)dst = (struct ks_opt_i64){ true, i };
		return r;
	}
	r = decode_u64(ctx, v, kind == KS_FIELD_U32 ? UINT32_MAX : UINT64_MAX, &u);
	if (r < 0)
		return r;
	if (kind == KS_FIELD_U32)
		*(uint32_t *)dst = (uint32_t)u;
	else
		*(struct ks_opt_u64 *)dst = (struct ks_opt_u64){ true, u };
	return 0;
}

static int decode_pointer(struct ks_json_ctx *ctx, const struct ks_json *v,
			  const struct ks_json_field *f, void **dst)
{
	void *p = ks_arena_alloc(ctx->arena, f->size);

	if (!p)
		return ks_err_oom(ctx->err);
	int r = ks_json_decode(ctx, v, f->table, p);

	if (r == 0)
		*dst = p;
	return r;
}

/* Engines write properties that they do not use as empty ones: those ask for nothing. */
static bool asks_nothing(const struct ks_json *v)
{
	switch (v->type) {
	case KS_JSON_NULL:
		return true;
	case KS_JSON_BOOL:
		return !v->boolean;
	case KS_JSON_NUMBER:
		return ks_streq(v->text, "0");
	case KS_JSON_STRING:
		return !*v->text;
	case KS_JSON_ARRAY:
	case KS_JSON_OBJECT:
	default:
		break;
	}
	for (const struct ks_json *m = v->first; m; m = m->next)
		if (!asks_nothing(m))
			return false;
	return true;
}

static int decode_value(struct ks_json_ctx *ctx, const struct ks_json *v,
			const struct ks_json_field *f, void *dst)
{
	switch (f->kind) {
	case KS_FIELD_STR: {
		const char *s = ks_json_str(ctx, v);

		if (!s)
			return -EINVAL;
		if (!*s && f->flags & KS_FIELD_NONEMPTY)
			return ks_json_fail(ctx, NULL, "must not be empty");
		*(const char **)dst = s;
		return 0;
	}
	case KS_FIELD_BOOL:
		if (v->type != KS_JSON_BOOL)
			return fail_type(ctx, v, "boolean");
		*(bool *)dst = v->boolean;
		return 0;
	case KS_FIELD_U32:
	case KS_FIELD_OPT_I64:
	case KS_FIELD_OPT_U64:
		return decode_number(ctx, v, f->kind, dst);
	case KS_FIELD_STRV:
		if (v->type == KS_JSON_ARRAY && !v->count && f->flags & KS_FIELD_NONEMPTY)
			return ks_json_fail(ctx, NULL, "must not be empty");
		return decode_strv(ctx, v, dst);
	case KS_FIELD_OBJECT:
		return ks_json_decode(ctx, v, f->table, dst);
	case KS_FIELD_PTR:
		return decode_pointer(ctx, v, f, dst);
	case KS_FIELD_LIST:
		return decode_list(ctx, v, f, dst);
	case KS_FIELD_DICT:
		return decode_dict(ctx, v, f, dst);
	case KS_FIELD_ENUM:
		return decode_enum(ctx, v, f->names, dst);
	case KS_FIELD_MAP:
		return decode_map(ctx, v, dst);
	case KS_FIELD_JSON:
		*(const struct ks_json **)dst = v;
		return 0;
	case KS_FIELD_REFUSE:
	default:
		if (asks_nothing(v))
			return 0;
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED, "%s: is not supported", ctx->path);
	}
}

int ks_json_decode(struct ks_json_ctx *ctx, const struct ks_json *v,
		   const struct ks_json_field *table, void *dst)
{
	const struct ks_json *found[MAX_FIELDS] = { 0 };

	if (v->type != KS_JSON_OBJECT)
		return fail_type(ctx, v, "object");
	/* One pass over the members first: of duplicates the last one is decoded. */
	for (const struct ks_json *m = v->first; m; m = m->next) {
		for (size_t i = 0; table[i].key; i++) {
			assert(i < MAX_FIELDS);
			if (ks_streq(table[i].key, m->key)) {
				found[i] = m->type == KS_JSON_NULL ? NULL : m;
				break;
			}
		}
	}
	for (size_t i = 0; table[i].key; i++) {
		const struct ks_json_field *f = &table[i];

		if (!found[i]) {
			if (f->flags & KS_FIELD_REQUIRED)
				return ks_json_fail(ctx, f->key, "is missing");
			continue;
		}
		size_t old = ks_json_enter(ctx, f->key, 0);
		int r = decode_value(ctx, found[i], f, (char *)dst + f->offset);

		if (r < 0)
			return r;
		ks_json_leave(ctx, old);
	}
	return 0;
}
