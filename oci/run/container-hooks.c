/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of the host's namespaces, and the state that all of them read. */
#include <sys/mman.h>

#include <kshim/fd.h>

#include "lifecycle.h"
#include "plan.h"

int ks_hooks_state_file(const struct ks_container *c, enum ks_status status, int *ret_fd,
			struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out o = { 0 };
	ks_auto_fd int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return ks_err_set(err, -errno, "make a memory file");
	ks_state_write_oci(c, status, &o);
	if (o.buf.failed)
		return ks_err_oom(err);
	int r = ks_fd_write_all(fd, o.buf.data, o.buf.len);

	if (r < 0)
		return ks_err_set(err, r, "write the state for hooks");
	*ret_fd = KS_TAKE_FD(fd);
	return 0;
}

int ks_hooks_run_list(struct ks_arena *a, const struct ks_list *list, const char *kind,
		      const char *bundle, int state_fd, struct ks_err *err)
{
	struct ks_plan_hooks hooks = { 0 };
	int r = ks_plan_hooks(a, list, &hooks, err);

	return r < 0 ? r : ks_hooks_run(&hooks, kind, state_fd, bundle, err);
}

int ks_hooks_run_poststart(const struct ks_list *list, const struct ks_container *c,
			   struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_fd int fd = -EBADF;

	if (!list->n)
		return 0;
	int r = ks_hooks_state_file(c, KS_STATUS_RUNNING, &fd, err);

	return r < 0 ? r : ks_hooks_run_list(&a, list, "poststart", c->bundle, fd, err);
}

static void warn_of_hooks(struct ks_arena *a, struct ks_strv *warnings, const char *what,
			  const struct ks_err *why)
{
	const char *text = what ? ks_arena_printf(a, "%s: %s", what, why->msg) : NULL;

	if (text && warnings)
		(void)ks_strv_append(a, warnings, text);
}

void ks_hooks_run_poststop(struct ks_arena *a, const struct ks_list *list,
			   const struct ks_container *c, struct ks_strv *warnings)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_plan_hooks hooks = { 0 };
	ks_auto_fd int fd = -EBADF;

	if (!list->n)
		return;
	int r = ks_hooks_state_file(c, KS_STATUS_STOPPED, &fd, &err);

	if (r == 0)
		r = ks_plan_hooks(a, list, &hooks, &err);
	if (r < 0)
		warn_of_hooks(a, warnings, "poststop hooks", &err);
	for (size_t i = 0; i < hooks.n; i++)
		if (ks_hook_run(&hooks.v[i], fd, c->bundle, &err) < 0)
			warn_of_hooks(a, warnings, ks_arena_printf(a, "poststop hook %zu", i),
				      &err);
}
