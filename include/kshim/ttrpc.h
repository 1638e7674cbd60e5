/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * ttrpc: containerd's small remote procedure calls over a stream socket. A
 * server with parked calls, and a client with one call at a time. Payloads
 * are bytes here; what they mean is the services' matter.
 *
 * Source: ttrpc PROTOCOL.md; docs/protocol/shim.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kshim/arena.h>
#include <kshim/err.h>
#include <kshim/loop.h>
#include <kshim/str.h>

#define KS_FRAME_HEADER	 10
#define KS_FRAME_MAX	 (4U << 20)  /* of the data of one frame: what containerd sends at most */
#define KS_TTRPC_CONNS	 256	     /* of one server; containerd makes one for each container */
#define KS_TTRPC_CALLS	 1024	     /* of one connection that wait for their answer */
#define KS_TTRPC_PARKED	 4096	     /* more of one connection: there is no word for "forget it" */
#define KS_TTRPC_PENDING (16U << 20) /* bytes that a client does not fetch before it is left */

enum ks_frame_type {
	KS_FRAME_REQUEST = 1,
	KS_FRAME_RESPONSE = 2,
	KS_FRAME_DATA = 3,
};

/** struct ks_frame - the header of a frame */
struct ks_frame {
	uint32_t len; /* of the data behind it */
	uint32_t stream;
	uint8_t type, flags;
};

/** ks_frame_parse() - read a header of KS_FRAME_HEADER bytes; every value is possible */
void ks_frame_parse(const uint8_t *buf, struct ks_frame *ret);
/** ks_frame_write() - make one */
void ks_frame_write(const struct ks_frame *f, uint8_t *buf);

/** enum ks_ttrpc_code - the status codes of gRPC that kshim sends */
enum ks_ttrpc_code {
	KS_TTRPC_OK = 0,
	KS_TTRPC_UNKNOWN = 2,
	KS_TTRPC_INVALID = 3,
	KS_TTRPC_TIMEOUT = 4,
	KS_TTRPC_NOT_FOUND = 5,
	KS_TTRPC_EXISTS = 6,
	KS_TTRPC_DENIED = 7,
	KS_TTRPC_EXHAUSTED = 8,
	KS_TTRPC_PRECONDITION = 9,
	KS_TTRPC_UNIMPLEMENTED = 12,
	KS_TTRPC_INTERNAL = 13,
};

/** ks_ttrpc_code() - the code that stands for a failure; the only place that maps them */
enum ks_ttrpc_code ks_ttrpc_code(const struct ks_err *err);

/* ---- server ------------------------------------------------------------ */

struct ks_ttrpc_conn;

/**
 * struct ks_ttrpc_call - a request that waits for its answer
 *
 * Owned by who has it, until ks_ttrpc_reply() or ks_ttrpc_fail() consumes it. The connection may
 * be gone by then: the answer is dropped.
 */
struct ks_ttrpc_call {
	struct ks_ttrpc_conn *conn; /* NULL when it is gone */
	struct ks_ttrpc_call *next, **link;
	struct ks_ttrpc_call *parked, **parked_link; /* in the list of who has parked it */
	struct ks_arena arena;
	uint32_t stream;
	const char *service, *method; /* in the arena, as the payload */
	const uint8_t *payload;
	size_t len;
};

struct ks_ttrpc_server {
	struct ks_loop *loop;
	struct ks_watch watch;
	struct ks_ttrpc_conn *conns;
	size_t n_conns;
	bool full; /* of descriptors: new connections wait until one ends */
	void (*dispatch)(void *data, struct ks_ttrpc_call *call);
	void *data;
};

/**
 * ks_ttrpc_server_start() - serve a listening socket
 * @fd: non-blocking; borrowed
 *
 * Only processes of the caller's own uid and gid are served.
 */
int ks_ttrpc_server_start(struct ks_ttrpc_server *s, struct ks_loop *l, int fd, struct ks_err *err);
/** ks_ttrpc_server_stop() - close every connection; calls that are out stay their holders' */
void ks_ttrpc_server_stop(struct ks_ttrpc_server *s);

/**
 * ks_ttrpc_park() - keep a call for as long as it takes, in a list
 *
 * It gives its request's memory back, and counts no more among those that are at work. With its
 * connection it goes from the list by itself. Too many of one connection: it is answered so.
 */
void ks_ttrpc_park(struct ks_ttrpc_call *call, struct ks_ttrpc_call **list);
/** ks_ttrpc_unpark() - the first of a list, or NULL */
struct ks_ttrpc_call *ks_ttrpc_unpark(struct ks_ttrpc_call **list);

/** ks_ttrpc_reply() - answer; consumes @call */
void ks_ttrpc_reply(struct ks_ttrpc_call *call, const void *payload, size_t len);
/** ks_ttrpc_fail() - answer with a failure; consumes @call */
void ks_ttrpc_fail(struct ks_ttrpc_call *call, const struct ks_err *err);

/* ---- client ------------------------------------------------------------ */

/**
 * struct ks_ttrpc_client - one call at a time to a server that may come and go
 *
 * A call has an outcome: an answer, or that the connection did not live to see one.
 */
struct ks_ttrpc_client {
	struct ks_loop *loop;
	const char *path; /* of the server's socket; borrowed */
	struct ks_ttrpc_conn *conn;
	uint32_t stream;
	bool waiting;
	/* 0, -ENOTCONN, or -EREMOTEIO with the server's words. */
	void (*done)(void *data, int r, const char *message);
	void *data;
};

/** ks_ttrpc_client_call() - send a request; 0, then ->done() is called once, or -errno */
int ks_ttrpc_client_call(struct ks_ttrpc_client *c, const char *service, const char *method,
			 const void *payload, size_t len, struct ks_err *err);
/** ks_ttrpc_client_stop() - hang up; ->done() is not called any more */
void ks_ttrpc_client_stop(struct ks_ttrpc_client *c);
