/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec/spec.c"

#include "test.h"

#define ROOT "\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"r\"}"
#define NS   "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"}]"

static struct ks_err err;

static int parse(struct ks_arena *a, const char *text, struct ks_spec *s)
{
	err = KS_ERR_INIT;
	return ks_spec_parse(a, text, strlen(text), "t", s, &err);
}

static void the_least_that_is_valid(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_spec s;

	CHECK_INT(parse(&a, "{" ROOT "," NS "},\"unknown\":1}", &s), 0);
	CHECK(!s.process && s.lnx.namespaces.n == 2 && !s.root.readonly);
	CHECK(ks_spec_namespace(&s, KS_NS_UTS) && !ks_spec_namespace(&s, KS_NS_PID));
}

static void a_whole_one(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_spec s;

	CHECK_INT(parse(&a,
			"{" ROOT ",\"hostname\":\"h\",\"process\":{\"args\":[\"a\"],\"cwd\":\"/\","
			"\"user\":{\"uid\":5,\"gid\":6,\"umask\":18,\"additionalGids\":[1,2]},"
			"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":"
			"18446744073709551615}]},"
			"\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"timeout\":5}]}," NS
			",\"resources\":{\"memory\":{\"limit\":-1}}}}",
			&s),
		  0);
	CHECK(s.process && s.process->user.uid == 5 && s.process->n_gids == 2);
	CHECK_INT(s.process->user.umask.v, 18);
	CHECK_INT(s.lnx.resources.memory.limit.v, -1);
	CHECK_INT(s.hooks.poststop.n, 1);
}

static void what_is_wrong_is_named(void)
{
	static const struct {
		const char *text, *part;
	} t[] = {
		{ "{}", "ociVersion" },
		{ "{\"ociVersion\":\"1\"}", "root" },
		{ "{" ROOT ",\"linux\":{\"namespaces\":[]}}", "mount namespace" },
		{ "{" ROOT
		  ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"mount\"}]}}",
		  "type mnt stands twice" },
		{ "{" ROOT ",\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}",
		  "hostname: needs a uts namespace" },
		{ "{" ROOT "," NS
		  ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}}",
		  "there is no user namespace" },
		{ "{" ROOT
		  ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]}}",
		  "needs uidMappings and gidMappings" },
		{ "{" ROOT ",\"linux\":{\"namespaces\":[{\"type\":\"mount\",\"path\":\"x\"}]}}",
		  "is not absolute" },
		{ "{" ROOT ",\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\"}]," NS "}}",
		  "has no source" },
		{ "{" ROOT ",\"mounts\":[{\"destination\":\"/x\"}]," NS "}}", "has no type" },
		{ "{" ROOT ",\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}," NS "}}",
		  "not absolute" },
		{ "{" ROOT ",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}," NS "}}",
		  "timeout" },
		{ "{" ROOT
		  ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[],\"cwd\":\"/\"}," NS
		  "}}",
		  "process.args" },
		{ "{" ROOT
		  ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"\"],\"cwd\":\"/\"}," NS
		  "}}",
		  "args[0]" },
		{ "{" ROOT
		  ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":\"x\"}," NS
		  "}}",
		  "process.cwd" },
		{ "{" ROOT ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":"
		  "\"/\",\"env\":[\"x\"]}," NS "}}",
		  "is not NAME=VALUE" },
		{ "{" ROOT ",\"process\":{\"args\":[\"a\"],\"cwd\":\"/"
		  "\",\"user\":{\"uid\":0,\"gid\":0,\"umask\":512}}," NS "}}",
		  "umask" },
		{ "{" ROOT ",\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"user\":"
		  "{\"uid\":0,\"gid\":0,\"additionalGids\":[-1]}}," NS "}}",
		  "process.user.additionalGids[0]" },
		{ "{" ROOT ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":"
		  "\"/\",\"rlimits\":["
		  "{\"type\":\"RLIMIT_NPROC\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_NPROC\","
		  "\"soft\":1,"
		  "\"hard\":1}]}," NS "}}",
		  "RLIMIT_NPROC stands twice" },
		{ "{" ROOT ",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"a\"],\"cwd\":"
		  "\"/\",\"oomScoreAdj\":1001}," NS "}}",
		  "oomScoreAdj" },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		struct ks_spec s;

		CHECK(parse(&a, t[i].text, &s) < 0);
		CHECK_HAS(err.msg, t[i].part);
	}
}

static void the_template_is_valid(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_json_out struct ks_json_out o = { .pretty = true };
	const struct ks_spec_template t = { .terminal = true };
	struct ks_spec s;

	ks_spec_write_template(&t, &o);
	CHECK_INT(parse(&a, o.buf.data, &s), 0);
	CHECK(s.process && s.process->terminal && s.process->args.n == 1);
}

TEST_MAIN(CASE(the_least_that_is_valid), CASE(a_whole_one), CASE(what_is_wrong_is_named),
	  CASE(the_template_is_valid))
