/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task service of containerd, v2 and v3: requests are read here, and
 * nowhere else; what they ask for is done elsewhere.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pb/task.pb-c.h>

#include "task.h"

static void *arena_alloc(void *data, size_t size)
{
	return ks_arena_alloc(data, size);
}

static void arena_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

/* A message in the call's arena; NULL when it cannot be read. */
static void *unpack(struct ks_ttrpc_call *call, const ProtobufCMessageDescriptor *d)
{
	ProtobufCAllocator alloc = { arena_alloc, arena_free, &call->arena };

	return protobuf_c_message_unpack(d, &alloc, call->len, call->payload);
}

static void reply(struct ks_ttrpc_call *call, const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = ks_arena_alloc(&call->arena, len + 1);
	struct ks_err err = KS_ERR_INIT;

	if (!buf) {
		ks_err_oom(&err);
		ks_ttrpc_fail(call, &err);
		return;
	}
	ks_ttrpc_reply(call, buf, protobuf_c_message_pack(m, buf));
}

/* @m is a ProcessRequest, or begins like one. */
static struct ks_proc *proc_of(struct ks_shim *s, struct ks_ttrpc_call *call, const char *id,
			       const char *exec_id)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_proc *p = ks_proc_get(s, id, exec_id, &err);

	if (!p)
		ks_ttrpc_fail(call, &err);
	return p;
}

static struct ks_task *task_of(struct ks_shim *s, struct ks_ttrpc_call *call, const char *id)
{
	struct ks_err err = KS_ERR_INIT;
	struct ks_task *t = ks_task_get(s, id, &err);

	if (!t)
		ks_ttrpc_fail(call, &err);
	return t;
}

static void fail(struct ks_ttrpc_call *call, enum ks_err_kind kind, const char *message)
{
	struct ks_err err = KS_ERR_INIT;

	ks_err_kind(&err, kind, "%s", message);
	ks_ttrpc_fail(call, &err);
}

static int read_create(struct ks_create_args *c, const Pb__CreateTaskRequest *q, struct ks_err *err)
{
	struct ks_arena *a = &c->arena;
	int r = 0;

	c->id = ks_arena_strdup(a, q->id);
	c->bundle = ks_arena_strdup(a, q->bundle);
	c->names = (struct ks_stdio_names){ ks_arena_strdup(a, q->stdin),
					    ks_arena_strdup(a, q->stdout),
					    ks_arena_strdup(a, q->stderr), q->terminal };
	if (!c->id || !c->bundle || !c->names.in || !c->names.out || !c->names.err)
		return ks_err_oom(err);
	c->checkpoint = *q->checkpoint ? ks_arena_strdup(a, q->checkpoint) : NULL;
	if (*q->checkpoint && !c->checkpoint)
		return ks_err_oom(err);
	if (*q->checkpoint && *q->checkpoint != '/')
		return ks_err_kind(err, KS_ERR_INVALID, "checkpoint: \"%.*s\" is not absolute", 200,
				   q->checkpoint);
	if (*q->parent_checkpoint)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "a parent of a checkpoint is not supported: its images name it");
	if (q->n_rootfs > KS_ROOTFS_MOUNTS_MAX)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "more than %d mounts of the root file system",
				   KS_ROOTFS_MOUNTS_MAX);
	for (size_t i = 0; i < q->n_rootfs; i++) {
		const Pb__Mount *m = q->rootfs[i];
		struct ks_rootfs_mount *to = &c->rootfs[i];

		to->type = ks_arena_strdup(a, m->type);
		to->source = ks_arena_strdup(a, m->source);
		to->target = ks_arena_strdup(a, m->target);
		if (!to->type || !to->source || !to->target)
			return ks_err_oom(err);
		for (size_t k = 0; k < m->n_options && r == 0; k++)
			r = ks_strv_append(a, &to->options, m->options[k]);
		if (r < 0)
			return ks_err_oom(err);
	}
	c->n_rootfs = q->n_rootfs;
	return q->options ? ks_options_read(a, q->options->type_url, q->options->value.data,
					    q->options->value.len, &c->options, err) :
			    0;
}

