/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <kshim/fd.h>
#include <kshim/process.h>

#include "verbs.h"

#define O(kind, member, name, letter, arg, help)                                       \
	{                                                                              \
		name, letter, kind, offsetof(struct ks_create_opts, member), arg, help \
	}

#define COMMON_OPTIONS                                                                            \
	O(KS_OPT_STR, bundle, "bundle", 'b', "DIR", "bundle with config.json (.)"),               \
		O(KS_OPT_STR, console_socket, "console-socket", 0, "PATH",                        \
		  "socket that gets the terminal"),                                               \
		O(KS_OPT_STR, pid_file, "pid-file", 0, "FILE", "write the pid of init here"),     \
		O(KS_OPT_STR, config, "config", 'f', "FILE",                                      \
		  "read this instead of the bundle's config.json"),                               \
		O(KS_OPT_STR, pidfd_socket, "pidfd-socket", 0, "PATH",                            \
		  "socket that gets a pidfd of init"),                                            \
		O(KS_OPT_STR, preserve_fds, "preserve-fds", 0, "N",                               \
		  "pass N descriptors from 3 on"),                                                \
		O(KS_OPT_FLAG, no_pivot, "no-pivot", 0, NULL,                                     \
		  "chroot instead of pivot_root, for a root on a ramdisk"),                       \
		O(KS_OPT_FLAG, no_new_keyring, "no-new-keyring", 0, NULL,                         \
		  "keep the caller's session keyring"),                                           \
		O(KS_OPT_STR, rootfs, "rootfs", 0, "DIR",                                         \
		  "quick form: no config.json, this root file system"),                           \
		O(KS_OPT_STR, pod, "pod", 0, "NS/NAME", "quick form: identity of the pod"),       \
		O(KS_OPT_STR, pod_uid, "pod-uid", 0, "UID", "quick form: join this incarnation"), \
		O(KS_OPT_STRV, volumes, "volume", 0, "CLAIM[:SIZE]:PATH[:ro]",                    \
		  "quick form: mount a volume; with a size it is made when missing"),             \
		O(KS_OPT_STRV, templates, "volume-claim-template", 0, "NAME:SIZE:PATH[:ro]",      \
		  "quick form: mount the pod's own claim NAME-POD"),                              \
		O(KS_OPT_STRV, empty_dirs, "empty-dir", 0, "NAME:PATH[:size=64Mi,medium=Memory]", \
		  "quick form: mount an emptyDir"),                                               \
		O(KS_OPT_STRV, env, "env", 'e', "NAME=VALUE", "quick form: environment"),         \
		O(KS_OPT_STRV, annotations, "annotation", 0, "KEY=VALUE",                         \
		  "quick form: annotation"),                                                      \
		O(KS_OPT_STR, hostname, "hostname", 0, "NAME", "quick form: host name"),          \
		O(KS_OPT_STR, cwd, "cwd", 0, "DIR", "quick form: working directory (/)"),         \
		O(KS_OPT_STR, user, "user", 'u', "UID[:GID]", "quick form: user (0:0)"),          \
		O(KS_OPT_FLAG, tty, "tty", 't', NULL, "quick form: with a terminal"),             \
		O(KS_OPT_FLAG, readonly, "read-only", 0, NULL, "quick form: read-only root")

#define NO_SUBREAPER                                          \
	O(KS_OPT_FLAG, no_subreaper, "no-subreaper", 0, NULL, \
	  "accepted for runc's and crun's callers: kshim never is a subreaper here")

const struct ks_option ks_create_options[] = { NO_SUBREAPER, COMMON_OPTIONS, { 0 } };

const struct ks_option ks_run_options[] = {
	O(KS_OPT_FLAG, detach, "detach", 'd', NULL, "do not wait for the end"),
	O(KS_OPT_FLAG, keep, "keep", 0, NULL, "do not delete the container at its end"),
	NO_SUBREAPER,
	COMMON_OPTIONS,
	{ 0 },
};

/* Descriptors that are to be passed on must be there, and kshim's own must not be taken for them.
 */
int ks_cli_check_preserved(unsigned int n, struct ks_err *err)
{
	for (unsigned int fd = 3; fd < 3 + n; fd++)
		if (fcntl((int)fd, F_GETFD) < 0)
			return ks_err_kind(err, KS_ERR_INVALID,
					   "option --preserve-fds: descriptor %u is not open", fd);
	return 0;
}

