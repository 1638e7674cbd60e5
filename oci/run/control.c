/* SPDX-License-Identifier: Apache-2.0 */
/* Paused, resumed, given other limits, looked at: all by its cgroup. */
#include <kshim/fd.h>
#include <kshim/systemd.h>

#include "lifecycle.h"

static int check_alive(const struct ks_opened *o, struct ks_err *err)
{
	if (!ks_state_lives(&o->c))
		return ks_err_kind(err, KS_ERR_STATE, "container not running");
	return 0;
}

/* What is read from, or written to, a cgroup that is not there would be nothing, or for nothing. */
static int check_cgroup(const struct ks_opened *o, struct ks_err *err)
{
	if (!o->no_record && !*o->c.cgroup_path)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "container \"%s\" has no cgroup (--cgroup-manager=disabled)",
				   o->c.id);
	return 0;
}

/* Opened under its lock, alive, and with a cgroup; ks_opened_done() is due also after a failure. */
static int open_living(int root_fd, const char *id, struct ks_opened *o, struct ks_cgroup *cg,
		       struct ks_err *err)
{
	int r = ks_opened_open(root_fd, id, true, o, err);

	if (r == 0)
		r = check_alive(o, err);
	if (r == 0)
		r = check_cgroup(o, err);
	return r < 0 ? r : ks_opened_cgroup(o, cg, err);
}

int ks_container_pause(int root_fd, const char *id, bool pause, struct ks_err *err)
{
	struct ks_opened o;
	struct ks_cgroup cg;
	int r = open_living(root_fd, id, &o, &cg, err);
	bool paused = r == 0 && ks_state_frozen(&o.c);

	if (r == 0 && pause && paused)
		r = ks_err_kind(err, KS_ERR_STATE, "container already paused");
	if (r == 0 && !pause && !paused)
		r = ks_err_kind(err, KS_ERR_STATE, "container not paused");
	if (r == 0)
		r = ks_cgroup_freeze(&cg, pause, err);
	ks_opened_done(&o);
	return r;
}

int ks_container_update(int root_fd, const char *id, const struct ks_spec_resources *res,
			const struct ks_spec_intel_rdt *rdt, struct ks_err *err)
{
	struct ks_opened o;
	struct ks_cgroup cg;
	int r = open_living(root_fd, id, &o, &cg, err);

	const struct ks_resctrl class = ks_container_resctrl(&o.c);

	/* The class first: that there is none is known before anything is changed. */
	if (r == 0 && rdt)
		r = ks_resctrl_update(&o.arena, &class, rdt, err);
	if (r == 0)
		r = ks_cgroup_apply(&cg, res, true, err);
	if (r == 0 && o.c.systemd)
		r = ks_scope_update(&o.arena, &cg, err);
	ks_opened_done(&o);
	return r;
}

int ks_container_pids(struct ks_arena *a, int root_fd, const char *id, pid_t **ret, size_t *ret_n,
		      struct ks_err *err)
{
	struct ks_opened o;
	struct ks_cgroup cg;
	int r = ks_opened_open(root_fd, id, false, &o, err);

	/* A container that is not there yet, or has stopped, has none, whatever stands in its
	 * cgroup. */
	bool alive = r == 0 && check_alive(&o, NULL) == 0;

	*ret_n = 0;
	if (r == 0)
		r = check_cgroup(&o, err);
	if (r == 0 && alive)
		r = ks_opened_cgroup(&o, &cg, err);
	if (r == 0 && alive)
		r = ks_cgroup_pids(a, &cg, ret, ret_n, err);
	ks_opened_done(&o);
	return r;
}

int ks_container_watch(struct ks_arena *a, int root_fd, const char *id, struct ks_watched *ret,
		       struct ks_err *err)
{
	ks_auto_fd int pidfd = -EBADF;
	struct ks_watched w;
	struct ks_opened o;
	int r = ks_opened_open(root_fd, id, false, &o, err);

	if (r == 0)
		r = ks_opened_init(&o, &pidfd, err);
	if (r == 0)
		r = check_cgroup(&o, err);
	if (r == 0) {
		const char *path = ks_arena_strdup(a, o.c.cgroup_path);

		w.resctrl = ks_container_resctrl(&o.c);
		w.resctrl.id = id;
		if (o.c.resctrl)
			w.resctrl.group = ks_arena_strdup(a, o.c.resctrl);
		r = path && (w.resctrl.group || !o.c.resctrl) ?
			    ks_cgroup_open(a, path, &w.cgroup, err) :
			    ks_err_oom(err);
	}
	if (r == 0) {
		w.pidfd = KS_TAKE_FD(pidfd);
		*ret = w;
	}
	ks_opened_done(&o);
	return r;
}
