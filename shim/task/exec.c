/* SPDX-License-Identifier: Apache-2.0 */
/* Further processes of a container. */
#include <stdlib.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "task.h"

#define STATUS_NOT_STARTED 255

static int run_exec(struct ks_op *op, struct ks_worker_result *res, int *ret_fd, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_process started = { .pidfd = -EBADF, .tty_fd = -EBADF };
	struct ks_spec_process process = { 0 };
	struct ks_strv warnings = { 0 };
	struct ks_proc *p = op->proc;
	struct ks_task *t = p->task;
	struct ks_exec e = {
		.id = t->id,
		.root_fd = t->root_fd,
		.process = &process,
		.warnings = &warnings,
	};
	int r = ks_spec_parse_process(&a, p->spec, p->spec_len, "process", &process, err);

	process.terminal = p->names.terminal;
	if (r == 0)
		r = ks_stdio_use(&p->io, t->shim->ns, t->id, &op->worker.note->logger_pid, err);
	if (r == 0)
		r = ks_container_exec(&a, &e, &started, err);
	ks_op_warn(res, &warnings);
	if (r < 0)
		return ks_err_prefix(err, r, "OCI runtime exec failed");
	res->pid = started.pid;
	*ret_fd = KS_TAKE_FD(started.tty_fd);
	ks_fd_close(started.pidfd);
	return 0;
}

static void done_exec(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_proc *p = op->proc;
	struct ks_task *t = p->task;
	struct ks_err err = res->err;
	int r = res->r;

	ks_stdio_logger(&p->io, res->note.logger_pid);
	if (r == 0)
		r = ks_proc_watch(p, res->pid, &err);
	if (r == 0)
		r = ks_stdio_started(&p->io, &t->shim->loop, KS_TAKE_FD(fd), &err);
	ks_fd_close(fd);
	free(p->spec);
	p->spec = NULL;
	if (r < 0) {
		ks_stdio_close(&p->io, &t->shim->loop);
		ks_proc_fail(p, STATUS_NOT_STARTED);
		ks_op_fail(op, &err);
	} else {
		p->state = KS_PROC_RUNNING;
		ks_event_exec_started(&t->shim->events, t->id, p->exec_id, p->pid);
		ks_reply_pid(KS_TAKE_PTR(op->call), p->pid);
	}
	ks_task_settle(t);
}

void ks_exec_start(struct ks_proc *p, struct ks_ttrpc_call *call)
{
	struct ks_task *t = p->task;
	struct ks_err err = KS_ERR_INIT;

	/* One start alone: a second one waits behind it, and finds it started. */
	if (p->state != KS_PROC_ADDED || p->ops)
		ks_err_kind(&err, KS_ERR_STATE, "process %s is started already", p->exec_id);
	else if (t->init.ended ||
		 (t->init.state != KS_PROC_CREATED && t->init.state != KS_PROC_RUNNING))
		ks_err_kind(&err, KS_ERR_STATE, "cannot exec in a stopped container");
	else if (t->restore)
		ks_err_kind(&err, KS_ERR_STATE,
			    "cannot exec in a container that is not restored yet");
	else if (t->paused)
		ks_err_kind(&err, KS_ERR_STATE, "cannot exec in a paused container");
	else if (ks_stdio_open(&p->io, &p->names, t->options.io_uid, t->options.io_gid, &err) ==
		 0) {
		ks_op_run(p, call, run_exec, done_exec);
		return;
	} else {
		ks_stdio_close(&p->io, &t->shim->loop);
	}
	ks_ttrpc_fail(call, &err);
}

void ks_exec_delete(struct ks_proc *p, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_task *t = p->task;

	if (p->state == KS_PROC_RUNNING || p->ops) {
		ks_err_kind(&err, KS_ERR_STATE, "cannot delete a running process: \"%s\"",
			    p->exec_id);
		ks_ttrpc_fail(call, &err);
		return;
	}
	if (p->state == KS_PROC_DELETED) {
		ks_reply_exit(call, p->pid, &p->exit);
		return;
	}
	if (p->state == KS_PROC_ADDED)
		ks_proc_fail(p, 0);
	ks_stdio_close(&p->io, &t->shim->loop);
	p->state = KS_PROC_DELETED;
	ks_reply_exit(call, p->pid, &p->exit);
	ks_task_trim(t);
}
