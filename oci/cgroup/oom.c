/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor that becomes readable when the kernel ends a process for want of memory. */
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "hierarchy.h"

static int watch_v1(const char *dir, int *ret, struct ks_err *err)
{
	char line[64];
	ks_auto_fd int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ks_auto_fd int control =
		dirfd < 0 ? -EBADF : openat(dirfd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	ks_auto_fd int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (control < 0 || event < 0)
		return ks_err_set(err, -errno, "watch %s for lack of memory", dir);
	ks_fmt(line, sizeof(line), "%d %d", event, control);
	int r = ks_file_write_at(dirfd, "cgroup.event_control", line);

	if (r < 0)
		return ks_err_set(err, r, "watch %s for lack of memory", dir);
	*ret = KS_TAKE_FD(event);
	return 0;
}

int ks_cgroup_watch_oom(const struct ks_cgroup *cg, int *ret_fd, struct ks_err *err)
{
	char path[PATH_MAX];

	if (ks_cgroup_dir(cg, "memory", path) == 0)
		return watch_v1(path, ret_fd, err);
	if (!cg->host.v2 || ks_cgroup_dir(cg, NULL, path) < 0)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "this host has no memory cgroup controller");
	size_t n = strlen(path);

	ks_fmt(path + n, sizeof(path) - n, "/memory.events");
	ks_auto_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, path, IN_MODIFY) < 0)
		return ks_err_set(err, -errno, "watch %s", path);
	*ret_fd = KS_TAKE_FD(fd);
	return 0;
}
