/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/fd.c"

#include "test.h"

static void reading_stops_at_the_limit(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char *text;
	size_t len;

	test_write("f", "0123456789");
	CHECK_INT(ks_file_read_at(&a, test_dir(), "f", 10, &text, &len), 0);
	CHECK_INT(len, 10);
	CHECK_STR(text, "0123456789");
	CHECK_INT(ks_file_read_at(&a, test_dir(), "f", 9, &text, &len), -EFBIG);
	CHECK_INT(ks_file_read_at(&a, test_dir(), "none", 9, &text, &len), -ENOENT);
}

static void a_link_is_not_followed(void)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char *text;

	CHECK_INT(symlinkat("/etc/passwd", test_dir(), "link"), 0);
	CHECK_INT(ks_file_read_at(&a, test_dir(), "link", 100000, &text, NULL), -ELOOP);
}

static void directories_with_parents(void)
{
	struct stat st;

	CHECK_INT(ks_mkdir_p_at(test_dir(), "x/y/z", 0700), 0);
	CHECK_INT(ks_mkdir_p_at(test_dir(), "x/y/z", 0700), 0);
	CHECK(fstatat(test_dir(), "x/y/z", &st, 0) == 0 && S_ISDIR(st.st_mode));
	test_write("file", "");
	CHECK_INT(ks_mkdir_p_at(test_dir(), "file/y", 0700), -ENOTDIR);
}

static void only_the_kept_descriptors_stay(void)
{
	int p[6];
	pid_t pid;
	int status;

	for (int i = 0; i < 6; i++)
		p[i] = fcntl(1, F_DUPFD, 10 + i * 7);
	pid = fork();
	if (pid == 0) {
		int keep[] = { p[4], -EBADF, p[1] };

		if (ks_fd_close_others(3, keep, 3) < 0)
			_exit(9);
		for (int i = 0; i < 6; i++)
			if ((fcntl(p[i], F_GETFD) >= 0) != (i == 1 || i == 4))
				_exit(10 + i);
		_exit(fcntl(0, F_GETFD) >= 0 ? 0 : 8);
	}
	waitpid(pid, &status, 0);
	CHECK_INT(WEXITSTATUS(status), 0);
	for (int i = 0; i < 6; i++)
		close(p[i]);
}

static void closing_nothing_is_fine(void)
{
	errno = 5;
	CHECK_INT(ks_fd_close(-EBADF), -EBADF);
	CHECK_INT(errno, 5);
}

TEST_MAIN(CASE(reading_stops_at_the_limit), CASE(a_link_is_not_followed),
	  CASE(directories_with_parents), CASE(only_the_kept_descriptors_stay),
	  CASE(closing_nothing_is_fine))
