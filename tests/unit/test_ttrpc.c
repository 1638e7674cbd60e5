/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/ttrpc/conn.c"

#include "test.h"

#include <sys/un.h>

#include <pb/ttrpc.pb-c.h>

/* A server and a client's end of a connection to it. */
struct fixture {
	struct ks_loop loop;
	struct ks_ttrpc_server server;
	int client;
	struct ks_ttrpc_call *parked;
	int dispatched;
};

static void dispatch(void *data, struct ks_ttrpc_call *call)
{
	struct fixture *f = data;
	struct ks_err err = KS_ERR_INIT;

	f->dispatched++;
	if (ks_streq(call->method, "Park")) {
		ks_ttrpc_park(call, &f->parked);
	} else if (ks_streq(call->method, "Fail")) {
		ks_err_kind(&err, KS_ERR_NOT_FOUND, "no such thing");
		ks_ttrpc_fail(call, &err);
	} else {
		ks_ttrpc_reply(call, call->payload, call->len);
	}
}

static int quit_later(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	(void)w;
	(void)events;
	(void)err;
	l->quit = true;
	return 0;
}

/* Until nothing is left to do. */
static void turn(struct fixture *f)
{
	struct ks_err err = KS_ERR_INIT;
	int p[2];

	for (int i = 0; i < 20; i++) {
		CHECK_INT(pipe(p), 0);
		close(p[1]);
		struct ks_watch w = { .fd = p[0], .fn = quit_later };

		f->loop.quit = false;
		CHECK_INT(ks_loop_add(&f->loop, &w, EPOLLIN, &err), 0);
		CHECK_INT(ks_loop_run(&f->loop, &err), 0);
		ks_loop_remove(&f->loop, &w);
		close(p[0]);
	}
}

static void start(struct fixture *f)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct ks_err err = KS_ERR_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	*f = (struct fixture){ .server = { .dispatch = dispatch } };
	f->server.data = f;
	CHECK_INT(ks_loop_init(&f->loop, &err), 0);
	/* An address of the kernel's choice. */
	CHECK_INT(bind(fd, &sa, sizeof(sa.sa_family)), 0);
	CHECK_INT(listen(fd, 10), 0);
	CHECK_INT(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	CHECK_INT(ks_ttrpc_server_start(&f->server, &f->loop, fd, &err), 0);
	f->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_INT(connect(f->client, (struct sockaddr *)&ss, len), 0);
	turn(f);
	CHECK_INT(f->server.n_conns, 1);
}

static void stop(struct fixture *f)
{
	int fd = f->server.watch.fd;

	close(f->client);
	turn(f);
	CHECK_INT(f->server.n_conns, 0);
	ks_ttrpc_server_stop(&f->server);
	ks_loop_done(&f->loop);
	close(fd);
}

static size_t request(uint8_t *buf, uint32_t stream, const char *method, const char *payload)
{
	Pb__Request q = PB__REQUEST__INIT;

	q.service = (char *)(uintptr_t) "s";
	q.method = (char *)(uintptr_t)method;
	q.payload.data = (uint8_t *)(uintptr_t)payload;
	q.payload.len = strlen(payload);
	struct ks_frame f = { .len = (uint32_t)pb__request__get_packed_size(&q),
			      .stream = stream,
			      .type = KS_FRAME_REQUEST };

	ks_frame_write(&f, buf);
	return KS_FRAME_HEADER + pb__request__pack(&q, buf + KS_FRAME_HEADER);
}

/* Reads an answer; its code, with the text in @text; -1 when there is none. */
static int answer(int fd, uint32_t *stream, char *text)
{
	uint8_t buf[4096];
	struct ks_frame f;

	if (recv(fd, buf, KS_FRAME_HEADER, MSG_WAITALL | MSG_DONTWAIT) != KS_FRAME_HEADER)
		return -1;
	ks_frame_parse(buf, &f);
	CHECK_INT(f.type, KS_FRAME_RESPONSE);
	CHECK(f.len < sizeof(buf));
	if (f.len && recv(fd, buf, f.len, MSG_WAITALL) != (ssize_t)f.len)
		return -1;
	*stream = f.stream;
	Pb__Response *r = pb__response__unpack(NULL, f.len, buf);

	CHECK(r);
	int code = r->status ? r->status->code : 0;

	if (r->status)
		sprintf(text, "%.200s", r->status->message);
	else
		sprintf(text, "%.*s", (int)r->payload.len, (char *)r->payload.data);
	pb__response__free_unpacked(r, NULL);
	return code;
}

static void header(void)
{
	const uint8_t raw[KS_FRAME_HEADER] = { 0, 1, 2, 3, 0x80, 0, 0, 9, 2, 7 };
	uint8_t back[KS_FRAME_HEADER];
	struct ks_frame f;

	ks_frame_parse(raw, &f);
	CHECK_INT(f.len, 0x10203);
	CHECK_INT(f.stream, 0x80000009);
	CHECK_INT(f.type, KS_FRAME_RESPONSE);
	CHECK_INT(f.flags, 7);
	ks_frame_write(&f, back);
	CHECK(memcmp(raw, back, sizeof(raw)) == 0);
}

