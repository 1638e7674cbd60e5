/* SPDX-License-Identifier: Apache-2.0 */
/* Create, start and delete of a container: what the command line does, in a worker. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "task.h"

/* ---- create ------------------------------------------------------------ */

static int load_spec(struct ks_arena *a, const char *bundle, int *ret_fd, struct ks_spec *ret,
		     struct ks_err *err)
{
	*ret_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return ks_err_set(err, -errno, "bundle %s", bundle);
	return ks_spec_load(a, *ret_fd, "config.json", ret, err);
}

static int create_container(struct ks_op *op, const struct ks_create_args *c, struct ks_arena *a,
			    struct ks_worker_result *res, int *ret_fd, struct ks_err *err)
{
	const char *work = c->checkpoint ? ks_arena_printf(a, "%s/criu", c->bundle) : NULL;
	const struct ks_checkpoint from = { .image_path = c->checkpoint,
					    .work_path = work,
					    .status_fd = -1,
					    .tcp_established = true,
					    .ext_unix_sk = true,
					    .shell_job = true,
					    .file_locks = true };
	struct ks_created made = { 0 };
	struct ks_strv warnings = { 0 };
	ks_auto_fd int bundle = -EBADF;
	struct ks_spec spec = { 0 };
	int r = load_spec(a, c->bundle, &bundle, &spec, err);

	if (r < 0)
		return r;
	if (!spec.process)
		return ks_err_kind(err, KS_ERR_INVALID, "config.json: process: is missing");
	/* The client's word: it has opened the streams. */
	spec.process->terminal = c->names.terminal;
	struct ks_create create = {
		.id = c->id,
		.bundle = c->bundle,
		.bundle_fd = bundle,
		.root_fd = op->proc->task->root_fd,
		.no_new_keyring = c->options.no_new_keyring,
		.no_pivot = c->options.no_pivot,
		.systemd_cgroup = c->options.systemd_cgroup,
		.storage = ks_op_storage(op),
		.keep_terminal = true,
		.restore = c->checkpoint ? &from : NULL,
		.claimed = &op->worker.note->claimed,
		.warnings = &warnings,
	};

	r = ks_container_create(a, &create, &spec, &made, err);
	ks_op_warn(res, &warnings);
	if (r < 0)
		return r;
	res->pid = made.pid;
	res->own_pidns = made.container.own_pidns;
	ks_fmt(res->cgroup, sizeof(res->cgroup), "%s", made.container.cgroup_path);
	*ret_fd = KS_TAKE_FD(made.tty_fd);
	ks_created_done(&made);
	return 0;
}

static int run_create(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		      struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	const struct ks_create_args *c = op->create;
	struct ks_task *t = op->proc->task;
	int r = ks_options_save(c->bundle, &c->options, err);

	if (r == 0)
		r = ks_rootfs_mount(c, err);
	if (r < 0)
		return ks_err_prefix(err, r, "OCI runtime create failed");
	r = ks_stdio_use(&op->proc->io, t->shim->ns, c->id, &op->worker.note->logger_pid, err);
	if (r == 0)
		r = create_container(op, c, &a, res, ret_fd, err);
	if (r < 0) {
		(void)ks_rootfs_unmount(c->bundle, NULL);
		return ks_err_prefix(err, r, "OCI runtime create failed");
	}
	return 0;
}

static int run_delete(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		      struct ks_err *err);
static void done_delete(struct ks_op *op, const struct ks_worker_result *res, int fd);

/* Before there was a container: its root file system alone. */
static int run_unmount(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		       struct ks_err *err)
{
	(void)res;
	(void)ret_fd;
	return ks_rootfs_unmount(op->proc->task->bundle, err);
}

static void undo_create(struct ks_op *failed, const struct ks_err *why, ks_op_run_fn *run,
			bool again);

/*
 * What could not be undone is there as a stopped container, for a Delete; but only what is ours: a
 * Delete would take another one's as well.
 */
static void end_undone(struct ks_op *op, const struct ks_err *why, bool left)
{
	struct ks_task *t = op->proc->task;

	ks_op_fail(op, why);
	if (left)
		ks_proc_fail(&t->init, KS_STATUS_KILLED);
	else
		ks_task_free(t);
}

static void done_undo(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	ks_fd_close(fd);
	if (res->lost && op->again)
		undo_create(op, &op->why, op->run, false);
	else
		end_undone(op, &op->why, res->r < 0 && op->run == run_delete);
}

/* A failed Create leaves nothing: whoever asked for it deletes only what was made. */
static void undo_create(struct ks_op *failed, const struct ks_err *why, ks_op_run_fn *run,
			bool again)
{
	struct ks_op *op = ks_op_new(failed->proc, NULL);

	if (!op) {
		end_undone(failed, why, run == run_delete);
		return;
	}
	op->call = KS_TAKE_PTR(failed->call);
	op->why = *why;
	op->again = again;
	op->run = run;
	op->done = done_undo;
	ks_op_start(op);
}

