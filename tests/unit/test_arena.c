/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/arena.c"

#include "test.h"

static void memory_is_zeroed_and_aligned(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;

	/* The second time in memory that was used. */
	for (int n = 0; n < 2; n++) {
		for (size_t size = 0; size < 10000; size += 7) {
			char *p = ks_arena_alloc(&a, size);

			CHECK(p && (uintptr_t)p % ALIGN == 0);
			for (size_t i = 0; i < size; i++)
				CHECK(p[i] == 0);
			memset(p, 0xff, size); /* the next one must not overlap */
		}
		ks_arena_done(&a);
	}
}

static void a_large_object_keeps_the_current_chunk(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char *small = ks_arena_alloc(&a, 16);
	char *large = ks_arena_alloc(&a, CHUNK_BYTES * 4);
	char *next = ks_arena_alloc(&a, 16);

	CHECK(large != NULL);
	CHECK(next == small + 16);
}

static void sizes_that_overflow_are_refused(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;

	CHECK(!ks_arena_array(&a, SIZE_MAX / 2, 3));
	CHECK(!ks_arena_alloc(&a, SIZE_MAX - 4));
	CHECK(!ks_arena_strndup(&a, "x", SIZE_MAX));
}

static void strings(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;

	CHECK_STR(ks_arena_strdup(&a, "abc"), "abc");
	CHECK_STR(ks_arena_strndup(&a, "abcdef", 3), "abc");
	CHECK_STR(ks_arena_printf(&a, "%s-%d", "x", 42), "x-42");
}

static void done_twice_and_again(void)
{
	struct ks_arena a = KS_ARENA_INIT;

	ks_arena_done(&a);
	CHECK(ks_arena_alloc(&a, 1) != NULL);
	ks_arena_done(&a);
	ks_arena_done(&a);
	CHECK(!a.chunks && !a.left);
}

TEST_MAIN(CASE(memory_is_zeroed_and_aligned), CASE(a_large_object_keeps_the_current_chunk),
	  CASE(sizes_that_overflow_are_refused), CASE(strings), CASE(done_twice_and_again))
