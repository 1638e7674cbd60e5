/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/json.h>

#include <assert.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include <kshim/fd.h>

/* Guards against a text of 4 MiB of "[[],[],…": a node is 96 bytes. */
#define MAX_NODES 1000000

struct parse {
	struct ks_arena *arena;
	yajl_handle yajl;
	struct ks_json *root;
	struct ks_json *stack[KS_JSON_MAX_DEPTH];
	size_t depth;
	size_t nodes;
	const char *key;
	const char *problem; /* static text; set when a callback stopped the parser */
	bool oom;
};

const char *ks_json_type_name(enum ks_json_type type)
{
	static const char *const names[] = { "null",   "boolean", "number",
					     "string", "array",	  "object" };

	return names[type];
}

static int stop(struct parse *p, const char *problem)
{
	p->problem = problem;
	p->oom = !problem;
	return 0;
}

static struct ks_json *add(struct parse *p, enum ks_json_type type)
{
	if (++p->nodes > MAX_NODES) {
		stop(p, "more than 1000000 values");
		return NULL;
	}
	struct ks_json *v = KS_ARENA_NEW(p->arena, struct ks_json);

	if (!v) {
		stop(p, NULL);
		return NULL;
	}
	v->type = type;
	v->key = p->key;
	p->key = NULL;
	if (!p->depth) {
		p->root = v;
		return v;
	}
	struct ks_json *parent = p->stack[p->depth - 1];

	if (parent->last)
		parent->last->next = v;
	else
		parent->first = v;
	parent->last = v;
	parent->count++;
	return v;
}

/* Copies @s; NULL after stop() when it holds a NUL byte or memory ran out. */
static const char *copy(struct parse *p, const char *s, size_t n)
{
	if (n && memchr(s, '\0', n)) {
		stop(p, "a string holds a NUL byte");
		return NULL;
	}
	const char *c = ks_arena_strndup(p->arena, s, n);

	if (!c)
		stop(p, NULL);
	return c;
}

static int on_null(void *ctx)
{
	return add(ctx, KS_JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int b)
{
	struct ks_json *v = add(ctx, KS_JSON_BOOL);

	if (v)
		v->boolean = b;
	return v != NULL;
}

static int on_text(struct parse *p, enum ks_json_type type, const char *s, size_t n)
{
	struct ks_json *v = add(p, type);

	if (!v)
		return 0;
	v->text = copy(p, s, n);
	return v->text != NULL;
}

static int on_number(void *ctx, const char *s, size_t n)
{
	return on_text(ctx, KS_JSON_NUMBER, s, n);
}

static int on_string(void *ctx, const unsigned char *s, size_t n)
{
	return on_text(ctx, KS_JSON_STRING, (const char *)s, n);
}

static int on_key(void *ctx, const unsigned char *s, size_t n)
{
	struct parse *p = ctx;

	p->key = copy(p, (const char *)s, n);
	return p->key != NULL;
}

static int on_open(struct parse *p, enum ks_json_type type)
{
	if (p->depth == KS_JSON_MAX_DEPTH)
		return stop(p, "nested deeper than 64");
	struct ks_json *v = add(p, type);

	if (!v)
		return 0;
	v->begin = yajl_get_bytes_consumed(p->yajl) - 1;
	p->stack[p->depth++] = v;
	return 1;
}

static int on_map(void *ctx)
{
	return on_open(ctx, KS_JSON_OBJECT);
}

static int on_array(void *ctx)
{
	return on_open(ctx, KS_JSON_ARRAY);
}

static int on_end(void *ctx)
{
	struct parse *p = ctx;

	assert(p->depth);
	p->stack[--p->depth]->end = yajl_get_bytes_consumed(p->yajl);
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

static unsigned int line_of(const char *text, size_t len, size_t pos)
{
	unsigned int line = 1;

	for (size_t i = 0; i < len && i < pos; i++)
		line += text[i] == '\n';
	return line;
}

static int parse_error(struct parse *p, const char *text, size_t len, const char *name,
		       struct ks_err *err)
{
	unsigned int line = line_of(text, len, yajl_get_bytes_consumed(p->yajl));

	if (p->oom)
		return ks_err_oom(err);
	if (p->problem)
		return ks_err_kind(err, KS_ERR_INVALID, "%s: line %u: %s", name, line, p->problem);
	unsigned char *msg = yajl_get_error(p->yajl, 0, NULL, 0);
	size_t n = msg ? strcspn((char *)msg, "\n") : 0;
	int r = ks_err_kind(err, KS_ERR_INVALID, "%s: line %u: not valid JSON: %.*s", name, line,
			    (int)n, msg ? (char *)msg : "");

	if (msg)
		yajl_free_error(p->yajl, msg);
	return r;
}

int ks_json_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		  struct ks_json **ret, struct ks_err *err)
{
	struct parse p = { .arena = a };

	assert(a && text && name && ret);
	if (len > KS_JSON_MAX_BYTES)
		return ks_err_kind(err, KS_ERR_INVALID, "%s: larger than 4 MiB", name);
	if (!len)
		return ks_err_kind(err, KS_ERR_INVALID, "%s: is empty", name);
	p.yajl = yajl_alloc(&callbacks, NULL, &p);
	if (!p.yajl)
		return ks_err_oom(err);
	yajl_status status = yajl_parse(p.yajl, (const unsigned char *)text, len);

	if (status == yajl_status_ok)
		status = yajl_complete_parse(p.yajl);
	int r = 0;

	if (status != yajl_status_ok)
		r = parse_error(&p, text, len, name, err);
	else if (!p.root)
		r = ks_err_kind(err, KS_ERR_INVALID, "%s: holds no value", name);
	yajl_free(p.yajl);
	if (r < 0)
		return r;
	*ret = p.root;
	return 0;
}

int ks_json_parse_file(struct ks_arena *a, int dirfd, const char *path, struct ks_json **ret,
		       struct ks_err *err)
{
	char *text;
	size_t len;
	int r = ks_file_read_at(a, dirfd, path, KS_JSON_MAX_BYTES, &text, &len);

	if (r == -EFBIG)
		return ks_err_kind(err, KS_ERR_INVALID, "%s: larger than 4 MiB", path);
	if (r < 0)
		return ks_err_set(err, r, "read %s", path);
	return ks_json_parse(a, text, len, path, ret, err);
}

const struct ks_json *ks_json_get(const struct ks_json *v, const char *key)
{
	const struct ks_json *found = NULL;

	if (!v || v->type != KS_JSON_OBJECT)
		return NULL;
	for (const struct ks_json *m = v->first; m; m = m->next)
		if (ks_streq(m->key, key))
			found = m;
	return found;
}
