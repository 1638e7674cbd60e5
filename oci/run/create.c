/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create, in an order that leaves nothing unfindable at any moment:
 *
 *  1. the directory and its lock claim the id;
 *  2. the record names cgroup and storage before either is made;
 *  3. storage, cgroup, class of service, process: each undone by delete from the record alone;
 *  4. the record gets the pid, and only then may the process outlive us.
 *
 * Killed between two steps, the process ends with its channel, and `delete
 * --force` finds the rest by the record.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/crash.h>
#include <kshim/fd.h>
#include <kshim/systemd.h>

#include "checkpoint.h"
#include "launch.h"
#include "lifecycle.h"

void ks_created_done(struct ks_created *c)
{
	c->pidfd = ks_fd_close(c->pidfd);
	c->sock = ks_fd_close(c->sock);
	c->tty_fd = ks_fd_close(c->tty_fd);
	c->lock_fd = ks_fd_close(c->lock_fd);
	c->dir_fd = ks_fd_close(c->dir_fd);
}

/* Everything that the undoing of a failed create needs. */
struct making {
	struct ks_arena *arena;
	struct ks_create *c;
	const struct ks_spec *spec;
	struct ks_created *out;
	struct ks_cgroup cgroup;
	struct ks_scope scope;
	struct ks_plan plan;
	struct ks_launched launched;
	bool storage_up, hooks_begun;
};

/* The state that hooks of the host get, and those that the child's own get. */
static int on_hooks(void *data, pid_t pid, struct ks_state_files *ret, struct ks_err *err)
{
	struct making *m = data;
	const struct ks_spec *s = m->spec;
	struct ks_container c = m->out->container;
	ks_auto_fd int state_fd = -EBADF;

	m->hooks_begun = true;
	c.pid = (struct ks_opt_u64){ true, (uint64_t)m->launched.pid };
	int r = ks_hooks_state_file(&c, KS_STATUS_CREATING, &state_fd, err);

	if (r == 0)
		r = ks_hooks_run_list(m->arena, &s->hooks.prestart, "prestart", m->c->bundle,
				      state_fd, err);
	if (r == 0)
		r = ks_hooks_run_list(m->arena, &s->hooks.create_runtime, "createRuntime",
				      m->c->bundle, state_fd, err);
	c.pid.v = (uint64_t)pid;
	if (r == 0 && s->hooks.create_container.n)
		r = ks_hooks_state_file(&c, KS_STATUS_CREATING, &ret->creating, err);
	if (r == 0 && s->hooks.start_container.n)
		r = ks_hooks_state_file(&c, KS_STATUS_CREATED, &ret->created, err);
	return r;
}

static int make_record(struct making *m, struct ks_err *err)
{
	struct ks_container *k = &m->out->container;
	const struct ks_spec_namespace *pid = ks_spec_namespace(m->spec, KS_NS_PID);
	const struct ks_resctrl rdt = ks_resctrl_plan(m->spec->lnx.intel_rdt, m->c->id);
	char buf[KS_BOOT_ID_SIZE], now[40], path[PATH_MAX];
	int r = ks_boot_id(buf, err);

	if (r < 0)
		return r;
	if (m->spec->root.path[0] == '/')
		ks_fmt(path, sizeof(path), "%s", m->spec->root.path);
	else
		ks_fmt(path, sizeof(path), "%s/%s", m->c->bundle, m->spec->root.path);
	*k = (struct ks_container){
		.id = m->c->id,
		.bundle = m->c->bundle,
		.rootfs = ks_arena_strdup(m->arena, path),
		.created = ks_arena_strdup(m->arena, ks_now_rfc3339(now)),
		.oci_version = m->spec->oci_version,
		.cgroup_path = m->cgroup.path,
		.boot_id = ks_arena_strdup(m->arena, buf),
		.owner_uid = ks_outer_uid(),
		.own_pidns = pid && ks_str_empty(pid->path),
		.no_new_keyring = m->c->no_new_keyring,
		.systemd = m->c->systemd_cgroup && *m->cgroup.path,
		.poststart = m->spec->hooks.poststart.n > 0,
		.poststop = m->spec->hooks.poststop.n > 0,
		.resctrl = rdt.group,
		.annotations = m->spec->annotations,
	};
	if (ks_cgroup_freezer(&m->cgroup, path) == 0)
		k->freezer = ks_arena_strdup(m->arena, path);
	if (!k->rootfs || !k->created || !k->boot_id)
		return ks_err_oom(err);
	if (!m->c->storage || !m->c->storage->plan)
		return 0;
	r = m->c->storage->plan(m->c->storage->data, m->arena, m->spec, m->c->id, &k->storage, err);
	/* An emptyDir goes, and a disk is let go, only when every process is known to be gone. */
	if (r == 0 && k->storage && m->c->no_cgroup && m->c->restore)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "restore of a container with volumes needs a cgroup");
	if (r == 0 && k->storage && m->c->no_cgroup && !k->own_pidns)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "a container with volumes needs a cgroup, or a pid namespace of "
				   "its own");
	return r;
}

