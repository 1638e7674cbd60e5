/* SPDX-License-Identifier: Apache-2.0 */
/* start, kill and delete: all by the record, none reads the bundle. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/cgroup.h>
#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/systemd.h>

#include "launch.h"
#include "lifecycle.h"

#define KILL_MS	  10000
#define CGROUP_MS 5000

int ks_container_spec(struct ks_arena *a, int root_fd, const char *id, struct ks_spec *ret,
		      struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	int r = ks_state_open(root_fd, id, &dir, NULL, err);

	return r < 0 ? r : ks_spec_load(a, dir, "config.json", ret, err);
}

int ks_container_process(struct ks_arena *a, int root_fd, const char *id,
			 struct ks_spec_process *ret, struct ks_err *err)
{
	ks_auto_fd int dir = -EBADF;
	char *text;
	size_t len;
	int r = ks_state_open(root_fd, id, &dir, NULL, err);

	if (r < 0)
		return r;
	r = ks_file_read_at(a, dir, "process.json", KS_JSON_MAX_BYTES, &text, &len);
	if (r == -ENOENT)
		return ks_err_kind(err, KS_ERR_STATE, "container not running");
	if (r < 0)
		return ks_err_set(err, r, "read process.json of container \"%s\"", id);
	return ks_spec_parse_process(a, text, len, "process.json", ret, err);
}

static int connect_start(int dir_fd, int *ret, struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	ks_auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/start.sock", dir_fd);
	if (sock < 0 || connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int num = -errno;

		/* Init does not listen any more: a start before this one was cut off. */
		if (num == -ECONNREFUSED)
			(void)unlinkat(dir_fd, "start.sock", 0);
		return ks_err_set(err, num, "reach the container's first process (is it started?)");
	}
	*ret = KS_TAKE_FD(sock);
	return 0;
}

