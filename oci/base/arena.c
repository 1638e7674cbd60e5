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
static void *alloc_own(struct ks_arena *a, size_t size)
{
	struct ks_arena_chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	struct ks_arena_chunk **at = a->chunks ? &a->chunks->next : &a->chunks;

	c->next = *at;
	*at = c;
	return c->data;
}

/* What a chunk is made of is zeroed as it is given away: most commands use little of one, and a
 * page that is never touched is never there. */
static int add_chunk(struct ks_arena *a)
{
	struct ks_arena_chunk *c = malloc(sizeof(*c) + CHUNK_BYTES);

	if (!c)
		return -ENOMEM;
	c->next = a->chunks;
	a->chunks = c;
	a->next = (char *)c->data;
	a->left = CHUNK_BYTES;
	return 0;
}

void *ks_arena_alloc(struct ks_arena *a, size_t size)
{
	assert(a);
	if (size > SIZE_MAX / 2)
		return NULL;
	/* Nothing, too, has an address of its own: NULL means that memory ran out. */
	size = ((size ? size : 1) + ALIGN - 1) / ALIGN * ALIGN;
	if (size > a->left) {
		if (size > CHUNK_BYTES / 4)
			return alloc_own(a, size);
		if (add_chunk(a) < 0)
			return NULL;
	}
	void *p = a->next;

	a->next += size;
	a->left -= size;
	return memset(p, 0, size);
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
