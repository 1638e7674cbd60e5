/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Strings, string lists and the strict reading of numbers.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kshim/arena.h>
#include <kshim/err.h>

/* A NULL is equal to a NULL alone. */
static inline bool ks_streq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool ks_str_empty(const char *s)
{
	return !s || !*s;
}

/** ks_str_prefix() - what follows @prefix in @s, or NULL when @s does not start with it */
const char *ks_str_prefix(const char *s, const char *prefix);

/** struct ks_strv - a list of strings, NULL-terminated as exec(3) wants it */
struct ks_strv {
	char **v; /* may be NULL when n is 0 */
	size_t n;
};

/** ks_strv_append() - add a copy of @s; 0 or -ENOMEM */
int ks_strv_append(struct ks_arena *a, struct ks_strv *v, const char *s);

/** ks_strv_sort() - by bytes, as LC_ALL=C does; for lists that people read */
void ks_strv_sort(struct ks_strv *v);

/**
 * ks_str_split() - the non-empty parts between separators
 * @sep: one character
 *
 * Return: 0 or -ENOMEM.
 */
int ks_str_split(struct ks_arena *a, const char *s, char sep, struct ks_strv *ret);

/** struct ks_buf - a growing, terminated string on the heap */
struct ks_buf {
	char *data;
	size_t len;
	size_t size;
	bool failed; /* memory ran out; what was appended since is lost */
};

void ks_buf_done(struct ks_buf *b);
#define ks_auto_buf KS_CLEANUP(ks_buf_done)

/** ks_buf_add() - append @n bytes; a failure is remembered in @b->failed */
void ks_buf_add(struct ks_buf *b, const char *s, size_t n);
/** ks_buf_adds() - append a string */
void ks_buf_adds(struct ks_buf *b, const char *s);
/** ks_buf_addf() - append a formatted string; the formats of ks_vfmt(), at most 4095 bytes */
void ks_buf_addf(struct ks_buf *b, const char *fmt, ...) KS_PRINTF(2, 3);

/**
 * ks_parse_u64() - the whole string as an unsigned decimal number
 *
 * No sign, no space, no base prefix, no leading zero but "0" itself.
 * Return: 0, -EINVAL, or -ERANGE above @max.
 */
int ks_parse_u64(const char *s, uint64_t max, uint64_t *ret);

/** ks_parse_i64() - the same with an optional '-' */
int ks_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/** ks_parse_octal() - an octal number such as a mode; 0, -EINVAL or -ERANGE */
int ks_parse_octal(const char *s, uint32_t max, uint32_t *ret);

/**
 * ks_parse_quantity() - a Kubernetes quantity as a number of bytes
 * @s:   such as 64Mi, 1.5G, 1e3, 128974848, 129e6, 100m
 * @ret: the value, rounded up to a whole number as Kubernetes' Value() does
 *
 * Return: 0, -EINVAL when it is none, -ERANGE when negative or above INT64_MAX.
 * Source: apimachinery, pkg/api/resource, type Quantity.
 */
int ks_parse_quantity(const char *s, int64_t *ret);

/** ks_format_bytes() - the shortest exact quantity: 1073741824 is "1Gi"; @buf of 24 bytes */
const char *ks_format_bytes(uint64_t bytes, char buf[static 24]);

/**
 * ks_valid_dns_label() - RFC 1123 label: a-z, 0-9, '-', 1 to 63, no '-' at an end
 * ks_valid_dns_name()  - RFC 1123 subdomain: labels joined by '.', at most 253
 * ks_valid_id()        - container id: [A-Za-z0-9_+-][A-Za-z0-9_+.-]*, at most 1024
 */
bool ks_valid_dns_label(const char *s);
bool ks_valid_dns_name(const char *s);
bool ks_valid_id(const char *s);
