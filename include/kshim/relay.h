/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A terminal's master: what comes on one descriptor goes to it, what it prints
 * to another. Neither direction waits for the other: a program that prints
 * much while much is typed must not stand still.
 */
#include <termios.h>

#include <kshim/loop.h>

#define KS_RELAY_BYTES 4096 /* PIPE_BUF: a pipe that is ready takes as many without blocking */

/* One direction. */
struct ks_relay_dir {
	char buf[KS_RELAY_BYTES];
	size_t len, off;
	bool eof;  /* nothing more to read */
	bool drop; /* nobody reads it any more; the container must not notice by standing still */
};

/* A descriptor of the loop, and what it is watched for now. */
struct ks_relay_end {
	struct ks_watch watch;
	uint32_t events;
	bool always; /* a file: never watched, always ready */
};

struct ks_relay {
	int tty_fd; /* borrowed; made non-blocking */
	struct ks_relay_dir in, out;
	struct ks_relay_end from, to, tty;
	bool raw;
	struct termios saved;
	/* When all that the terminal will ever print is written; may be NULL. */
	void (*ended)(struct ks_relay *r);
	void *data;
};

/** struct ks_relay_fds - what is joined; all borrowed, the master made non-blocking */
struct ks_relay_fds {
	int in, out; /* -EBADF for none */
	int tty;
};

/**
 * ks_relay_start() - start to relay
 * @r: only ->ended and ->data are set
 *
 * When the input is a terminal, it is in raw mode from then on, and its size is the master's.
 * Return: 0 or -errno.
 */
int ks_relay_start(struct ks_relay *r, struct ks_loop *l, const struct ks_relay_fds *fds,
		   struct ks_err *err);

/** ks_relay_resize() - the size of the terminal at the input for the master */
void ks_relay_resize(const struct ks_relay *r);

/** ks_relay_stop() - watch nothing any more; before the descriptors are closed */
void ks_relay_stop(struct ks_relay *r, struct ks_loop *l);

/**
 * ks_relay_finish() - print what was written before the end, and give a raw terminal back
 * @wait_ms: for a reader that stands still; 0 to write only what can be written now
 */
void ks_relay_finish(struct ks_relay *r, int wait_ms);
