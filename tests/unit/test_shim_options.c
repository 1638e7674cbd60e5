/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/task/options.c"

#include "test.h"

static int read_toml(const char *text, struct ks_shim_options *o, struct ks_err *err)
{
	static struct ks_arena a;

	*o = (struct ks_shim_options){ 0 };
	*err = KS_ERR_INIT;
	return ks_options_read_toml(&a, text, strlen(text), o, err);
}

static void as_containerd_writes_it(void)
{
	struct ks_shim_options o;
	struct ks_err err;

	CHECK_INT(read_toml("BinaryName = \"\"\nCriuPath = \"\"\nIoGid = 7\nIoUid = 0\n"
			    "NoNewKeyring = false\nNoPivotRoot = true\nRoot = \"/run/x\"\n"
			    "ShimCgroup = \"\"\nSystemdCgroup = true\n",
			    &o, &err),
		  0);
	CHECK(o.no_pivot && o.systemd_cgroup && !o.no_new_keyring);
	CHECK_INT(o.io_gid, 7);
	CHECK_STR(o.root, "/run/x");
	CHECK(!o.shim_cgroup);
}

static void as_people_write_it(void)
{
	struct ks_shim_options o;
	struct ks_err err;

	CHECK_INT(read_toml("# ours\n\n  StateDir='/srv/k#1'  # a comment\r\nSystemdCgroup=false",
			    &o, &err),
		  0);
	CHECK_STR(o.state_dir, "/srv/k#1");
	CHECK(!o.systemd_cgroup);
}

static void what_is_wrong_is_named(void)
{
	static const struct {
		const char *text, *part;
	} bad[] = {
		{ "SystemdCgroup = yes", "SystemdCgroup" },
		{ "SystemdCgroup = \"true\"", "SystemdCgroup" },
		{ "systemdCgroup = true", "unknown option \"systemdCgroup\"" },
		{ "IoUid = -1", "IoUid" },
		{ "IoUid = 99999999999", "IoUid" },
		{ "Root = /run", "quotes" },
		{ "Root = \"a\\tb\"", "quotes" },
		{ "Root = \"run\"", "absolute" },
		{ "BinaryName = \"/usr/bin/crun\"", "BinaryName" },
		{ "CriuPath = \"/x\"", "criu" },
		{ "[table]", "KEY = VALUE" },
		{ "nonsense", "KEY = VALUE" },
		{ "Root = \"", "quotes" },
	};
	struct ks_shim_options o;
	struct ks_err err;

	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		CHECK(read_toml(bad[i].text, &o, &err) < 0);
		CHECK_HAS(err.msg, bad[i].part);
	}
}

static void both_types(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	Pb__RuncOptions runc = PB__RUNC_OPTIONS__INIT;
	Pb__RuntimeOptions generic = PB__RUNTIME_OPTIONS__INIT;
	struct ks_shim_options o;
	struct ks_err err = KS_ERR_INIT;
	char root[] = "/r", body[] = "IoUid = 5";
	uint8_t buf[256];

	runc.systemd_cgroup = true;
	runc.io_uid = 3;
	runc.root = root;
	size_t n = pb__runc_options__pack(&runc, buf);

	CHECK_INT(ks_options_read(&a, "type.googleapis.com/containerd.runc.v1.Options", buf, n, &o,
				  &err),
		  0);
	CHECK(o.systemd_cgroup && o.io_uid == 3);
	CHECK_STR(o.root, "/r");
	generic.config_body.data = (uint8_t *)body;
	generic.config_body.len = strlen(body);
	n = pb__runtime_options__pack(&generic, buf);
	CHECK_INT(ks_options_read(&a, "runtimeoptions.v1.Options", buf, n, &o, &err), 0);
	CHECK_INT(o.io_uid, 5);
	CHECK_INT(ks_options_read(&a, "", NULL, 0, &o, &err), 0);
	CHECK(ks_options_read(&a, "some.other.Options", buf, n, &o, &err) < 0);
	CHECK_HAS(err.msg, "some.other.Options");
	CHECK(ks_options_read(&a, "runtimeoptions.v1.Options", (const uint8_t *)"\xff", 1, &o,
			      &err) < 0);
}

static void saved_for_a_delete_that_comes_later(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	const struct ks_shim_options o = { .root = "/r", .state_dir = "/s \"x\"" };
	struct ks_shim_options back;
	struct ks_err err = KS_ERR_INIT;
	char dir[] = "/tmp/kshim-unit.XXXXXX", path[64];

	CHECK(mkdtemp(dir));
	CHECK_INT(ks_options_load(&a, dir, &back, &err), 0);
	CHECK(!back.root && !back.state_dir);
	CHECK_INT(ks_options_save(dir, &o, &err), 0);
	CHECK_INT(ks_options_load(&a, dir, &back, &err), 0);
	CHECK_STR(back.root, "/r");
	CHECK_STR(back.state_dir, "/s \"x\"");
	CHECK_INT(ks_options_load(&a, "/nonexistent", &back, &err), 0);
	sprintf(path, "%s/" SAVED, dir);
	unlink(path);
	rmdir(dir);
}

TEST_MAIN(CASE(as_containerd_writes_it), CASE(as_people_write_it), CASE(what_is_wrong_is_named),
	  CASE(both_types), CASE(saved_for_a_delete_that_comes_later))