static void on_create(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	struct ks_create_args *c = calloc(1, sizeof(*c));
	struct ks_err err = KS_ERR_INIT;
	int r = c ? read_create(c, m, &err) : ks_err_oom(&err);

	if (r == 0) {
		ks_task_create(s, c, call);
		return;
	}
	ks_create_args_free(c);
	ks_ttrpc_fail(call, &err);
}

static void on_start(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ProcessRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);

	if (!p)
		return;
	if (*p->exec_id)
		ks_exec_start(p, call);
	else
		ks_proc_start(p, call);
}

static void on_delete(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ProcessRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);

	if (!p)
		return;
	if (*p->exec_id)
		ks_exec_delete(p, call);
	else
		ks_proc_delete(p, call);
}

static int add_exec(struct ks_task *t, const Pb__ExecProcessRequest *q, struct ks_err *err)
{
	struct ks_proc *old = ks_proc_get(t->shim, t->id, q->exec_id, NULL);
	const struct ks_stdio_names names = { q->stdin, q->stdout, q->stderr, q->terminal };
	size_t live = 0;

	/* That of the container would make its end look like the container's own. */
	if (!ks_valid_id(q->exec_id) || ks_streq(q->exec_id, t->id))
		return ks_err_kind(err, KS_ERR_INVALID, "\"%.*s\" is no id for a process", 200,
				   q->exec_id);
	if (old && old->state != KS_PROC_DELETED)
		return ks_err_kind(err, KS_ERR_EXISTS, "id %s is in use: already exists",
				   q->exec_id);
	if (t->init.ended || t->init.state == KS_PROC_STOPPED || t->paused)
		return ks_err_kind(err, KS_ERR_STATE, "cannot exec in a %s container",
				   t->paused ? "paused" : "stopped");
	for (const struct ks_proc *p = t->execs; p; p = p->next)
		live += p->state != KS_PROC_DELETED;
	if (live >= KS_EXECS_MAX)
		return ks_err_kind(err, KS_ERR_EXHAUSTED, "the container has %d processes already",
				   KS_EXECS_MAX);
	if (!q->spec || q->spec->value.len > KS_EXEC_SPEC_MAX)
		return ks_err_kind(err, KS_ERR_INVALID, "an exec without a process, or too large");
	if (old)
		ks_proc_free(t->shim, old);
	struct ks_proc *p = ks_proc_new_exec(t, q->exec_id, err);

	if (!p)
		return -ENOMEM;
	p->spec_len = q->spec->value.len;
	p->spec = malloc(p->spec_len + 1);
	if (!p->spec || ks_stdio_names_copy(&p->names, &names) < 0) {
		ks_proc_free(t->shim, p);
		return ks_err_oom(err);
	}
	memcpy(p->spec, q->spec->value.data, p->spec_len);
	p->spec[p->spec_len] = '\0';
	return 0;
}

static void on_exec(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ExecProcessRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);
	struct ks_err err = KS_ERR_INIT;

	if (!t)
		return;
	if (add_exec(t, q, &err) < 0) {
		ks_ttrpc_fail(call, &err);
		return;
	}
	ks_event_exec_added(&s->events, t->id, q->exec_id);
	ks_reply_empty(call);
}

/* containerd's numbers. */
static int status_of(const struct ks_proc *p)
{
	enum { UNKNOWN, CREATED, RUNNING, STOPPED, PAUSED };

	switch (p->state) {
	case KS_PROC_ADDED:
	case KS_PROC_CREATED:
		return CREATED;
	case KS_PROC_RUNNING:
		return p->task->paused ? PAUSED : RUNNING;
	case KS_PROC_STOPPED:
	case KS_PROC_DELETED:
		return STOPPED;
	}
	return UNKNOWN;
}

