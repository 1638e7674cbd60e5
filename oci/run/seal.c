/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process in a container can get hold of the runtime's binary through
 * /proc/PID/exe and write to it when it is not executing (CVE-2019-5736).
 * So a kshim that enters containers runs from a read-only mount of its own
 * binary that exists nowhere but in its exe link: writing gives EROFS, and
 * since the mount's descriptor is closed by exec, no one can change the mount.
 * Where that cannot be had (no CAP_SYS_ADMIN), from a sealed memory copy.
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

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

extern char **environ;

static bool is_sealed(int exe)
{
	struct statvfs sv;

	if (fstatvfs(exe, &sv) == 0 && sv.f_flag & ST_RDONLY)
		return true;
	int seals = fcntl(exe, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int copy_to_memory(int exe, int *ret)
{
	struct stat st;
	ks_auto_fd int fd = memfd_create("kshim", MFD_CLOEXEC | MFD_ALLOW_SEALING);

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

int ks_seal(char *const argv[], struct ks_err *err)
{
	ks_auto_fd int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ks_auto_fd int fd = -EBADF;

	if (exe < 0)
		return ks_err_set(err, -errno, "open /proc/self/exe");
	if (is_sealed(exe))
		return 0;
	int r = ks_mount_clone(AT_FDCWD, "/proc/self/exe", false, &fd, err);

	if (r == 0)
		r = ks_mount_set(fd, MOUNT_ATTR_RDONLY, 0, false, err);
	if (r < 0) {
		fd = ks_fd_close(fd);
		r = copy_to_memory(exe, &fd);
		if (r < 0)
			return ks_err_set(err, r, "copy this program to memory");
	}
	ks_sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	return ks_err_set(err, -errno, "execute a protected copy of this program");
}
