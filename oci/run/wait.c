/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A foreground process: its signals, its terminal, its exit code.
 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/relay.h>
#include <kshim/run.h>

#define FINISH_MS 10000 /* for a reader of standard output, when the container has ended */

struct waiting {
	pid_t pid;
	int pidfd, tty_fd;
	struct ks_watch on_exit, on_signal;
	struct ks_relay relay;
	int status;
};

int ks_signals_block(struct ks_err *err)
{
	sigset_t all;

	sigfillset(&all);
	/* What a bug of ours raises must end us, and stopping is between us and our shell. */
	static const int keep[] = { SIGSEGV, SIGBUS, SIGILL,  SIGFPE,  SIGABRT,
				    SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU, SIGTSTP };

	for (size_t i = 0; i < KS_ARRAY_LEN(keep); i++)
		sigdelset(&all, keep[i]);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return ks_err_set(err, -errno, "block signals");
	return 0;
}

int ks_signals_pending(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	sigset_t set;

	if (sigpending(&set) < 0)
		return 0;
	for (size_t i = 0; i < KS_ARRAY_LEN(ends); i++)
		if (sigismember(&set, ends[i]))
			return ends[i];
	return 0;
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
	if (si.ssi_signo == SIGWINCH && w->tty_fd >= 0)
		ks_relay_resize(&w->relay);
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

static int start_watches(struct ks_loop *l, struct waiting *w, int signal_fd, struct ks_err *err)
{
	w->on_signal = (struct ks_watch){ .fd = signal_fd, .fn = on_signal, .data = w };
	w->on_exit = (struct ks_watch){ .fd = w->pidfd, .fn = on_exit_event, .data = w };
	int r = ks_loop_add(l, &w->on_signal, EPOLLIN, err);

	if (r == 0)
		r = ks_loop_add(l, &w->on_exit, EPOLLIN, err);
	if (r == 0 && w->tty_fd >= 0)
		r = ks_relay_start(&w->relay, l,
				   &(struct ks_relay_fds){ .in = 0, .out = 1, .tty = w->tty_fd },
				   err);
	return r;
}

int ks_process_wait(pid_t pid, int pidfd, int tty_fd, struct ks_err *err)
{
	struct waiting w = { .pid = pid,
			     .pidfd = pidfd,
			     .tty_fd = tty_fd,
			     .status = -1,
			     .relay = { .tty_fd = -EBADF } };
	struct ks_loop loop;
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	ks_auto_fd int signal_fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);

	if (signal_fd < 0)
		return ks_err_set(err, -errno, "watch for signals");
	int r = ks_loop_init(&loop, err);

	if (r < 0)
		return r;
	r = start_watches(&loop, &w, signal_fd, err);
	if (r == 0)
		r = ks_loop_run(&loop, err);
	ks_relay_finish(&w.relay, FINISH_MS);
	ks_loop_done(&loop);
	if (r < 0)
		return r;
	if (w.status < 0)
		return ks_err_kind(err, KS_ERR_INTERNAL, "the container's exit code is lost");
	return WIFEXITED(w.status) ? WEXITSTATUS(w.status) : 128 + WTERMSIG(w.status);
}
