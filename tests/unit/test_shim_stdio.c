/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/task/stdio.c"

#include "test.h"

static void the_words_of_a_logger(void)
{
	char *argv[LOGGER_ARGS];
	char text[] = "/usr/bin/log%20ger?tag=a%2Fb&flag&empty=&x=1+2";

	logger_args(text, argv);
	CHECK_STR(argv[0], "/usr/bin/log ger");
	CHECK_STR(argv[1], "tag");
	CHECK_STR(argv[2], "a/b");
	CHECK_STR(argv[3], "flag");
	CHECK_STR(argv[4], "empty");
	CHECK_STR(argv[5], "x");
	CHECK_STR(argv[6], "1 2");
	CHECK(!argv[7]);
}

static void no_more_words_than_there_is_room_for(void)
{
	char *argv[LOGGER_ARGS], text[1024] = "/l?";

	for (int i = 0; i < 100; i++)
		strcat(text, "a=b&");
	logger_args(text, argv);
	int n = 0;

	while (argv[n])
		n++;
	CHECK(n < LOGGER_ARGS);
}

static void a_fifo_opens_without_its_other_side(void)
{
	char dir[] = "/tmp/kshim-unit.XXXXXX", in[64], out[64], text[8];
	struct ks_stdio s = KS_STDIO_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_loop loop;

	CHECK(mkdtemp(dir));
	sprintf(in, "%s/in", dir);
	sprintf(out, "%s/out", dir);
	CHECK_INT(mkfifo(in, 0600), 0);
	CHECK_INT(mkfifo(out, 0600), 0);
	const struct ks_stdio_names n = { in, out, (char *)(uintptr_t) "", false };

	CHECK_INT(ks_loop_init(&loop, &err), 0);
	CHECK_INT(ks_stdio_open(&s, &n, 0, 0, &err), 0);
	CHECK(!(fcntl(s.fds[0], F_GETFL) & O_NONBLOCK) && !(fcntl(s.fds[1], F_GETFL) & O_NONBLOCK));
	/* Nobody reads, and it is no EPIPE; the reader that comes finds it. */
	CHECK_INT(write(s.fds[1], "text", 4), 4);
	int reader = open(out, O_RDONLY | O_NONBLOCK);

	CHECK_INT(ks_stdio_started(&s, &loop, -EBADF, &err), 0);
	CHECK_INT(read(reader, text, sizeof(text)), 4);
	CHECK_INT(read(reader, text, sizeof(text)), 0);
	close(reader);
	ks_stdio_close(&s, &loop);
	ks_loop_done(&loop);
	unlink(in);
	unlink(out);
	rmdir(dir);
}

static void what_is_no_fifo_is_refused(void)
{
	static const char *const bad[] = { "/dev/zero",	   "/etc/passwd",     "/tmp",
					   "/nonexistent", "ttrpc+unix:///x", "file://relative" };
	struct ks_loop loop;
	struct ks_err err = KS_ERR_INIT;

	CHECK_INT(ks_loop_init(&loop, &err), 0);
	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		const struct ks_stdio_names n = { (char *)(uintptr_t) "", (char *)(uintptr_t)bad[i],
						  (char *)(uintptr_t) "", false };
		struct ks_stdio s = KS_STDIO_INIT;

		err = KS_ERR_INIT;
		CHECK(ks_stdio_open(&s, &n, 0, 0, &err) < 0);
		CHECK(err.msg[0]);
		ks_stdio_close(&s, &loop);
	}
	ks_loop_done(&loop);
}

TEST_MAIN(CASE(the_words_of_a_logger), CASE(no_more_words_than_there_is_room_for),
	  CASE(a_fifo_opens_without_its_other_side), CASE(what_is_no_fifo_is_refused))
