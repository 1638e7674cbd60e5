/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <pb/events.pb-c.h>

#include <kshim/fd.h>

#include "task.h"

#define SERVICE	     "containerd.services.events.ttrpc.v1.Events"
#define BACKOFF_MS   100 /* the first pause, doubled each time */
#define BACKOFF_MAX  5000
#define ANSWER_MS    10000
#define REFUSALS_MAX 5 /* containerd answers, but takes it not: it never will */

struct ks_event {
	struct ks_event *next;
	bool kept; /* an exit or a delete: what others wait for */
	unsigned int refusals;
	size_t len;
	uint8_t data[]; /* a ForwardRequest */
};

static void send_next(struct ks_events *e);

static void set_timer(struct ks_events *e, unsigned int ms)
{
	struct itimerspec its = {
		.it_value = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000L },
	};

	(void)timerfd_settime(e->timer.fd, 0, &its, NULL);
}

static void pop(struct ks_events *e)
{
	struct ks_event *ev = e->head;

	e->head = ev->next;
	if (!e->head)
		e->tail = &e->head;
	e->n--;
	free(ev);
}

static void retry_later(struct ks_events *e)
{
	e->backoff_ms = !e->backoff_ms			? BACKOFF_MS :
			e->backoff_ms * 2 > BACKOFF_MAX ? BACKOFF_MAX :
							  e->backoff_ms * 2;
	set_timer(e, e->backoff_ms);
}

static void on_done(void *data, int r, const char *message)
{
	struct ks_events *e = data;

	e->busy = false;
	set_timer(e, 0);
	if (r == -EREMOTEIO && ++e->head->refusals >= REFUSALS_MAX) {
		ks_shim_log("error", "containerd does not take an event: %s", message);
		r = 0;
	}
	if (r < 0) {
		retry_later(e);
		return;
	}
	e->backoff_ms = 0;
	pop(e);
	if (e->head)
		send_next(e);
	else if (e->drained)
		e->drained(e->data);
}

static void send_next(struct ks_events *e)
{
	struct ks_err err = KS_ERR_INIT;

	if (e->busy || !e->head)
		return;
	e->busy = true;
	if (ks_ttrpc_client_call(&e->client, SERVICE, "Forward", e->head->data, e->head->len,
				 &err) < 0) {
		e->busy = false;
		retry_later(e);
	} else if (e->busy) {
		set_timer(e, ANSWER_MS);
	}
}

/* A pause is over, or an answer did not come. */
static int on_timer(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_events *e = w->data;
	uint64_t n;

	(void)l;
	(void)events;
	(void)err;
	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	if (e->busy) {
		ks_ttrpc_client_stop(&e->client);
		e->busy = false;
	}
	send_next(e);
	return 0;
}

int ks_events_start(struct ks_events *e, struct ks_loop *l, const char *ns, const char *socket,
		    struct ks_err *err)
{
	*e = (struct ks_events){ .loop = l, .ns = ns, .tail = &e->head };
	e->client =
		(struct ks_ttrpc_client){ .loop = l, .path = socket, .done = on_done, .data = e };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return ks_err_set(err, -errno, "make a timer");
	e->timer = (struct ks_watch){ .fd = fd, .fn = on_timer, .data = e };
	return ks_loop_add(l, &e->timer, EPOLLIN, err);
}

void ks_events_stop(struct ks_events *e)
{
	ks_ttrpc_client_stop(&e->client);
	ks_loop_remove(e->loop, &e->timer);
	e->timer.fd = ks_fd_close(e->timer.fd);
	while (e->head)
		pop(e);
}

/* Room for one more: the first goes that nobody waits for. The head is on its way, it stays. */
static void make_room(struct ks_events *e)
{
	struct ks_event **at = &e->head->next;

	while (*at && (*at)->kept)
		at = &(*at)->next;
	if (!*at)
		at = &e->head->next;
	struct ks_event *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	if (!*at)
		e->tail = at;
	free(gone);
	e->n--;
	if (!e->lost++)
		ks_shim_log("error", "containerd has been away for so long that events are lost");
}

static void push(struct ks_events *e, const char *topic, const char *type, bool kept,
		 const ProtobufCMessage *m)
{
	Pb__ForwardRequest q = PB__FORWARD_REQUEST__INIT;
	Pb__Envelope env = PB__ENVELOPE__INIT;
	Pb__Timestamp at = PB__TIMESTAMP__INIT;
	Pb__Any any = PB__ANY__INIT;
	struct timespec now;
	size_t len = protobuf_c_message_get_packed_size(m);
	ks_auto_free uint8_t *body = malloc(len + 1);
	char type_url[64];

	if (!body)
		return;
	protobuf_c_message_pack(m, body);
	ks_fmt(type_url, sizeof(type_url), "containerd.events.%s", type);
	any.type_url = type_url;
	any.value.data = body;
	any.value.len = len;
	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	env.timestamp = &at;
	env.namespace_ = (char *)(uintptr_t)e->ns;
	env.topic = (char *)(uintptr_t)topic;
	env.event = &any;
	q.envelope = &env;
	len = pb__forward_request__get_packed_size(&q);
	/* The envelope of one that never can be sent would keep all others back. */
	if (len > KS_FRAME_MAX - 1024) {
		ks_shim_log("error", "an event of %zu bytes (%s) cannot be told", len, topic);
		return;
	}
	struct ks_event *ev = calloc(1, sizeof(*ev) + len);

	if (!ev)
		return;
	ev->kept = kept;
	ev->len = pb__forward_request__pack(&q, ev->data);
	if (e->n >= KS_EVENTS_MAX)
		make_room(e);
	*e->tail = ev;
	e->tail = &ev->next;
	e->n++;
	/* While a pause lasts the timer sends it. */
	if (!e->backoff_ms)
		send_next(e);
}

