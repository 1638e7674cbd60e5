/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * JSON: text to an arena tree, the tree to typed structures by tables, and
 * text out again.
 *
 * Limits, for every text that kshim reads: 4 MiB, nesting of 64, no string
 * with a NUL byte (C strings would end there and something else would be
 * checked than used). Of duplicate keys the last one counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kshim/arena.h>
#include <kshim/err.h>
#include <kshim/str.h>

#define KS_JSON_MAX_BYTES (4U << 20)
#define KS_JSON_MAX_DEPTH 64

enum ks_json_type {
	KS_JSON_NULL,
	KS_JSON_BOOL,
	KS_JSON_NUMBER,
	KS_JSON_STRING,
	KS_JSON_ARRAY,
	KS_JSON_OBJECT,
};

/** struct ks_json - one value of a parsed text; in the arena of the parse */
struct ks_json {
	enum ks_json_type type;
	bool boolean;
	const char *text;      /* of a number or string; terminated */
	const char *key;       /* when it is an object's member */
	struct ks_json *first; /* member or element */
	struct ks_json *last;
	struct ks_json *next; /* behind this one in its parent */
	size_t count;	      /* members or elements */
	size_t begin, end;    /* bytes of an object or array in the text; end is exclusive */
};

/**
 * ks_json_parse() - read a text
 * @a:    the tree is made here and never refers to @text
 * @name: what the text is, for messages: a path
 * @ret:  the root value
 *
 * Return: 0, -EINVAL with line and reason, -ENOMEM.
 */
int ks_json_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		  struct ks_json **ret, struct ks_err *err);

/** ks_json_parse_file() - the same for a file below @dirfd, of KS_JSON_MAX_BYTES at most */
int ks_json_parse_file(struct ks_arena *a, int dirfd, const char *path, struct ks_json **ret,
		       struct ks_err *err);

/** ks_json_get() - the last member of that key, or NULL; NULL too when @v is no object */
const struct ks_json *ks_json_get(const struct ks_json *v, const char *key);

/** ks_json_type_name() - such as "string", with the article left to the caller */
const char *ks_json_type_name(enum ks_json_type type);

/* ---- tables ------------------------------------------------------------ */

/* Optional numbers: absent and zero differ nearly everywhere in the OCI spec. */
struct ks_opt_i64 {
	bool set;
	int64_t v;
};
struct ks_opt_u64 {
	bool set;
	uint64_t v;
};

/** struct ks_json_ctx - what a decode carries along; the path is for messages */
struct ks_json_ctx {
	struct ks_arena *arena;
	struct ks_err *err;
	size_t path_len;
	char path[512];
};

enum ks_json_kind {
	KS_FIELD_STR,	  /* const char * */
	KS_FIELD_BOOL,	  /* bool */
	KS_FIELD_U32,	  /* uint32_t */
	KS_FIELD_OPT_I64, /* struct ks_opt_i64 */
	KS_FIELD_OPT_U64, /* struct ks_opt_u64 */
	KS_FIELD_STRV,	  /* struct ks_strv */
	KS_FIELD_OBJECT,  /* the structure itself at the offset, by .table */
	KS_FIELD_PTR,	  /* pointer to a structure of .size, by .table */
	KS_FIELD_LIST,	  /* struct ks_list of structures of .size, by .table */
	KS_FIELD_DICT,	  /* the same from an object; the structures begin with const char *key */
	KS_FIELD_ENUM,	  /* int, by .names */
	KS_FIELD_MAP,	  /* struct ks_map: an object of strings */
	KS_FIELD_JSON,	  /* const struct ks_json *, as it is */
	KS_FIELD_REFUSE,  /* known, but not supported: present is an error */
};

/** struct ks_list - a decoded array; v points at n structures */
struct ks_list {
	void *v;
	size_t n;
};

struct ks_map_entry {
	const char *key;
	const char *value;
};

/** struct ks_map - an object whose values are strings; keys are unique, order kept */
struct ks_map {
	struct ks_map_entry *v;
	size_t n;
};

/** ks_map_get() - the value of @key, or NULL */
const char *ks_map_get(const struct ks_map *m, const char *key);

/** struct ks_json_name - one value of an enumeration; a list ends with name NULL */
struct ks_json_name {
	const char *name;
	int value;
};

#define KS_FIELD_REQUIRED 1U /* absence is an error */
#define KS_FIELD_NONEMPTY 2U /* an empty string or list is one */

/**
 * struct ks_json_field - one property; a table ends with key NULL
 *
 * Narrow, since it has pointers: each page of such tables is copied and relocated at every start.
 */
struct ks_json_field {
	const char *key;
	uint16_t offset, size; /* bytes */
	enum ks_json_kind kind : 8;
	unsigned int flags : 8;
	union {
		const struct ks_json_field *table;
		const struct ks_json_name *names;
	};
};

/**
 * ks_json_decode() - fill a structure from an object
 * @table: properties that are known; others are ignored, as the OCI spec demands
 * @dst:   zeroed structure; strings and lists point into the context's arena
 *
 * A JSON null counts as absent.
 * Return: 0, or -EINVAL with the path of the property, or -ENOMEM.
 */
int ks_json_decode(struct ks_json_ctx *ctx, const struct ks_json *v,
		   const struct ks_json_field *table, void *dst);

/**
 * ks_json_fail() - an error about the value at the context's path
 * @key: a member below it, or NULL
 *
 * Return: -EINVAL.
 */
int ks_json_fail(struct ks_json_ctx *ctx, const char *key, const char *fmt, ...) KS_PRINTF(3, 4);

