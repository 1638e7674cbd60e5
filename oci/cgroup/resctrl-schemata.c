/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a class: written, or held against those that it has. */
#include <stdlib.h>
#include <string.h>

#include <kshim/fd.h>

#include "resctrl-files.h"

#define MAX_LINES  1024
#define MAX_LIMITS 4096

/* Those lines of l3CacheSchema that memBwSchema does not stand for. */
static const char *without_bandwidth(struct ks_arena *a, const char *schema)
{
	struct ks_strv lines = { 0 };
	const char *all = "";

	if (ks_str_split(a, schema, '\n', &lines) < 0)
		return NULL;
	for (size_t i = 0; i < lines.n && all; i++)
		if (!ks_str_prefix(lines.v[i] + strspn(lines.v[i], " "), "MB:"))
			all = ks_arena_printf(a, "%s%s%s", all, *all ? "\n" : "", lines.v[i]);
	return all;
}

int ks_schemata_list(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_strv *ret,
		     struct ks_err *err)
{
	const char *l3 = s->l3_cache_schema;
	int r = 0;

	if (s->schemata.n > MAX_LINES)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.intelRdt.schemata: more than %d lines", MAX_LINES);
	if (!ks_str_empty(l3) && !ks_str_empty(s->mem_bw_schema)) {
		l3 = without_bandwidth(a, l3);
		if (!l3)
			return ks_err_oom(err);
	}
	if (!ks_str_empty(l3))
		r = ks_strv_append(a, ret, l3);
	if (r == 0 && !ks_str_empty(s->mem_bw_schema))
		r = ks_strv_append(a, ret, s->mem_bw_schema);
	for (size_t i = 0; i < s->schemata.n && r == 0; i++)
		if (*s->schemata.v[i])
			r = ks_strv_append(a, ret, s->schemata.v[i]);
	return r < 0 ? ks_err_oom(err) : 0;
}

int ks_schemata_write(struct ks_arena *a, int root, int dir, const struct ks_strv *lines,
		      struct ks_err *err)
{
	for (size_t i = 0; i < lines->n; i++) {
		const char *text = ks_arena_printf(a, "%s\n", lines->v[i]);
		int r = text ? ks_file_write_at(dir, "schemata", text) : ks_err_oom(err);
		const char *what = ks_arena_printf(a, "linux.intelRdt: set \"%s\"", lines->v[i]);

		if (r == -ENOMEM || !what)
			return ks_err_oom(err);
		if (r < 0)
			return ks_resctrl_fail(a, root, r, what, err);
	}
	return 0;
}

/* One limit: of a resource, in a domain, such as "L3", 0, 0x7f. */
struct limit {
	const char *resource;
	uint64_t domain, value;
};

struct limits {
	struct limit *v; /* of MAX_LIMITS */
	size_t n;
};

static bool is_bandwidth(const char *resource)
{
	return ks_streq(resource, "MB") || ks_streq(resource, "SMBA");
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	for (size_t n = strlen(s); n && (s[n - 1] == ' ' || s[n - 1] == '\t'); n--)
		s[n - 1] = '\0';
	return s;
}

static bool parse_value(const char *s, bool decimal, uint64_t *ret)
{
	char *end;

	if (!*s || s[strspn(s, decimal ? "0123456789" : "0123456789abcdefABCDEF")])
		return false;
	errno = 0;
	*ret = strtoull(s, &end, decimal ? 10 : 16);
	return !errno && !*end;
}