static Pb__Timestamp timestamp(const struct ks_proc *p)
{
	Pb__Timestamp at = PB__TIMESTAMP__INIT;
	bool ended = p->state == KS_PROC_STOPPED || p->state == KS_PROC_DELETED;

	/* Go's zero time, which is what clients test for. */
	at.seconds = ended ? p->exit.at.tv_sec : -62135596800;
	at.nanos = ended ? (int32_t)p->exit.at.tv_nsec : 0;
	return at;
}

static void on_state(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ProcessRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);
	Pb__StateResponse a = PB__STATE_RESPONSE__INIT;

	if (!p)
		return;
	Pb__Timestamp at = timestamp(p);

	a.id = *p->exec_id ? p->exec_id : p->task->id;
	a.exec_id = p->exec_id;
	a.bundle = p->task->bundle;
	a.pid = (uint32_t)p->pid;
	a.status = status_of(p);
	a.stdin = p->names.in;
	a.stdout = p->names.out;
	a.stderr = p->names.err;
	a.terminal = p->names.terminal;
	a.exit_status = p->state >= KS_PROC_STOPPED ? (uint32_t)p->exit.status : 0;
	a.exited_at = &at;
	reply(call, &a.base);
}

static void on_wait(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ProcessRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);

	if (!p)
		return;
	if (p->state == KS_PROC_STOPPED || p->state == KS_PROC_DELETED) {
		ks_reply_wait(call, &p->exit);
		return;
	}
	ks_ttrpc_park(call, &p->waiters);
}

static void on_kill(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__KillRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);

	if (p)
		ks_proc_kill(p, q->signal > 1000 ? -1 : (int)q->signal, q->all, call);
}

/* The exec that has that pid, or NULL. */
static const struct ks_proc *exec_of(const struct ks_task *t, pid_t pid)
{
	for (const struct ks_proc *p = t->execs; p; p = p->next)
		if (p->state == KS_PROC_RUNNING && p->pid == pid)
			return p;
	return NULL;
}

static int put_pids(struct ks_ttrpc_call *call, const struct ks_task *t, const pid_t *pids,
		    size_t n)
{
	struct ks_arena *a = &call->arena;
	Pb__PidsResponse r = PB__PIDS_RESPONSE__INIT;

	r.processes = KS_ARENA_NEWV(a, Pb__ProcessInfo *, n + 1);
	if (!r.processes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		Pb__ProcessInfo *info = KS_ARENA_NEW(a, Pb__ProcessInfo);
		const struct ks_proc *p = exec_of(t, pids[i]);
		Pb__ProcessDetails d = PB__PROCESS_DETAILS__INIT;

		if (!info)
			return -ENOMEM;
		pb__process_info__init(info);
		info->pid = (uint32_t)pids[i];
		r.processes[r.n_processes++] = info;
		if (!p)
			continue;
		d.exec_id = p->exec_id;
		info->info = KS_ARENA_NEW(a, Pb__Any);
		uint8_t *buf = ks_arena_alloc(a, pb__process_details__get_packed_size(&d) + 1);

		if (!info->info || !buf)
			return -ENOMEM;
		pb__any__init(info->info);
		info->info->type_url = ks_arena_strdup(a, "containerd.runc.v1.ProcessDetails");
		info->info->value.data = buf;
		info->info->value.len = pb__process_details__pack(&d, buf);
		if (!info->info->type_url)
			return -ENOMEM;
	}
	reply(call, &r.base);
	return 0;
}

