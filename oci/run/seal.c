/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process in a container can get hold of the runtime's binary through
 * /proc/PID/exe and write to it when it is not executing (CVE-2019-5736).
 * So a kshim that enters containers runs from a read-only mount of its own
 * binary that exists nowhere but in its exe link and what it has mapped:
 * writing gives EROFS, and since the mount's descriptor is closed, no one can
 * change the mount. Where that cannot be had (no CAP_SYS_ADMIN, or Linux before
 * 5.12), from a sealed memory copy.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/mount.h>
#include <kshim/run.h>
#include <kshim/str.h>

#include "seal.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

extern char **environ;

/*
 * A read-only file system is no protection: its administrator makes it writable when there is an
 * update, and a handle that a container kept with it. The link of a file whose mount is nowhere is
 * "/".
 */
static bool is_sealed(int exe)
{
	char link[16] = "";
	struct statvfs sv;

	if (fstatvfs(exe, &sv) == 0 && sv.f_flag & ST_RDONLY &&
	    readlink("/proc/self/exe", link, sizeof(link) - 1) > 0 &&
	    (ks_streq(link, "/") || ks_streq(link, "/ (deleted)")))
		return true;
	int seals = fcntl(exe, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* Executable also where vm.memfd_noexec is 1; before Linux 6.3 all are, and the flag is not known.
 */
static int make_memory_file(void)
{
	int fd = memfd_create("kshim", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("kshim", MFD_CLOEXEC | MFD_ALLOW_SEALING) :
					   fd;
}

static int copy_to_memory(int exe, int *ret)
{
	struct stat st;
	ks_auto_fd int fd = make_memory_file();

	if (fd < 0 || fstat(exe, &st) < 0)
		return -errno;
	for (off_t off = 0; off < st.st_size;)
		if (sendfile(fd, exe, &off, (size_t)(st.st_size - off)) <= 0)
			return -EIO;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	*ret = KS_TAKE_FD(fd);
	return 0;
}

/* A read-only mount of this program; -errno where that cannot be had. */
static int protected_mount(int *ret)
{
	struct ks_err err = KS_ERR_INIT;
	ks_auto_fd int fd = -EBADF;
	int r = ks_mount_clone(AT_FDCWD, "/proc/self/exe", false, &fd, &err);

	if (r == 0)
		r = ks_mount_set(fd, MOUNT_ATTR_RDONLY, 0, false, &err);
	if (r == 0)
		*ret = KS_TAKE_FD(fd);
	return r;
}

/* Through a process' link, since the descriptor of a mount is not one of an open file. */
static int replace_exe(int mount_fd)
{
	char path[64];

	ks_fmt(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : ks_exe_replace(fd);
}

static int seal(char *const argv[], bool execute, struct ks_err *err)
{
	ks_auto_fd int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ks_auto_fd int copy = -EBADF;
	int fd = exe;

	if (exe < 0)
		return ks_err_set(err, -errno, "open /proc/self/exe");
	if (is_sealed(exe)) {
		if (!execute)
			return 0;
	} else if (protected_mount(&copy) == 0) {
		if (!execute && replace_exe(copy) == 0)
			return 0;
		fd = copy;
	} else {
		int r = copy_to_memory(exe, &copy);

		if (r < 0)
			return ks_err_set(err, r, "copy this program to memory%s",
					  r == -EACCES ? " (is vm.memfd_noexec 2?)" : "");
		fd = copy;
	}
	ks_sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return ks_err_set(err, -errno, "execute a protected copy of this program");
}

int ks_seal(char *const argv[], struct ks_err *err)
{
	return seal(argv, false, err);
}

int ks_seal_exec(char *const argv[], struct ks_err *err)
{
	return seal(argv, true, err);
}
