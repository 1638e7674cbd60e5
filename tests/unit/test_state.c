/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/state/state.c"

#include "test.h"

static struct ks_arena a;
static struct ks_err err;

static struct ks_container sample(void)
{
	static char boot[KS_BOOT_ID_SIZE];
	struct ks_container c = { .id = "c1",
				  .bundle = "/b",
				  .rootfs = "/b/rootfs",
				  .created = "now",
				  .oci_version = "1.0.2",
				  .cgroup_path = "/c",
				  .pid = { true, (uint64_t)getpid() },
				  .start_time = { true, 0 } };

	CHECK_INT(ks_boot_id(boot, &err), 0);
	CHECK_INT(ks_process_start_time(getpid(), &c.start_time.v), 0);
	c.boot_id = boot;
	return c;
}

static void an_id_is_used_once(void)
{
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int lock = -EBADF;
	ks_auto_fd int dir2 = -EBADF;
	ks_auto_fd int lock2 = -EBADF;

	CHECK_INT(ks_state_create(test_dir(), "c1", &dir, &lock, &err), 0);
	CHECK_INT(ks_state_create(test_dir(), "c1", &dir2, &lock2, &err), -EEXIST);
	CHECK_INT(ks_state_create(test_dir(), "../c1", &dir2, &lock2, &err), -EINVAL);
	CHECK_INT(ks_state_create(test_dir(), "pods", &dir2, &lock2, &err), -EINVAL);
	CHECK_INT(ks_state_create(test_dir(), "seccomp", &dir2, &lock2, &err), -EINVAL);
	CHECK_INT(ks_state_open(test_dir(), "none", &dir2, NULL, &err), -ENOENT);
	CHECK_HAS(err.msg, "container \"none\" does not exist");
}

static void a_record_reads_back(void)
{
	ks_auto_fd int dir = -EBADF;
	struct ks_container c = sample(), got = { 0 };
	struct ks_map_entry e[] = { { "k\"", "v\n" } };

	CHECK_INT(ks_state_open(test_dir(), "c1", &dir, NULL, &err), 0);
	CHECK_INT(ks_state_load(&a, dir, &got, &err), KS_STATE_ABSENT);
	c.annotations = (struct ks_map){ e, 1 };
	CHECK_INT(ks_state_save(dir, &c, &err), 0);
	CHECK_INT(ks_state_load(&a, dir, &got, &err), 0);
	CHECK_STR(got.bundle, "/b");
	CHECK_STR(ks_map_get(&got.annotations, "k\""), "v\n");
	CHECK_INT(got.pid.v, getpid());
}

static void status_is_the_kernels(void)
{
	ks_auto_fd int dir = -EBADF;
	struct ks_container c = sample();

	CHECK_INT(ks_state_open(test_dir(), "c1", &dir, NULL, &err), 0);
	CHECK_INT(ks_state_status(dir, &c), KS_STATUS_RUNNING);
	c.start_time.v++; /* another process has the pid */
	CHECK_INT(ks_state_status(dir, &c), KS_STATUS_STOPPED);
	c.start_time.v--;
	c.boot_id = "another boot";
	CHECK_INT(ks_state_status(dir, &c), KS_STATUS_STOPPED);
	c.pid.set = false;
	CHECK_INT(ks_state_status(dir, &c), KS_STATUS_CREATING);
}

static void a_damaged_record_is_an_error(void)
{
	struct ks_container got;
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(ks_state_open(test_dir(), "c1", &dir, NULL, &err), 0);
	test_write("c1/state.json", "{\"id\":5}");
	CHECK(ks_state_load(&a, dir, &got, &err) < 0);
}

static void list_and_remove(void)
{
	struct ks_strv ids = { 0 };
	struct stat st;

	CHECK_INT(mkdirat(test_dir(), "seccomp", 0700), 0);
	CHECK_INT(ks_state_list(&a, test_dir(), &ids, &err), 0);
	CHECK_INT(ids.n, 1);
	CHECK_INT(ks_state_remove(test_dir(), "c1", &err), 0);
	CHECK(fstatat(test_dir(), "c1", &st, 0) < 0);
	CHECK_INT(ks_state_remove(test_dir(), "c1", &err), 0);
}

TEST_MAIN(CASE(an_id_is_used_once), CASE(a_record_reads_back), CASE(status_is_the_kernels),
	  CASE(a_damaged_record_is_an_error), CASE(list_and_remove))
