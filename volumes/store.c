/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/lock.h>
#include <kshim/path.h>
#include <kshim/process.h>

#define FORMAT	   "1\n"
#define MAX_LEVELS 32 /* of directories that are open at a time while the trash is emptied */

static int check_format(struct ks_store *s, bool *ret_new, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	char *text;
	int r = ks_file_read_at(&a, s->fd, "format", 64, &text, NULL);

	*ret_new = r == -ENOENT;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return ks_err_set(err, r, "read %s/format", s->path);
	if (!ks_streq(text, FORMAT))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "state directory %s has format %.*s, this kshim knows format 1",
				   s->path, (int)strcspn(text, "\n"), text);
	return 0;
}

/* The directories first, the format last: with it, all of them are there. */
static int make_layout(struct ks_store *s, struct ks_err *err)
{
	static const char *const dirs[] = { "identities", "volumes", "pods",
					    "journal",	  "trash",   "locks" };

	for (size_t i = 0; i < KS_ARRAY_LEN(dirs); i++)
		if (mkdirat(s->fd, dirs[i], 0700) < 0 && errno != EEXIST)
			return ks_err_set(err, -errno, "make %s/%s", s->path, dirs[i]);
	char tmp[32];

	ks_fmt(tmp, sizeof(tmp), ".format.%d", getpid());
	ks_auto_fd int fd = openat(s->fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, FORMAT, strlen(FORMAT));

	if (r == 0 &&
	    (fsync(fd) < 0 || renameat(s->fd, tmp, s->fd, "format") < 0 || fsync(s->fd) < 0))
		r = -errno;
	return r < 0 ? ks_err_set(err, r, "write %s/format", s->path) : 0;
}

int ks_store_open(const char *path, struct ks_store *ret, struct ks_err *err)
{
	struct ks_store s = { .path = path, .fd = -EBADF, .locks_fd = -EBADF };
	bool fresh;

	if (path[0] != '/')
		return ks_err_kind(err, KS_ERR_INVALID,
				   "state directory \"%s\" must be an absolute path", path);
	int r = ks_mkdir_p_at(AT_FDCWD, path, 0700);

	if (r < 0)
		return ks_err_set(err, r, "make the state directory %s", path);
	s.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.fd < 0)
		return ks_err_set(err, -errno, "open the state directory %s", path);
	r = check_format(&s, &fresh, err);
	if (r == 0 && fresh)
		r = make_layout(&s, err);
	if (r == 0)
		r = ks_store_open_dir(&s, "locks", false, &s.locks_fd, err);
	if (r < 0) {
		ks_store_close(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void ks_store_close(struct ks_store *s)
{
	s->fd = ks_fd_close(s->fd);
	s->locks_fd = ks_fd_close(s->locks_fd);
}

/* A namespace has no dot, so two objects never share a name; false when it is too long. */
static bool lock_name(char file[static NAME_MAX + 1], const char *kind, const char *ns,
		      const char *name)
{
	return ks_fmt(file, NAME_MAX + 1, "%s.%s.%s", kind, ns, name) < NAME_MAX;
}

int ks_store_lock(struct ks_store *s, const char *kind, const char *ns, const char *name,
		  unsigned int timeout_ms, int *ret_fd, struct ks_err *err)
{
	char file[NAME_MAX + 1];

	if (!lock_name(file, kind, ns, name))
		return ks_err_set(err, -ENAMETOOLONG, "lock %s %s/%s", kind, ns, name);
	return ks_lock_open(s->locks_fd, file, timeout_ms, ret_fd, err);
}

bool ks_store_locked(struct ks_store *s, const char *kind, const char *ns, const char *name)
{
	char file[NAME_MAX + 1];

	return lock_name(file, kind, ns, name) && ks_lock_held(s->locks_fd, file);
}

static int open_dir(struct ks_store *s, const char *path)
{
	int fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* Makes one directory in its parent, which is made too. */
static int make_dir(struct ks_store *s, const char *path)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	ks_auto_fd int up = -EBADF;

	if (slash) {
		ks_fmt(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		int r = ks_store_open_dir(s, parent, true, &up, NULL);

		if (r < 0)
			return r;
	}
	int dir = slash ? up : s->fd;

	if (mkdirat(dir, slash ? slash + 1 : path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return fsync(dir) < 0 ? -errno : 0;
}

int ks_store_open_dir(struct ks_store *s, const char *path, bool make, int *ret_fd,
		      struct ks_err *err)
{
	int fd = open_dir(s, path);

	/* Again when somebody removes it, being empty, between our two steps. */
	for (int i = 0; fd == -ENOENT && make && i < 100; i++) {
		int r = make_dir(s, path);

		if (r < 0 && r != -ENOENT)
			return ks_err_set(err, r, "make %s/%s", s->path, path);
		fd = open_dir(s, path);
	}
	if (fd < 0)
		return ks_err_set(err, fd, "open %s/%s", s->path, path);
	*ret_fd = fd;
	return 0;
}

int ks_store_list(struct ks_arena *a, struct ks_store *s, const char *path, struct ks_strv *ret,
		  struct ks_err *err)
{
	int fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!d && errno == ENOENT)
		return 0;
	if (!d) {
		r = ks_err_set(err, -errno, "list %s/%s", s->path, path);
		ks_fd_close(fd);
		return r;
	}
	for (struct dirent *e = readdir(d); e && r == 0; e = readdir(d))
		if (e->d_name[0] != '.' && ks_strv_append(a, ret, e->d_name) < 0)
			r = ks_err_oom(err);
	closedir(d);
	ks_strv_sort(ret);
	return r;
}

int ks_check_names(const char *ns, const char *name, const char *what, struct ks_err *err)
{
	if (!ks_valid_dns_label(ns))
		return ks_err_kind(err, KS_ERR_INVALID,
				   "namespace \"%.*s\" is not valid: a-z, 0-9 and '-', at most 63",
				   80, ns);
	if (!ks_valid_dns_name(name) || strlen(name) > 180)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "%s name \"%.*s\" is not valid: a-z, 0-9, '-' and '.', at most "
				   "180",
				   what, 200, name);
	return 0;
}

int ks_trash_put(struct ks_store *s, int parent_fd, const char *name, struct ks_err *err)
{
	char to[NAME_MAX + 1], random[17];
	ks_auto_fd int trash = -EBADF;
	int r = ks_store_open_dir(s, "trash", true, &trash, err);

	if (r < 0)
		return r;
	if (ks_random_hex(random, 16) < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "no random numbers");
	ks_fmt(to, sizeof(to), "%.*s.%s", 200, name, random);
	if (renameat2(parent_fd, name, trash, to, RENAME_NOREPLACE) < 0)
		return errno == ENOENT ? 0 : ks_err_set(err, -errno, "move %s to the trash", name);
	ks_crash_point("trash-renamed");
	if (fsync(trash) < 0 || fsync(parent_fd) < 0)
		return ks_err_set(err, -errno, "sync the trash");
	return 0;
}

/* One file system, and no mount of it from elsewhere: both are compared. */
struct place {
	uint64_t mnt_id;
	unsigned int dev_major, dev_minor;
};

static int place_of(int fd, struct place *ret)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_MNT_ID,
		  &sx) < 0)
		return -errno;
	*ret = (struct place){ sx.stx_mnt_id, sx.stx_dev_major, sx.stx_dev_minor };
	return 0;
}