/* "L3:0=7f;1=ff", as the kernel pads it; false when it is no such line. */
static bool parse_line(char *line, struct limits *ret)
{
	char *rest = strchr(line, ':'), *save = NULL;

	if (!rest)
		return false;
	*rest++ = '\0';
	const char *resource = trim(line);

	for (char *p = strtok_r(rest, ";", &save); p; p = strtok_r(NULL, ";", &save)) {
		struct limit l = { .resource = resource };
		char *value = strchr(p, '=');

		if (!value && !*trim(p))
			continue;
		if (!value || ret->n == MAX_LIMITS)
			return false;
		*value++ = '\0';
		if (!parse_value(trim(p), true, &l.domain) ||
		    !parse_value(trim(value), is_bandwidth(resource), &l.value))
			return false;
		ret->v[ret->n++] = l;
	}
	return *resource;
}

/*
 * @text: lines, which are added to those that are there. One that is not of that form is an
 * error that names it; of the kernel's own (@known) it is one that nobody can ask for.
 */
static int parse_schemata(struct ks_arena *a, const char *text, bool known, struct limits *ret,
			  struct ks_err *err)
{
	struct ks_strv lines = { 0 };

	if (!ret->v)
		ret->v = KS_ARENA_NEWV(a, struct limit, MAX_LIMITS);
	if (!ret->v || ks_str_split(a, text, '\n', &lines) < 0)
		return ks_err_oom(err);
	for (size_t i = 0; i < lines.n; i++) {
		char *line = ks_arena_strdup(a, lines.v[i]);

		if (!line)
			return ks_err_oom(err);
		if (*trim(line) && !parse_line(line, ret) && !known)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "linux.intelRdt: \"%.*s\" is no line of schemata", 64,
					   lines.v[i]);
	}
	return 0;
}

/* The last one counts, as it would if they were written one after the other. */
static const struct limit *find(const struct limits *all, const struct limit *of)
{
	for (size_t i = all->n; i-- > 0;)
		if (all->v[i].domain == of->domain && ks_streq(all->v[i].resource, of->resource))
			return &all->v[i];
	return NULL;
}

/* What a bandwidth becomes when it is written: the next step of the hardware. */
static uint64_t rounded(struct ks_arena *a, int root, const struct limit *l)
{
	char path[48];
	const char *text = "";
	uint64_t step = 1;

	if (!is_bandwidth(l->resource))
		return l->value;
	ks_fmt(path, sizeof(path), "info/%s/bandwidth_gran", l->resource);
	if (ks_resctrl_read(a, root, path, &text, NULL) < 0 ||
	    ks_parse_u64(text, 1000000, &step) < 0 || !step)
		return l->value;
	return (l->value + step - 1) / step * step;
}

static int fail_differs(const char *group, const struct limit *want, const struct limit *have,
			struct ks_err *err)
{
	unsigned long long domain = want->domain, w = want->value, h = have ? have->value : 0;

	if (!have)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "linux.intelRdt: the class \"%s\" has no %s of domain %llu",
				   group, want->resource, domain);
	return ks_err_kind(err, KS_ERR_INVALID,
			   is_bandwidth(want->resource) ?
				   "linux.intelRdt: the class \"%s\" is there with other limits: "
				   "%s of domain %llu is %llu, not %llu" :
				   "linux.intelRdt: the class \"%s\" is there with other limits: "
				   "%s of domain %llu is %llx, not %llx",
			   group, want->resource, domain, h, w);
}

int ks_schemata_compare(struct ks_arena *a, int root, int dir, const char *group,
			const struct ks_strv *lines, struct ks_err *err)
{
	struct limits want = { 0 }, have = { 0 };
	const char *text = "";
	int r = ks_resctrl_read(a, dir, "schemata", &text, err);

	if (r == 0)
		r = parse_schemata(a, text, true, &have, err);
	for (size_t i = 0; i < lines->n && r == 0; i++)
		r = parse_schemata(a, lines->v[i], false, &want, err);
	for (size_t i = 0; i < want.n && r == 0; i++) {
		const struct limit *w = find(&want, &want.v[i]);
		const struct limit *h = find(&have, w);

		if (!h || (h->value != w->value && h->value != rounded(a, root, w)))
			r = fail_differs(group, w, h, err);
	}
	return r;
}
