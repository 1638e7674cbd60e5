/* SPDX-License-Identifier: Apache-2.0 */
/* The resctrl file system: where it is, its lock, its files, and what it says of failures. */
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <time.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "resctrl-files.h"

#define ROOT	    "/sys/fs/resctrl"
#define SUPER_MAGIC 0x7655821

/* "42 23 0:40 / /mnt/rdt rw - resctrl resctrl rw": the root of one, not a class that is bound.
 * Octal escapes are not undone: nobody puts a space there. */
static const char *find_mount(struct ks_arena *a)
{
	struct ks_strv lines = { 0 }, f;
	char *text;

	if (ks_file_read_at(a, AT_FDCWD, "/proc/self/mountinfo", 16U << 20, &text, NULL) < 0 ||
	    ks_str_split(a, text, '\n', &lines) < 0)
		return NULL;
	for (size_t i = 0; i < lines.n; i++) {
		if (!strstr(lines.v[i], " - resctrl "))
			continue;
		f = (struct ks_strv){ 0 };
		if (ks_str_split(a, lines.v[i], ' ', &f) == 0 && f.n > 4 && ks_streq(f.v[3], "/"))
			return f.v[4];
	}
	return NULL;
}

static int open_root(const char *path)
{
	struct statfs sfs;
	ks_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fstatfs(fd, &sfs) < 0 || sfs.f_type != SUPER_MAGIC ? -EBADF :
									      KS_TAKE_FD(fd);
}

/* A record is believed in nothing that would lead out of the file system. */
static bool is_within(const char *name)
{
	return !name || (!strchr(name, '/') && !ks_streq(name, "..") && strlen(name) <= NAME_MAX);
}

int ks_resctrl_open(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	if (!is_within(g->group) || !is_within(g->id))
		return ks_err_kind(err, KS_ERR_INVALID, "\"%.*s\" is no class of service", 64,
				   g->group);
	int fd = open_root(ROOT);
	const char *path = fd < 0 ? find_mount(a) : NULL;

	if (path)
		fd = open_root(path);
	if (fd < 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.intelRdt: no resctrl file system is mounted (on " ROOT
				   ")");
	*ret = fd;
	return 0;
}

/*
 * flock(2), not a lock of fcntl(2): it is what the others use. It goes with the descriptor.
 * Everybody who can open the root can hold it, so nobody waits for ever.
 */
int ks_resctrl_lock(int root, unsigned int timeout_ms, struct ks_err *err)
{
	uint64_t end = ks_now_ms() + timeout_ms;

	while (flock(root, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ks_err_set(err, -errno, "lock the resctrl file system");
		if (ks_now_ms() >= end)
			return ks_err_kind(err, KS_ERR_BUSY,
					   "the resctrl file system is locked by another program");
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return 0;
}

int ks_resctrl_read(struct ks_arena *a, int dir, const char *file, const char **ret,
		    struct ks_err *err)
{
	char *text;
	int r = ks_file_read_at(a, dir, file, 65536, &text, NULL);

	if (r < 0)
		return ks_err_set(err, r, "read %s of the resctrl file system", file);
	size_t n = strlen(text);

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	*ret = text + strspn(text, " ");
	return 0;
}

int ks_resctrl_fail(struct ks_arena *a, int root, int r, const char *what, struct ks_err *err)
{
	const char *said = "";
	bool its_own = r == -EINVAL || r == -ENOSPC || r == -EPERM || r == -EBUSY;

	/* Other errors are not resctrl's: what it says is of an older command. */
	if (!its_own || ks_resctrl_read(a, root, "info/last_cmd_status", &said, NULL) < 0 ||
	    !*said || ks_streq(said, "ok"))
		return ks_err_set(err, r, "%s", what);
	return ks_err_set(err, r, "%s: the kernel says \"%s\"", what, said);
}

int ks_resctrl_open_group(int root, const struct ks_resctrl *g, int *ret, struct ks_err *err)
{
	*ret = openat(root, *g->group ? g->group : ".",
		      O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *ret < 0 ? ks_err_set(err, -errno, "open the resctrl group \"%s\"", g->group) : 0;
}
