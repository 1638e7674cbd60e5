/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A foreground terminal: what is typed goes to its master, what it prints to
 * standard output. Neither direction waits for the other: a program that
 * prints much while much is typed must not stand still.
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
	struct ks_relay_end from, to, tty; /* standard input, standard output, the master */
	bool raw;
	struct termios saved;
};

/* Starts to relay, with the caller's terminal, if it is one, in raw mode. */
int ks_relay_start(struct ks_relay *r, struct ks_loop *l, int tty_fd, struct ks_err *err);

/* The caller's window size to the container's terminal. */
void ks_relay_resize(const struct ks_relay *r);

/* Prints what the container wrote before it ended, and gives the caller's terminal back. */
void ks_relay_finish(struct ks_relay *r);
