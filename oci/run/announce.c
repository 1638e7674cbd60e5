/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller is told of a process: descriptors over sockets, the pid in a file. */
#include "announce.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <kshim/fd.h>

#define PATIENCE_S 10 /* for whoever listens at a socket */

int ks_socket_send_fd(const char *path, const char *what, int fd, const void *data, size_t len,
		      struct ks_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf) };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	ks_auto_fd int dir = -EBADF;
	ks_auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return ks_err_set(err, -errno, "make a socket");
	/* Of connect too. Somebody who listens and does not hear must not hold the container. */
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return ks_err_set(err, -errno, "limit the time for a socket");
	/* A path may be longer than an address holds: then through a descriptor of it. */
	if (strlen(path) < sizeof(sa.sun_path)) {
		memcpy(sa.sun_path, path, strlen(path) + 1);
	} else {
		dir = open(path, O_PATH | O_CLOEXEC);
		if (dir < 0)
			return ks_err_set(err, -errno, "open %s socket %s", what, path);
		ks_fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", dir);
	}
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return ks_err_set(err, errno == EAGAIN ? -ETIMEDOUT : -errno,
				  "connect to %s socket %s", what, path);
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	assert(c); /* the buffer above holds one */
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	int r = n < 0 ? -errno : 0;

	/* What is left of a long message needs no descriptor. */
	for (size_t sent = (size_t)(n < 0 ? 0 : n); r == 0 && sent < len; sent += (size_t)n) {
		n = send(sock, (const char *)data + sent, len - sent, MSG_NOSIGNAL);
		r = n < 0 ? -errno : 0;
	}
	r = r == -EAGAIN ? -ETIMEDOUT : r;
	return r < 0 ? ks_err_set(err, r, "send the descriptor to %s socket %s", what, path) : 0;
}

int ks_listener_send(const struct ks_listener *l, pid_t pid, int fd, struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out o = { 0 };
	struct ks_container c = *l->container;

	if (!c.pid.set)
		c.pid = (struct ks_opt_u64){ true, (uint64_t)pid };
	ks_json_open(&o, NULL, '{');
	ks_json_put_str(&o, "ociVersion", c.oci_version);
	ks_json_open(&o, "fds", '[');
	ks_json_put_str(&o, NULL, "seccompFd");
	ks_json_close(&o, ']');
	ks_json_put_u64(&o, "pid", (uint64_t)pid);
	if (c.listener_metadata)
		ks_json_put_str(&o, "metadata", c.listener_metadata);
	ks_json_open(&o, "state", '{');
	ks_state_put_oci(&c, l->status, &o);
	ks_json_close(&o, '}');
	ks_json_close(&o, '}');
	if (o.buf.failed)
		return ks_err_oom(err);
	return ks_socket_send_fd(c.listener_path, "seccomp listener", fd, o.buf.data, o.buf.len,
				 err);
}

int ks_pid_file_write(const char *path, pid_t pid, struct ks_err *err)
{
	char text[16];
	size_t n = ks_fmt(text, sizeof(text), "%d", pid);
	ks_auto_free char *tmp = NULL;

	/* Beside it and renamed: a reader never sees an empty file. */
	if (asprintf(&tmp, "%s.kshim-%d", path, getpid()) < 0) {
		tmp = NULL;
		return ks_err_oom(err);
	}
	/* A new one, and no link: others may be able to write to that directory. */
	(void)unlink(tmp);
	ks_auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int r = fd < 0 ? -errno : ks_fd_write_all(fd, text, n);

	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		(void)unlink(tmp);
	return r < 0 ? ks_err_set(err, r, "write pid file %s", path) : 0;
}
