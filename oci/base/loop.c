/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/loop.h>

#include <assert.h>
#include <sys/epoll.h>

#include <kshim/fd.h>

int ks_loop_init(struct ks_loop *l, struct ks_err *err)
{
	*l = (struct ks_loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (l->epoll_fd < 0)
		return ks_err_set(err, -errno, "make an event loop");
	return 0;
}

void ks_loop_done(struct ks_loop *l)
{
	l->epoll_fd = ks_fd_close(l->epoll_fd);
}

static int control(struct ks_loop *l, int op, struct ks_watch *w, uint32_t events,
		   struct ks_err *err)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll_fd, op, w->fd, &ev) < 0)
		return ks_err_set(err, -errno, "watch descriptor %d", w->fd);
	return 0;
}

int ks_loop_add(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	assert(w->fn && w->fd >= 0);
	return control(l, EPOLL_CTL_ADD, w, events, err);
}

int ks_loop_mod(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	return control(l, EPOLL_CTL_MOD, w, events, err);
}

void ks_loop_remove(struct ks_loop *l, struct ks_watch *w)
{
	if (w->fd >= 0)
		(void)control(l, EPOLL_CTL_DEL, w, 0, NULL);
}

int ks_loop_run(struct ks_loop *l, struct ks_err *err)
{
	while (!l->quit) {
		struct epoll_event ev;
		int n = epoll_wait(l->epoll_fd, &ev, 1, -1);

		if (n < 0 && errno != EINTR)
			return ks_err_set(err, -errno, "wait for events");
		if (n <= 0)
			continue;
		struct ks_watch *w = ev.data.ptr;
		int r = w->fn(l, w, ev.events, err);

		if (r < 0)
			return r;
	}
	return 0;
}