int ks_cli_parse_count(const char *s, const char *what, unsigned int *ret, struct ks_err *err)
{
	uint64_t v = 0;

	if (s && ks_parse_u64(s, 1024, &v) < 0)
		return ks_err_kind(err, KS_ERR_INVALID, "option --%s: \"%s\" is not 0 to 1024",
				   what, s);
	*ret = (unsigned int)v;
	return 0;
}

/* What create and run prepare alike; the descriptors are owned by it. */
struct prepared {
	struct ks_create c;
	struct ks_spec spec;
	int bundle_fd, root_fd;
};

static void prepared_done(struct prepared *p)
{
	p->bundle_fd = ks_fd_close(p->bundle_fd);
	p->root_fd = ks_fd_close(p->root_fd);
}

static int load_spec(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_args *args,
		     struct prepared *p, struct ks_err *err)
{
	char *text;
	size_t len;

	if (!o->rootfs) {
		if (args->n > 1)
			return ks_cli_usage_error(cli, err, "a command goes with --rootfs only");
		if (o->pod || o->volumes.n || o->templates.n || o->empty_dirs.n || o->env.n ||
		    o->annotations.n || o->hostname || o->cwd || o->user || o->tty || o->readonly ||
		    o->pod_uid)
			return ks_cli_usage_error(cli, err,
						  "options of the quick form need --rootfs; with a "
						  "bundle use its config.json");
		/* Relative to the caller's directory, as every option is. */
		if (o->config)
			return ks_spec_load(&cli->arena, AT_FDCWD, o->config, &p->spec, err);
		return ks_spec_load(&cli->arena, p->bundle_fd, "config.json", &p->spec, err);
	}
	int r = ks_quick_spec(cli, o, args, &text, &len, err);

	return r < 0 ? r : ks_spec_parse(&cli->arena, text, len, "quick form", &p->spec, err);
}

