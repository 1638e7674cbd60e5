/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A foreground process: its signals, its terminal, its exit code.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/loop.h>
#include <kshim/run.h>

#define RELAY_BYTES 8192

/* One direction between the caller's stream and the terminal. */
struct relay {
	struct ks_watch in;
	int out_fd;
	bool watched;
	bool drop; /* nobody reads it any more; the container must not notice by standing still */
};

struct waiting {
	pid_t pid;
	int pidfd, tty_fd;
	struct ks_watch on_exit, on_signal;
	struct relay input, output;
	bool raw;
	struct termios saved;
	int status;
};

int ks_signals_block(struct ks_err *err)
{
	sigset_t all;

	sigfillset(&all);
	/* What a bug of ours raises must end us, and stopping is between us and our shell. */
	static const int keep[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP,
				    SIGSYS,  SIGTTIN, SIGTTOU, SIGTSTP };

	for (size_t i = 0; i < KS_ARRAY_LEN(keep); i++)
		sigdelset(&all, keep[i]);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return ks_err_set(err, -errno, "block signals");
	return 0;
}

static void copy_window_size(struct waiting *w)
{
	struct winsize ws;

	if (w->tty_fd >= 0 && ioctl(0, TIOCGWINSZ, &ws) == 0)
		ioctl(w->tty_fd, TIOCSWINSZ, &ws);
}

/* Reaps all children: those of a dead container may have become ours. */
static void reap(struct waiting *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid == w->pid)
			w->status = status;
}

static int on_signal(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	struct waiting *w = watch->data;
	struct signalfd_siginfo si;

	(void)l;
	(void)events;
	(void)err;
	if (read(watch->fd, &si, sizeof(si)) != sizeof(si))
		return 0;
	if (si.ssi_signo == SIGWINCH)
		copy_window_size(w);
	else if (si.ssi_signo == SIGCHLD)
		reap(w);
	else if (si.ssi_signo != SIGURG && si.ssi_signo != SIGPIPE)
		(void)ks_sys_pidfd_send_signal(w->pidfd, (int)si.ssi_signo);
	return 0;
}

static int on_exit_event(struct ks_loop *l, struct ks_watch *watch, uint32_t events,
			 struct ks_err *err)
{
	(void)events;
	(void)err;
	reap(watch->data);
	l->quit = true;
	return 0;
}

static void relay_stop(struct ks_loop *l, struct relay *r)
{
	if (r->watched)
		ks_loop_remove(l, &r->in);
	r->watched = false;
}

/* The caller's stream may be one that does not block: then we wait for it. */
static int write_out(int fd, const char *buf, size_t n)
{
	while (n) {
		ssize_t done = write(fd, buf, n);

		if (done < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			(void)poll(&pfd, 1, 1000);
		} else if (done < 0 && errno != EINTR) {
			return -errno;
		} else if (done > 0) {
			buf += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

static int on_relay(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	struct relay *r = watch->data;
	char buf[RELAY_BYTES];
	ssize_t n = read(watch->fd, buf, sizeof(buf));

	(void)events;
	(void)err;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* EIO: the last slave is closed. The exit comes by the pidfd. */
	if (n <= 0)
		relay_stop(l, r);
	else if (!r->drop)
		r->drop = write_out(r->out_fd, buf, (size_t)n) < 0;
	return 0;
}

static void relay_start(struct ks_loop *l, struct relay *r, int in_fd, int out_fd)
{
	r->in = (struct ks_watch){ .fd = in_fd, .fn = on_relay, .data = r };
	r->out_fd = out_fd;
	/* A file or /dev/null as input cannot be watched; it has nothing to type either. */
	r->watched = ks_loop_add(l, &r->in, EPOLLIN, NULL) == 0;
}

/* What the container wrote before it ended is still in the terminal. */
static void drain(struct waiting *w)
{
	char buf[RELAY_BYTES];
	ssize_t n;

	if (w->tty_fd < 0 || fcntl(w->tty_fd, F_SETFL, O_NONBLOCK) < 0)
		return;
	while ((n = read(w->tty_fd, buf, sizeof(buf))) > 0)
		if (write_out(1, buf, (size_t)n) < 0)
			return;
}

static void set_raw(struct waiting *w)
{
	struct termios t;

	if (w->tty_fd < 0 || tcgetattr(0, &w->saved) < 0)
		return;
	t = w->saved;
	cfmakeraw(&t);
	w->raw = tcsetattr(0, TCSANOW, &t) == 0;
	copy_window_size(w);
}

static int start_watches(struct ks_loop *l, struct waiting *w, int signal_fd, struct ks_err *err)
{
	w->on_signal = (struct ks_watch){ .fd = signal_fd, .fn = on_signal, .data = w };
	w->on_exit = (struct ks_watch){ .fd = w->pidfd, .fn = on_exit_event, .data = w };
	int r = ks_loop_add(l, &w->on_signal, EPOLLIN, err);

	if (r == 0)
		r = ks_loop_add(l, &w->on_exit, EPOLLIN, err);
	if (r == 0 && w->tty_fd >= 0) {
		relay_start(l, &w->input, 0, w->tty_fd);
		relay_start(l, &w->output, w->tty_fd, 1);
	}
	return r;
}

int ks_process_wait(pid_t pid, int pidfd, int tty_fd, struct ks_err *err)
{
	struct waiting w = { .pid = pid, .pidfd = pidfd, .tty_fd = tty_fd, .status = -1 };
	struct ks_loop loop;
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	ks_auto_fd int signal_fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);

	if (signal_fd < 0)
		return ks_err_set(err, -errno, "watch for signals");
	int r = ks_loop_init(&loop, err);

	if (r < 0)
		return r;
	set_raw(&w);
	r = start_watches(&loop, &w, signal_fd, err);
	if (r == 0)
		r = ks_loop_run(&loop, err);
	drain(&w);
	if (w.raw)
		tcsetattr(0, TCSANOW, &w.saved);
	ks_loop_done(&loop);
	if (r < 0)
		return r;
	if (w.status < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "the container's exit code is lost");
	return WIFEXITED(w.status) ? WEXITSTATUS(w.status) : 128 + WTERMSIG(w.status);
}
