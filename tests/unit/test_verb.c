/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/verb.c"

#include "test.h"

struct opts {
	bool flag, tty;
	const char *name;
	struct ks_strv many;
};

static const struct ks_option table[] = {
	{ "flag", 'f', KS_OPT_FLAG, offsetof(struct opts, flag), NULL, "a flag" },
	{ "tty", 't', KS_OPT_FLAG, offsetof(struct opts, tty), NULL, "another" },
	{ "name", 'n', KS_OPT_STR, offsetof(struct opts, name), "NAME", "a name" },
	{ "many", 'm', KS_OPT_STRV, offsetof(struct opts, many), "X", "many" },
	{ 0 },
};

static struct ks_arena a;
static struct ks_err err;
static struct opts o;
static struct ks_args args;

static int parse(unsigned int flags, const char *line)
{
	static char buf[256];
	static char *argv[20];
	int argc = 0;

	snprintf(buf, sizeof(buf), "%s", line);
	for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	o = (struct opts){ 0 };
	err = KS_ERR_INIT;
	return ks_options_parse(&a, table, flags, argc, argv, &o, &args, &err);
}

static void forms(void)
{
	CHECK_INT(parse(0, "-f --name=x --many a -m b id cmd -f"), 0);
	CHECK(o.flag && !o.tty && o.many.n == 2 && args.n == 3);
	CHECK_STR(o.name, "x");
	CHECK_STR(args.v[2], "-f");
	CHECK_INT(parse(0, "-ft -nabc id"), 0);
	CHECK(o.flag && o.tty);
	CHECK_STR(o.name, "abc");
	CHECK_INT(parse(0, "--flag=false --tty=true id"), 0);
	CHECK(!o.flag && o.tty);
	CHECK_INT(parse(0, "id -- cmd -- x"), 0);
	CHECK(args.n == 4);
	CHECK_STR(args.v[1], "cmd");
	CHECK_STR(args.v[2], "--");
}

static void options_behind_arguments(void)
{
	CHECK_INT(parse(KS_VERB_PERMUTE, "id -f x --name y"), 0);
	CHECK(o.flag && args.n == 2);
	CHECK_STR(o.name, "y");
	CHECK_INT(parse(KS_VERB_PERMUTE, "id -- -f"), 0);
	CHECK(!o.flag && args.n == 2);
}

static void mistakes(void)
{
	static const char *const bad[] = { "--nope", "-x", "--name", "-n", "--flag=maybe", "-fx" };

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		CHECK_INT(parse(0, bad[i]), -EINVAL);
		CHECK(*err.msg);
	}
	CHECK_INT(parse(0, "- x"), 0); /* a lone dash is an argument */
	CHECK_INT(args.n, 2);
}

static void verbs_of_two_words(void)
{
	static const struct ks_verb v[] = {
		{ .name = "list" }, { .name = "volume list" }, { .name = "volume create" }, { 0 }
	};
	char list[] = "list", volume[] = "volume", create[] = "create", nope[] = "nope";
	int words;

	CHECK(ks_verb_find(v, 1, (char *[]){ list }, &words) == &v[0] && words == 1);
	CHECK(ks_verb_find(v, 2, (char *[]){ volume, create }, &words) == &v[2] && words == 2);
	CHECK(!ks_verb_find(v, 1, (char *[]){ volume }, &words));
	CHECK(!ks_verb_find(v, 2, (char *[]){ volume, nope }, &words));
}

TEST_MAIN(CASE(forms), CASE(options_behind_arguments), CASE(mistakes), CASE(verbs_of_two_words))
