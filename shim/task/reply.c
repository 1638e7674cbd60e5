/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come when the request is long read. */
#include <pb/task.pb-c.h>

#include "task.h"

/* Small ones all: they fit. */
static void reply(struct ks_ttrpc_call *call, const ProtobufCMessage *m)
{
	uint8_t buf[256];

	if (call)
		ks_ttrpc_reply(call, buf, protobuf_c_message_pack(m, buf));
}

void ks_reply_empty(struct ks_ttrpc_call *call)
{
	if (call)
		ks_ttrpc_reply(call, NULL, 0);
}

void ks_reply_pid(struct ks_ttrpc_call *call, pid_t pid)
{
	Pb__PidResponse m = PB__PID_RESPONSE__INIT;

	m.pid = (uint32_t)pid;
	reply(call, &m.base);
}

static Pb__Timestamp timestamp(const struct ks_exit *exit)
{
	Pb__Timestamp at = PB__TIMESTAMP__INIT;

	at.seconds = exit->at.tv_sec;
	at.nanos = (int32_t)exit->at.tv_nsec;
	return at;
}

void ks_reply_exit(struct ks_ttrpc_call *call, pid_t pid, const struct ks_exit *exit)
{
	Pb__DeleteResponse m = PB__DELETE_RESPONSE__INIT;
	Pb__Timestamp at = timestamp(exit);

	m.pid = (uint32_t)pid;
	m.exit_status = (uint32_t)exit->status;
	m.exited_at = &at;
	reply(call, &m.base);
}

void ks_reply_wait(struct ks_ttrpc_call *call, const struct ks_exit *exit)
{
	Pb__WaitResponse m = PB__WAIT_RESPONSE__INIT;
	Pb__Timestamp at = timestamp(exit);

	m.exit_status = (uint32_t)exit->status;
	m.exited_at = &at;
	reply(call, &m.base);
}
