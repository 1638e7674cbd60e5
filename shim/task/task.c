/* SPDX-License-Identifier: Apache-2.0 */
#include "task.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kshim/fd.h>

void ks_shim_log(const char *level, const char *fmt, ...)
{
	char msg[KS_ERR_MSG_MAX], line[KS_ERR_MSG_MAX * 2], now[40];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	ks_vfmt(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	n = ks_fmt(line, sizeof(line) - 3, "time=\"%s\" level=%s msg=\"", ks_now_rfc3339(now),
		   level);
	for (const char *p = msg; *p && n < sizeof(line) - 4; p++) {
		if (*p == '"' || *p == '\\')
			line[n++] = '\\';
		line[n++] = *p == '\n' ? ' ' : *p;
	}
	line[n++] = '"';
	line[n++] = '\n';
	/* Nobody may be reading: what does not fit is dropped. */
	ssize_t r = write(2, line, n);

	(void)r;
}

struct ks_task *ks_task_find(struct ks_shim *s, const char *id)
{
	for (struct ks_task *t = s->tasks; t; t = t->next)
		if (ks_streq(t->id, id))
			return t;
	return NULL;
}

struct ks_task *ks_task_get(struct ks_shim *s, const char *id, struct ks_err *err)
{
	struct ks_task *t = ks_task_find(s, id);

	if (!t || t->init.state == KS_PROC_DELETED || t->init.state == KS_PROC_ADDED) {
		ks_err_kind(err, KS_ERR_NOT_FOUND, "container not created: not found");
		return NULL;
	}
	return t;
}

struct ks_proc *ks_proc_get(struct ks_shim *s, const char *id, const char *exec_id,
			    struct ks_err *err)
{
	struct ks_task *t = ks_task_find(s, id);

	if (!t || t->init.state == KS_PROC_ADDED) {
		ks_err_kind(err, KS_ERR_NOT_FOUND, "container not created: not found");
		return NULL;
	}
	if (!*exec_id)
		return &t->init;
	for (struct ks_proc *p = t->execs; p; p = p->next)
		if (ks_streq(p->exec_id, exec_id))
			return p;
	ks_err_kind(err, KS_ERR_NOT_FOUND, "process does not exist %.*s: not found", 200, exec_id);
	return NULL;
}

static void proc_init(struct ks_proc *p, struct ks_task *t, char *exec_id)
{
	*p = (struct ks_proc){
		.task = t,
		.exec_id = exec_id,
		.pidfd = -EBADF,
		.io = KS_STDIO_INIT,
	};
}

struct ks_proc *ks_proc_new_exec(struct ks_task *t, const char *exec_id, struct ks_err *err)
{
	struct ks_proc *p = calloc(1, sizeof(*p));
	char *name = strdup(exec_id);

	if (!p || !name) {
		free(p);
		free(name);
		ks_err_oom(err);
		return NULL;
	}
	proc_init(p, t, name);
	p->next = t->execs;
	t->execs = p;
	return p;
}

static void unwatch(struct ks_shim *s, struct ks_proc *p)
{
	if (p->watched)
		ks_loop_remove(&s->loop, &p->on_exit);
	p->watched = false;
	p->pidfd = ks_fd_close(p->pidfd);
}

static void proc_done(struct ks_shim *s, struct ks_proc *p)
{
	struct ks_err err = KS_ERR_INIT;

	ks_err_kind(&err, KS_ERR_NOT_FOUND, "process does not exist %s: not found", p->exec_id);
	struct ks_ttrpc_call *call;

	while ((call = ks_ttrpc_unpark(&p->waiters)))
		ks_ttrpc_fail(call, &err);
	unwatch(s, p);
	ks_stdio_close(&p->io, &s->loop);
	free(p->names.in);
	free(p->names.out);
	free(p->names.err);
	free(p->spec);
	free(p->exec_id);
}

void ks_proc_free(struct ks_shim *s, struct ks_proc *p)
{
	for (struct ks_proc **at = &p->task->execs; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	proc_done(s, p);
	free(p);
}

void ks_task_trim(struct ks_task *t)
{
	size_t n = 0;

	for (struct ks_proc *p = t->execs, *next; p; p = next) {
		next = p->next;
		if (p->state == KS_PROC_DELETED && !p->ops && ++n > KS_EXEC_TOMBSTONES)
			ks_proc_free(t->shim, p);
	}
}

bool ks_task_busy(const struct ks_task *t)
{
	if (t->init.ops)
		return true;
	for (const struct ks_proc *p = t->execs; p; p = p->next)
		if (p->ops)
			return true;
	return false;
}

void ks_task_bury(struct ks_task *t)
{
	if (t->oom_fd >= 0)
		ks_loop_remove(&t->shim->loop, &t->on_oom);
	t->oom_fd = ks_fd_close(t->oom_fd);
	if (!ks_task_busy(t))
		t->root_fd = ks_fd_close(t->root_fd);
}

/* The list has the newest first. */
static void trim_tombstones(struct ks_shim *s)
{
	size_t n = 0;

	for (struct ks_task *t = s->tasks, *next; t; t = next) {
		next = t->next;
		if (t->init.state == KS_PROC_DELETED && !ks_task_busy(t) &&
		    ++n > KS_TASK_TOMBSTONES)
			ks_task_free(t);
	}
}

struct ks_task *ks_task_new(struct ks_shim *s, const char *id, const char *bundle,
			    struct ks_err *err)
{
	struct ks_task *t = calloc(1, sizeof(*t));
	size_t n = 0;

	trim_tombstones(s);
	for (const struct ks_task *o = s->tasks; o; o = o->next)
		n++;
	if (n >= KS_TASKS_MAX) {
		free(t);
		ks_err_kind(err, KS_ERR_EXHAUSTED, "the shim has %d containers already",
			    KS_TASKS_MAX);
		return NULL;
	}
	if (t) {
		t->shim = s;
		t->root_fd = t->oom_fd = -EBADF;
		t->id = strdup(id);
		t->bundle = strdup(bundle);
		proc_init(&t->init, t, strdup(""));
	}
	if (!t || !t->id || !t->bundle || !t->init.exec_id) {
		if (t)
			ks_task_free(t);
		ks_err_oom(err);
		return NULL;
	}
	t->next = s->tasks;
	s->tasks = t;
	return t;
}

int ks_task_set_options(struct ks_task *t, const struct ks_shim_options *o)
{
	t->root = o->root ? strdup(o->root) : NULL;
	t->state_dir = o->state_dir ? strdup(o->state_dir) : NULL;
	if ((o->root && !t->root) || (o->state_dir && !t->state_dir))
		return -ENOMEM;
	t->options = *o;
	t->options.root = t->root;
	t->options.state_dir = t->state_dir;
	t->options.shim_cgroup = NULL;
	return 0;
}

void ks_create_args_free(struct ks_create_args *c)
{
	if (c)
		ks_arena_done(&c->arena);
	free(c);
}

void ks_checkpoint_args_free(struct ks_checkpoint_args *c)
{
	if (c)
		ks_arena_done(&c->arena);
	free(c);
}

void ks_task_free(struct ks_task *t)
{
	struct ks_shim *s = t->shim;

	ks_create_args_free(t->restore);

	for (struct ks_task **at = &s->tasks; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	while (t->execs)
		ks_proc_free(s, t->execs);
	proc_done(s, &t->init);
	if (t->oom_fd >= 0)
		ks_loop_remove(&s->loop, &t->on_oom);
	ks_fd_close(t->oom_fd);
	ks_fd_close(t->root_fd);
	free(t->id);
	free(t->bundle);
	free(t->cgroup);
	free(t->root);
	free(t->state_dir);
	free(t);
}

bool ks_shim_has_tasks(const struct ks_shim *s)
{
	for (const struct ks_task *t = s->tasks; t; t = t->next)
		if (t->init.state != KS_PROC_DELETED || ks_task_busy(t))
			return true;
	return false;
}

int ks_shim_open_root(const struct ks_shim_options *o, const char *ns, char *path, size_t size,
		      int *ret_fd, struct ks_err *err)
{
	const char *env = getenv("KSHIM_ROOT");
	const char *root = o->root ? o->root : !ks_str_empty(env) ? env : "/run/containerd/kshim";

	/* A namespace of containerd is an identifier: no slash, no dot name. */
	ks_fmt(path, size, "%s/%s", root, ns);
	return ret_fd ? ks_state_open_root(path, ret_fd, err) : 0;
}