static void codes(void)
{
	struct ks_err err = KS_ERR_INIT;

	ks_err_kind(&err, KS_ERR_NOT_FOUND, "x");
	CHECK_INT(ks_ttrpc_code(&err), KS_TTRPC_NOT_FOUND);
	ks_err_kind(&err, KS_ERR_BUSY, "x");
	CHECK_INT(ks_ttrpc_code(&err), KS_TTRPC_PRECONDITION);
	ks_err_kind(&err, KS_ERR_UNSUPPORTED, "x");
	CHECK_INT(ks_ttrpc_code(&err), KS_TTRPC_UNIMPLEMENTED);
	ks_err_kind(&err, KS_ERR_NO_COMMAND, "x");
	CHECK_INT(ks_ttrpc_code(&err), KS_TTRPC_UNKNOWN);
	err = KS_ERR_INIT;
	ks_err_set(&err, -EACCES, "open x");
	/* 14 would be taken for a shim that is gone. */
	CHECK(ks_ttrpc_code(&err) != 14);
}

static void calls_and_failures(void)
{
	static uint8_t buf[4096];
	struct fixture f;
	uint32_t stream = 0;
	char text[4096];

	start(&f);
	size_t n = request(buf, 1, "Echo", "hello");

	n += request(buf + n, 3, "Fail", "");
	CHECK_INT(write(f.client, buf, n), (ssize_t)n);
	turn(&f);
	CHECK_INT(answer(f.client, &stream, text), 0);
	CHECK_INT(stream, 1);
	CHECK_STR(text, "hello");
	CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_NOT_FOUND);
	CHECK_STR(text, "no such thing");
	stop(&f);
}

static void a_frame_in_pieces(void)
{
	uint8_t buf[4096];
	struct fixture f;
	uint32_t stream = 0;
	char text[4096];

	start(&f);
	size_t n = request(buf, 1, "Echo", "piece by piece");

	for (size_t i = 0; i < n; i++) {
		CHECK_INT(answer(f.client, &stream, text), -1);
		CHECK_INT(write(f.client, buf + i, 1), 1);
		turn(&f);
	}
	CHECK_INT(answer(f.client, &stream, text), 0);
	CHECK_STR(text, "piece by piece");
	stop(&f);
}

static void what_is_too_large_is_refused_and_the_next_is_served(void)
{
	static uint8_t zeros[65536];
	const struct ks_frame huge = { .len = KS_FRAME_MAX + 1, .stream = 1, .type = 1 };
	uint8_t buf[4096];
	struct fixture f;
	uint32_t stream = 0;
	char text[4096];

	start(&f);
	ks_frame_write(&huge, buf);
	CHECK_INT(write(f.client, buf, KS_FRAME_HEADER), KS_FRAME_HEADER);
	for (size_t left = huge.len; left;) {
		size_t n = left < sizeof(zeros) ? left : sizeof(zeros);

		CHECK_INT(write(f.client, zeros, n), (ssize_t)n);
		left -= n;
		turn(&f);
	}
	CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_EXHAUSTED);
	size_t n = request(buf, 3, "Echo", "x");

	CHECK_INT(write(f.client, buf, n), (ssize_t)n);
	turn(&f);
	CHECK_INT(answer(f.client, &stream, text), 0);
	CHECK_STR(text, "x");
	stop(&f);
}

static void stream_ids(void)
{
	static const uint32_t bad[] = { 2, 5, 3, 0 };
	uint8_t buf[4096];
	struct fixture f;
	uint32_t stream = 0;
	char text[4096];

	start(&f);
	size_t n = request(buf, 5, "Echo", "x");

	CHECK_INT(write(f.client, buf, n), (ssize_t)n);
	turn(&f);
	CHECK_INT(answer(f.client, &stream, text), 0);
	for (size_t i = 0; i < KS_ARRAY_LEN(bad); i++) {
		n = request(buf, bad[i], "Echo", "x");
		CHECK_INT(write(f.client, buf, n), (ssize_t)n);
		turn(&f);
		CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_INVALID);
		CHECK_INT(stream, bad[i]);
	}
	CHECK_INT(f.dispatched, 1);
	stop(&f);
}

static void garbage(void)
{
	uint8_t buf[64];
	struct fixture f;
	uint32_t stream = 0;
	char text[4096];

	start(&f);
	ks_frame_write(&(struct ks_frame){ .len = 3, .stream = 1, .type = 1 }, buf);
	memcpy(buf + KS_FRAME_HEADER, "\xff\xff\xff", 3);
	CHECK_INT(write(f.client, buf, 13), 13);
	ks_frame_write(&(struct ks_frame){ .len = 0, .stream = 3, .type = 3 }, buf);
	CHECK_INT(write(f.client, buf, KS_FRAME_HEADER), KS_FRAME_HEADER);
	turn(&f);
	CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_INVALID);
	CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_UNIMPLEMENTED);
	stop(&f);
}

