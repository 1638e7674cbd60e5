/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>

#include "task.h"

struct ks_op *ks_op_new(struct ks_proc *p, struct ks_ttrpc_call *call)
{
	struct ks_op *op = calloc(1, sizeof(*op));

	if (op) {
		op->proc = p;
		op->call = call;
	}
	return op;
}

static void op_free(struct ks_op *op)
{
	ks_create_args_free(op->create);
	ks_checkpoint_args_free(op->checkpoint);
	free(op->text);
	free(op);
}

void ks_op_fail(struct ks_op *op, const struct ks_err *err)
{
	struct ks_ttrpc_call *call = KS_TAKE_PTR(op->call);

	if (call)
		ks_ttrpc_fail(call, err);
}

const struct ks_storage *ks_op_storage(const struct ks_op *op)
{
	const struct ks_task *t = op->proc->task;
	const struct ks_shim *s = t->shim;
	static char path[PATH_MAX];
	const char *state = getenv("KSHIM_STATE_DIR");

	(void)ks_shim_open_root(&t->options, s->ns, path, sizeof(path), NULL, NULL);
	return s->env->storage(s->env->data, path,
			       t->options.state_dir ? t->options.state_dir :
			       ks_str_empty(state)  ? "/var/lib/kshim" :
						      state);
}

static void run(struct ks_worker *w, struct ks_worker_result *res, int *ret_fd)
{
	struct ks_op *op = (struct ks_op *)w;

	res->r = op->run(op, res, ret_fd, &res->err);
}

static void begin(struct ks_op *op);

/* Over, one way or the other; what was queued behind it is the caller's to begin. */
static struct ks_op *finish(struct ks_op *op, const struct ks_worker_result *res, int fd)
{
	const char *id = op->proc->task->id;
	struct ks_op *next = op->next;

	if (*res->warning)
		ks_shim_log("warning", "%s: %s", id, res->warning);
	if (res->r < 0)
		ks_shim_log("error", "%s: %s", id, res->err.msg);
	op->proc->ops = next;
	/* It may free the process, unless something is queued. */
	op->done(op, res, fd);
	op_free(op);
	return next;
}

static void done(struct ks_worker *w, const struct ks_worker_result *res, int fd)
{
	struct ks_op *op = (struct ks_op *)w;
	struct ks_shim *s = op->proc->task->shim;

	s->n_workers--;
	op = finish(op, res, fd);
	if (op)
		begin(op);
	if (!s->n_workers)
		ks_shim_quiet(s);
	ks_shim_reap_orphans(s);
}

/* Those that cannot begin fail, one after the other. */
static void begin(struct ks_op *op)
{
	struct ks_shim *s = op->proc->task->shim;

	while (op) {
		struct ks_worker_result res = { 0 };

		res.r = s->n_workers < KS_WORKER_MAX ?
				ks_worker_start(&s->loop, &op->worker, &res.err) :
				ks_err_kind(&res.err, KS_ERR_EXHAUSTED,
					    "the shim has %d operations at work", KS_WORKER_MAX);
		if (res.r == 0) {
			s->n_workers++;
			return;
		}
		op = finish(op, &res, -EBADF);
	}
}

void ks_op_start(struct ks_op *op)
{
	struct ks_op **at = &op->proc->ops;

	const int keep[KS_WORKER_KEEP] = { op->proc->task->root_fd,
					   op->proc->io.fds[0],
					   op->proc->io.fds[1],
					   op->proc->io.fds[2],
					   op->proc->io.logger_in[0],
					   op->proc->io.logger_in[1],
					   -EBADF,
					   -EBADF };

	for (size_t i = 0; i < KS_WORKER_KEEP; i++)
		op->worker.keep[i] = keep[i];
	op->worker.run = run;
	op->worker.done = done;
	while (*at)
		at = &(*at)->next;
	*at = op;
	if (op->proc->ops == op)
		begin(op);
}

void ks_op_run(struct ks_proc *p, struct ks_ttrpc_call *call, ks_op_run_fn *run_it,
	       void (*done_it)(struct ks_op *, const struct ks_worker_result *, int))
{
	struct ks_op *op = ks_op_new(p, call);
	struct ks_err err = KS_ERR_INIT;

	if (!op) {
		ks_err_oom(&err);
		if (call)
			ks_ttrpc_fail(call, &err);
		return;
	}
	op->run = run_it;
	op->done = done_it;
	ks_op_start(op);
}

void ks_op_warn(struct ks_worker_result *res, const struct ks_strv *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += ks_fmt(res->warning + n, sizeof(res->warning) - n, "%s%s", i ? "; " : "",
			    list->v[i]);
}
