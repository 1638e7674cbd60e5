/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/crash.h>

#ifdef KS_CRASH_POINTS
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/str.h>

/* Far from what open(2) gives, so that it is free again only when somebody closed it. */
#define MARK_FD 900

/*
 * A test must know that the process was stopped, also when nobody waits for
 * it: the file "mark" appears in $KSHIM_CRASH_DIR. A keeper leaves the host's
 * tree, so the directory is held open from the first point on.
 */
static void hold_mark_dir(void)
{
	const char *dir = getenv("KSHIM_CRASH_DIR");

	if (!dir || fcntl(MARK_FD, F_GETFD) >= 0)
		return;
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		dup3(fd, MARK_FD, O_CLOEXEC);
		close(fd);
	}
}

/* How often the point was passed, with this time: by this process, or by all of a test. */
static unsigned int count_pass(void)
{
	static unsigned int passed; /* of the one point that is named; test builds only */
	off_t end = -1;

	if (!getenv("KSHIM_CRASH_COUNT_ALL"))
		return ++passed;
	int fd = openat(MARK_FD, "passed", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	/* The end of what this process wrote, whoever writes beside it. */
	if (fd >= 0 && write(fd, ".", 1) == 1)
		end = lseek(fd, 0, SEEK_CUR);
	if (end < 0)
		abort();
	close(fd);
	return (unsigned int)end;
}

/* A worker of the shim takes the shim along, when the test wants that. */
static void kill_parent(void)
{
	const char *comm = getenv("KSHIM_CRASH_PARENT");
	char path[64], name[32] = "";

	if (!comm)
		return;
	pid_t parent = getppid();

	ks_fmt(path, sizeof(path), "/proc/%d/comm", parent);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && ks_str_prefix(name, comm))
		kill(parent, SIGKILL);
	ks_fd_close(fd);
}

void ks_crash_point(const char *name)
{
	const char *at = getenv("KSHIM_CRASH_AT");
	const char *rest = at ? ks_str_prefix(at, name) : NULL;
	uint64_t n = 1;

	hold_mark_dir();
	if (!rest || (*rest && (*rest != ':' || ks_parse_u64(rest + 1, 1000000, &n) < 0)))
		return;
	if (count_pass() != n)
		return;
	close(openat(MARK_FD, "mark", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	kill_parent();
	kill(getpid(), getenv("KSHIM_CRASH_STOPS") ? SIGSTOP : SIGKILL);
}
#else
typedef int ks_crash_unused; /* a translation unit must not be empty */
#endif
