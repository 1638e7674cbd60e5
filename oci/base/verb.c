/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/verb.h>

#include <assert.h>

static const struct ks_option *find(const struct ks_option *options, const char *name, size_t n,
				    char letter)
{
	for (const struct ks_option *o = options; o && o->name; o++)
		if (letter ? o->letter == letter :
			     strlen(o->name) == n && !memcmp(o->name, name, n))
			return o;
	return NULL;
}

static int set_flag(const struct ks_option *o, const char *value, bool *dst, struct ks_err *err)
{
	if (!value || ks_streq(value, "true"))
		*dst = true;
	else if (ks_streq(value, "false"))
		*dst = false;
	else
		return ks_err_kind(err, KS_ERR_INVALID,
				   "option --%s: expected true or false, got \"%s\"", o->name,
				   value);
	return 0;
}

/* @value is what stands behind '=', @next the following word. Sets *used when it took that. */
static int set(struct ks_arena *a, const struct ks_option *o, const char *value, const char *next,
	       void *dst, bool *used, struct ks_err *err)
{
	void *field = (char *)dst + o->offset;

	if (o->kind == KS_OPT_FLAG)
		return set_flag(o, value, field, err);
	if (!value) {
		if (!next)
			return ks_err_kind(err, KS_ERR_INVALID, "option --%s needs %s", o->name,
					   o->arg);
		value = next;
		*used = true;
	}
	if (o->kind == KS_OPT_STRV)
		return ks_strv_append(a, field, value) < 0 ? ks_err_oom(err) : 0;
	*(const char **)field = value;
	return 0;
}

static int parse_long(struct ks_arena *a, const struct ks_option *options, const char *word,
		      const char *next, void *dst, bool *used, struct ks_err *err)
{
	size_t n = strcspn(word, "=");
	const struct ks_option *o = find(options, word, n, 0);

	if (!o)
		return ks_err_kind(err, KS_ERR_INVALID, "unknown option --%.*s", (int)n, word);
	return set(a, o, word[n] ? word + n + 1 : NULL, next, dst, used, err);
}

/* "-it" is two flags; "-n5" and "-n 5" are one option with its value. */
static int parse_short(struct ks_arena *a, const struct ks_option *options, const char *word,
		       const char *next, void *dst, bool *used, struct ks_err *err)
{
	for (const char *p = word; *p; p++) {
		const struct ks_option *o = find(options, "", 0, *p);

		if (!o)
			return ks_err_kind(err, KS_ERR_INVALID, "unknown option -%c", *p);
		bool flag = o->kind == KS_OPT_FLAG;
		const char *value = flag || !p[1] ? NULL : p + 1 + (p[1] == '=');
		int r = set(a, o, value, next, dst, used, err);

		if (r < 0 || !flag)
			return r;
	}
	return 0;
}

int ks_options_parse(struct ks_arena *a, const struct ks_option *options, unsigned int flags,
		     int argc, char **argv, void *dst, struct ks_args *ret, struct ks_err *err)
{
	struct ks_args args = { .v = KS_ARENA_NEWV(a, char *, (size_t)argc + 1) };
	bool ended = false;

	if (!args.v)
		return ks_err_oom(err);
	for (int i = 0; i < argc; i++) {
		char *w = argv[i];
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		bool used = false;
		int r = 0;

		if (ended || w[0] != '-' || !w[1]) {
			args.v[args.n++] = w;
			ended |= !(flags & KS_VERB_PERMUTE);
			/* `run ID -- CMD`: a "--" right behind the id is not the command. */
			if (args.n == 1 && !(flags & KS_VERB_PERMUTE) && next &&
			    ks_streq(next, "--"))
				i++;
			continue;
		}
		if (ks_streq(w, "--"))
			ended = true;
		else if (w[1] == '-')
			r = parse_long(a, options, w + 2, next, dst, &used, err);
		else
			r = parse_short(a, options, w + 1, next, dst, &used, err);
		if (r < 0)
			return r;
		i += used;
	}
	*ret = args;
	return 0;
}

void ks_options_usage(const struct ks_option *options, struct ks_buf *out)
{
	for (const struct ks_option *o = options; o && o->name; o++) {
		size_t start = out->len;

		ks_buf_addf(out, "  ");
		if (o->letter)
			ks_buf_addf(out, "-%c, ", o->letter);
		ks_buf_addf(out, "--%s", o->name);
		if (o->kind != KS_OPT_FLAG)
			ks_buf_addf(out, " %s", o->arg);
		do {
			ks_buf_adds(out, " ");
		} while (!out->failed && out->len - start < 32);
		ks_buf_addf(out, "%s\n", o->help);
	}
}

const struct ks_verb *ks_verb_find(const struct ks_verb *table, int argc, char **argv,
				   int *ret_words)
{
	for (const struct ks_verb *v = table; v->name && argc > 0; v++) {
		const char *space = strchr(v->name, ' ');
		size_t n = space ? (size_t)(space - v->name) : strlen(v->name);

		if (strlen(argv[0]) != n || memcmp(argv[0], v->name, n) != 0)
			continue;
		if (!space || (argc > 1 && ks_streq(argv[1], space + 1))) {
			*ret_words = space ? 2 : 1;
			return v;
		}
	}
	return NULL;
}
