/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/compat.h>
#include <kshim/fd.h>

#include "lifecycle.h"

void ks_opened_done(struct ks_opened *o)
{
	o->dir_fd = ks_fd_close(o->dir_fd);
	o->lock_fd = ks_fd_close(o->lock_fd);
	ks_arena_done(&o->arena);
}

int ks_opened_open(int root_fd, const char *id, bool lock, struct ks_opened *o, struct ks_err *err)
{
	*o = (struct ks_opened){ .dir_fd = -EBADF, .lock_fd = -EBADF };
	int r = ks_state_open(root_fd, id, &o->dir_fd, lock ? &o->lock_fd : NULL, err);

	if (r < 0)
		return r;
	r = ks_state_load(&o->arena, o->dir_fd, &o->c, err);
	o->no_record = r == KS_STATE_ABSENT;
	return r < 0 ? r : 0;
}

enum ks_status ks_opened_status(const struct ks_opened *o)
{
	return ks_state_status(o->dir_fd, &o->c);
}

struct ks_resctrl ks_container_resctrl(const struct ks_container *c)
{
	return (struct ks_resctrl){ .group = c->resctrl,
				    .id = c->id,
				    .remove = c->resctrl_remove,
				    .monitor = c->resctrl_monitor,
				    .inode = c->resctrl_inode.v };
}

int ks_container_remove_class(struct ks_arena *a, int dir_fd, struct ks_container *c,
			      struct ks_err *err)
{
	const struct ks_resctrl g = ks_container_resctrl(c);
	char boot_id[KS_BOOT_ID_SIZE];

	if (!c->resctrl_remove && !c->resctrl_monitor)
		return 0;
	int r = ks_boot_id(boot_id, err);

	/* Another boot's are gone with it. */
	if (r == 0 && ks_streq(boot_id, c->boot_id))
		r = ks_resctrl_remove(a, &g, err);
	if (r < 0)
		return r;
	c->resctrl_remove = c->resctrl_monitor = false;
	return ks_state_save(dir_fd, c, err);
}

/* The pidfd of init, after which the pid cannot be anybody else's. */
int ks_opened_init(const struct ks_opened *o, int *ret, struct ks_err *err)
{
	ks_auto_fd int fd = ks_sys_pidfd_open((pid_t)o->c.pid.v);

	if (fd < 0 || !ks_state_lives(&o->c))
		return ks_err_kind(err, KS_ERR_STATE, "container not running");
	*ret = KS_TAKE_FD(fd);
	return 0;
}

int ks_opened_cgroup(struct ks_opened *o, struct ks_cgroup *ret, struct ks_err *err)
{
	return ks_cgroup_open(&o->arena, o->c.cgroup_path, ret, err);
}
