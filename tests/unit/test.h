/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A unit test is one program for one module: it includes the module's .c file,
 * so that its statics are within reach, lists its cases and prints TAP.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct test_case {
	const char *name;
	void (*fn)(void);
};

static int test_failed; /* checks of the present case */

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("#   %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			test_failed++;                                        \
		}                                                             \
	} while (0)

#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long _g = (long long)(got), _w = (long long)(want);                           \
		if (_g != _w) {                                                                    \
			printf("#   %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, _g, \
			       _w);                                                                \
			test_failed++;                                                             \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)                                                                       \
	do {                                                                                       \
		const char *_g = (got), *_w = (want);                                              \
		if (!_g || strcmp(_g, _w) != 0) {                                                  \
			printf("#   %s:%d: %s is \"%s\", want \"%s\"\n", __FILE__, __LINE__, #got, \
			       _g ? _g : "(null)", _w);                                            \
			test_failed++;                                                             \
		}                                                                                  \
	} while (0)

/* Part of a message. */
#define CHECK_HAS(got, part)                                                                       \
	do {                                                                                       \
		const char *_g = (got), *_p = (part);                                              \
		if (!_g || !strstr(_g, _p)) {                                                      \
			printf("#   %s:%d: %s is \"%s\", want \"%s\" in it\n", __FILE__, __LINE__, \
			       #got, _g ? _g : "(null)", _p);                                      \
			test_failed++;                                                             \
		}                                                                                  \
	} while (0)

/* A directory for the program, removed at its end by test_main(). */
static char test_dir_path[] = "/tmp/kshim-unit.XXXXXX";
static int test_dir_fd = -1;

static inline int test_dir(void)
{
	if (test_dir_fd < 0) {
		if (!mkdtemp(test_dir_path))
			abort();
		test_dir_fd = open(test_dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return test_dir_fd;
}

static inline void test_write(const char *name, const char *text)
{
	int fd = openat(test_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

static inline int test_main(const struct test_case *cases, size_t n)
{
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		test_failed = 0;
		cases[i].fn();
		printf("%sok %zu - %s\n", test_failed ? "not " : "", i + 1, cases[i].name);
		bad += test_failed != 0;
	}
	if (test_dir_fd >= 0) {
		pid_t pid = fork();

		close(test_dir_fd);
		if (pid == 0) {
			execlp("rm", "rm", "-rf", "--one-file-system", test_dir_path, NULL);
			_exit(127);
		}
		while (pid > 0 && waitpid(pid, NULL, 0) != pid)
			;
	}
	return bad != 0;
}

#define CASE(f)       \
	{             \
#f, f \
	}
#define TEST_MAIN(...)                                                     \
	int main(void)                                                     \
	{                                                                  \
		static const struct test_case cases[] = { __VA_ARGS__ };   \
		return test_main(cases, sizeof(cases) / sizeof(cases[0])); \
	}
