/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/lock.c"

#include "test.h"

static struct ks_err err;

static void one_holder_at_a_time(void)
{
	ks_auto_fd int a = -EBADF;
	ks_auto_fd int b = -EBADF;

	CHECK_INT(ks_lock_open(test_dir(), "l", 0, &a, &err), 0);
	CHECK_INT(ks_lock_open(test_dir(), "l", 0, &b, &err), KS_LOCK_HELD);
	CHECK_INT(ks_lock_open(test_dir(), "l", 20, &b, &err), KS_LOCK_HELD);
	CHECK_INT(b, -EBADF);
	a = ks_fd_close(a);
	CHECK_INT(ks_lock_open(test_dir(), "l", 0, &b, &err), 0);
}

static void asking_takes_nothing(void)
{
	ks_auto_fd int a = -EBADF;

	CHECK(!ks_lock_held(test_dir(), "none"));
	CHECK(faccessat(test_dir(), "none", F_OK, 0) < 0);
	CHECK_INT(ks_lock_open(test_dir(), "l2", 0, &a, &err), 0);
	CHECK(ks_lock_held(test_dir(), "l2"));
	a = ks_fd_close(a);
	CHECK(!ks_lock_held(test_dir(), "l2"));
}

static void it_goes_with_its_process(void)
{
	ks_auto_fd int a = -EBADF;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd;

		_exit(ks_lock_open(test_dir(), "p", 0, &fd, &err));
	}
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	CHECK_INT(ks_lock_open(test_dir(), "p", 0, &a, &err), 0);
}

static void a_link_is_refused(void)
{
	ks_auto_fd int a = -EBADF;

	CHECK_INT(symlinkat("elsewhere", test_dir(), "sl"), 0);
	CHECK_INT(ks_lock_open(test_dir(), "sl", 0, &a, &err), -ELOOP);
}

TEST_MAIN(CASE(one_holder_at_a_time), CASE(asking_takes_nothing), CASE(it_goes_with_its_process),
	  CASE(a_link_is_refused))
