/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/relay.h>

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kshim/fd.h>

#define FINISH_READS 16 /* without waiting: what a terminal's buffer holds */

/* Fills an empty buffer; -EAGAIN when there is nothing now. */
static void fill(struct ks_relay_dir *d, int fd)
{
	ssize_t n = read(fd, d->buf, sizeof(d->buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* EIO: the last slave of the terminal is closed. The exit comes by the pidfd. */
	d->eof = n <= 0;
	d->off = 0;
	d->len = n > 0 ? (size_t)n : 0;
}

/* The terminal is gone, and with it whoever would have read what was typed. */
static void end_input(struct ks_relay *r)
{
	r->in.eof = r->in.drop = true;
	r->in.len = 0;
}

/* Writes what is there; what cannot be written now stays. */
static void flush(struct ks_relay_dir *d, int fd)
{
	ssize_t n = d->drop ? (ssize_t)d->len : write(fd, d->buf + d->off, d->len);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		d->drop = true;
		n = (ssize_t)d->len;
	}
	d->off += (size_t)n;
	d->len -= (size_t)n;
}

static int watch(struct ks_loop *l, struct ks_relay_end *e, uint32_t events, struct ks_err *err)
{
	int r = 0;

	if (e->always || e->events == events || e->watch.fd < 0)
		return 0;
	/* Removed, not asked for nothing: a hang-up would be told of for ever. */
	if (!events)
		ks_loop_remove(l, &e->watch);
	else if (!e->events)
		r = ks_loop_add(l, &e->watch, events, err);
	else
		r = ks_loop_mod(l, &e->watch, events, err);
	if (r == -EPERM) {
		e->always = true;
		return 0;
	}
	e->events = events;
	return r;
}

/* What needs no waiting is done; the rest is watched for. */
static int pump(struct ks_relay *r, struct ks_loop *l, struct ks_err *err)
{
	int res = 0;

	for (int again = 1; again && res == 0;) {
		again = 0;
		if (r->from.always && !r->in.len && !r->in.eof) {
			fill(&r->in, r->from.watch.fd);
			flush(&r->in, r->tty_fd);
			again = !r->in.len && !r->in.eof;
		}
		if (r->to.always && r->out.len) {
			flush(&r->out, r->to.watch.fd);
			again |= !r->out.len;
		}
		res = watch(l, &r->from, !r->in.len && !r->in.eof ? EPOLLIN : 0U, err);
		if (res == 0)
			res = watch(l, &r->to, r->out.len ? EPOLLOUT : 0U, err);
		if (res == 0)
			res = watch(l, &r->tty,
				    (!r->out.len && !r->out.eof ? EPOLLIN : 0U) |
					    (r->in.len ? EPOLLOUT : 0U),
				    err);
		/* One of them was found to be a file just now. */
		again |= (r->from.always && !r->in.len && !r->in.eof) ||
			 (r->to.always && r->out.len);
	}
	if (r->out.eof && !r->out.len && r->ended) {
		void (*ended)(struct ks_relay *) = r->ended;

		r->ended = NULL;
		ended(r);
	}
	return res;
}

static int on_input(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_relay *r = w->data;

	(void)events;
	if (!r->in.len)
		fill(&r->in, w->fd);
	flush(&r->in, r->tty_fd);
	return pump(r, l, err);
}

static int on_output(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_relay *r = w->data;

	/* Whoever read it is gone. */
	r->out.drop |= (events & EPOLLERR) != 0;
	flush(&r->out, w->fd);
	return pump(r, l, err);
}

static int on_tty(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_relay *r = w->data;

	if (events & EPOLLOUT)
		flush(&r->in, w->fd);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !r->out.len)
		fill(&r->out, w->fd);
	if (r->out.eof)
		end_input(r);
	if (r->out.drop)
		flush(&r->out, -EBADF);
	return pump(r, l, err);
}

void ks_relay_resize(const struct ks_relay *r)
{
	struct winsize ws;

	if (ioctl(r->from.watch.fd, TIOCGWINSZ, &ws) == 0)
		ioctl(r->tty_fd, TIOCSWINSZ, &ws);
}

int ks_relay_start(struct ks_relay *r, struct ks_loop *l, const struct ks_relay_fds *fds,
		   struct ks_err *err)
{
	struct termios t;

	*r = (struct ks_relay){ .tty_fd = fds->tty, .ended = r->ended, .data = r->data };
	r->from.watch = (struct ks_watch){ .fd = fds->in, .fn = on_input, .data = r };
	r->to.watch = (struct ks_watch){ .fd = fds->out, .fn = on_output, .data = r };
	r->tty.watch = (struct ks_watch){ .fd = fds->tty, .fn = on_tty, .data = r };
	r->in.eof = fds->in < 0;
	r->out.drop = fds->out < 0;
	if (fcntl(fds->tty, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return ks_err_set(err, -errno, "prepare the terminal");
	if (tcgetattr(fds->in, &r->saved) == 0) {
		t = r->saved;
		cfmakeraw(&t);
		r->raw = tcsetattr(fds->in, TCSANOW, &t) == 0;
		ks_relay_resize(r);
	}
	return pump(r, l, err);
}

void ks_relay_stop(struct ks_relay *r, struct ks_loop *l)
{
	struct ks_relay_end *ends[] = { &r->from, &r->to, &r->tty };

	for (size_t i = 0; i < KS_ARRAY_LEN(ends); i++) {
		if (ends[i]->events)
			ks_loop_remove(l, &ends[i]->watch);
		ends[i]->events = 0;
	}
}

void ks_relay_finish(struct ks_relay *r, int wait_ms)
{
	if (r->tty_fd < 0)
		return;
	/* What is left is written in peace; a reader that is gone, or stands still, ends it. */
	for (size_t n = 0; wait_ms || n < FINISH_READS; n++) {
		struct pollfd pfd = { .fd = r->to.watch.fd, .events = POLLOUT };

		if (!r->out.len) {
			fill(&r->out, r->tty_fd);
			if (!r->out.len)
				break;
		}
		flush(&r->out, pfd.fd);
		if (r->out.len && poll(&pfd, 1, wait_ms) == 0)
			r->out.drop = true;
	}
	if (r->raw)
		tcsetattr(r->from.watch.fd, TCSANOW, &r->saved);
}
