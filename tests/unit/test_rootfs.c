/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/task/rootfs.c"

#include "test.h"

static void the_shared_directory(void)
{
	CHECK_INT(common_dir("/a/b/1/fs:/a/b/2/fs:/a/b/10/fs"), 5);
	CHECK_INT(common_dir("/a/1:/b/2"), 1);
	CHECK_INT(common_dir("/a/b"), 3);
	CHECK_INT(common_dir(""), 0);
	CHECK_INT(common_dir("a:b"), 0);
	CHECK_INT(common_dir("/a/bc/1:/a/bd/2"), 3);
}

static void long_lists_become_short(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv v = { 0 };
	struct ks_err err = KS_ERR_INIT;
	ks_auto_buf struct ks_buf b = { 0 };
	char cwd[PATH_MAX];

	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK_INT(ks_strv_append(&a, &v, "index=off"), 0);
	CHECK_INT(ks_strv_append(&a, &v, "lowerdir=/proc/1/fs:/proc/22/fs"), 0);
	CHECK_INT(ks_strv_append(&a, &v, "upperdir=/u"), 0);
	CHECK_INT(shorten(&a, &v, &b, &err), 0);
	CHECK_STR(b.data, "index=off,lowerdir=1/fs:22/fs,upperdir=/u");
	CHECK(getcwd(cwd, sizeof(cwd)));
	CHECK_STR(cwd, "/proc");
}

static void flags_and_data(void)
{
	unsigned long mask = MS_NOSUID, propagation = 0;

	CHECK(add_flag("rbind", &mask, &propagation));
	CHECK(add_flag("ro", &mask, &propagation));
	CHECK(add_flag("suid", &mask, &propagation));
	CHECK_INT(mask, MS_BIND | MS_REC | MS_RDONLY);
	CHECK(!add_flag("upperdir=/x", &mask, &propagation));
	CHECK(add_flag("rslave", &mask, &propagation));
	CHECK_INT(propagation, MS_SLAVE | MS_REC);
	CHECK_INT(mask, MS_BIND | MS_REC | MS_RDONLY);
}

static void targets_stay_inside(void)
{
	struct ks_rootfs_mount m = { .target = "" };
	struct ks_err err = KS_ERR_INIT;

	CHECK_INT(check_target(&m, &err), 0);
	m.target = "/";
	CHECK_INT(check_target(&m, &err), 0);
	m.target = "/etc";
	CHECK_INT(check_target(&m, &err), -EOPNOTSUPP);
}

TEST_MAIN(CASE(the_shared_directory), CASE(long_lists_become_short), CASE(flags_and_data),
	  CASE(targets_stay_inside))
