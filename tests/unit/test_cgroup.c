/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cgroup/host.c"

#include "test.h"

static struct ks_arena a;
static struct ks_err err;

static void read_line(struct ks_cgroup_host *h, const char *line)
{
	struct ks_strv f;

	if (ks_str_split(&a, line, ' ', &f) < 0 || read_mount(&a, h, &f) < 0)
		abort();
}

static void a_hybrid_host(void)
{
	struct ks_cgroup_host h = { 0 };
	struct ks_cgroup cg = { .path = "/x" };
	char dir[PATH_MAX];

	read_line(&h, "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct");
	read_line(&h, "37 31 0:34 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup "
		      "rw,xattr,name=systemd");
	read_line(&h, "38 31 0:35 / /sys/fs/cgroup/memory rw master:1 shared:2 - cgroup cgroup "
		      "rw,memory");
	read_line(&h, "39 31 0:36 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw");
	CHECK_INT(h.n_v1, 3);
	CHECK(!h.v2);
	CHECK_STR(h.v2_mount, "/sys/fs/cgroup/unified");
	CHECK_STR(h.v1[1].controllers, "name=systemd");
	cg.host = h;
	CHECK_INT(ks_cgroup_dir(&cg, "cpuacct", dir), 0);
	CHECK_STR(dir, "/sys/fs/cgroup/cpu,cpuacct/x");
	CHECK_INT(ks_cgroup_dir(&cg, "cpua", dir), -ENOENT);
	CHECK_INT(ks_cgroup_dir(&cg, "pids", dir), -ENOENT);
	CHECK_INT(ks_cgroup_dir(&cg, NULL, dir), 0);
	CHECK_STR(dir, "/sys/fs/cgroup/unified/x");
}

static void odd_lines_are_passed_over(void)
{
	struct ks_cgroup_host h = { 0 };

	read_line(&h, "");
	read_line(&h, "36");
	read_line(&h, "36 31 0:33 / /sys/fs/cgroup/x rw -");
	read_line(&h, "36 31 0:33 / /sys/fs/cgroup/x rw - cgroup cgroup");
	read_line(&h, "36 31 0:33 / /elsewhere/memory rw - cgroup cgroup rw,memory");
	read_line(&h, "36 31 0:33 / /sys/fs/cgroup/a/b rw - cgroup cgroup rw,memory");
	read_line(&h, "36 31 0:33 / /elsewhere rw - cgroup2 cgroup2 rw");
	CHECK(!h.n_v1 && !h.v2_mount);
	for (int i = 0; i < 40; i++)
		read_line(&h, "36 31 0:33 / /sys/fs/cgroup/m rw - cgroup cgroup rw,memory");
	CHECK_INT(h.n_v1, KS_CGROUP_MAX_V1);
}

static void paths(void)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ NULL, "/kshim-id" }, { "", "/kshim-id" },    { "/a/b", "/a/b" },
		{ "a//b/", "/a/b" },   { "/a/..b", "/a/..b" }, { "/a/b..", "/a/b.." },
		{ "/..", NULL },       { "a/../..", NULL },    { "/", NULL },
		{ "..", NULL },	       { "/a/..", NULL },
	};

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		const char *p = NULL;
		int r = ks_cgroup_path(&a, t[i].in, "id", &p, &err);

		CHECK_INT(r, t[i].out ? 0 : -EINVAL);
		if (t[i].out)
			CHECK_STR(p, t[i].out);
	}
}

TEST_MAIN(CASE(a_hybrid_host), CASE(odd_lines_are_passed_over), CASE(paths))
