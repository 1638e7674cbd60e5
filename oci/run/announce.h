/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a caller is told of a process. */
#include <kshim/state.h>

/* Who gets the listener of a seccomp filter, and of which container it is told; all borrowed. */
struct ks_listener {
	const struct ks_container *container;
	enum ks_status status;
};

/*
 * Sends the listener @fd of the process @pid with the OCI "container process state".
 * Source: runtime-spec 1.3, config-linux.md, "The Container Process State".
 */
int ks_listener_send(const struct ks_listener *l, pid_t pid, int fd, struct ks_err *err);

/*
 * Hands a descriptor, with @len bytes, to whoever listens at the path; @what names the socket in
 * errors: "console", "pidfd".
 */
int ks_socket_send_fd(const char *path, const char *what, int fd, const void *data, size_t len,
		      struct ks_err *err);

/* Writes the pid, in one write, so that a reader sees all of it. */
int ks_pid_file_write(const char *path, pid_t pid, struct ks_err *err);
