/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <pb/ttrpc.pb-c.h>

#include <kshim/fd.h>

#include "conn.h"

#define FIRST_STREAM 1U
#define LAST_STREAM  (1U << 30) /* then a new connection begins again */

static void finish(struct ks_ttrpc_client *c, int r, const char *message)
{
	if (!c->waiting)
		return;
	c->waiting = false;
	c->done(c->data, r, message);
}

static void on_frame(struct ks_ttrpc_conn *conn, const struct ks_frame *f, const uint8_t *data)
{
	struct ks_ttrpc_client *c = conn->data;

	/* The answer to a call that was given up, or no answer at all. */
	if (f->type != KS_FRAME_RESPONSE || f->stream != c->stream || !data)
		return;
	Pb__Response *r = pb__response__unpack(NULL, f->len, data);

	if (!r)
		finish(c, -EREMOTEIO, "an answer that cannot be read");
	else if (r->status && r->status->code)
		finish(c, -EREMOTEIO, r->status->message);
	else
		finish(c, 0, "");
	if (r)
		pb__response__free_unpacked(r, NULL);
}

static void on_close(struct ks_ttrpc_conn *conn)
{
	struct ks_ttrpc_client *c = conn->data;

	c->conn = NULL;
	finish(c, -ENOTCONN, "the connection was closed");
}

static int connect_to(struct ks_ttrpc_client *c, struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ks_fmt(sa.sun_path, sizeof(sa.sun_path), "%s", c->path);
	if (fd < 0)
		return ks_err_set(err, -errno, "make a socket");
	int r = strlen(c->path) >= sizeof(sa.sun_path)		    ? -ENAMETOOLONG :
		connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno :
								      0;

	if (r < 0)
		ks_err_set(err, r, "connect to %s", c->path);
	else if (!(c->conn = ks_conn_new_take(c->loop, fd, err)))
		r = -ENOMEM;
	if (r < 0) {
		ks_fd_close(fd);
		return r;
	}
	c->conn->data = c;
	c->conn->on_frame = on_frame;
	c->conn->on_close = on_close;
	c->stream = FIRST_STREAM;
	return 0;
}

int ks_ttrpc_client_call(struct ks_ttrpc_client *c, const char *service, const char *method,
			 const void *payload, size_t len, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	Pb__Request q = PB__REQUEST__INIT;

	if (c->conn && c->stream >= LAST_STREAM)
		ks_conn_kill(c->conn);
	/* It ends when the loop comes to it. */
	if (c->conn && c->conn->dead)
		return ks_err_set(err, -EAGAIN, "connect to %s", c->path);
	int r = c->conn ? 0 : connect_to(c, err);

	if (r < 0)
		return r;
	q.service = ks_arena_strdup(&a, service);
	q.method = ks_arena_strdup(&a, method);
	q.payload.data = (uint8_t *)(uintptr_t)payload;
	q.payload.len = len;
	size_t size = q.service && q.method ? pb__request__get_packed_size(&q) : 0;
	uint8_t *buf = size && size <= KS_FRAME_MAX ? ks_arena_alloc(&a, size) : NULL;

	if (!buf)
		return ks_err_oom(err);
	pb__request__pack(&q, buf);
	c->stream += 2;
	c->waiting = true;
	ks_conn_send(c->conn,
		     &(struct ks_frame){
			     .len = (uint32_t)size, .stream = c->stream, .type = KS_FRAME_REQUEST },
		     buf);
	return 0;
}

void ks_ttrpc_client_stop(struct ks_ttrpc_client *c)
{
	c->waiting = false;
	if (c->conn)
		ks_conn_free(c->conn);
}