static int open_bundle(struct prepared *p, struct ks_err *err)
{
	p->bundle_fd = open(p->c.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p->bundle_fd < 0 ? ks_err_set(err, -errno, "bundle %s", p->c.bundle) : 0;
}

/* The mounts are copies then: what was opened before is of none of them. */
static int enter_userns(struct prepared *p, struct ks_err *err)
{
	int r = ks_rootless_enter(&p->spec, err);

	p->bundle_fd = ks_fd_close(p->bundle_fd);
	return r < 0 ? r : open_bundle(p, err);
}

static int prepare(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_args *args,
		   struct prepared *p, struct ks_err *err)
{
	const char *dir = o->bundle ? o->bundle : ".";
	char *bundle = realpath(dir, NULL);

	*p = (struct prepared){ .bundle_fd = -EBADF, .root_fd = -EBADF };
	if (!bundle)
		return ks_err_set(err, -errno, "bundle %s", dir);
	p->c.bundle = ks_arena_strdup(&cli->arena, bundle);
	free(bundle);
	if (!p->c.bundle)
		return ks_err_oom(err);
	int r = ks_cli_parse_count(o->preserve_fds, "preserve-fds", &p->c.preserve_fds, err);

	if (r == 0)
		r = ks_cli_check_preserved(p->c.preserve_fds, err);
	if (r < 0)
		return r;
	r = open_bundle(p, err);
	if (r < 0)
		return r;
	r = ks_cli_open_root(cli, &p->root_fd, err);
	if (r == 0)
		r = load_spec(cli, o, args, p, err);
	p->c.rootless = !cli->rootless || ks_streq(cli->rootless, "auto") ?
				!ks_userns_is_initial() || geteuid() != 0 :
				ks_streq(cli->rootless, "true");
	if (r == 0)
		r = ks_rootless_oom_score(p->spec.process, err);
	if (r == 0 && geteuid() != 0)
		r = enter_userns(p, err);
	p->c.id = args->v[0];
	p->c.bundle_fd = p->bundle_fd;
	p->c.root_fd = p->root_fd;
	p->c.console_socket = o->console_socket;
	p->c.pid_file = o->pid_file;
	p->c.pidfd_socket = o->pidfd_socket;
	p->c.no_new_keyring = o->no_new_keyring;
	p->c.no_pivot = o->no_pivot;
	p->c.no_cgroup = cli->cgroup_manager && ks_streq(cli->cgroup_manager, "disabled");
	p->c.systemd_cgroup = cli->systemd_cgroup ||
			      (cli->cgroup_manager && ks_streq(cli->cgroup_manager, "systemd"));
	p->c.storage = cli->storage;
	p->c.warnings = &cli->warnings;
	return r;
}

int ks_verb_create(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		   struct ks_err *err)
{
	struct ks_created made = { 0 };
	struct prepared p;
	int r = prepare(cli, opts, args, &p, err);

	if (r == 0) {
		r = ks_container_create(&cli->arena, &p.c, &p.spec, &made, err);
		ks_cli_warn(cli);
	}
	if (r == 0)
		ks_created_done(&made);
	prepared_done(&p);
	return r;
}

/* Whether the id is still that of the container that we made; somebody may have deleted it. */
static bool still_ours(struct ks_cli *cli, const struct prepared *p, const struct ks_created *made)
{
	struct ks_container c = { 0 };
	ks_auto_fd int dir = -EBADF;

	return ks_state_open(p->c.root_fd, p->c.id, &dir, NULL, NULL) == 0 &&
	       ks_state_load(&cli->arena, dir, &c, NULL) == 0 && c.pid.v == made->container.pid.v &&
	       c.start_time.v == made->container.start_time.v;
}

/* Deletes the container of a run that ended or failed; the first error is the one that counts. */
static int clean_up(struct ks_cli *cli, struct prepared *p, struct ks_created *made, int r,
		    struct ks_err *err)
{
	struct ks_err second = KS_ERR_INIT;

	bool ours = still_ours(cli, p, made);

	ks_created_done(made);
	if (!ours)
		return r;
	int d = ks_container_delete(p->c.root_fd, p->c.id, true, p->c.storage,
				    &(struct ks_warnings){ &cli->arena, &cli->warnings }, &second);

	ks_cli_warn(cli);

	if (d == -ENOENT && second.kind == KS_ERR_NOT_FOUND)
		return r;
	if (d < 0 && r >= 0) {
		*err = second;
		return d;
	}
	if (d < 0)
		ks_cli_log(cli, "error", second.msg);
	return r;
}

int ks_cli_run(struct ks_cli *cli, const struct ks_create_opts *o, const struct ks_checkpoint *from,
	       const struct ks_args *args, struct ks_err *err)
{
	struct ks_created made = { 0 };
	struct prepared p;
	int r = prepare(cli, o, args, &p, err);

	p.c.attached = true;
	p.c.restore = from;
	if (r == 0 && o->detach && p.spec.process && p.spec.process->terminal && !o->console_socket)
		r = ks_err_kind(err, KS_ERR_INVALID,
				"a detached container with a terminal needs --console-socket");
	if (r == 0 && !o->detach)
		r = ks_signals_block(err);
	if (r == 0) {
		r = ks_container_create(&cli->arena, &p.c, &p.spec, &made, err);
		ks_cli_warn(cli);
	}
	if (r < 0) {
		prepared_done(&p);
		return r;
	}
	int pending = o->detach ? 0 : ks_signals_pending();

	/* Asked to end before there was anything to forward it to. */
	if (pending) {
		clean_up(cli, &p, &made, 0, err);
		prepared_done(&p);
		return 128 + pending;
	}
	if (!from)
		r = ks_container_release(&made, &p.spec, err);
	if (r == 0 && o->detach) {
		ks_created_done(&made);
		prepared_done(&p);
		return 0;
	}
	/* Others may look at it and kill it while it runs. */
	made.lock_fd = ks_fd_close(made.lock_fd);
	bool ran = r == 0;

	if (ran)
		r = ks_process_wait(made.pid, made.pidfd, made.tty_fd, err);
	if (!ran || !o->keep)
		r = clean_up(cli, &p, &made, r, err);
	ks_created_done(&made);
	prepared_done(&p);
	return r;
}

int ks_verb_run(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		struct ks_err *err)
{
	return ks_cli_run(cli, opts, NULL, args, err);
}