static int save_text(int dir_fd, const char *name, const char *text, size_t len, struct ks_err *err)
{
	ks_auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, text, len);

	return r < 0 ? ks_err_set(err, r, "save the container's %s", name) : 0;
}

/* The text that was parsed: what the file says later does not matter. */
static int save_config(struct making *m, struct ks_err *err)
{
	const struct ks_spec *s = m->spec;
	int r = save_text(m->out->dir_fd, "config.json", s->text, s->text_len, err);

	if (r == 0)
		r = save_text(m->out->dir_fd, "process.json", s->text + s->process_begin,
			      s->process_end - s->process_begin, err);
	return r;
}

static int storage_up(struct making *m, struct ks_err *err)
{
	const struct ks_storage *st = m->c->storage;

	if (!st || !m->out->container.storage)
		return 0;
	m->storage_up = true;
	int r = st->up(st->data, m->arena, m->out->container.storage, m->c->id, &m->c->volumes,
		       err);

	ks_crash_point("storage-up");
	return r;
}

/* The socket that `start` connects to; the path is relative to the directory, so never too long. */
static int make_start_socket(struct making *m, struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	ks_auto_fd int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return ks_err_set(err, -errno, "make the start socket");
	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/start.sock", m->out->dir_fd);
	if (bind(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(sock, 1) < 0)
		return ks_err_set(err, -errno, "make the start socket");
	m->plan.start_fd = KS_TAKE_FD(sock);
	return 0;
}

static int make_plan(struct making *m, struct ks_err *err)
{
	const struct ks_spec *s = m->spec;
	bool new_userns = ks_spec_namespace(s, KS_NS_USER) != NULL;
	struct ks_seccomp_target target = { 0 };
	const struct ks_resctrl rdt = ks_container_resctrl(&m->out->container);
	int r = ks_plan_init_container(m->arena, m->c, s, &m->cgroup, &m->plan, err);

	if (r == 0)
		r = ks_plan_process(m->arena, s->process, new_userns, m->c->warnings,
				    &m->plan.process, err);
	if (r == 0)
		r = ks_seccomp_plan(m->arena, s, m->c->root_fd, &m->plan.process, &target, err);
	if (r == 0)
		r = ks_resctrl_open_join(&rdt, &m->plan.cgroup, err);
	if (r < 0)
		return r;
	r = ks_plan_memory_policy(m->arena, s->lnx.memory_policy, &m->plan.process.tuning, err);
	if (r < 0)
		return r;
	if (s->lnx.personality) {
		m->plan.process.tuning.has_personality = true;
		m->plan.process.tuning.personality = (unsigned long)s->lnx.personality->domain;
		m->out->container.personality =
			(struct ks_opt_u64){ true, (uint64_t)s->lnx.personality->domain };
	}
	m->out->container.seccomp = m->plan.process.seccomp_name;
	m->out->container.seccomp_flags = m->plan.process.seccomp_flags;
	m->out->container.listener_path = target.path;
	m->out->container.listener_metadata = target.metadata;
	m->plan.process.preserve_fds = m->c->preserve_fds;
	if (!m->c->no_new_keyring) {
		m->plan.process.keyring = ks_arena_printf(m->arena, "_ses.%s", m->c->id);
		if (!m->plan.process.keyring)
			return ks_err_oom(err);
	}
	return m->c->attached || m->c->restore ? 0 : make_start_socket(m, err);
}

static int make_cgroup(struct making *m, struct ks_err *err)
{
	const struct ks_spec_resources *res = &m->spec->lnx.resources;
	int r = m->c->systemd_cgroup ? ks_scope_start(m->arena, &m->cgroup, m->c->id,
						      &m->spec->annotations, &m->scope, err) :
				       ks_cgroup_create(&m->cgroup, res, err);

	/* Who cannot have one goes without, as long as nothing was to be limited by it. */
	if ((r == -EACCES || r == -EPERM || r == -EROFS) && m->c->rootless &&
	    !m->c->systemd_cgroup && ks_str_empty(m->spec->lnx.cgroups_path)) {
		if (ks_resources_limit(res))
			return ks_err_prefix(err, r, "linux.resources needs a cgroup");
		m->out->container.cgroup_path = "";
		return ks_cgroup_open(m->arena, "", &m->cgroup, err);
	}
	m->out->container.cgroup_made = r == 0;
	return r;
}

static void note_class(struct ks_container *c, const struct ks_resctrl *g)
{
	c->resctrl_remove = g->remove;
	c->resctrl_monitor = g->monitor;
	c->resctrl_inode = (struct ks_opt_u64){ g->remove && g->inode, g->inode };
}

static int record_class(void *data, const struct ks_resctrl *g, struct ks_err *err)
{
	struct making *m = data;

	note_class(&m->out->container, g);
	return ks_state_save(m->out->dir_fd, &m->out->container, err);
}

static int make_class(struct making *m, struct ks_err *err)
{
	struct ks_resctrl g = ks_container_resctrl(&m->out->container);
	int r = ks_resctrl_make(m->arena, m->spec->lnx.intel_rdt, &g, record_class, m, err);

	note_class(&m->out->container, &g);
	/* What failed has left nothing, and the record is not to say that it has. */
	if (g.group && r < 0)
		(void)record_class(m, &g, NULL);
	return r;
}

/*
 * The limits of a scope come when its placeholder is gone, for which they are not meant, and when
 * the container's process waits before its program.
 */
static int limit_scope(struct making *m, struct ks_err *err)
{
	if (!m->out->container.systemd)
		return 0;
	int r = ks_cgroup_apply(&m->cgroup, &m->spec->lnx.resources, false, err);

	return r < 0 ? r : ks_scope_update(m->arena, &m->cgroup, err);
}

/* The process is there and waits: tells everybody who is to know of it, and puts it on record. */
static int settle(struct making *m, struct ks_err *err)
{
	struct ks_container *k = &m->out->container;
	int r = 0;

	if (m->launched.tty_fd >= 0 && m->c->console_socket) {
		r = ks_socket_send_fd(m->c->console_socket, "console", m->launched.tty_fd, "", 1,
				      err);
		if (r < 0)
			return r;
		m->launched.tty_fd = ks_fd_close(m->launched.tty_fd);
	}
	ks_launch_size_terminal(&m->launched);
	if (m->c->pidfd_socket) {
		r = ks_socket_send_fd(m->c->pidfd_socket, "pidfd", m->launched.pidfd, "", 1, err);
		if (r < 0)
			return r;
	}
	k->pid = (struct ks_opt_u64){ true, (uint64_t)m->launched.pid };
	k->start_time.set = true;
	r = ks_process_start_time(m->launched.pid, &k->start_time.v);
	if (r < 0)
		return ks_err_set(err, r, "the container's first process");
	r = ks_state_save(m->out->dir_fd, k, err);
	if (r == 0 && k->storage)
		r = m->c->storage->running(m->c->storage->data, k->storage, k, err);
	if (r == 0 && m->c->pid_file)
		r = ks_pid_file_write(m->c->pid_file, m->launched.pid, err);
	ks_crash_point("recorded");
	return r;
}

static int launch(struct making *m, struct ks_err *err)
{
	int r = ks_launch(&m->plan, &m->launched, err);

	ks_scope_done(&m->scope);
	m->launched.listener = (struct ks_listener){ &m->out->container, KS_STATUS_CREATING };

	if (r == 0)
		r = ks_launch_oom_score(&m->launched, m->spec->process, err);
	if (r == 0)
		r = ks_launch_wait(&m->launched, KS_MSG_READY, on_hooks, m, err);
	if (r == 0)
		r = limit_scope(m, err);
	if (r < 0)
		return r;
	ks_crash_point("ready");
	r = settle(m, err);
	return r < 0 ? r : ks_launch_send(&m->launched, KS_MSG_SAVED, -1, err);
}

/* Its namespaces are there: what a plugin sets up in them is set up anew. */
static int on_restored_namespaces(void *data, pid_t pid, struct ks_err *err)
{
	struct ks_state_files files = { -EBADF, -EBADF };
	struct making *m = data;

	m->launched.pid = pid;
	int r = ks_launch_net_devices(&m->plan, pid, err);

	if (r == 0)
		r = on_hooks(m, pid, &files, err);
	ks_fd_close(files.creating);
	ks_fd_close(files.created);
	return r;
}

static int on_restored(void *data, pid_t pid, int tty_fd, struct ks_err *err)
{
	struct making *m = data;

	m->launched.pid = pid;
	m->launched.tty_fd = tty_fd;
	/* Our child, which only we reap: the pid is still its own. */
	m->launched.pidfd = ks_sys_pidfd_open(pid);
	if (m->launched.pidfd < 0)
		return ks_err_set(err, -errno, "the container's first process");
	ks_scope_done(&m->scope);
	ks_crash_point("restored");
	return 0;
}

/*
 * Only what was looked at goes on record: criu lets it run also when nobody answers any more, and
 * then it is a container that was left half-made. Nor is criu kept from it by a failure: what is
 * killed now does not run any more.
 */
static int on_resume(void *data, struct ks_err *err)
{
	struct making *m = data;
	struct ks_err lost = KS_ERR_INIT;
	int r = ks_restored_check(m->launched.pid, m->c->restore, m->spec, &m->plan, err);

	if (r == 0)
		r = limit_scope(m, err);
	if (r == 0)
		r = settle(m, err);
	if (r < 0 && m->out->container.cgroup_made)
		(void)ks_cgroup_kill(&m->cgroup, &lost);
	if (r < 0)
		ks_sys_pidfd_send_signal(m->launched.pidfd, SIGKILL);
	return r;
}

static int restore(struct making *m, struct ks_err *err)
{
	const struct ks_restore_steps steps = { on_restored_namespaces, on_restored, on_resume, m };
	int r = ks_restore_run(m->arena, m->c->restore, m->spec, &m->cgroup, m->c->root_fd,
			       &m->plan, &steps, err);

	if (r == 0 && !m->out->container.pid.set)
		r = ks_err_kind(err, KS_ERR_INTERNAL, "criu restored no process");
	return r;
}

/* What cannot be undone now stays on record, so that delete finds it. */
static void undo(struct making *m)
{
	struct ks_err why = KS_ERR_INIT;
	int r = 0;

	ks_launch_abort(&m->launched);
	if (m->out->container.cgroup_made) {
		r = ks_cgroup_kill(&m->cgroup, &why);
		if (r == 0)
			r = ks_cgroup_destroy(&m->cgroup, 2000, &why);
		if (r == 0 && m->out->container.systemd)
			ks_scope_stop(m->arena, m->cgroup.path);
	}
	int class = r < 0 ? 0 :
			    ks_container_remove_class(m->arena, m->out->dir_fd, &m->out->container,
						      &why);

	if (r == 0 && m->storage_up)
		r = m->c->storage->down(m->c->storage->data, m->out->container.storage, m->c->id,
					&why);
	r = r < 0 ? r : class;
	if (r == 0 && m->out->dir_fd >= 0)
		r = ks_state_remove(m->c->root_fd, m->c->id, &why);
	/* From the first hook on there is a container, whose end is due its hooks too. */
	if (r == 0 && m->hooks_begun)
		ks_hooks_run_poststop(m->arena, &m->spec->hooks.poststop, &m->out->container,
				      m->c->warnings);
	if (r < 0 && m->c->warnings) {
		const char *text = ks_arena_printf(
			m->arena, "the failed create left something: %s; kshim delete --force %s",
			why.msg, m->c->id);

		if (text)
			(void)ks_strv_append(m->arena, m->c->warnings, text);
	}
}

static int make(struct making *m, struct ks_err *err)
{
	int r = make_record(m, err);

	if (r == 0 && m->c->claimed)
		*m->c->claimed = true;
	if (r == 0)
		r = ks_state_save(m->out->dir_fd, &m->out->container, err);
	if (r == 0)
		r = save_config(m, err);
	ks_crash_point("claimed");
	if (r == 0)
		r = storage_up(m, err);
	if (r < 0)
		return r;
	if (!m->c->no_cgroup)
		r = make_cgroup(m, err);
	if (r == 0)
		r = make_class(m, err);
	if (r < 0)
		return r;
	/* Before there is a process of the container in it: delete kills only what it knows to be
	 * ours. */
	r = ks_state_save(m->out->dir_fd, &m->out->container, err);
	ks_crash_point("cgroup-recorded");
	if (r == 0)
		r = make_plan(m, err);
	if (r < 0)
		return r;
	return m->c->restore ? restore(m, err) : launch(m, err);
}

static int check(const struct ks_create *c, const struct ks_spec *s, struct ks_err *err)
{
	if (!s->process)
		return ks_err_kind(err, KS_ERR_INVALID, "config.json: process: is missing");
	if (s->process->terminal && !c->console_socket && !c->attached && !c->keep_terminal)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "process.terminal is true: create needs --console-socket");
	if (!s->process->terminal && c->console_socket)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "--console-socket is given, but process.terminal is false");
	return 0;
}

