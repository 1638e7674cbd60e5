/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of any content, by the method that the first byte picks; Create is only read. */
#include "shim/task/service.c"

#include <assert.h>

#include "fuzz.h"

static struct ks_ttrpc_call *make_call(const uint8_t *data, size_t size, const char *method)
{
	struct ks_ttrpc_call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	call->service = "containerd.task.v2.Task";
	call->method = method;
	call->payload = ks_arena_alloc(&call->arena, size + 1);
	if (!call->payload)
		abort();
	memcpy((void *)(uintptr_t)call->payload, data, size);
	call->len = size;
	return call;
}

static void read_only(const uint8_t *data, size_t size)
{
	struct ks_ttrpc_call *call = make_call(data, size, "Create");
	struct ks_create_args c = { 0 };
	struct ks_err err = KS_ERR_INIT;
	const void *m = unpack(call, &pb__create_task_request__descriptor);

	if (m && read_create(&c, m, &err) < 0)
		assert(err.msg[0]);
	ks_arena_done(&c.arena);
	fail(call, KS_ERR_INVALID, "read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_shim s = { .ns = "default" };
	struct ks_err err = KS_ERR_INIT;

	if (!size)
		return 0;
	const struct method *m = &methods[data[0] % KS_ARRAY_LEN(methods)];

	data++;
	size--;
	if (ks_streq(m->name, "Create")) {
		read_only(data, size);
		return 0;
	}
	/* Its first process is deleted: nothing below starts a worker. */
	struct ks_task *t = ks_task_new(&s, "c", "/bundle", &err);

	if (!t)
		abort();
	t->init.state = KS_PROC_DELETED;
	t->init.names = (struct ks_stdio_names){ strdup(""), strdup(""), strdup(""), false };
	s.stopping = true;
	ks_service_dispatch(&s, make_call(data, size, m->name));
	ks_task_free(t);
	return 0;
}