/** ks_json_enter() - append ".key", or "[index]" when @key is NULL; returns the old length */
size_t ks_json_enter(struct ks_json_ctx *ctx, const char *key, size_t index);
/** ks_json_leave() - go back to what ks_json_enter() returned */
void ks_json_leave(struct ks_json_ctx *ctx, size_t old);

/** ks_json_str() - a string value, or an error at the context's path; NULL on error */
const char *ks_json_str(struct ks_json_ctx *ctx, const struct ks_json *v);
/** ks_json_i64() - an integral number in a range; 0 or -EINVAL */
int ks_json_i64(struct ks_json_ctx *ctx, const struct ks_json *v, int64_t min, int64_t max,
		int64_t *ret);

/* ---- writing ----------------------------------------------------------- */

/** struct ks_json_out - a text being made; commas and indentation come by themselves */
struct ks_json_out {
	struct ks_buf buf;
	bool pretty;
	unsigned int depth;
	bool need_comma;
};

void ks_json_out_done(struct ks_json_out *o);
#define ks_auto_json_out KS_CLEANUP(ks_json_out_done)

/** ks_json_open() - begin an object, '{', or an array, '[' */
void ks_json_open(struct ks_json_out *o, const char *key, char bracket);
/** ks_json_close() - end it, with '}' or ']' */
void ks_json_close(struct ks_json_out *o, char bracket);
/* @key is NULL within an array. A NULL string is written as null. */
void ks_json_put_str(struct ks_json_out *o, const char *key, const char *s);
void ks_json_put_i64(struct ks_json_out *o, const char *key, int64_t v);
void ks_json_put_u64(struct ks_json_out *o, const char *key, uint64_t v);
void ks_json_put_bool(struct ks_json_out *o, const char *key, bool v);
void ks_json_put_map(struct ks_json_out *o, const char *key, const struct ks_map *m);
void ks_json_put_strv(struct ks_json_out *o, const char *key, const struct ks_strv *v);
/** ks_json_put_json() - a parsed value, as it was */
void ks_json_put_json(struct ks_json_out *o, const char *key, const struct ks_json *v);

/* ---- rows of a table, by the structure's member ------------------------- */

/* @bytes: of what the member is, points at, or lists; @of: .table or .names, or nothing */
#define KS_ROW(kind, T, m, bytes, key, flags, of)        \
	{                                                \
		key, offsetof(T, m), bytes, kind, flags, \
		{                                        \
			of                               \
		}                                        \
	}
#define KS_PLAIN(kind, T, m, key, flags) KS_ROW(kind, T, m, sizeof(((T *)0)->m), key, flags, NULL)
#define KS_STR(T, m, key, flags)	 KS_PLAIN(KS_FIELD_STR, T, m, key, flags)
#define KS_BOOL(T, m, key)		 KS_PLAIN(KS_FIELD_BOOL, T, m, key, 0)
#define KS_BOOL_AS(T, m, key, flags)	 KS_PLAIN(KS_FIELD_BOOL, T, m, key, flags)
#define KS_I64_AS(T, m, key, flags)	 KS_PLAIN(KS_FIELD_OPT_I64, T, m, key, flags)
#define KS_U32(T, m, key, flags)	 KS_PLAIN(KS_FIELD_U32, T, m, key, flags)
#define KS_I64(T, m, key)		 KS_PLAIN(KS_FIELD_OPT_I64, T, m, key, 0)
#define KS_U64(T, m, key, flags)	 KS_PLAIN(KS_FIELD_OPT_U64, T, m, key, flags)
#define KS_STRV(T, m, key, flags)	 KS_PLAIN(KS_FIELD_STRV, T, m, key, flags)
#define KS_MAP(T, m, key)		 KS_PLAIN(KS_FIELD_MAP, T, m, key, 0)
#define KS_JSON_ANY(T, m, key, flags)	 KS_PLAIN(KS_FIELD_JSON, T, m, key, flags)
#define KS_OBJ(T, m, key, t)		 KS_ROW(KS_FIELD_OBJECT, T, m, sizeof(((T *)0)->m), key, 0, .table = t)
#define KS_ENUM(T, m, key, flags, n) \
	KS_ROW(KS_FIELD_ENUM, T, m, sizeof(((T *)0)->m), key, flags, .names = n)
/* An object whose members are the same structure's. */
#define KS_WITHIN(key, flags, t)                   \
	{                                          \
		key, 0, 0, KS_FIELD_OBJECT, flags, \
		{                                  \
			.table = t                 \
		}                                  \
	}
/* A pointer to, or a list of, structures E. */
#define KS_PTR(T, m, E, key, t)	 KS_ROW(KS_FIELD_PTR, T, m, sizeof(E), key, 0, .table = t)
#define KS_LIST(T, m, E, key, t) KS_ROW(KS_FIELD_LIST, T, m, sizeof(E), key, 0, .table = t)
/* Of an object whose keys are names: E begins with `const char *`, which gets the key. */
#define KS_DICT(T, m, E, key, t) KS_ROW(KS_FIELD_DICT, T, m, sizeof(E), key, 0, .table = t)
#define KS_REFUSE(key)                         \
	{                                      \
		key, 0, 0, KS_FIELD_REFUSE, 0, \
		{                              \
			0                      \
		}                              \
	}
#define KS_END                               \
	{                                    \
		NULL, 0, 0, KS_FIELD_STR, 0, \
		{                            \
			0                    \
		}                            \
	}