static void on_pids(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__TaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);
	struct ks_err err = KS_ERR_INIT;
	pid_t *pids = NULL;
	size_t n = 0;

	if (!t)
		return;
	int r = ks_container_pids(&call->arena, t->root_fd, t->id, &pids, &n, &err);

	/*
	 * An empty list would have a containerd that has just started take the shim for a leaked
	 * one, and the end of a task that nobody has seen for none.
	 */
	if (r < 0 || !n) {
		pids = &t->init.pid;
		n = t->restore ? 0 : 1; /* it has none before its start */
		r = 0;
	}
	if (r == 0 && put_pids(call, t, pids, n) < 0)
		r = ks_err_oom(&err);
	if (r < 0)
		ks_ttrpc_fail(call, &err);
}

static void on_pause(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__TaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);

	if (t)
		ks_task_pause(t, true, call);
}

static void on_resume(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__TaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);

	if (t)
		ks_task_pause(t, false, call);
}

static void on_resize(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__ResizePtyRequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);
	struct ks_err err = KS_ERR_INIT;

	if (!p)
		return;
	if (ks_proc_resize(p, q->width, q->height, &err) < 0)
		ks_ttrpc_fail(call, &err);
	else
		ks_reply_empty(call);
}

static void on_close_io(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__CloseIORequest *q = m;
	struct ks_proc *p = proc_of(s, call, q->id, q->exec_id);

	if (!p)
		return;
	if (q->stdin)
		ks_stdio_close_in(&p->io);
	ks_reply_empty(call);
}

static void on_update(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__UpdateTaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);

	if (!t)
		return;
	if (q->resources)
		ks_task_update(t, q->resources->value.data, q->resources->value.len, call);
	else
		fail(call, KS_ERR_INVALID, "an update without resources");
}

static void on_stats(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__TaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);
	Pb__StatsResponse a = PB__STATS_RESPONSE__INIT;
	struct ks_err err = KS_ERR_INIT;
	Pb__Any any = PB__ANY__INIT;
	const char *type = NULL;

	if (!t)
		return;
	if (ks_task_metrics(&call->arena, t, &type, &any.value.data, &any.value.len, &err) < 0) {
		ks_ttrpc_fail(call, &err);
		return;
	}
	any.type_url = (char *)(uintptr_t)type;
	a.stats = &any;
	reply(call, &a.base);
}

static void on_connect(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__TaskRequest *q = m;
	const struct ks_task *t = ks_task_find(s, q->id);
	Pb__ConnectResponse a = PB__CONNECT_RESPONSE__INIT;

	a.shim_pid = (uint32_t)getpid();
	a.task_pid = t && t->init.state != KS_PROC_DELETED ? (uint32_t)t->init.pid : 0;
	a.version = (char *)(uintptr_t) "v2";
	reply(call, &a.base);
}

static int read_checkpoint(struct ks_checkpoint_args *c, const Pb__CheckpointTaskRequest *q,
			   struct ks_err *err)
{
	const uint8_t *value = q->options ? q->options->value.data : NULL;
	size_t len = q->options ? q->options->value.len : 0;
	Pb__CheckpointOptions *o = pb__checkpoint_options__unpack(NULL, len, value);

	if (!o)
		return ks_err_kind(err, KS_ERR_INVALID, "the checkpoint's options cannot be read");
	const char *image = *q->path ? q->path : o->image_path;
	int r = 0;

	c->k = (struct ks_checkpoint){
		.image_path = ks_arena_strdup(&c->arena, image),
		.work_path = *o->work_path ? ks_arena_strdup(&c->arena, o->work_path) : NULL,
		.status_fd = -1,
		.leave_running = !o->exit,
		.tcp_established = o->open_tcp,
		.ext_unix_sk = o->external_unix_sockets,
		.shell_job = o->terminal,
		.file_locks = o->file_locks,
		.has_cgroup_mode = *o->cgroups_mode,
	};
	if (!c->k.image_path || (*o->work_path && !c->k.work_path))
		r = ks_err_oom(err);
	else if (*image != '/' || (c->k.work_path && *c->k.work_path != '/'))
		r = ks_err_kind(err, KS_ERR_INVALID, "checkpoint: \"%.*s\" is not absolute", 200,
				*image != '/' ? image : c->k.work_path);
	else if (*o->cgroups_mode)
		r = ks_criu_number("cgroups mode", o->cgroups_mode, ks_criu_cgroup_modes,
				   &c->k.cgroup_mode, err);
	/* What network interfaces are in the images is the same for all. */
	for (size_t i = 0; i < o->n_empty_namespaces && r == 0; i++)
		if (!ks_streq(o->empty_namespaces[i], "network"))
			r = ks_err_kind(err, KS_ERR_UNSUPPORTED,
					"an empty %.*s namespace is not supported", 200,
					o->empty_namespaces[i]);
	pb__checkpoint_options__free_unpacked(o, NULL);
	return r;
}