static int signal_all(struct ks_opened *o, int sig, struct ks_err *err)
{
	struct ks_cgroup cg;
	pid_t *pids;
	size_t n;
	int r = ks_opened_cgroup(o, &cg, err);

	if (r == 0 && sig == SIGKILL)
		return ks_cgroup_kill(&cg, err);
	if (r == 0)
		r = ks_cgroup_pids(&o->arena, &cg, &pids, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (kill(pids[i], sig) < 0 && errno != ESRCH)
			r = ks_err_set(err, -errno, "signal process %d", pids[i]);
	return r;
}

int ks_container_kill(int root_fd, const char *id, int sig, bool all, struct ks_err *err)
{
	struct ks_opened o;
	ks_auto_fd int pidfd = -EBADF;
	int r = ks_opened_open(root_fd, id, false, &o, err);

	/* Without a cgroup nobody else is known to be of the container. */
	all &= r == 0 && !o.no_record && *o.c.cgroup_path;
	if (r == 0 && all)
		r = signal_all(&o, sig, err);
	else if (r == 0)
		r = ks_opened_init(&o, &pidfd, err);
	if (r == 0 && !all && ks_sys_pidfd_send_signal(pidfd, sig) < 0)
		r = errno == ESRCH ? ks_err_kind(err, KS_ERR_STATE, "container not running") :
				     ks_err_set(err, -errno, "signal container \"%s\"", id);
	/* What is frozen on v1 does not die before it is thawed. */
	struct ks_cgroup cg;

	if (r == 0 && sig == SIGKILL && ks_state_frozen(&o.c) &&
	    ks_opened_cgroup(&o, &cg, NULL) == 0)
		ks_cgroup_thaw(&cg);
	ks_opened_done(&o);
	return r;
}

static int wait_end(int pidfd, const struct ks_opened *o, struct ks_err *err)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int r;

	/* A signal starts the time anew, which does no harm. */
	do {
		r = poll(&pfd, 1, KILL_MS);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return ks_err_set(err, -errno, "wait for the container's first process");
	if (r == 0)
		return ks_err_kind(err, KS_ERR_TIMEOUT,
				   "process %llu does not end %d s after SIGKILL",
				   (unsigned long long)o->c.pid.v, KILL_MS / 1000);
	/* When it is our own child, nobody else reaps it. */
	(void)waitpid((pid_t)o->c.pid.v, NULL, WNOHANG | __WALL);
	return 0;
}

/*
 * A create that was killed can leave a first process that is not on record: it ends with its
 * channel, but not while the kernel holds it in a call.
 */
static bool first_ends_all(const struct ks_container *c)
{
	return c->own_pidns && c->pid.set;
}

/* SIGKILL, then wait: storage must not be taken away from under a living process. */
static int stop(struct ks_opened *o, const struct ks_cgroup *cg, struct ks_err *err)
{
	ks_auto_fd int pidfd = -EBADF;
	int r = 0;

	if (ks_opened_init(o, &pidfd, NULL) == 0)
		ks_sys_pidfd_send_signal(pidfd, SIGKILL);
	/*
	 * With a pid namespace of its own all processes end with the first one, when that is known.
	 * Who else is in the cgroup then is somebody else's, as after a create that only read the
	 * cgroup's name.
	 */
	if (o->c.cgroup_made && !first_ends_all(&o->c))
		r = ks_cgroup_kill(cg, err);
	else
		ks_cgroup_thaw(cg); /* a process in a frozen v1 cgroup does not die */
	return r < 0 || pidfd < 0 ? r : wait_end(pidfd, o, err);
}

/* What is not known to be ours, or holds processes that cannot be ours, may stay. */
static int destroy_cgroup(const struct ks_container *c, const struct ks_cgroup *cg,
			  struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	int r = ks_cgroup_destroy(cg, c->cgroup_made ? CGROUP_MS : 1000, err);

	if (r == 0 && c->systemd)
		ks_scope_stop(&a, c->cgroup_path);
	if (r < 0 && !c->cgroup_made)
		return 0;
	return r == -EBUSY && first_ends_all(c) && ks_cgroup_populated(cg) ? 0 : r;
}

static void warn_of(const struct ks_warnings *warn, const char *what, const struct ks_err *why)
{
	const char *text = warn->arena ? ks_arena_printf(warn->arena, "%s: %s", what, why->msg) :
					 NULL;

	if (text)
		(void)ks_strv_append(warn->arena, warn->list, text);
}

int ks_opened_delete(struct ks_opened *o, int root_fd, const char *id,
		     const struct ks_storage *storage, const struct ks_warnings *warn,
		     struct ks_err *err)
{
	struct ks_err why = KS_ERR_INIT;
	struct ks_cgroup cg;
	struct ks_spec s = { 0 };
	int r = ks_opened_cgroup(o, &cg, err);

	/* Unreadable, it must not keep the container. */
	if (r == 0 && o->c.poststop &&
	    ks_spec_load(&o->arena, o->dir_fd, "config.json", &s, &why) < 0)
		warn_of(warn, "its poststop hooks do not run", &why);
	if (r == 0)
		r = stop(o, &cg, err);
	ks_crash_point("delete-stopped");
	if (r == 0)
		r = destroy_cgroup(&o->c, &cg, err);
	ks_crash_point("delete-cgroup");
	struct ks_err lost = KS_ERR_INIT;
	int class = r < 0 ? 0 : ks_container_remove_class(&o->arena, o->dir_fd, &o->c, &lost);

	/* Whatever is with its class: its disk is let go. */
	if (r == 0 && o->c.storage) {
		if (!storage)
			return ks_err_kind(err, KS_ERR_INTERNAL, "no storage to give up");
		r = storage->down(storage->data, o->c.storage, id, err);
	}
	if (r == 0 && class < 0) {
		if (err)
			*err = lost;
		r = class;
	}
	if (r < 0)
		return r;
	ks_crash_point("delete-storage");
	r = ks_state_remove(root_fd, id, err);
	if (r == 0)
		ks_hooks_run_poststop(warn->arena, &s.hooks.poststop, &o->c, warn->list);
	return r;
}

int ks_container_delete(int root_fd, const char *id, bool force, const struct ks_storage *storage,
			const struct ks_warnings *warn, struct ks_err *err)
{
	struct ks_opened o;
	int r = ks_opened_open(root_fd, id, true, &o, err);
	enum ks_status status = r == 0 ? ks_opened_status(&o) : KS_STATUS_CREATING;

	if (r == 0 && o.no_record) {
		/* A create that died before its record had made nothing else. */
		r = ks_state_remove(root_fd, id, err);
	} else if (r == 0 && !force &&
		   (status == KS_STATUS_RUNNING || status == KS_STATUS_PAUSED)) {
		r = ks_err_kind(err, KS_ERR_STATE,
				"cannot delete container \"%s\" that is not stopped: it is %s", id,
				ks_status_name(status));
	} else if (r == 0) {
		r = ks_opened_delete(&o, root_fd, id, storage, warn, err);
		if (r < 0)
			r = ks_err_prefix(err, r, "delete container \"%s\"", id);
	}
	ks_opened_done(&o);
	return r;
}

/*
 * A hook that fails ends the container for good, as does all that goes wrong when its program runs
 * already. A program that cannot be executed leaves it stopped, as the peers do; so does a
 * listener that nobody has: its calls would fail for no reason that the program can know.
 */
static void give_up(struct ks_opened *o, int root_fd, const char *id,
		    const struct ks_storage *storage, const struct ks_warnings *warn, bool destroy)
{
	struct ks_err why = KS_ERR_INIT;
	ks_auto_fd int pidfd = -EBADF;

	if (destroy && ks_opened_delete(o, root_fd, id, storage, warn, &why) < 0)
		warn_of(warn, "the failed start left something; kshim delete --force removes it",
			&why);
	else if (!destroy && o->c.listener_path && ks_opened_init(o, &pidfd, NULL) == 0)
		ks_sys_pidfd_send_signal(pidfd, SIGKILL);
}

int ks_container_start(int root_fd, const char *id, const struct ks_storage *storage,
		       const struct ks_warnings *warn, struct ks_err *err)
{
	struct ks_opened o;
	ks_auto_fd int sock = -EBADF;
	int r = ks_opened_open(root_fd, id, true, &o, err);
	enum ks_status status = r == 0 ? ks_opened_status(&o) : KS_STATUS_CREATING;

	if (r == 0 && status != KS_STATUS_CREATED)
		r = ks_err_kind(err, KS_ERR_STATE, "cannot start container \"%s\": it is %s", id,
				ks_status_name(status));
	if (r == 0)
		r = connect_start(o.dir_fd, &sock, err);
	if (r == 0)
		r = ks_channel_send(sock, KS_MSG_START, NULL, 0, -1, err);
	ks_crash_point("start-sent");
	/*
	 * From here it counts as started. Not before: init would wait for a start that nobody
	 * can give any more. After a cut in between nobody listens: see connect_start().
	 */
	if (r >= 0 && sock >= 0 && unlinkat(o.dir_fd, "start.sock", 0) < 0)
		r = ks_err_set(err, -errno, "remove the start socket");
	struct ks_listener listener = { &o.c, KS_STATUS_CREATED };

	if (r >= 0 && sock >= 0)
		r = ks_launch_wait_exec(sock, &listener, (pid_t)o.c.pid.v, err);
	bool runs = r == 0;

	struct ks_spec s = { 0 };

	if (r == 0 && o.c.poststart)
		r = ks_spec_load(&o.arena, o.dir_fd, "config.json", &s, err);
	if (r == 0)
		r = ks_hooks_run_poststart(&s.hooks.poststart, &o.c, err);
	if (r < 0 && sock >= 0)
		give_up(&o, root_fd, id, storage, warn, runs || err->kind == KS_ERR_HOOK);
	ks_opened_done(&o);
	return r < 0 ? ks_err_prefix(err, r, "start") : 0;
}
