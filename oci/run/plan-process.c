/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plan.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Copies env with two slots to spare, since the child adds HOME without an allocation. */
static int plan_env(struct ks_arena *a, const struct ks_spec_process *sp, struct ks_plan_process *p,
		    struct ks_err *err)
{
	p->env = KS_ARENA_NEWV(a, char *, sp->env.n + 2);
	if (!p->env)
		return ks_err_oom(err);
	p->path = DEFAULT_PATH;
	for (size_t i = 0; i < sp->env.n; i++) {
		const char *e = sp->env.v[i];
		const char *path = ks_str_prefix(e, "PATH=");

		/* Of a name that stands twice the last one counts, as for getenv in the peers. */
		if (path)
			p->path = path;
		p->has_home |= ks_str_prefix(e, "HOME=") && e[5];
		p->env[p->n_env++] = sp->env.v[i];
	}
	return 0;
}

static int plan_rlimits(struct ks_arena *a, const struct ks_spec_process *sp,
			struct ks_plan_process *p, struct ks_err *err)
{
	const struct ks_spec_rlimit *v = sp->rlimits.v;

	p->rlimits = KS_ARENA_NEWV(a, struct ks_plan_rlimit, sp->rlimits.n);
	if (!p->rlimits)
		return ks_err_oom(err);
	for (size_t i = 0; i < sp->rlimits.n; i++)
		p->rlimits[i] = (struct ks_plan_rlimit){
			v[i].type, { .rlim_cur = v[i].soft.v, .rlim_max = v[i].hard.v }
		};
	p->n_rlimits = sp->rlimits.n;
	return 0;
}

int ks_plan_process(struct ks_arena *a, const struct ks_spec_process *sp, bool new_userns,
		    struct ks_strv *warnings, struct ks_plan_process *p, struct ks_err *err)
{
	p->args = sp->args.v;
	p->cwd = sp->cwd;
	p->uid = sp->user.uid;
	p->gid = sp->user.gid;
	p->gids = sp->gids;
	p->n_gids = sp->n_gids;
	p->umask = sp->user.umask.set ? (mode_t)sp->user.umask.v : 0022;
	p->no_new_privs = sp->no_new_privileges;
	p->terminal = sp->terminal;
	if (sp->console_size.height > UINT16_MAX || sp->console_size.width > UINT16_MAX)
		return ks_err_kind(err, KS_ERR_INVALID, "process.consoleSize: is out of range");
	p->rows = (unsigned short)sp->console_size.height;
	p->cols = (unsigned short)sp->console_size.width;
	int r = plan_env(a, sp, p, err);

	if (r == 0)
		r = plan_rlimits(a, sp, p, err);
	/* None are listed: none are given, as runc and crun do. */
	static const struct ks_spec_caps none;

	if (r == 0)
		r = ks_caps_plan(sp->caps ? sp->caps : &none, new_userns, a, warnings, &p->caps,
				 err);
	return r;
}
