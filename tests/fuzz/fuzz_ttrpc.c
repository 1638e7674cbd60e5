/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes from a client: each frame is answered or skipped, and what is held stays bounded. */
#include "shim/ttrpc/conn.c"

#include <assert.h>

#include "fuzz.h"

static size_t dispatched;

static void dispatch(void *data, struct ks_ttrpc_call *call)
{
	struct ks_err err = KS_ERR_INIT;

	(void)data;
	dispatched++;
	assert(call->service && call->method && (call->payload || !call->len));
	if (call->len % 2)
		ks_ttrpc_reply(call, call->payload, call->len);
	else if (ks_err_kind(&err, KS_ERR_INVALID, "%s", call->method))
		ks_ttrpc_fail(call, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_ttrpc_server server = { .dispatch = dispatch };
	static struct ks_watch listening;
	static struct ks_loop loop;
	static int listen_fd = -1;
	static struct sockaddr_storage ss;
	static socklen_t len = sizeof(ss);
	struct sockaddr sa = { .sa_family = AF_UNIX };
	char drain[65536];

	if (listen_fd < 0) {
		listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (ks_loop_init(&loop, NULL) < 0 ||
		    bind(listen_fd, &sa, sizeof(sa.sa_family)) < 0 || listen(listen_fd, 4) < 0 ||
		    getsockname(listen_fd, (struct sockaddr *)&ss, &len) < 0 ||
		    ks_ttrpc_server_start(&server, &loop, listen_fd, NULL) < 0)
			abort();
	}
	(void)listening;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		abort();
	server.watch.fn(&loop, &server.watch, EPOLLIN, NULL);
	for (size_t at = 0; at < size && server.conns;) {
		size_t n = 1 + data[at] % 64 * 16;

		n = n < size - at ? n : size - at;
		ssize_t w = send(fd, data + at, n, MSG_NOSIGNAL);

		at += w > 0 ? (size_t)w : 0;
		server.conns->watch.fn(&loop, &server.conns->watch, EPOLLIN | EPOLLOUT, NULL);
		while (recv(fd, drain, sizeof(drain), 0) > 0)
			;
	}
	close(fd);
	for (int i = 0; i < 4 && server.conns; i++)
		server.conns->watch.fn(&loop, &server.conns->watch, EPOLLIN, NULL);
	assert(!server.conns && !server.n_conns);
	return 0;
}