/* What a worker has made is the task's; *err is the worker's error, or that of this. */
static int adopt(struct ks_task *t, const struct ks_worker_result *res, int fd, struct ks_err *err)
{
	int r = res->r;

	*err = res->err;
	ks_stdio_logger(&t->init.io, res->note.logger_pid);
	if (r == 0) {
		t->own_pidns = res->own_pidns;
		t->cgroup = strdup(res->cgroup);
		r = t->cgroup ? ks_proc_watch(&t->init, res->pid, err) : ks_err_oom(err);
	}
	if (r == 0)
		r = ks_stdio_started(&t->init.io, &t->shim->loop, KS_TAKE_FD(fd), err);
	ks_fd_close(fd);
	return r;
}

static void done_create(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;
	struct ks_shim *s = t->shim;
	struct ks_err err;
	int r = adopt(t, res, fd, &err);

	/* A container of this id that this Create did not make is not touched. */
	if (r < 0 && (res->r == 0 || res->lost)) {
		undo_create(op, &err, res->r == 0 || res->note.claimed ? run_delete : run_unmount,
			    true);
		return;
	}
	if (r < 0) {
		ks_op_fail(op, &err);
		ks_task_free(t);
		return;
	}
	bool wanted = op->call->conn != NULL;

	t->init.state = KS_PROC_CREATED;
	ks_task_watch_oom(t);
	ks_event_create(&s->events, op->create, res->pid);
	ks_reply_pid(KS_TAKE_PTR(op->call), res->pid);
	ks_task_settle(t);
	/* Whoever wanted it has gone meanwhile, and took a failure for granted. */
	if (!wanted)
		ks_op_run(&t->init, NULL, run_delete, done_delete);
}

/*
 * Of a container that is to be restored there are no processes before its start: containerd's own
 * shim answers a Create the same way, with pid 0.
 */
static int run_prepare(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		       struct ks_err *err)
{
	const struct ks_create_args *c = op->create;
	int r = ks_options_save(c->bundle, &c->options, err);

	(void)res;
	(void)ret_fd;
	if (r == 0)
		r = ks_rootfs_mount(c, err);
	return r < 0 ? ks_err_prefix(err, r, "OCI runtime restore failed") : 0;
}

static void done_prepare(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;

	ks_fd_close(fd);
	if (res->r < 0 && res->lost) {
		undo_create(op, &res->err, run_unmount, true);
		return;
	}
	if (res->r < 0) {
		ks_op_fail(op, &res->err);
		ks_task_free(t);
		return;
	}
	bool wanted = op->call->conn != NULL;

	t->restore = KS_TAKE_PTR(op->create);
	t->init.state = KS_PROC_CREATED;
	ks_event_create(&t->shim->events, t->restore, 0);
	ks_reply_pid(KS_TAKE_PTR(op->call), 0);
	if (!wanted)
		ks_op_run(&t->init, NULL, run_delete, done_delete);
}

static struct ks_task *prepare(struct ks_shim *s, const struct ks_create_args *c,
			       struct ks_err *err)
{
	struct ks_task *old = ks_task_find(s, c->id), *t = NULL;
	char path[PATH_MAX];

	if (!ks_valid_id(c->id) || c->bundle[0] != '/') {
		ks_err_kind(err, KS_ERR_INVALID,
			    "not a container id, or no absolute bundle: \"%s\"", c->id);
		return NULL;
	}
	if (s->stopping) {
		ks_err_kind(err, KS_ERR_STATE, "the shim is about to end");
		return NULL;
	}
	if (old && (old->init.state != KS_PROC_DELETED || ks_task_busy(old))) {
		ks_err_kind(err, KS_ERR_EXISTS, "container \"%s\" exists already", c->id);
		return NULL;
	}
	if (old)
		ks_task_free(old);
	t = ks_task_new(s, c->id, c->bundle, err);
	if (!t)
		return NULL;
	int r = ks_task_set_options(t, &c->options);

	if (r == 0)
		r = ks_stdio_names_copy(&t->init.names, &c->names);

	if (r < 0)
		ks_err_oom(err);
	if (r == 0)
		r = ks_shim_open_root(&c->options, s->ns, path, sizeof(path), &t->root_fd, err);
	if (r == 0)
		r = ks_stdio_open(&t->init.io, &c->names, c->options.io_uid, c->options.io_gid,
				  err);
	if (r < 0) {
		ks_task_free(t);
		return NULL;
	}
	return t;
}

void ks_task_create(struct ks_shim *s, struct ks_create_args *c, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_task *t = prepare(s, c, &err);
	struct ks_op *op = t ? ks_op_new(&t->init, call) : NULL;

	if (!op) {
		if (t) {
			ks_err_oom(&err);
			ks_task_free(t);
		}
		ks_ttrpc_fail(call, &err);
		ks_create_args_free(c);
		return;
	}
	op->create = c;
	op->run = c->checkpoint ? run_prepare : run_create;
	op->done = c->checkpoint ? done_prepare : done_create;
	ks_op_start(op);
}

