/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/ttrpc.h>

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void ks_frame_parse(const uint8_t *buf, struct ks_frame *ret)
{
	*ret = (struct ks_frame){
		.len = get_u32(buf),
		.stream = get_u32(buf + 4),
		.type = buf[8],
		.flags = buf[9],
	};
}

void ks_frame_write(const struct ks_frame *f, uint8_t *buf)
{
	put_u32(buf, f->len);
	put_u32(buf + 4, f->stream);
	buf[8] = f->type;
	buf[9] = f->flags;
}

enum ks_ttrpc_code ks_ttrpc_code(const struct ks_err *err)
{
	switch ((enum ks_err_kind)err->kind) {
	case KS_ERR_INVALID:
		return KS_TTRPC_INVALID;
	case KS_ERR_NOT_FOUND:
		return KS_TTRPC_NOT_FOUND;
	case KS_ERR_EXISTS:
		return KS_TTRPC_EXISTS;
	/* Never Unavailable: callers take that for a shim that is gone, and clean up after it. */
	case KS_ERR_STATE:
	case KS_ERR_BUSY:
		return KS_TTRPC_PRECONDITION;
	case KS_ERR_DENIED:
		return KS_TTRPC_DENIED;
	case KS_ERR_UNSUPPORTED:
		return KS_TTRPC_UNIMPLEMENTED;
	case KS_ERR_EXHAUSTED:
		return KS_TTRPC_EXHAUSTED;
	case KS_ERR_TIMEOUT:
		return KS_TTRPC_TIMEOUT;
	case KS_ERR_INTERNAL:
		return KS_TTRPC_INTERNAL;
	case KS_ERR_NONE:
	case KS_ERR_HOOK:
	case KS_ERR_NO_COMMAND:
	case KS_ERR_NOT_EXECUTABLE:
		break;
	}
	/* The kernel's word about the caller's own files, such as a rootfs that is not there. */
	return KS_TTRPC_UNKNOWN;
}
