/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/channel.h>

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <kshim/fd.h>

int ks_channel_pair(int ret[static 2], struct ks_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return ks_err_set(err, -errno, "make a socket pair");
	return 0;
}

int ks_channel_send(int sock, uint32_t type, const void *data, size_t len, int fd,
		    struct ks_err *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &type, .iov_len = sizeof(type) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	assert(len <= KS_CHANNEL_MAX_BYTES);
	if (fd >= 0) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = sizeof(ctl.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	for (;;) {
		if (sendmsg(sock, &mh, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EPIPE || errno == ECONNRESET)
			return KS_CHANNEL_CLOSED;
		if (errno != EINTR)
			return ks_err_set(err, -errno, "send a message");
	}
}

/* Takes the first descriptor; any further ones are closed. */
static void take_fds(struct msghdr *mh, int *ret_fd)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*ret_fd < 0)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
}

int ks_channel_recv(int sock, struct ks_msg *msg, int *ret_fd, struct ks_err *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * KS_CHANNEL_MAX_FDS)];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &msg->type, .iov_len = sizeof(msg->type) },
		{ .iov_base = msg->data, .iov_len = sizeof(msg->data) },
	};
	struct msghdr mh = { .msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf) };
	ks_auto_fd int fd = -EBADF;
	ssize_t n;

	/*
	 * A peer that ended with a message unread resets the connection. That is told once and
	 * first; what it had said before is still there.
	 */
	for (bool reset = false;;) {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			break;
		reset = reset || errno == ECONNRESET;
	}
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return KS_CHANNEL_CLOSED;
	if (n < 0)
		return ks_err_set(err, -errno, "receive a message");
	take_fds(&mh, &fd);
	if ((size_t)n < sizeof(msg->type) || mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return ks_err_kind(err, KS_ERR_INVALID, "a message was cut short");
	msg->len = (uint32_t)((size_t)n - sizeof(msg->type));
	if (ret_fd)
		*ret_fd = KS_TAKE_FD(fd);
	return 0;
}
