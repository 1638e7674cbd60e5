/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Workers: children of the shim that do what may block, one piece each, with
 * the same code as the command line. A worker ends when it is done; what it
 * started becomes the shim's own child then, since the shim is a subreaper.
 */
#include <kshim/loop.h>

#define KS_WORKER_MAX  128 /* at once */
#define KS_WORKER_KEEP 8

/* What must be known of a worker that is killed: in memory that it shares with the shim. */
struct ks_worker_note {
	int32_t logger_pid; /* of a logging program that was started, or 0 */
	bool claimed;	    /* the container is made by this one */
};

/* What a worker has to tell; copied over a channel as it is. */
struct ks_worker_result {
	int32_t r; /* 0 or -errno */
	struct ks_err err;
	int32_t pid; /* of what was started, or 0 */
	bool lost;   /* it died: its note tells how far it came */
	struct ks_worker_note note;
	bool own_pidns;
	char cgroup[2048];
	char warning[1024]; /* one line, or empty */
};

struct ks_worker {
	struct ks_loop *loop;
	struct ks_watch watch;
	int pidfd, sock;	  /* owned */
	int keep[KS_WORKER_KEEP]; /* what it inherits, beside its standard streams; or negative */
	struct ks_worker_note *note; /* owned; the worker writes it */
	/* In the worker. @ret_fd: passed to ->done, or -EBADF. */
	void (*run)(struct ks_worker *w, struct ks_worker_result *res, int *ret_fd);
	/* In the shim, when the worker has ended. @fd is ->done's to close. May free @w. */
	void (*done)(struct ks_worker *w, const struct ks_worker_result *res, int fd);
};

/** ks_worker_start() - 0, then ->done is called once from the loop; or -errno */
int ks_worker_start(struct ks_loop *l, struct ks_worker *w, struct ks_err *err);
