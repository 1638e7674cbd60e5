/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of ids: as the text that the kernel takes, and as a user namespace
 * that only holds one, for idmapped mounts: a process is made in it, its maps
 * are written, its namespace is opened, and it ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>

#include "plan.h"

int ks_plan_map(struct ks_arena *a, const struct ks_list *maps, const char **ret,
		struct ks_err *err)
{
	const struct ks_spec_idmap *v = maps->v;
	const char *text = "";

	for (size_t i = 0; i < maps->n && text; i++)
		text = ks_arena_printf(a, "%s%u %u %u\n", text, v[i].container_id, v[i].host_id,
				       v[i].size);
	if (!text)
		return ks_err_oom(err);
	/* The kernel takes one write of less than a page. */
	if (strlen(text) >= 4095)
		return ks_err_kind(err, KS_ERR_INVALID, "linux.uidMappings: too many mappings");
	*ret = text;
	return 0;
}

static int write_maps(struct ks_arena *a, pid_t pid, const struct ks_list *uids,
		      const struct ks_list *gids, struct ks_err *err)
{
	const struct {
		const char *file;
		const struct ks_list *maps;
	} both[] = { { "uid_map", uids }, { "gid_map", gids } };
	char path[64];

	for (size_t i = 0; i < KS_ARRAY_LEN(both); i++) {
		const char *text = "";
		int r = ks_plan_map(a, both[i].maps, &text, err);

		if (r < 0)
			return r;
		ks_fmt(path, sizeof(path), "/proc/%d/%s", pid, both[i].file);
		r = ks_file_write_at(AT_FDCWD, path, text);
		if (r < 0)
			return ks_err_set(err, r, "write %s of an idmapped mount", both[i].file);
	}
	return 0;
}

/*
 * It has the container's lock as its parent has, so it must not outlive it.
 * The parent may be gone before it says so: then it is somebody else's child.
 */
static void hold(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

int ks_plan_idmap(struct ks_arena *a, const struct ks_list *uids, const struct ks_list *gids,
		  int *ret_fd, struct ks_err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char path[64];

	if (!uids->n || !gids->n)
		return ks_err_kind(
			err, KS_ERR_INVALID,
			"an idmapped mount needs uidMappings and gidMappings, of its own "
			"or of the container");
	pid_t parent = getpid();
	pid_t pid = ks_sys_clone3(&args);

	if (pid == 0)
		hold(parent);
	ks_crash_point("idmap");
	if (pid < 0)
		return ks_err_set(err, -errno, "make a user namespace for an idmapped mount");
	int r = write_maps(a, pid, uids, gids, err);

	ks_fmt(path, sizeof(path), "/proc/%d/ns/user", pid);
	int fd = r < 0 ? -EBADF : open(path, O_RDONLY | O_CLOEXEC);

	if (r == 0 && fd < 0)
		r = ks_err_set(err, -errno, "open %s", path);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		*ret_fd = fd;
	return r;
}
