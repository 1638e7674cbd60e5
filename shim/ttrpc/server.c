/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pb/ttrpc.pb-c.h>

#include <kshim/fd.h>

#include "conn.h"

/* What an unpacked message takes lives in the call's arena and goes with it. */
static void *arena_alloc(void *data, size_t size)
{
	return ks_arena_alloc(data, size);
}

static void arena_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

static void send_response(struct ks_ttrpc_conn *c, uint32_t stream, Pb__Response *r)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	size_t len = pb__response__get_packed_size(r);
	uint8_t *buf = len <= KS_FRAME_MAX ? ks_arena_alloc(&a, len + 1) : NULL;

	/* A client that gets no answer would wait for ever. */
	if (!buf) {
		ks_conn_kill(c);
		return;
	}
	pb__response__pack(r, buf);
	ks_conn_send(c,
		     &(struct ks_frame){
			     .len = (uint32_t)len, .stream = stream, .type = KS_FRAME_RESPONSE },
		     buf);
}

static void send_status(struct ks_ttrpc_conn *c, uint32_t stream, enum ks_ttrpc_code code,
			const char *message)
{
	Pb__Response r = PB__RESPONSE__INIT;
	Pb__Status s = PB__STATUS__INIT;
	char text[KS_ERR_MSG_MAX];

	ks_fmt(text, sizeof(text), "%s", message);
	s.code = (int32_t)code;
	s.message = text;
	r.status = &s;
	send_response(c, stream, &r);
}

static void leave_list(struct ks_ttrpc_call *call)
{
	*call->parked_link = call->parked;
	if (call->parked)
		call->parked->parked_link = call->parked_link;
	call->parked = NULL;
	call->parked_link = NULL;
}

static void call_free(struct ks_ttrpc_call *call)
{
	if (call->conn) {
		*call->link = call->next;
		if (call->next)
			call->next->link = call->link;
		call->conn->n_calls--;
	}
	if (call->parked_link)
		leave_list(call);
	ks_arena_done(&call->arena);
	free(call);
}

void ks_ttrpc_reply(struct ks_ttrpc_call *call, const void *payload, size_t len)
{
	Pb__Response r = PB__RESPONSE__INIT;

	r.payload.data = (uint8_t *)(uintptr_t)payload;
	r.payload.len = len;
	if (call->conn)
		send_response(call->conn, call->stream, &r);
	call_free(call);
}

void ks_ttrpc_fail(struct ks_ttrpc_call *call, const struct ks_err *err)
{
	if (call->conn)
		send_status(call->conn, call->stream, ks_ttrpc_code(err), err->msg);
	call_free(call);
}

void ks_ttrpc_park(struct ks_ttrpc_call *call, struct ks_ttrpc_call **list)
{
	struct ks_err err = KS_ERR_INIT;

	if (!call->conn || call->conn->n_parked >= KS_TTRPC_PARKED) {
		ks_err_kind(&err, KS_ERR_EXHAUSTED, "too many calls wait on this connection");
		ks_ttrpc_fail(call, &err);
		return;
	}
	ks_arena_done(&call->arena);
	call->conn->n_parked++;
	call->conn->n_calls--;
	call->parked = *list;
	call->parked_link = list;
	if (*list)
		(*list)->parked_link = &call->parked;
	*list = call;
}

struct ks_ttrpc_call *ks_ttrpc_unpark(struct ks_ttrpc_call **list)
{
	struct ks_ttrpc_call *call = *list;

	if (!call)
		return NULL;
	leave_list(call);
	if (call->conn) {
		call->conn->n_parked--;
		call->conn->n_calls++;
	}
	return call;
}

static struct ks_ttrpc_call *call_new(struct ks_ttrpc_conn *c, uint32_t stream)
{
	struct ks_ttrpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->conn = c;
	call->stream = stream;
	call->next = c->calls;
	call->link = &c->calls;
	if (c->calls)
		c->calls->link = &call->next;
	c->calls = call;
	c->n_calls++;
	return call;
}

