/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/base/path.c"

#include "test.h"

static void cleaning(void)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "/" },
		{ "/", "/" },
		{ "a", "/a" },
		{ "//a///b/", "/a/b" },
		{ "/a/./b", "/a/b" },
		{ "/a/../b", "/b" },
		{ "/../../x", "/x" },
		{ "a/..", "/" },
		{ "/a/b/../../..", "/" },
		{ "/..a/b..", "/..a/b.." },
		{ "./.", "/" },
	};
	char buf[64];

	for (size_t i = 0; i < KS_ARRAY_LEN(t); i++) {
		CHECK_INT(ks_path_clean(t[i].in, buf, sizeof(buf)), 0);
		CHECK_STR(buf, t[i].out);
	}
	CHECK_INT(ks_path_clean("/abcdef", buf, 4), -ENAMETOOLONG);
	CHECK_INT(ks_path_clean("/abc", buf, 5), 0);
}

static bool same(int fd, int dirfd, const char *path)
{
	struct stat a, b;

	return fd >= 0 && fstat(fd, &a) == 0 && fstatat(dirfd, path, &b, 0) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void links_stay_inside_the_root(void)
{
	struct stat st;

	CHECK_INT(mkdirat(test_dir(), "root", 0755), 0);
	CHECK_INT(mkdirat(test_dir(), "root/etc", 0755), 0);
	CHECK_INT(mkdirat(test_dir(), "outside", 0755), 0);
	CHECK_INT(symlinkat("/etc", test_dir(), "root/abs"), 0);
	CHECK_INT(symlinkat("../../../../outside", test_dir(), "root/up"), 0);
	CHECK_INT(symlinkat("/proc/self/root", test_dir(), "root/magic"), 0);
	CHECK_INT(symlinkat("/new/dir", test_dir(), "root/dangling"), 0);
	ks_auto_fd int root = openat(test_dir(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int abs = ks_path_open(root, "/abs", O_PATH);
	ks_auto_fd int up = ks_path_mkdir(root, "/up/x", 0755);
	ks_auto_fd int deep = ks_path_mkdir(root, "a/../b/c", 0755);

	CHECK(same(abs, root, "etc"));
	CHECK(up == -ENOENT || same(up, root, "outside/x"));
	CHECK(fstatat(test_dir(), "outside/x", &st, 0) < 0);
	CHECK(same(deep, root, "b/c"));
	CHECK_INT(ks_path_open(root, "/dangling", O_PATH), -ENOENT);
	CHECK_INT(ks_path_mkdir(root, "/dangling/x", 0755), -ENOENT);
	CHECK_INT(ks_path_mkfile(root, "/dangling", 0755), -ENOENT);
}

static void magic_links_are_refused(void)
{
	ks_auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(ks_path_open(root, "/proc/self/fd/1", O_PATH), -ELOOP);
	CHECK_INT(ks_path_open(root, "/proc/self/root/etc", O_PATH), -ELOOP);
}

static void parents(void)
{
	const char *name;
	ks_auto_fd int root = openat(test_dir(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int p = ks_path_open_parent(root, "/p/q/r", 0755, &name);

	CHECK(same(p, root, "p/q"));
	CHECK_STR(name, "r");
	CHECK_INT(ks_path_open_parent(root, "/p/..", 0755, &name), -EINVAL);
	CHECK_INT(ks_path_open_parent(root, "/", 0755, &name), -EINVAL);
	CHECK_INT(ks_path_open_parent(root, "/p/", 0755, &name), -EINVAL);
	CHECK_INT(ks_path_open_parent(root, "", 0755, &name), -EINVAL);
}

static void files_are_made_once(void)
{
	ks_auto_fd int root = openat(test_dir(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int one = ks_path_mkfile(root, "/f/g", 0644);
	ks_auto_fd int two = ks_path_mkfile(root, "f//g", 0644);

	CHECK(same(one, root, "f/g") && same(two, root, "f/g"));
	CHECK_INT(ks_path_mkfile(root, "/f/g/h", 0644), -ENOTDIR);
}

TEST_MAIN(CASE(cleaning), CASE(links_stay_inside_the_root), CASE(magic_links_are_refused),
	  CASE(parents), CASE(files_are_made_once))