struct purge {
	int trash_fd;
	struct place home;
	unsigned int moved;
};

static int purge_dir(struct purge *p, int dir_fd, int level);

/*
 * A container may leave a tree of any depth. What is too deep for us becomes
 * an entry of the trash itself, and is emptied in the next round.
 */
static int move_up(struct purge *p, int dir_fd, const char *name)
{
	char to[64], random[17];

	if (ks_random_hex(random, 16) < 0)
		return -EIO;
	ks_fmt(to, sizeof(to), "deep.%s", random);
	p->moved++;
	return renameat2(dir_fd, name, p->trash_fd, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* Not a name is resolved: each step is one component, opened without following. */
static int purge_entry(struct purge *p, int dir_fd, const char *name, int level)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	struct place here = { 0 };

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	int why = -errno;
	ks_auto_fd int fd = ks_sys_openat2(dir_fd, name, &how);

	/* No directory: then it is the file that cannot be unlinked. */
	if (fd < 0)
		return errno == ENOENT ? 0 : errno == ENOTDIR ? why : -errno;
	int r = place_of(fd, &here);

	if (r < 0)
		return r;
	if (here.mnt_id != p->home.mnt_id || here.dev_major != p->home.dev_major ||
	    here.dev_minor != p->home.dev_minor)
		return -EXDEV;
	if (level == MAX_LEVELS)
		return move_up(p, dir_fd, name);
	r = purge_dir(p, fd, level + 1);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Goes on behind what fails; the first failure is the result. */
static int purge_dir(struct purge *p, int dir_fd, int level)
{
	int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;

	if (!d) {
		r = -errno;
		ks_fd_close(copy);
		return r;
	}
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (ks_streq(e->d_name, ".") || ks_streq(e->d_name, ".."))
			continue;
		int one = purge_entry(p, dir_fd, e->d_name, level);

		r = r < 0 ? r : one;
	}
	closedir(d);
	return r;
}

int ks_trash_purge(struct ks_store *s, unsigned int *ret_n, struct ks_err *err)
{
	ks_auto_fd int trash = -EBADF;
	struct purge p = { 0 };
	int r = ks_store_open_dir(s, "trash", true, &trash, err);

	if (r < 0)
		return r;
	p.trash_fd = trash;
	r = place_of(trash, &p.home);
	if (r < 0)
		return ks_err_set(err, r, "look at the trash");
	do {
		ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
		struct ks_strv names = { 0 };

		p.moved = 0;
		r = ks_store_list(&a, s, "trash", &names, err);
		for (size_t i = 0; i < names.n; i++) {
			int one = purge_entry(&p, trash, names.v[i], 0);

			if (one < 0 && r == 0)
				r = ks_err_set(err, one, "empty the trash: %s", names.v[i]);
			else if (one == 0 && ret_n && !ks_str_prefix(names.v[i], "deep."))
				(*ret_n)++;
		}
	} while (r == 0 && p.moved);
	return r;
}