static void start_call(struct ks_ttrpc_conn *c, const struct ks_frame *f, const uint8_t *data)
{
	struct ks_ttrpc_call *call = c->n_calls < KS_TTRPC_CALLS ? call_new(c, f->stream) : NULL;

	if (!call) {
		send_status(c, f->stream, KS_TTRPC_EXHAUSTED, "too many calls at once");
		return;
	}
	ProtobufCAllocator alloc = { arena_alloc, arena_free, &call->arena };
	const Pb__Request *q = pb__request__unpack(&alloc, f->len, data);

	if (!q) {
		struct ks_err err = KS_ERR_INIT;

		ks_err_kind(&err, KS_ERR_INVALID, "the request cannot be read");
		ks_ttrpc_fail(call, &err);
		return;
	}
	call->service = q->service;
	call->method = q->method;
	call->payload = q->payload.data;
	call->len = q->payload.len;
	c->server->dispatch(c->server->data, call);
}

static void on_frame(struct ks_ttrpc_conn *c, const struct ks_frame *f, const uint8_t *data)
{
	if (f->type != KS_FRAME_REQUEST) {
		/* Streams are not served, and a server gets no answers. */
		if (f->type == KS_FRAME_DATA)
			send_status(c, f->stream, KS_TTRPC_UNIMPLEMENTED, "streams");
		return;
	}
	if (f->stream % 2 == 0 || f->stream <= c->last_stream) {
		send_status(c, f->stream, KS_TTRPC_INVALID,
			    "the stream id is not odd, or not above the last one");
		return;
	}
	c->last_stream = f->stream;
	if (!data)
		send_status(c, f->stream, KS_TTRPC_EXHAUSTED, "the message is larger than 4 MiB");
	else if (f->flags)
		send_status(c, f->stream, KS_TTRPC_UNIMPLEMENTED, "streams");
	else
		start_call(c, f, data);
}

static void on_close(struct ks_ttrpc_conn *c)
{
	/* What is at work goes on, and its answer has nowhere to go; what only waits is forgotten.
	 */
	for (struct ks_ttrpc_call *call = c->calls, *next; call; call = next) {
		next = call->next;
		call->conn = NULL;
		if (call->parked_link)
			call_free(call);
	}
	if (c->server->full && ks_loop_mod(c->loop, &c->server->watch, EPOLLIN, NULL) == 0)
		c->server->full = false;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->server->n_conns--;
}

static bool allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid() &&
	       peer.gid == getegid();
}

static int on_connect(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_ttrpc_server *s = w->data;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)err;
	/* It would be told of again and again. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && s->conns)
		s->full = ks_loop_mod(l, w, 0, NULL) == 0;
	if (fd < 0)
		return 0;
	struct ks_ttrpc_conn *c =
		allowed(fd) && s->n_conns < KS_TTRPC_CONNS ? ks_conn_new_take(l, fd, NULL) : NULL;

	if (!c) {
		ks_fd_close(fd);
		return 0;
	}
	c->server = s;
	c->on_frame = on_frame;
	c->on_close = on_close;
	c->next = s->conns;
	c->link = &s->conns;
	if (s->conns)
		s->conns->link = &c->next;
	s->conns = c;
	s->n_conns++;
	return 0;
}

int ks_ttrpc_server_start(struct ks_ttrpc_server *s, struct ks_loop *l, int fd, struct ks_err *err)
{
	assert(s->dispatch);
	s->loop = l;
	s->watch = (struct ks_watch){ .fd = fd, .fn = on_connect, .data = s };
	return ks_loop_add(l, &s->watch, EPOLLIN, err);
}

void ks_ttrpc_server_stop(struct ks_ttrpc_server *s)
{
	ks_loop_remove(s->loop, &s->watch);
	while (s->conns)
		ks_conn_free(s->conns);
}