int ks_container_create(struct ks_arena *a, struct ks_create *c, const struct ks_spec *s,
			struct ks_created *ret, struct ks_err *err)
{
	struct making m = { .arena = a,
			    .c = c,
			    .spec = s,
			    .out = ret,
			    .launched = KS_LAUNCHED_INIT,
			    .scope = { .sock = -EBADF } };

	*ret = (struct ks_created){ .pidfd = -EBADF,
				    .sock = -EBADF,
				    .tty_fd = -EBADF,
				    .lock_fd = -EBADF,
				    .dir_fd = -EBADF };
	ks_plan_empty(&m.plan);
	int r = check(c, s, err);

	if (r == 0 && c->restore)
		r = ks_criu_check_root(err);
	if (r == 0 && c->restore && c->no_pivot)
		r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
				"--no-pivot is not supported by restore: criu uses pivot_root");
	if (r == 0 && c->no_cgroup)
		m.cgroup.path = "";
	else if (r == 0)
		r = c->systemd_cgroup ?
			    ks_systemd_path(a, s->lnx.cgroups_path, c->id, &m.cgroup.path, err) :
			    ks_cgroup_path(a, s->lnx.cgroups_path, c->id, &m.cgroup.path, err);
	if (r == 0)
		r = ks_cgroup_open(a, m.cgroup.path, &m.cgroup, err);
	if (r == 0)
		r = ks_state_create(c->root_fd, c->id, &ret->dir_fd, &ret->lock_fd, err);
	if (r < 0)
		return r;
	r = make(&m, err);
	ks_scope_done(&m.scope);
	for (size_t i = 0; i < c->volumes.n; i++)
		c->volumes.v[i].fd = ks_fd_close(c->volumes.v[i].fd);
	ks_plan_done(&m.plan);
	if (r < 0) {
		undo(&m);
		ks_created_done(ret);
		return r;
	}
	ret->pid = m.launched.pid;
	ret->pidfd = KS_TAKE_FD(m.launched.pidfd);
	ret->tty_fd = KS_TAKE_FD(m.launched.tty_fd);
	ret->sock = KS_TAKE_FD(m.launched.sock);
	ks_launched_done(&m.launched);
	return 0;
}

int ks_container_release(struct ks_created *c, const struct ks_spec *s, struct ks_err *err)
{
	int r = ks_channel_send(c->sock, KS_MSG_START, NULL, 0, -1, err);

	struct ks_listener listener = { &c->container, KS_STATUS_CREATED };

	if (r >= 0)
		r = ks_launch_wait_exec(c->sock, &listener, c->pid, err);
	c->sock = ks_fd_close(c->sock);
	if (r == 0)
		r = ks_hooks_run_poststart(&s->hooks.poststart, &c->container, err);
	/* Fatal since runtime-spec 1.3: a container without it must not go on. */
	if (r < 0)
		ks_sys_pidfd_send_signal(c->pidfd, SIGKILL);
	return r;
}
