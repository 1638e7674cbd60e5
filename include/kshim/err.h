/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors: one caller-owned, fixed-size record.
 *
 * A function that can fail returns 0, a negative errno, or a positive
 * condition that is listed beside its prototype; its last parameter is a
 * struct ks_err that it fills before a negative return. The record holds no
 * pointer, so that the child of a launch writes it to its parent as it is.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <kshim/macro.h>

/** enum ks_err_kind - what a caller can do about a failure */
enum ks_err_kind {
	KS_ERR_NONE,
	KS_ERR_INVALID,	    /* the input is wrong: a file, an option, a value */
	KS_ERR_NOT_FOUND,   /* the object does not exist */
	KS_ERR_EXISTS,	    /* the object exists already */
	KS_ERR_STATE,	    /* the object is in the wrong state for this */
	KS_ERR_DENIED,	    /* policy or permission */
	KS_ERR_UNSUPPORTED, /* neither here nor now; not the caller's fault */
	KS_ERR_BUSY,	    /* held by somebody, who is named */
	KS_ERR_EXHAUSTED,   /* out of memory, space, ids */
	KS_ERR_TIMEOUT,
	KS_ERR_INTERNAL,
	KS_ERR_HOOK,	       /* a hook of the container failed: it must not live */
	KS_ERR_NO_COMMAND,     /* the container's command was not found: exit code 127 */
	KS_ERR_NOT_EXECUTABLE, /* ... or cannot be executed: exit code 126 */
};

#define KS_ERR_MSG_MAX 960

/** struct ks_err - a failure; zero it (KS_ERR_INIT) before the first use */
struct ks_err {
	int32_t num;   /* positive errno, 0 when there is none */
	uint32_t kind; /* enum ks_err_kind */
	char msg[KS_ERR_MSG_MAX];
};

#define KS_ERR_INIT ((struct ks_err){ 0 })

/**
 * ks_err_set() - record a failed system call
 * @err: the record; NULL is allowed and only the return value counts then
 * @num: negative errno
 * @fmt: what was tried, with the object's name; the errno's text is appended
 *
 * Context: any, also the child of a launch: does not allocate.
 * Return: @num.
 */
int ks_err_set(struct ks_err *err, int num, const char *fmt, ...) KS_PRINTF(3, 4);

/**
 * ks_err_kind() - record a failure that is no system call's
 * @err:  the record or NULL
 * @kind: what went wrong
 * @fmt:  the whole message
 *
 * Return: the negative errno that stands for @kind.
 */
int ks_err_kind(struct ks_err *err, enum ks_err_kind kind, const char *fmt, ...) KS_PRINTF(3, 4);

/**
 * ks_err_prefix() - say what a failure broke, in front of its message
 * @err: the record or NULL
 * @num: the negative errno to return
 *
 * Return: @num.
 */
int ks_err_prefix(struct ks_err *err, int num, const char *fmt, ...) KS_PRINTF(3, 4);

/**
 * ks_err_oom() - record that memory ran out
 *
 * Return: -ENOMEM.
 */
int ks_err_oom(struct ks_err *err);

/**
 * ks_vfmt() - vsnprintf(3) without locale, allocation or floating point
 * @buf:  result, always terminated when @size is not 0; cut when too long
 * @fmt:  %s %.*s %c %d %i %u %x %o with l, ll, z, zero padding, and %%
 *
 * Context: any, also after clone in the child of a launch.
 * Return: the number of bytes written, without the terminator.
 */
size_t ks_vfmt(char *buf, size_t size, const char *fmt, va_list ap);

/** ks_fmt() - see ks_vfmt() */
size_t ks_fmt(char *buf, size_t size, const char *fmt, ...) KS_PRINTF(3, 4);

/**
 * ks_strerror() - the English text of an errno, never NULL
 * @num: positive or negative errno
 *
 * Context: any; does not allocate or translate.
 */
const char *ks_strerror(int num);
