/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The event loop: epoll, one thread. Callbacks never block longer than a
 * system call.
 */
#include <stdbool.h>
#include <stdint.h>

#include <kshim/err.h>

struct ks_loop;

/** struct ks_watch - one descriptor in a loop; embedded by its user, never moved */
struct ks_watch {
	int fd; /* borrowed */
	/* Called with EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR; negative ends the loop. */
	int (*fn)(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err);
	void *data;
};

/** struct ks_loop - zeroed by ks_loop_init() */
struct ks_loop {
	int epoll_fd;
	bool quit;
};

int ks_loop_init(struct ks_loop *l, struct ks_err *err);
void ks_loop_done(struct ks_loop *l);

/** ks_loop_add() - watch @w->fd for @events; 0 or -errno */
int ks_loop_add(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err);
/** ks_loop_mod() - watch it for other events */
int ks_loop_mod(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err);
/** ks_loop_remove() - stop to watch; before the descriptor is closed. May be called in a callback
 */
void ks_loop_remove(struct ks_loop *l, struct ks_watch *w);

/**
 * ks_loop_run() - dispatch until a callback sets @l->quit or fails
 *
 * One event is fetched at a time, so that a callback may remove any watch.
 * Return: 0 or what the callback returned.
 */
int ks_loop_run(struct ks_loop *l, struct ks_err *err);
