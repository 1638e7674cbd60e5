/* SPDX-License-Identifier: Apache-2.0 */
#include "volumes/store.c"

#include "test.h"

static struct ks_store s;
static struct ks_err err;
static char state[64];

static void opening_makes_it(void)
{
	struct stat st;

	test_dir();
	snprintf(state, sizeof(state), "%s/a/state", test_dir_path);
	CHECK_INT(ks_store_open(state, &s, &err), 0);
	CHECK(fstat(s.fd, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(fstatat(s.fd, "locks", &st, 0) == 0 && (st.st_mode & 0777) == 0700);
	ks_store_close(&s);
	CHECK_INT(ks_store_open(state, &s, &err), 0);
	CHECK_INT(ks_store_open("relative", &s, &err), -EINVAL);
}

static void a_newer_format_is_refused(void)
{
	struct ks_store other;
	int fd = openat(s.fd, "format", O_WRONLY | O_TRUNC | O_CLOEXEC);

	CHECK_INT(write(fd, "2\n", 2), 2);
	CHECK(ks_store_open(state, &other, &err) < 0);
	CHECK_HAS(err.msg, "has format 2, this kshim knows format 1");
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, "1\n", 2, 0) == 2);
	close(fd);
	CHECK_INT(ks_store_open(state, &other, &err), 0);
	ks_store_close(&other);
}

static int count(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return d ? n : -1;
}

static void trash_is_emptied_and_links_are_not_followed(void)
{
	unsigned int n = 0;
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(mkdirat(test_dir(), "precious", 0755), 0);
	test_write("precious/file", "x");
	CHECK_INT(ks_store_open_dir(&s, "pods/u1/emptydir/v", true, &dir, &err), 0);
	char target[128];

	snprintf(target, sizeof(target), "%s/precious", test_dir_path);
	CHECK_INT(symlinkat(target, dir, "link"), 0);
	CHECK_INT(mkdirat(dir, "sub", 0), 0); /* root or owner may still enter it */
	CHECK_INT(mkfifoat(dir, "fifo", 0600), 0);
	ks_auto_fd int parent = -EBADF;

	CHECK_INT(ks_store_open_dir(&s, "pods/u1", false, &parent, &err), 0);
	CHECK_INT(ks_trash_put(&s, parent, "emptydir", &err), 0);
	CHECK_INT(ks_trash_put(&s, parent, "emptydir", &err), 0); /* gone already: fine */
	CHECK_INT(count(s.fd, "trash"), 1);
	CHECK_INT(ks_trash_purge(&s, &n, &err), 0);
	CHECK_INT(n, 1);
	CHECK_INT(count(s.fd, "trash"), 0);
	CHECK_INT(count(test_dir(), "precious"), 1);
}

/* What a container may have left: deeper than any stack or path. */
static void a_very_deep_tree_is_emptied(void)
{
	ks_auto_fd int dir = -EBADF;

	CHECK_INT(ks_store_open_dir(&s, "trash/deep", true, &dir, &err), 0);
	for (int i = 0; i < 3000; i++) {
		if (mkdirat(dir, "d", 0700) < 0)
			abort();
		int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		close(dir);
		dir = next;
	}
	CHECK_INT(ks_trash_purge(&s, NULL, &err), 0);
	CHECK_INT(count(s.fd, "trash"), 0);
}

static void names(void)
{
	CHECK_INT(ks_check_names("a", "b.c", "claim", &err), 0);
	CHECK(ks_check_names("a.b", "c", "claim", &err) < 0);
	CHECK(ks_check_names("a", "../c", "claim", &err) < 0);
	CHECK(ks_check_names("", "c", "claim", &err) < 0);
}

static void locks(void)
{
	ks_auto_fd int one = -EBADF;
	ks_auto_fd int two = -EBADF;

	CHECK_INT(ks_store_lock(&s, "volume", "a", "b", 0, &one, &err), 0);
	CHECK_INT(ks_store_lock(&s, "volume", "a", "b", 0, &two, &err), KS_LOCK_HELD);
	CHECK(ks_store_locked(&s, "volume", "a", "b"));
	CHECK(!ks_store_locked(&s, "identity", "a", "b"));
	CHECK_INT(ks_store_lock(&s, "identity", "a", "b", 0, &two, &err), 0);
}

static void done(void)
{
	ks_store_close(&s);
	CHECK_INT(s.fd, -EBADF);
}

TEST_MAIN(CASE(opening_makes_it), CASE(a_newer_format_is_refused),
	  CASE(trash_is_emptied_and_links_are_not_followed), CASE(a_very_deep_tree_is_emptied),
	  CASE(names), CASE(locks), CASE(done))
