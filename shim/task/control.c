/* SPDX-License-Identifier: Apache-2.0 */
/* Signals, freezing, limits, and the size of a terminal. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <kshim/compat.h>
#include <kshim/fd.h>

#include "task.h"

static int run_kill(struct ks_op *op, struct ks_worker_result *res, int *ret_fd, struct ks_err *err)
{
	struct ks_task *t = op->proc->task;

	(void)res;
	(void)ret_fd;
	return ks_container_kill(t->root_fd, t->id, op->signal, true, err);
}

static void done_plain(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;

	ks_fd_close(fd);
	if (res->r < 0)
		ks_op_fail(op, &res->err);
	else
		ks_reply_empty(KS_TAKE_PTR(op->call));
	ks_task_settle(t);
}

static void kill_all(struct ks_proc *p, int sig, struct ks_ttrpc_call *call,
		     void (*done)(struct ks_op *, const struct ks_worker_result *, int))
{
	struct ks_op *op = ks_op_new(p, call);
	struct ks_err err = KS_ERR_INIT;

	if (!op) {
		ks_err_oom(&err);
		p->task->killing = false;
		if (call)
			ks_ttrpc_fail(call, &err);
		return;
	}
	op->signal = sig;
	op->run = run_kill;
	op->done = done;
	ks_op_start(op);
}

static void done_rest(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;

	(void)res;
	ks_fd_close(fd);
	t->killing = false;
	ks_task_settle(t);
}

void ks_task_kill_rest(struct ks_task *t)
{
	kill_all(&t->init, SIGKILL, NULL, done_rest);
}

/* It has no process yet, or they are being made: a container of its id is somebody else's. */
static int fail_unrestored(const struct ks_task *t, struct ks_err *err)
{
	return t->restore ? ks_err_kind(err, KS_ERR_STATE, "the container is not restored yet") : 0;
}

static int kill_one(struct ks_proc *p, int sig, struct ks_err *err)
{
	struct ks_task *t = p->task;

	if (p->state == KS_PROC_ADDED)
		return ks_err_kind(err, KS_ERR_STATE, "process not created");
	if (fail_unrestored(t, err) < 0)
		return -EBADFD;
	if (p->ended || p->state == KS_PROC_STOPPED || p->state == KS_PROC_DELETED)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "process already finished: not found");
	/* Of the first process: with all that a paused container needs to die. */
	if (p == &t->init)
		return ks_container_kill(t->root_fd, t->id, sig, false, err);
	if (ks_sys_pidfd_send_signal(p->pidfd, sig) < 0)
		return errno == ESRCH ? ks_err_kind(err, KS_ERR_NOT_FOUND,
						    "process already finished: not found") :
					ks_err_set(err, -errno, "signal process %s", p->exec_id);
	return 0;
}

void ks_proc_kill(struct ks_proc *p, int sig, bool all, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;
	bool gone = p->state == KS_PROC_DELETED ||
		    (!all && (p->ended || p->state == KS_PROC_STOPPED));

	if (gone) {
		ks_err_kind(&err, KS_ERR_NOT_FOUND, "process already finished: not found");
		ks_ttrpc_fail(call, &err);
	} else if (sig < 0 || sig > SIGRTMAX) {
		ks_err_kind(&err, KS_ERR_INVALID, "there is no signal %d", sig);
		ks_ttrpc_fail(call, &err);
	} else if (all && fail_unrestored(p->task, &err) < 0) {
		ks_ttrpc_fail(call, &err);
	} else if (all && p == &p->task->init) {
		kill_all(p, sig, call, done_plain);
	} else if (kill_one(p, sig, &err) < 0) {
		/* It ended, and the loop has not come to it. */
		if (err.kind == KS_ERR_STATE && p->state != KS_PROC_ADDED && !p->task->restore)
			ks_err_kind(&err, KS_ERR_NOT_FOUND, "process already finished: not found");
		ks_ttrpc_fail(call, &err);
	} else {
		ks_reply_empty(call);
	}
}

