/* SPDX-License-Identifier: Apache-2.0 */
/* The server: one process for a pod, one thread. */
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <kshim/fd.h>

#include "bootstrap.h"

#define IDLE_S	60 /* without a task and without a client: nobody will come */
#define DRAIN_S 5  /* for containerd to take the last events */
#define QUIET_S 1  /* without an operation: memory goes back */

static void set_idle(struct ks_shim *s, unsigned int seconds)
{
	struct itimerspec its = { .it_value = { (time_t)seconds, 0 } };

	(void)timerfd_settime(s->idle.fd, 0, &its, NULL);
}

/* The pod may do nothing for weeks now. Not at once: what comes next would take it again. */
void ks_shim_quiet(struct ks_shim *s)
{
	if (s->stopping || s->wasteful)
		return;
	s->wasteful = true;
	set_idle(s, QUIET_S);
}

static void on_drained(void *data)
{
	struct ks_shim *s = data;

	if (s->stopping)
		s->loop.quit = true;
}

void ks_shim_stop(struct ks_shim *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	/* The next pod of the name must not be told this address. */
	(void)unlink(s->socket_path);
	if (!s->events.head)
		s->loop.quit = true;
	else
		set_idle(s, DRAIN_S);
}

/* Ended, and what it was made from is gone: its Delete came to nobody, and never will. */
static bool forgotten(const struct ks_shim *s)
{
	for (const struct ks_task *t = s->tasks; t; t = t->next)
		if (ks_task_busy(t) || (t->init.state != KS_PROC_DELETED &&
					(t->init.state != KS_PROC_STOPPED ||
					 access(t->bundle, F_OK) == 0 || errno != ENOENT)))
			return false;
	return true;
}

/* Time is up: for the last events, for the first task, or for memory that is not needed. */
static int on_idle(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_shim *s = w->data;
	uint64_t n;

	(void)events;
	(void)err;
	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	if (s->stopping) {
		ks_shim_log("warning", "containerd did not take the last events");
		l->quit = true;
	} else if (s->wasteful) {
		s->wasteful = false;
#ifdef __GLIBC__
		malloc_trim(0);
#endif
		set_idle(s, IDLE_S);
	} else if (forgotten(s) && !s->server.n_conns) {
		ks_shim_stop(s);
	} else {
		set_idle(s, IDLE_S);
	}
	return 0;
}

static int on_signal(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct signalfd_siginfo si;
	struct ks_shim *s = w->data;

	(void)l;
	(void)events;
	(void)err;
	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return 0;
	if (si.ssi_signo == SIGCHLD)
		ks_shim_reap_orphans(s);
	/*
	 * Others are not for a shim: its pod would go on without it. It ends by Shutdown, and by
	 * itself when it has nothing.
	 */
	else if (!ks_shim_has_tasks(s))
		ks_shim_stop(s);
	return 0;
}

static int watch_signals(struct ks_shim *s, struct ks_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return ks_err_set(err, -errno, "block signals");
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return ks_err_set(err, -errno, "watch for signals");
	s->signals = (struct ks_watch){ .fd = fd, .fn = on_signal, .data = s };
	return ks_loop_add(&s->loop, &s->signals, EPOLLIN, err);
}

static int watch_idle(struct ks_shim *s, struct ks_err *err)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return ks_err_set(err, -errno, "make a timer");
	s->idle = (struct ks_watch){ .fd = fd, .fn = on_idle, .data = s };
	set_idle(s, IDLE_S);
	return ks_loop_add(&s->loop, &s->idle, EPOLLIN, err);
}

/* Where the socket is that was inherited: it is unlinked at the end. */
static int socket_path(char *buf, size_t size, struct ks_err *err)
{
	struct sockaddr_un sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(KS_SHIM_LISTEN_FD, (struct sockaddr *)&sa, &len) < 0 ||
	    sa.sun_family != AF_UNIX)
		return ks_err_kind(err, KS_ERR_INVALID,
				   "no socket was inherited; this program is started by containerd "
				   "(see " KS_SHIM_NAME "(8))");
	ks_fmt(buf, size, "%.*s", (int)sizeof(sa.sun_path), sa.sun_path);
	return 0;
}

/* unix:///run/containerd/containerd.sock.ttrpc, or the path alone. */
static const char *events_path(const struct ks_shim_args *args, char *buf, size_t size)
{
	const char *env = getenv("TTRPC_ADDRESS");
	const char *path = !ks_str_empty(env) ? ks_str_prefix(env, "unix://") : NULL;

	if (!path && !ks_str_empty(env))
		path = env;
	if (path)
		ks_fmt(buf, size, "%s", path);
	else
		ks_fmt(buf, size, "%s.ttrpc", args->address ? args->address : "");
	return buf;
}

static int start(struct ks_shim *s, const struct ks_shim_args *args, struct ks_err *err)
{
	static char events[PATH_MAX];
	int r = ks_loop_init(&s->loop, err);

	if (r == 0)
		r = watch_signals(s, err);
	if (r == 0)
		r = watch_idle(s, err);
	if (r == 0)
		r = ks_events_start(&s->events, &s->loop, args->ns,
				    events_path(args, events, sizeof(events)), err);
	s->events.drained = on_drained;
	s->events.data = s;
	if (r == 0)
		r = ks_ttrpc_server_start(&s->server, &s->loop, KS_SHIM_LISTEN_FD, err);
	return r;
}

int ks_shim_serve(const struct ks_shim_args *args, const struct ks_shim_env *env,
		  struct ks_err *err)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	struct ks_shim s = {
		.env = env,
		.ns = args->ns,
		.socket_path = path,
		.debug = args->debug,
		.server = { .dispatch = ks_service_dispatch },
	};
	int r = socket_path(path, sizeof(path), err);

	if (r < 0)
		return r;
	s.server.data = &s;
	(void)fcntl(KS_SHIM_LISTEN_FD, F_SETFD, FD_CLOEXEC);
	(void)fcntl(KS_SHIM_LISTEN_FD, F_SETFL, O_RDWR | O_NONBLOCK);
	prctl(PR_SET_NAME, "kshim-shim", 0, 0, 0);
	/* Containers' processes are this one's children, whoever made them. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return ks_err_set(err, -errno, "become a subreaper");
	/* A process in a container that shares our pid namespace must not look into it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	r = start(&s, args, err);
	if (r == 0)
		r = ks_loop_run(&s.loop, err);
	ks_ttrpc_server_stop(&s.server);
	ks_events_stop(&s.events);
	while (s.tasks)
		ks_task_free(s.tasks);
	return r;
}
