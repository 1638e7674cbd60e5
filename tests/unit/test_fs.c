/* SPDX-License-Identifier: Apache-2.0 */
#include "volumes/fs.c"

#include "test.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static struct ks_err err;
static struct ks_arena a;
static char path[64];

static int image(void)
{
	test_dir();
	snprintf(path, sizeof(path), "%s/img", test_dir_path);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, 320 << 20) < 0)
		abort();
	return fd;
}

static void nothing_is_recognised_in_zeros(void)
{
	struct ks_fs_info info;
	ks_auto_fd int fd = image();

	CHECK_INT(ks_fs_probe(fd, "img", &info, &err), 0);
	CHECK_STR(info.type, "");
	CHECK_STR(info.uuid, "");
}

static void made_and_probed(void)
{
	static const char *const types[] = { "ext4", "xfs" };

	for (size_t i = 0; i < KS_ARRAY_LEN(types); i++) {
		struct ks_fs_info info;
		ks_auto_fd int fd = image();

		CHECK_INT(ks_fs_make(&a, fd, types[i], UUID, -1, &err), 0);
		CHECK_INT(ks_fs_probe(fd, "img", &info, &err), 0);
		CHECK_STR(info.type, types[i]);
		CHECK_STR(info.uuid, UUID);
		CHECK_INT(ks_fs_check(&a, path, types[i], KS_FSCK_REPAIR, -1, &err), 0);
	}
}

/* Two signatures: nobody can tell whose data it is. */
static void an_ambivalent_device_is_an_error(void)
{
	struct ks_fs_info info;
	ks_auto_fd int fd = image();

	CHECK_INT(ks_fs_make(&a, fd, "ext4", UUID, -1, &err), 0);
	CHECK_INT(pwrite(fd, "XFSB\0\0\x10\0\0\0\0\0\0\x01\0\0", 16, 0), 16);
	int r = ks_fs_probe(fd, "img", &info, &err);

	CHECK(r < 0 || !ks_streq(info.type, "xfs"));
}

static void errors_are_repaired_or_refused(void)
{
	ks_auto_fd int fd = image();
	char zero[4096] = { 0 };

	CHECK_INT(ks_fs_make(&a, fd, "ext4", UUID, -1, &err), 0);
	/* The state says "errors found" and a link count is wrong: e2fsck -p repairs it. */
	char debugfs[] = "debugfs", w[] = "-w", r[] = "-R", state[] = "ssv state 2",
	     links[] = "sif <11> links_count 5";
	struct ks_tool t;

	CHECK_INT(ks_tool_run(&a, (char *[]){ debugfs, w, r, links, path, NULL }, NULL, &t, &err),
		  0);
	CHECK_INT(ks_tool_run(&a, (char *[]){ debugfs, w, r, state, path, NULL }, NULL, &t, &err),
		  0);
	CHECK(ks_fs_check(&a, path, "ext4", KS_FSCK_REFUSE, -1, &err) < 0);
	CHECK_INT(ks_fs_check(&a, path, "ext4", KS_FSCK_REPAIR, -1, &err), 0);
	CHECK_INT(ks_fs_check(&a, path, "ext4", KS_FSCK_REPAIR, -1, &err), 0);
	/* The superblock is gone: not without a person. */
	CHECK_INT(pwrite(fd, zero, sizeof(zero), 0), 4096);
	CHECK(ks_fs_check(&a, path, "ext4", KS_FSCK_REPAIR, -1, &err) < 0);
	CHECK_HAS(err.msg, "e2fsck");
}

static void a_tool_that_fails_says_why(void)
{
	ks_auto_fd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHECK(ks_fs_make(&a, fd, "ext4", UUID, -1, &err) < 0);
	CHECK_HAS(err.msg, "mkfs.ext4 failed");
}

TEST_MAIN(CASE(nothing_is_recognised_in_zeros), CASE(made_and_probed),
	  CASE(an_ambivalent_device_is_an_error), CASE(errors_are_repaired_or_refused),
	  CASE(a_tool_that_fails_says_why))