static int run_pause(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		     struct ks_err *err)
{
	struct ks_task *t = op->proc->task;

	(void)res;
	(void)ret_fd;
	return ks_container_pause(t->root_fd, t->id, op->pause, err);
}

static void done_pause(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	struct ks_task *t = op->proc->task;

	if (res->r == 0) {
		t->paused = op->pause;
		ks_event_paused(&t->shim->events, t->id, op->pause);
	}
	done_plain(op, res, fd);
}

/* An operation on a container that runs; NULL when the call has failed already. */
static struct ks_op *op_on_running(struct ks_task *t, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_op *op = NULL;

	if (t->init.state != KS_PROC_RUNNING || t->init.ended)
		ks_err_kind(&err, KS_ERR_STATE, "container not running");
	else if (!(op = ks_op_new(&t->init, call)))
		ks_err_oom(&err);
	if (!op)
		ks_ttrpc_fail(call, &err);
	return op;
}

void ks_task_pause(struct ks_task *t, bool pause, struct ks_ttrpc_call *call)
{
	struct ks_op *op = op_on_running(t, call);

	if (!op)
		return;
	op->pause = pause;
	op->run = run_pause;
	op->done = done_pause;
	ks_op_start(op);
}

/* criu's log is the bundle's: the directory of the images becomes an image of containerd's. */
static int run_checkpoint(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
			  struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_task *t = op->proc->task;
	struct ks_checkpoint k = op->checkpoint->k;

	(void)res;
	(void)ret_fd;
	if (!k.work_path)
		k.work_path = ks_arena_printf(&a, "%s/criu", t->bundle);
	if (!k.work_path)
		return ks_err_oom(err);
	int r = ks_container_checkpoint(t->root_fd, t->id, &k, ks_op_storage(op), NULL, err);

	return r < 0 ? ks_err_prefix(err, r, "OCI runtime checkpoint failed") : 0;
}

void ks_task_checkpoint(struct ks_task *t, struct ks_checkpoint_args *c, struct ks_ttrpc_call *call)
{
	struct ks_op *op = op_on_running(t, call);

	if (!op) {
		ks_checkpoint_args_free(c);
		return;
	}
	op->checkpoint = c;
	op->run = run_checkpoint;
	op->done = done_plain;
	ks_op_start(op);
}

static int run_update(struct ks_op *op, struct ks_worker_result *res, int *ret_fd,
		      struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_task *t = op->proc->task;
	struct ks_spec_resources limits = { 0 };

	(void)res;
	(void)ret_fd;
	int r = ks_resources_parse(&a, op->text, op->text_len, "resources", &limits, err);

	return r < 0 ? r : ks_container_update(t->root_fd, t->id, &limits, NULL, err);
}

void ks_task_update(struct ks_task *t, const uint8_t *json, size_t len, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_op *op = NULL;

	if (t->init.ended || t->init.state == KS_PROC_STOPPED) {
		ks_err_kind(&err, KS_ERR_STATE, "container not running");
	} else if (fail_unrestored(t, &err) < 0) {
		;
	} else if (!(op = ks_op_new(&t->init, call)) || !(op->text = malloc(len + 1))) {
		free(op);
		op = NULL;
		ks_err_oom(&err);
	}
	if (!op) {
		ks_ttrpc_fail(call, &err);
		return;
	}
	memcpy(op->text, json, len);
	op->text[len] = '\0';
	op->text_len = len;
	op->run = run_update;
	op->done = done_plain;
	ks_op_start(op);
}

int ks_proc_resize(struct ks_proc *p, uint32_t width, uint32_t height, struct ks_err *err)
{
	struct winsize ws = {
		.ws_col = (unsigned short)(width > UINT16_MAX ? UINT16_MAX : width),
		.ws_row = (unsigned short)(height > UINT16_MAX ? UINT16_MAX : height),
	};

	/* Without a terminal there is nothing to size, as with containerd's own shim. */
	if (p->io.tty_fd >= 0 && ioctl(p->io.tty_fd, TIOCSWINSZ, &ws) < 0)
		return ks_err_set(err, -errno, "set the size of the terminal");
	return 0;
}
