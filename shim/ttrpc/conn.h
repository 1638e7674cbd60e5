/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A connection: frames come out of its bytes and go into them. Server and
 * client each give it their own two callbacks.
 */
#include <kshim/ttrpc.h>

struct ks_ttrpc_conn {
	struct ks_loop *loop;
	struct ks_watch watch; /* its descriptor is owned */
	uint32_t events;
	bool dead; /* ends when its own callback is left, or is entered the next time */

	uint8_t *in; /* bytes that are no whole frame yet */
	size_t in_len, in_size;
	struct ks_frame skipped; /* too large: what is left of it is thrown away */
	size_t skip;
	struct ks_buf out;
	size_t out_off;

	/* A whole frame; with @data NULL one that was too large. */
	void (*on_frame)(struct ks_ttrpc_conn *c, const struct ks_frame *f, const uint8_t *data);
	void (*on_close)(struct ks_ttrpc_conn *c); /* before it is freed */
	void *data;

	/* The server's part. */
	struct ks_ttrpc_server *server;
	struct ks_ttrpc_conn *next, **link;
	struct ks_ttrpc_call *calls;
	size_t n_calls, n_parked;
	uint32_t last_stream;
};

/* Takes @fd, non-blocking; the connection frees itself when it ends. NULL: no memory. */
struct ks_ttrpc_conn *ks_conn_new_take(struct ks_loop *l, int fd, struct ks_err *err);

/* Queues a frame and writes what can be written now; @c may be dead then, but not freed. */
void ks_conn_send(struct ks_ttrpc_conn *c, const struct ks_frame *f, const void *data);

/* To be called from anywhere: the connection ends soon. */
void ks_conn_kill(struct ks_ttrpc_conn *c);

/* At once; not from within its own callbacks. */
void ks_conn_free(struct ks_ttrpc_conn *c);
