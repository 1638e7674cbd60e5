/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/arena.h>

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kshim/err.h>

#define CHUNK_BYTES 32768
#define ALIGN	    _Alignof(max_align_t)

struct ks_arena_chunk {
	struct ks_arena_chunk *next;
	max_align_t data[];
};

void ks_arena_done(struct ks_arena *a)
{
	while (a->chunks) {
		struct ks_arena_chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	*a = KS_ARENA_INIT;
}

/*
 * A large object gets a chunk of its own behind the current one, so that what
 * is left in the current one is not lost.
 */
static void *alloc_chunk(struct ks_arena *a, size_t size)
{
	bool own = size > CHUNK_BYTES / 4;
	size_t bytes = own ? size : CHUNK_BYTES;
	struct ks_arena_chunk *c = calloc(1, sizeof(*c) + bytes);

	if (!c)
		return NULL;
	if (own && a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
		return c->data;
	}
	c->next = a->chunks;
	a->chunks = c;
	a->next = (char *)c->data + size;
	a->left = bytes - size;
	return c->data;
}

void *ks_arena_alloc(struct ks_arena *a, size_t size)
{
	assert(a);
	if (size > SIZE_MAX / 2)
		return NULL;
	/* Nothing, too, has an address of its own: NULL means that memory ran out. */
	size = ((size ? size : 1) + ALIGN - 1) / ALIGN * ALIGN;
	if (size > a->left)
		return alloc_chunk(a, size);
	void *p = a->next;

	a->next += size;
	a->left -= size;
	return p;
}

void *ks_arena_array(struct ks_arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return ks_arena_alloc(a, bytes);
}

char *ks_arena_strndup(struct ks_arena *a, const char *s, size_t n)
{
	if (n == SIZE_MAX)
		return NULL;
	char *p = ks_arena_alloc(a, n + 1);

	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *ks_arena_strdup(struct ks_arena *a, const char *s)
{
	assert(s);
	return ks_arena_strndup(a, s, strlen(s));
}

char *ks_arena_printf(struct ks_arena *a, const char *fmt, ...)
{
	char buf[4096];
	va_list ap;

	va_start(ap, fmt);
	size_t n = ks_vfmt(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	/* Cut short it would mean something else. */
	return n + 1 < sizeof(buf) ? ks_arena_strndup(a, buf, n) : NULL;
}
