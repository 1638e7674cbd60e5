/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "plan.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct variable {
	char *text;
	size_t index, name_len;
};

static int by_name(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->text, y->text, n);

	if (r == 0 && x->name_len != y->name_len)
		r = x->name_len < y->name_len ? -1 : 1;
	return r ? r : x->index < y->index ? -1 : 1;
}

/*
 * Of a name that stands twice the last value counts, as in the peers; it comes where the
 * first one stood. getenv(3) would find the first. The others become NULL in @v.
 */
static int drop_repeated(struct ks_arena *a, char **v, size_t n, struct ks_err *err)
{
	struct variable *all = KS_ARENA_NEWV(a, struct variable, n + 1);

	if (!all)
		return ks_err_oom(err);
	for (size_t i = 0; i < n; i++)
		all[i] = (struct variable){ v[i], i, strcspn(v[i], "=") };
	qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0, first = 0; i < n; i++) {
		if (i == first)
			continue;
		if (all[i].name_len != all[first].name_len ||
		    memcmp(all[i].text, all[first].text, all[i].name_len) != 0) {
			first = i;
			continue;
		}
		v[all[first].index] = all[i].text;
		v[all[i].index] = NULL;
	}
	return 0;
}

/* Copies env with two slots to spare, since the child adds HOME without an allocation. */
static int plan_env(struct ks_arena *a, const struct ks_spec_process *sp, struct ks_plan_process *p,
		    struct ks_err *err)
{
	p->env = KS_ARENA_NEWV(a, char *, sp->env.n + 2);
	if (!p->env)
		return ks_err_oom(err);
	for (size_t i = 0; i < sp->env.n; i++)
		p->env[i] = sp->env.v[i];
	int r = drop_repeated(a, p->env, sp->env.n, err);

	p->path = DEFAULT_PATH;
	for (size_t i = 0; i < sp->env.n && r == 0; i++) {
		char *e = p->env[i];
		const char *path = e ? ks_str_prefix(e, "PATH=") : NULL;

		if (!e)
			continue;
		if (path)
			p->path = path;
		p->has_home |= ks_str_prefix(e, "HOME=") && e[5];
		p->env[p->n_env++] = e;
	}
	p->env[p->n_env] = NULL;
	return r;
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

/* "Y" in the module's parameter file; a host without the module has no such file. */
static bool has_apparmor(void)
{
	char c = 'N';
	ks_auto_fd int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

/* A label that is asked for and not applied would leave a container less confined than meant. */
static int plan_labels(const struct ks_spec_process *sp, struct ks_plan_process *p,
		       struct ks_err *err)
{
	p->apparmor = ks_str_empty(sp->apparmor_profile) ? NULL : sp->apparmor_profile;
	p->selinux = ks_str_empty(sp->selinux_label) ? NULL : sp->selinux_label;
	if (p->apparmor && !has_apparmor())
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "process.apparmorProfile: AppArmor is not enabled on this host");
	if (p->apparmor && strlen(p->apparmor) > 400)
		return ks_err_kind(err, KS_ERR_INVALID, "process.apparmorProfile: is too long");
	if (p->selinux && !ks_selinux_enabled())
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "process.selinuxLabel: SELinux is not enabled on this host");
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
	p->rows = (unsigned short)sp->console_size.height;
	p->cols = (unsigned short)sp->console_size.width;
	int r = plan_labels(sp, p, err);

	if (r == 0)
		r = plan_env(a, sp, p, err);
	if (r == 0)
		r = ks_plan_tuning(a, sp, &p->tuning, err);

	if (r == 0)
		r = plan_rlimits(a, sp, p, err);
	/* None are listed: none are given, as runc and crun do. */
	static const struct ks_spec_caps none;

	if (r == 0)
		r = ks_caps_plan(sp->caps ? sp->caps : &none, new_userns, a, warnings, &p->caps,
				 err);
	return r;
}