static void a_client_that_goes_takes_its_parked_call_along(void)
{
	uint8_t buf[4096];
	struct fixture f;

	start(&f);
	size_t n = request(buf, 1, "Park", "");

	CHECK_INT(write(f.client, buf, n), (ssize_t)n);
	turn(&f);
	CHECK(f.parked && f.parked->conn);
	close(f.client);
	turn(&f);
	CHECK(!f.parked);
	CHECK_INT(f.server.n_conns, 0);
	f.client = -1;
	stop(&f);
}

static void calls_that_wait_do_not_keep_others_out(void)
{
	uint8_t buf[4096];
	struct fixture f;
	uint32_t stream = 1;
	struct ks_ttrpc_call *call;
	char text[4096];

	start(&f);
	for (uint32_t i = 0; i <= KS_TTRPC_PARKED; i++) {
		size_t n = request(buf, 1 + 2 * i, "Park", "");

		CHECK_INT(write(f.client, buf, n), (ssize_t)n);
		if (i % 64 == 0)
			turn(&f);
	}
	for (int i = 0; i < 100; i++)
		turn(&f);
	CHECK_INT(answer(f.client, &stream, text), KS_TTRPC_EXHAUSTED);
	CHECK_INT(stream, 1 + 2 * KS_TTRPC_PARKED);
	size_t n = request(buf, 100001, "Echo", "still");

	CHECK_INT(write(f.client, buf, n), (ssize_t)n);
	turn(&f);
	CHECK_INT(answer(f.client, &stream, text), 0);
	CHECK_STR(text, "still");
	int count = 0;

	while ((call = ks_ttrpc_unpark(&f.parked))) {
		ks_ttrpc_reply(call, NULL, 0);
		count++;
	}
	CHECK_INT(count, KS_TTRPC_PARKED);
	stop(&f);
}

static void a_client_that_does_not_read_is_left(void)
{
	static char payload[60000];
	static uint8_t buf[70000];
	struct fixture f;

	start(&f);
	memset(payload, 'x', sizeof(payload) - 1);
	(void)fcntl(f.client, F_SETFL, O_NONBLOCK);
	for (uint32_t i = 0; i < 2000 && f.server.n_conns; i++) {
		size_t n = request(buf, 1 + 2 * i, "Echo", payload);

		for (size_t off = 0; off < n && f.server.n_conns;) {
			ssize_t w = send(f.client, buf + off, n - off, MSG_NOSIGNAL);

			off += w > 0 ? (size_t)w : 0;
			turn(&f);
		}
	}
	CHECK_INT(f.server.n_conns, 0);
	stop(&f);
}

/* ---- the client ------------------------------------------------------------ */

static int last_r = 1, n_done;
static char last_text[256];

static void done(void *data, int r, const char *message)
{
	(void)data;
	last_r = r;
	n_done++;
	sprintf(last_text, "%.200s", message);
}

static void client_and_server(void)
{
	char path[] = "/tmp/kshim-unit.XXXXXX", name[64];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ks_err err = KS_ERR_INIT;
	struct fixture f = { .server = { .dispatch = dispatch } };

	CHECK(mkdtemp(path));
	sprintf(name, "%s/s", path);
	memcpy(sa.sun_path, name, strlen(name) + 1);
	f.server.data = &f;
	CHECK_INT(ks_loop_init(&f.loop, &err), 0);
	struct ks_ttrpc_client c = { .loop = &f.loop, .path = name, .done = done };

	CHECK(ks_ttrpc_client_call(&c, "s", "Echo", "a", 1, &err) < 0);
	CHECK_HAS(err.msg, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	CHECK_INT(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CHECK_INT(listen(fd, 10), 0);
	CHECK_INT(ks_ttrpc_server_start(&f.server, &f.loop, fd, &err), 0);
	for (int i = 1; i <= 3; i++) {
		CHECK_INT(ks_ttrpc_client_call(&c, "s", "Echo", "a", 1, &err), 0);
		turn(&f);
		CHECK_INT(n_done, i);
		CHECK_INT(last_r, 0);
	}
	CHECK_INT(ks_ttrpc_client_call(&c, "s", "Fail", "", 0, &err), 0);
	turn(&f);
	CHECK_INT(last_r, -EREMOTEIO);
	CHECK_STR(last_text, "no such thing");
	/* The server goes while a call is out. */
	CHECK_INT(ks_ttrpc_client_call(&c, "s", "Park", "", 0, &err), 0);
	turn(&f);
	CHECK(f.parked);
	ks_ttrpc_server_stop(&f.server);
	turn(&f);
	CHECK_INT(last_r, -ENOTCONN);
	CHECK_INT(n_done, 5);
	CHECK(!f.parked);
	ks_ttrpc_client_stop(&c);
	ks_loop_done(&f.loop);
	close(fd);
	unlink(name);
	rmdir(path);
}

TEST_MAIN(CASE(header), CASE(codes), CASE(calls_and_failures), CASE(a_frame_in_pieces),
	  CASE(what_is_too_large_is_refused_and_the_next_is_served), CASE(stream_ids),
	  CASE(garbage), CASE(a_client_that_goes_takes_its_parked_call_along),
	  CASE(calls_that_wait_do_not_keep_others_out), CASE(a_client_that_does_not_read_is_left),
	  CASE(client_and_server))
