/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Small macros that every file may use.
 */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define KS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KS_MUST_CHECK	     __attribute__((warn_unused_result))
#define KS_CLEANUP(f)	     __attribute__((cleanup(f)))
#define KS_ARRAY_LEN(a)	     (sizeof(a) / sizeof((a)[0]))

/* Hand an owned pointer or descriptor on, and leave the empty value behind. */
#define KS_TAKE_PTR(p)                     \
	({                                 \
		__typeof__(p) *_pp = &(p); \
		__typeof__(p) _v = *_pp;   \
		*_pp = NULL;               \
		_v;                        \
	})
#define KS_TAKE_FD(fd)            \
	({                        \
		int *_fp = &(fd); \
		int _v = *_fp;    \
		*_fp = -EBADF;    \
		_v;               \
	})

/* free() as a cleanup handler; the variable may be NULL. */
static inline void ks_cleanup_free(void *p)
{
	free(*(void **)p);
}

#define ks_auto_free KS_CLEANUP(ks_cleanup_free)
