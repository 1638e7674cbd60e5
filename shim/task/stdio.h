/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The standard streams of a process. A FIFO of containerd is handed to the
 * process itself: nothing is copied. The shim keeps an end of each, so that a
 * reader may come and go without the process seeing it.
 */
#include <kshim/relay.h>

/* As the client names them: "" for none; a FIFO's path; file://, binary://. Owned. */
struct ks_stdio_names {
	char *in, *out, *err;
	bool terminal;
};

/** ks_stdio_names_copy() - 0 or -ENOMEM: then what was copied is @to's still */
int ks_stdio_names_copy(struct ks_stdio_names *to, const struct ks_stdio_names *from);

struct ks_stdio_copy;
struct ks_linger;

struct ks_stdio {
	int fds[3];			 /* what the process gets; the shim's until it is started */
	int keep[3];			 /* the other ends */
	int logger_in[2];		 /* what a logging program reads */
	struct ks_stdio_copy *copies[2]; /* to a file:// */
	char *logger;			 /* "binary://" and what follows; or NULL */
	int logger_pidfd;
	struct ks_linger *linger[3]; /* after the end, for a reader that is late */
	int tty_fd;		     /* the terminal's master */
	int slave_fd; /* its other side, open while the process lives: it may close its own for a
			 while */
	struct ks_relay *relay;
	struct ks_loop *loop; /* of the relay; borrowed */
};

#define KS_STDIO_INIT                                           \
	((struct ks_stdio){ .fds = { -EBADF, -EBADF, -EBADF },  \
			    .keep = { -EBADF, -EBADF, -EBADF }, \
			    .logger_in = { -EBADF, -EBADF },    \
			    .logger_pidfd = -EBADF,             \
			    .tty_fd = -EBADF,                   \
			    .slave_fd = -EBADF })

/** ks_stdio_open() - open what is named; never waits for the other side */
int ks_stdio_open(struct ks_stdio *s, const struct ks_stdio_names *n, uid_t uid, gid_t gid,
		  struct ks_err *err);

/** ks_stdio_use() - in a worker: make them its own standard streams, and start a logger */
int ks_stdio_use(struct ks_stdio *s, const char *ns, const char *id, int32_t *ret_logger,
		 struct ks_err *err);

/** ks_stdio_logger() - a logging program was started, a child of this process; 0: none was */
void ks_stdio_logger(struct ks_stdio *s, pid_t pid);

/**
 * ks_stdio_started() - the process has them: close what is its alone
 * @tty_fd: the terminal's master, taken; or -EBADF
 */
int ks_stdio_started(struct ks_stdio *s, struct ks_loop *l, int tty_fd, struct ks_err *err);

/** ks_stdio_ended() - the process has ended: nothing more is typed, and its output comes to an end
 */
void ks_stdio_ended(struct ks_stdio *s, struct ks_loop *l);

/** ks_stdio_close_in() - no more input */
void ks_stdio_close_in(struct ks_stdio *s);

/** ks_stdio_close() - all of it; a logger gets SIGTERM, later SIGKILL */
void ks_stdio_close(struct ks_stdio *s, struct ks_loop *l);
