/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Channels: SEQPACKET sockets that carry small typed messages and
 * descriptors, between a launch and its child, and between kshim and a
 * keeper. A message arrives whole or not at all.
 *
 * Context of send and receive: parent or child; no allocation.
 */
#include <stddef.h>
#include <stdint.h>

#include <kshim/err.h>

#define KS_CHANNEL_MAX_BYTES 8192
#define KS_CHANNEL_MAX_FDS   4

#define KS_CHANNEL_CLOSED 1 /* the other end is gone */

/** struct ks_msg - one message; @type is the user's */
struct ks_msg {
	uint32_t type;
	uint32_t len;
	char data[KS_CHANNEL_MAX_BYTES];
};

/** ks_channel_pair() - two connected ends, close-on-exec; 0 or -errno */
int ks_channel_pair(int ret[static 2], struct ks_err *err);

/**
 * ks_channel_send() - send a message
 * @data: @len bytes, at most KS_CHANNEL_MAX_BYTES
 * @fd:   a descriptor to pass along, borrowed, or -1
 *
 * Return: 0, KS_CHANNEL_CLOSED, or -errno.
 */
int ks_channel_send(int sock, uint32_t type, const void *data, size_t len, int fd,
		    struct ks_err *err);

/**
 * ks_channel_recv() - wait for a message
 * @ret_fd: the descriptor that came along, owned by the caller, or -EBADF;
 *          NULL to refuse descriptors
 *
 * Return: 0, KS_CHANNEL_CLOSED, or -errno.
 */
int ks_channel_recv(int sock, struct ks_msg *msg, int *ret_fd, struct ks_err *err);
