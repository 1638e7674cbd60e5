/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/str.h>

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define ID_MAX_BYTES 1024

const char *ks_str_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* The array doubles at powers of two, so that its capacity need not be stored. */
int ks_strv_append(struct ks_arena *a, struct ks_strv *v, const char *s)
{
	bool full = v->n < 4 ? v->n == 0 : (v->n & (v->n - 1)) == 0;

	if (full) {
		size_t cap = v->n < 4 ? 4 : v->n * 2;
		char **p = KS_ARENA_NEWV(a, char *, cap + 1);

		if (!p)
			return -ENOMEM;
		if (v->n)
			memcpy(p, v->v, v->n * sizeof(*p));
		v->v = p;
	}
	char *copy = ks_arena_strdup(a, s);

	if (!copy)
		return -ENOMEM;
	v->v[v->n++] = copy;
	v->v[v->n] = NULL;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void ks_strv_sort(struct ks_strv *v)
{
	if (v->n)
		qsort(v->v, v->n, sizeof(*v->v), compare);
}

int ks_str_split(struct ks_arena *a, const char *s, char sep, struct ks_strv *ret)
{
	struct ks_strv v = { 0 };

	while (*s) {
		const char *end = strchr(s, sep);
		size_t n = end ? (size_t)(end - s) : strlen(s);

		if (n) {
			char *part = ks_arena_strndup(a, s, n);

			if (!part || ks_strv_append(a, &v, part) < 0)
				return -ENOMEM;
		}
		s += n + (end != NULL);
	}
	*ret = v;
	return 0;
}

void ks_buf_done(struct ks_buf *b)
{
	free(b->data);
	*b = (struct ks_buf){ 0 };
}

void ks_buf_add(struct ks_buf *b, const char *s, size_t n)
{
	if (b->failed)
		return;
	if (n >= b->size - b->len || !b->size) {
		size_t size = b->size ? b->size : 256;

		while (n >= size - b->len && size < SIZE_MAX / 2)
			size *= 2;
		char *p = n >= size - b->len ? NULL : realloc(b->data, size);

		if (!p) {
			b->failed = true;
			return;
		}
		b->data = p;
		b->size = size;
	}
	if (n)
		memcpy(b->data + b->len, s, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void ks_buf_adds(struct ks_buf *b, const char *s)
{
	ks_buf_add(b, s, strlen(s));
}

void ks_buf_addf(struct ks_buf *b, const char *fmt, ...)
{
	char tmp[4096];
	va_list ap;

	va_start(ap, fmt);
	size_t n = ks_vfmt(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	ks_buf_add(b, tmp, n);
}

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The length of the label that @s starts with, 0 when there is none. */
static size_t dns_label(const char *s)
{
	size_t n = 0;

	while (is_lower_alnum(s[n]) || s[n] == '-')
		n++;
	if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return 0;
	return n;
}

bool ks_valid_dns_label(const char *s)
{
	size_t n = dns_label(s);

	return n && s[n] == '\0';
}

bool ks_valid_dns_name(const char *s)
{
	if (strlen(s) > 253)
		return false;
	for (;;) {
		size_t n = dns_label(s);

		if (!n)
			return false;
		if (s[n] == '\0')
			return true;
		if (s[n] != '.')
			return false;
		s += n + 1;
	}
}

bool ks_valid_id(const char *s)
{
	size_t n;

	for (n = 0; s[n]; n++) {
		bool word = is_lower_alnum(s[n]) || (s[n] >= 'A' && s[n] <= 'Z') || s[n] == '_' ||
			    s[n] == '+' || s[n] == '-';

		if (!word && (s[n] != '.' || n == 0))
			return false;
	}
	return n > 0 && n <= ID_MAX_BYTES;
}
