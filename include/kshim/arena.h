/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arenas: memory that is given back all at once.
 *
 * One arena holds one parsed spec, plan or record. Nothing in it is freed
 * singly, so that no error path has to.
 */
#include <stddef.h>

#include <kshim/macro.h>

struct ks_arena_chunk;

/** struct ks_arena - embed it and zero it (KS_ARENA_INIT) */
struct ks_arena {
	struct ks_arena_chunk *chunks; /* owned; newest first */
	char *next;
	size_t left;
};

#define KS_ARENA_INIT ((struct ks_arena){ 0 })

/** ks_arena_done() - free all; the arena may be used again; a zeroed one is allowed */
void ks_arena_done(struct ks_arena *a);
#define ks_auto_arena KS_CLEANUP(ks_arena_done)

/**
 * ks_arena_alloc() - zeroed memory, aligned for any type
 *
 * Return: the memory, owned by the arena, or NULL when there is none.
 */
void *ks_arena_alloc(struct ks_arena *a, size_t size) KS_MUST_CHECK;

/** ks_arena_array() - like ks_arena_alloc() for @n members; NULL also on overflow */
void *ks_arena_array(struct ks_arena *a, size_t n, size_t size) KS_MUST_CHECK;

/** ks_arena_strndup() - a terminated copy of @n bytes */
char *ks_arena_strndup(struct ks_arena *a, const char *s, size_t n) KS_MUST_CHECK;

/** ks_arena_strdup() - a copy of a string */
char *ks_arena_strdup(struct ks_arena *a, const char *s) KS_MUST_CHECK;

/** ks_arena_printf() - a formatted string; the formats of ks_vfmt(); NULL also above 4094 bytes */
char *ks_arena_printf(struct ks_arena *a, const char *fmt, ...) KS_PRINTF(2, 3) KS_MUST_CHECK;

#define KS_ARENA_NEW(a, type)	  ((type *)ks_arena_alloc((a), sizeof(type)))
#define KS_ARENA_NEWV(a, type, n) ((type *)ks_arena_array((a), (n), sizeof(type)))
