/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kshim/fd.h>

#define IN_FIRST 4096  /* nearly every request is far smaller */
#define IN_KEEP	 65536 /* a larger buffer is given back when it is empty */

void ks_conn_free(struct ks_ttrpc_conn *c)
{
	c->on_close(c);
	ks_loop_remove(c->loop, &c->watch);
	ks_fd_close(c->watch.fd);
	free(c->in);
	ks_buf_done(&c->out);
	free(c);
}

void ks_conn_kill(struct ks_ttrpc_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	/* Wakes the loop, which then ends it. */
	(void)shutdown(c->watch.fd, SHUT_RDWR);
}

static void watch_for(struct ks_ttrpc_conn *c, uint32_t events)
{
	if (c->events != events && ks_loop_mod(c->loop, &c->watch, events, NULL) == 0)
		c->events = events;
}

static void flush(struct ks_ttrpc_conn *c)
{
	while (c->out_off < c->out.len) {
		ssize_t n = send(c->watch.fd, c->out.data + c->out_off, c->out.len - c->out_off,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			ks_conn_kill(c);
		if (n < 0)
			break;
		c->out_off += (size_t)n;
	}
	if (c->out_off == c->out.len) {
		ks_buf_done(&c->out);
		c->out = (struct ks_buf){ 0 };
		c->out_off = 0;
	}
	if (c->out.len - c->out_off > KS_TTRPC_PENDING)
		ks_conn_kill(c);
	watch_for(c, EPOLLIN | (c->out.len ? EPOLLOUT : 0U));
}

void ks_conn_send(struct ks_ttrpc_conn *c, const struct ks_frame *f, const void *data)
{
	uint8_t header[KS_FRAME_HEADER];

	if (c->dead)
		return;
	ks_frame_write(f, header);
	ks_buf_add(&c->out, (const char *)header, sizeof(header));
	ks_buf_add(&c->out, data, f->len);
	if (c->out.failed)
		ks_conn_kill(c);
	else
		flush(c);
}

static int grow(struct ks_ttrpc_conn *c, size_t want)
{
	size_t size = c->in_size ? c->in_size : IN_FIRST;

	while (size < want)
		size *= 2;
	if (size == c->in_size)
		return 0;
	uint8_t *p = realloc(c->in, size);

	if (!p)
		return -ENOMEM;
	c->in = p;
	c->in_size = size;
	return 0;
}

/* The part of a frame that is too large which is here now. */
static size_t skip(struct ks_ttrpc_conn *c, size_t have)
{
	size_t n = c->skip < have ? c->skip : have;

	c->skip -= n;
	if (!c->skip && n)
		c->on_frame(c, &c->skipped, NULL);
	return n;
}

/* All frames that are whole; what is left of the bytes moves to the front. */
static int take_frames(struct ks_ttrpc_conn *c)
{
	size_t at = skip(c, c->in_len), want = KS_FRAME_HEADER;

	while (!c->dead && c->in_len - at >= KS_FRAME_HEADER) {
		struct ks_frame f;

		ks_frame_parse(c->in + at, &f);
		want = KS_FRAME_HEADER + (size_t)f.len;
		if (f.len > KS_FRAME_MAX) {
			c->skipped = f;
			c->skip = f.len;
			at += KS_FRAME_HEADER;
			at += skip(c, c->in_len - at);
			want = KS_FRAME_HEADER;
			continue;
		}
		if (c->in_len - at < want)
			break;
		c->on_frame(c, &f, c->in + at + KS_FRAME_HEADER);
		at += want;
		want = KS_FRAME_HEADER;
	}
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
	if (!c->in_len && c->in_size > IN_KEEP) {
		free(c->in);
		c->in = NULL;
		c->in_size = 0;
	}
	return grow(c, want);
}

/* One read an event: a client that sends much does not keep others waiting. */
static int fill(struct ks_ttrpc_conn *c)
{
	if (grow(c, c->in_len + 1) < 0)
		return -ENOMEM;
	ssize_t n = read(c->watch.fd, c->in + c->in_len, c->in_size - c->in_len);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -ENOTCONN;
	c->in_len += (size_t)n;
	return take_frames(c);
}

static int on_event(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_ttrpc_conn *c = w->data;

	(void)l;
	(void)err;
	if (!c->dead && events & EPOLLOUT)
		flush(c);
	if (!c->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && fill(c) < 0)
		c->dead = true;
	if (c->dead)
		ks_conn_free(c);
	return 0;
}

struct ks_ttrpc_conn *ks_conn_new_take(struct ks_loop *l, int fd, struct ks_err *err)
{
	struct ks_ttrpc_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		ks_err_oom(err);
		return NULL;
	}
	c->loop = l;
	c->events = EPOLLIN;
	c->watch = (struct ks_watch){ .fd = fd, .fn = on_event, .data = c };
	if (ks_loop_add(l, &c->watch, EPOLLIN, err) < 0) {
		free(c);
		return NULL;
	}
	return c;
}
