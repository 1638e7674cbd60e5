/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command line as tables: verbs and their options. Usage, man page and
 * completions are checked against the same tables.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kshim/str.h>

enum ks_opt_kind {
	KS_OPT_FLAG, /* bool: --name, --name=true|false */
	KS_OPT_STR,  /* const char *: points into argv */
	KS_OPT_STRV, /* struct ks_strv: may be given several times */
};

/** struct ks_option - a table ends with name NULL */
struct ks_option {
	const char *name;
	char letter; /* short form, or 0 */
	enum ks_opt_kind kind : 8;
	uint16_t offset; /* into the verb's option structure */
	const char *arg; /* the argument's name in the usage */
	const char *help;
};

/** struct ks_args - what is behind the options */
struct ks_args {
	char **v; /* NULL-terminated; in the arena */
	int n;
};

struct ks_cli; /* global options and the log: <kshim/cli.h> */

#define KS_VERB_PERMUTE 1U /* options may stand behind arguments */
#define KS_VERB_SEAL	2U /* enters a container: runs from a copy that cannot be overwritten */

/** struct ks_verb - one verb; a table ends with name NULL */
struct ks_verb {
	const char *name; /* one word, or two as in "volume create" */
	const char *args; /* as in the usage: "ID [SIGNAL]" */
	const char *help; /* one line */
	const struct ks_option *options;
	size_t opts_size; /* of the option structure */
	unsigned int flags;
	int min_args, max_args; /* max -1: any number */
	/* Returns the exit code; negative: print @err, the exit code follows from it. */
	int (*fn)(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		  struct ks_err *err);
};

/**
 * ks_options_parse() - read options
 * @argv:  the words behind the verb
 * @flags: KS_VERB_PERMUTE or 0; without it the first argument ends the options
 * @dst:   zeroed option structure
 *
 * "--" ends the options and is dropped.
 * Return: 0, or -EINVAL for a usage error.
 */
int ks_options_parse(struct ks_arena *a, const struct ks_option *options, unsigned int flags,
		     int argc, char **argv, void *dst, struct ks_args *ret, struct ks_err *err);

/** ks_options_usage() - describe options, a line each */
void ks_options_usage(const struct ks_option *options, struct ks_buf *out);

/** ks_verb_find() - the verb that argv starts with; @ret_words is 1 or 2; NULL when none is */
const struct ks_verb *ks_verb_find(const struct ks_verb *table, int argc, char **argv,
				   int *ret_words);