/* The messages only borrow their strings. */
#define TEXT(s) ((char *)(uintptr_t)(s))

static Pb__Timestamp timestamp(const struct timespec *t)
{
	Pb__Timestamp at = PB__TIMESTAMP__INIT;

	at.seconds = t->tv_sec;
	at.nanos = (int32_t)t->tv_nsec;
	return at;
}

void ks_event_create(struct ks_events *e, const struct ks_create_args *c, pid_t pid)
{
	Pb__TaskCreate m = PB__TASK_CREATE__INIT;
	Pb__TaskIO io = PB__TASK_IO__INIT;
	Pb__Mount mounts[KS_ROOTFS_MOUNTS_MAX], *list[KS_ROOTFS_MOUNTS_MAX];

	io.stdin = c->names.in;
	io.stdout = c->names.out;
	io.stderr = c->names.err;
	io.terminal = c->names.terminal;
	m.container_id = TEXT(c->id);
	m.bundle = TEXT(c->bundle);
	if (c->checkpoint)
		m.checkpoint = TEXT(c->checkpoint);
	m.io = &io;
	m.pid = (uint32_t)pid;
	for (size_t i = 0; i < c->n_rootfs; i++) {
		pb__mount__init(&mounts[i]);
		mounts[i].type = TEXT(c->rootfs[i].type);
		mounts[i].source = TEXT(c->rootfs[i].source);
		mounts[i].target = TEXT(c->rootfs[i].target);
		mounts[i].options = c->rootfs[i].options.v;
		mounts[i].n_options = c->rootfs[i].options.n;
		list[i] = &mounts[i];
	}
	m.rootfs = list;
	m.n_rootfs = c->n_rootfs;
	push(e, "/tasks/create", "TaskCreate", false, &m.base);
}

void ks_event_start(struct ks_events *e, const char *id, pid_t pid)
{
	Pb__TaskStart m = PB__TASK_START__INIT;

	m.container_id = TEXT(id);
	m.pid = (uint32_t)pid;
	push(e, "/tasks/start", "TaskStart", false, &m.base);
}

void ks_event_exec_added(struct ks_events *e, const char *id, const char *exec_id)
{
	Pb__TaskExecAdded m = PB__TASK_EXEC_ADDED__INIT;

	m.container_id = TEXT(id);
	m.exec_id = TEXT(exec_id);
	push(e, "/tasks/exec-added", "TaskExecAdded", false, &m.base);
}

void ks_event_exec_started(struct ks_events *e, const char *id, const char *exec_id, pid_t pid)
{
	Pb__TaskExecStarted m = PB__TASK_EXEC_STARTED__INIT;

	m.container_id = TEXT(id);
	m.exec_id = TEXT(exec_id);
	m.pid = (uint32_t)pid;
	push(e, "/tasks/exec-started", "TaskExecStarted", false, &m.base);
}

void ks_event_exit(struct ks_events *e, const char *id, const char *exec_id, pid_t pid,
		   const struct ks_exit *exit)
{
	Pb__TaskExit m = PB__TASK_EXIT__INIT;
	Pb__Timestamp at = timestamp(&exit->at);

	m.container_id = TEXT(id);
	m.id = TEXT(*exec_id ? exec_id : id);
	m.pid = (uint32_t)pid;
	m.exit_status = (uint32_t)exit->status;
	m.exited_at = &at;
	push(e, "/tasks/exit", "TaskExit", true, &m.base);
}

void ks_event_delete(struct ks_events *e, const char *id, pid_t pid, const struct ks_exit *exit)
{
	Pb__TaskDelete m = PB__TASK_DELETE__INIT;
	Pb__Timestamp at = timestamp(&exit->at);

	m.container_id = TEXT(id);
	m.pid = (uint32_t)pid;
	m.exit_status = (uint32_t)exit->status;
	m.exited_at = &at;
	push(e, "/tasks/delete", "TaskDelete", true, &m.base);
}

static void push_task(struct ks_events *e, const char *topic, const char *type, const char *id)
{
	Pb__TaskEvent m = PB__TASK_EVENT__INIT;

	m.container_id = TEXT(id);
	push(e, topic, type, false, &m.base);
}

void ks_event_oom(struct ks_events *e, const char *id)
{
	push_task(e, "/tasks/oom", "TaskOOM", id);
}

void ks_event_paused(struct ks_events *e, const char *id, bool paused)
{
	if (paused)
		push_task(e, "/tasks/paused", "TaskPaused", id);
	else
		push_task(e, "/tasks/resumed", "TaskResumed", id);
}