/* ---- start ------------------------------------------------------------- */

static int run_start(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		     struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv list = { 0 };
	const struct ks_warnings warn = { &a, &list };
	struct ks_task *t = op->proc->task;

	(void)ret_fd;
	int r = ks_container_start(t->root_fd, t->id, ks_op_storage(op), &warn, err);

	ks_op_warn(res, &list);
	return r < 0 ? ks_err_prefix(err, r, "OCI runtime start failed") : 0;
}

static void done_start(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;

	ks_fd_close(fd);
	if (res->r < 0) {
		ks_op_fail(op, &res->err);
	} else {
		t->init.state = KS_PROC_RUNNING;
		ks_event_start(&t->shim->events, t->id, t->init.pid);
		ks_reply_pid(KS_TAKE_PTR(op->call), t->init.pid);
	}
	ks_task_settle(t);
}

static int run_restore(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		       struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_task *t = op->proc->task;
	int r = ks_stdio_use(&op->proc->io, t->shim->ns, t->id, &op->worker.note->logger_pid, err);

	if (r == 0)
		r = create_container(op, t->restore, &a, res, ret_fd, err);
	return r < 0 ? ks_err_prefix(err, r, "OCI runtime restore failed") : 0;
}

/* What is left of one that failed is for a Delete, which looks at what this has made. */
static void done_restore(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;
	struct ks_err err;
	int r = adopt(t, res, fd, &err);

	if (res->note.claimed) {
		ks_create_args_free(t->restore);
		t->restore = NULL;
	}
	if (r < 0) {
		ks_op_fail(op, &err);
		ks_proc_fail(&t->init, KS_STATUS_KILLED);
		return;
	}
	t->init.state = KS_PROC_RUNNING;
	ks_task_watch_oom(t);
	ks_event_start(&t->shim->events, t->id, t->init.pid);
	ks_reply_pid(KS_TAKE_PTR(op->call), t->init.pid);
	ks_task_settle(t);
}

void ks_proc_start(struct ks_proc *p, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;

	if (p->state != KS_PROC_CREATED || p->ended) {
		ks_err_kind(&err, KS_ERR_STATE, "cannot start a container that is %s",
			    p->state == KS_PROC_RUNNING ? "running" : "stopped");
		ks_ttrpc_fail(call, &err);
		return;
	}
	if (!p->task->restore)
		ks_op_run(p, call, run_start, done_start);
	else if (!p->ops)
		ks_op_run(p, call, run_restore, done_restore);
	else {
		ks_err_kind(&err, KS_ERR_STATE, "the container is started, or deleted, already");
		ks_ttrpc_fail(call, &err);
	}
}

/* ---- delete ------------------------------------------------------------ */

static int fail_running(const struct ks_task *t, struct ks_err *err)
{
	return ks_err_kind(err, KS_ERR_STATE, "cannot delete a running process: \"%s\"", t->id);
}

static int run_delete(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		      struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_strv list = { 0 };
	const struct ks_warnings warn = { &a, &list };
	struct ks_task *t = op->proc->task;

	(void)ret_fd;
	/* Started while this waited. */
	if (op->proc->state == KS_PROC_RUNNING)
		return fail_running(t, err);
	/* Nothing is its own before it is restored; what has its id is somebody else's. */
	int r = t->restore ?
			0 :
			ks_container_delete(t->root_fd, t->id, true, ks_op_storage(op), &warn, err);

	ks_op_warn(res, &list);
	/* Gone already: by a failed start, or by the command line. */
	if (r == -ENOENT && err->kind == KS_ERR_NOT_FOUND)
		r = 0;
	return r < 0 ? r : ks_rootfs_unmount(t->bundle, err);
}

static void done_delete(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_proc *p = op->proc;
	struct ks_task *t = p->task;

	ks_fd_close(fd);
	if (res->r < 0) {
		ks_op_fail(op, &res->err);
		ks_task_settle(t);
		return;
	}
	/* A second one that waited for the first. */
	if (p->state == KS_PROC_DELETED) {
		ks_reply_exit(KS_TAKE_PTR(op->call), p->pid, &p->exit);
		return;
	}
	/* What was only created has ended just now, and execs in it before. */
	for (struct ks_proc *e = t->execs; e; e = e->next)
		ks_proc_reap(e);
	ks_proc_reap(p);
	ks_stdio_close(&p->io, &t->shim->loop);
	p->state = KS_PROC_DELETED;
	ks_task_bury(t);
	ks_event_delete(&t->shim->events, t->id, p->pid, &p->exit);
	ks_reply_exit(KS_TAKE_PTR(op->call), p->pid, &p->exit);
}

void ks_proc_delete(struct ks_proc *p, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;

	if (p->state == KS_PROC_DELETED) {
		ks_reply_exit(call, p->pid, &p->exit);
	} else if (p->state == KS_PROC_RUNNING) {
		fail_running(p->task, &err);
		ks_ttrpc_fail(call, &err);
	} else {
		ks_op_run(p, call, run_delete, done_delete);
	}
}
