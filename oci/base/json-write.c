/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/json.h>

#include <assert.h>
#include <string.h>

void ks_json_out_done(struct ks_json_out *o)
{
	ks_buf_done(&o->buf);
	*o = (struct ks_json_out){ 0 };
}

static void newline(struct ks_json_out *o)
{
	if (!o->pretty)
		return;
	ks_buf_add(&o->buf, "\n", 1);
	for (unsigned int i = 0; i < o->depth; i++)
		ks_buf_add(&o->buf, "  ", 2);
}

/* Only what RFC 8259 demands is escaped: hooks and peers expect '/' as it is. */
static void put_quoted(struct ks_json_out *o, const char *s)
{
	ks_buf_add(&o->buf, "\"", 1);
	for (const char *p = s; *p;) {
		size_t n = 0;

		while ((unsigned char)p[n] >= 0x20 && p[n] != '"' && p[n] != '\\')
			n++;
		ks_buf_add(&o->buf, p, n);
		p += n;
		if (!*p)
			break;
		if (*p == '"' || *p == '\\')
			ks_buf_addf(&o->buf, "\\%c", *p);
		else if (*p == '\n')
			ks_buf_add(&o->buf, "\\n", 2);
		else if (*p == '\t')
			ks_buf_add(&o->buf, "\\t", 2);
		else
			ks_buf_addf(&o->buf, "\\u%04x", (unsigned int)(unsigned char)*p);
		p++;
	}
	ks_buf_add(&o->buf, "\"", 1);
}

static void begin_value(struct ks_json_out *o, const char *key)
{
	if (o->need_comma)
		ks_buf_add(&o->buf, ",", 1);
	if (o->depth)
		newline(o);
	o->need_comma = true;
	if (!key)
		return;
	put_quoted(o, key);
	ks_buf_adds(&o->buf, o->pretty ? ": " : ":");
}

void ks_json_open(struct ks_json_out *o, const char *key, char bracket)
{
	assert(bracket == '{' || bracket == '[');
	begin_value(o, key);
	ks_buf_add(&o->buf, &bracket, 1);
	o->depth++;
	o->need_comma = false;
}

void ks_json_close(struct ks_json_out *o, char bracket)
{
	bool empty = !o->need_comma;

	assert(o->depth && (bracket == '}' || bracket == ']'));
	o->depth--;
	if (!empty)
		newline(o);
	ks_buf_add(&o->buf, &bracket, 1);
	o->need_comma = true;
}

void ks_json_put_str(struct ks_json_out *o, const char *key, const char *s)
{
	begin_value(o, key);
	if (s)
		put_quoted(o, s);
	else
		ks_buf_adds(&o->buf, "null");
}

void ks_json_put_i64(struct ks_json_out *o, const char *key, int64_t v)
{
	begin_value(o, key);
	ks_buf_addf(&o->buf, "%lld", (long long)v);
}

void ks_json_put_u64(struct ks_json_out *o, const char *key, uint64_t v)
{
	begin_value(o, key);
	ks_buf_addf(&o->buf, "%llu", (unsigned long long)v);
}

void ks_json_put_bool(struct ks_json_out *o, const char *key, bool v)
{
	begin_value(o, key);
	ks_buf_adds(&o->buf, v ? "true" : "false");
}

void ks_json_put_map(struct ks_json_out *o, const char *key, const struct ks_map *m)
{
	ks_json_open(o, key, '{');
	for (size_t i = 0; i < m->n; i++)
		ks_json_put_str(o, m->v[i].key, m->v[i].value);
	ks_json_close(o, '}');
}

void ks_json_put_strv(struct ks_json_out *o, const char *key, const struct ks_strv *v)
{
	ks_json_open(o, key, '[');
	for (size_t i = 0; i < v->n; i++)
		ks_json_put_str(o, NULL, v->v[i]);
	ks_json_close(o, ']');
}

void ks_json_put_json(struct ks_json_out *o, const char *key, const struct ks_json *v)
{
	switch (v->type) {
	case KS_JSON_STRING:
		ks_json_put_str(o, key, v->text);
		return;
	case KS_JSON_BOOL:
		ks_json_put_bool(o, key, v->boolean);
		return;
	case KS_JSON_NULL:
	case KS_JSON_NUMBER:
		begin_value(o, key);
		ks_buf_adds(&o->buf, v->type == KS_JSON_NULL ? "null" : v->text);
		return;
	case KS_JSON_ARRAY:
	case KS_JSON_OBJECT:
	default:
		break;
	}
	ks_json_open(o, key, v->type == KS_JSON_ARRAY ? '[' : '{');
	for (const struct ks_json *m = v->first; m; m = m->next)
		ks_json_put_json(o, m->key, m);
	ks_json_close(o, v->type == KS_JSON_ARRAY ? ']' : '}');
}