static void on_checkpoint(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	const Pb__CheckpointTaskRequest *q = m;
	struct ks_task *t = task_of(s, call, q->id);
	struct ks_err err = KS_ERR_INIT;

	if (!t)
		return;
	struct ks_checkpoint_args *c = calloc(1, sizeof(*c));
	int r = c ? read_checkpoint(c, q, &err) : ks_err_oom(&err);

	if (r == 0) {
		ks_task_checkpoint(t, c, call);
		return;
	}
	ks_checkpoint_args_free(c);
	ks_ttrpc_fail(call, &err);
}

static void on_shutdown(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m)
{
	(void)m;
	ks_reply_empty(call);
	/* Of a pod only the last one means the shim. */
	if (!ks_shim_has_tasks(s))
		ks_shim_stop(s);
}

#define PROC &pb__process_request__descriptor
#define TASK &pb__task_request__descriptor

static const struct method {
	const char *name;
	const ProtobufCMessageDescriptor *request;
	void (*fn)(struct ks_shim *s, struct ks_ttrpc_call *call, const void *m);
} methods[] = {
	{ "State", PROC, on_state },
	{ "Create", &pb__create_task_request__descriptor, on_create },
	{ "Start", PROC, on_start },
	{ "Delete", PROC, on_delete },
	{ "Pids", TASK, on_pids },
	{ "Pause", TASK, on_pause },
	{ "Resume", TASK, on_resume },
	{ "Checkpoint", &pb__checkpoint_task_request__descriptor, on_checkpoint },
	{ "Kill", &pb__kill_request__descriptor, on_kill },
	{ "Exec", &pb__exec_process_request__descriptor, on_exec },
	{ "ResizePty", &pb__resize_pty_request__descriptor, on_resize },
	{ "CloseIO", &pb__close_iorequest__descriptor, on_close_io },
	{ "Update", &pb__update_task_request__descriptor, on_update },
	{ "Wait", PROC, on_wait },
	{ "Stats", TASK, on_stats },
	{ "Connect", TASK, on_connect },
	{ "Shutdown", &pb__shutdown_request__descriptor, on_shutdown },
};

/* The sandbox service has its place here, beside these two names of the same service. */
void ks_service_dispatch(void *data, struct ks_ttrpc_call *call)
{
	const struct ks_shim *s = data;
	char text[256];

	if (s->debug)
		ks_shim_log("debug", "%s/%s", call->service, call->method);
	if (!ks_streq(call->service, "containerd.task.v2.Task") &&
	    !ks_streq(call->service, "containerd.task.v3.Task")) {
		ks_fmt(text, sizeof(text), "service %s", call->service);
		fail(call, KS_ERR_UNSUPPORTED, text);
		return;
	}
	for (size_t i = 0; i < KS_ARRAY_LEN(methods); i++) {
		if (!ks_streq(methods[i].name, call->method))
			continue;
		const void *m = unpack(call, methods[i].request);

		if (m)
			methods[i].fn(data, call, m);
		else
			fail(call, KS_ERR_INVALID, "the request cannot be read");
		return;
	}
	ks_fmt(text, sizeof(text), "method %s", call->method);
	fail(call, KS_ERR_UNSUPPORTED, text);
}
