/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/mount.h>

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <kshim/fd.h>

bool ks_selinux_enabled(void)
{
	return access("/sys/fs/selinux/enforce", F_OK) == 0;
}

int ks_selinux_label(int dir_fd, const char *label, struct ks_err *err)
{
	/* Of a descriptor that is only a path nothing can be set. */
	ks_auto_fd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, "security.selinux", label, strlen(label), 0) < 0)
		return ks_err_set(err, -errno, "give it the SELinux label %s", label);
	return 0;
}
