/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>
#include <kshim/str.h>

#define LOGGER_ARGS	 64
#define LINGER_MS	 10000 /* for a client that does not come */
#define LINGER_PAUSE_MAX 64
#define LOGGER_MS	 10000 /* until it says that it is ready */
#define LOGGER_END_MS	 12000 /* from SIGTERM to SIGKILL, as the runc shim does */

int ks_stdio_names_copy(struct ks_stdio_names *to, const struct ks_stdio_names *from)
{
	*to = (struct ks_stdio_names){ strdup(from->in), strdup(from->out), strdup(from->err),
				       from->terminal };
	return to->in && to->out && to->err ? 0 : -ENOMEM;
}

/* Looked at before it is opened: to open a device has effects. */
static int open_fifo(const char *path, int flags, int *ret, struct ks_err *err)
{
	char link[64];
	struct stat st;
	ks_auto_fd int at = open(path, O_PATH | O_CLOEXEC);

	if (at < 0)
		return ks_err_set(err, -errno, "open %s", path);
	if (fstat(at, &st) < 0 || !S_ISFIFO(st.st_mode))
		return ks_err_kind(err, KS_ERR_INVALID, "%s is not a FIFO", path);
	ks_fmt(link, sizeof(link), "/proc/self/fd/%d", at);
	ks_auto_fd int fd = open(link, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return ks_err_set(err, -errno, "open %s", path);
	*ret = KS_TAKE_FD(fd);
	return 0;
}

/* The ends of one stream: @mine opened first, so that the process's end opens at once. */
static int open_ends(const char *path, bool input, int *theirs, int *mine, struct ks_err *err)
{
	/* The first open of a writer needs a reader; a reader needs nobody. */
	int *reader = input ? theirs : mine, *writer = input ? mine : theirs;
	int r = open_fifo(path, O_RDONLY, reader, err);

	if (r == 0)
		r = open_fifo(path, O_WRONLY, writer, err);
	if (r == 0 && fcntl(*theirs, F_SETFL, input ? O_RDONLY : O_WRONLY) < 0)
		r = ks_err_set(err, -errno, "prepare %s", path);
	return r;
}

static int open_null(int *ret, struct ks_err *err)
{
	*ret = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *ret < 0 ? ks_err_set(err, -errno, "open /dev/null") : 0;
}

/* From a pipe to a file: a file of the host's is nothing that a container may have. */
struct ks_stdio_copy {
	struct ks_watch watch; /* its descriptor is owned */
	int to;		       /* owned */
	bool watched;
	char buf[16384];
};

static int on_copy(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_stdio_copy *c = w->data;
	ssize_t n = read(w->fd, c->buf, sizeof(c->buf));

	(void)events;
	(void)err;
	/* A full disk must not stop the container: what has no room is lost, as it is elsewhere. */
	if (n > 0)
		(void)ks_fd_write_all(c->to, c->buf, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		ks_loop_remove(l, w);
		c->watched = false;
	}
	return 0;
}

/* What the container wrote before the end is written, as much as a pipe holds. */
static void copy_free(struct ks_stdio_copy *c, struct ks_loop *l)
{
	if (!c)
		return;
	for (int i = 0; c->watched && i < 64; i++)
		(void)on_copy(l, &c->watch, 0, NULL);
	if (c->watched)
		ks_loop_remove(l, &c->watch);
	ks_fd_close(c->watch.fd);
	ks_fd_close(c->to);
	free(c);
}

static int copy_to(int file, int *ret_fd, struct ks_stdio_copy **ret, struct ks_err *err)
{
	struct ks_stdio_copy *c = calloc(1, sizeof(*c));
	int p[2];

	if (!c || pipe2(p, O_CLOEXEC) < 0) {
		int r = c ? -errno : -ENOMEM;

		free(c);
		ks_fd_close(file);
		return ks_err_set(err, r, "make a pipe");
	}
	(void)fcntl(p[0], F_SETFL, O_RDONLY | O_NONBLOCK);
	c->watch = (struct ks_watch){ .fd = p[0], .fn = on_copy, .data = c };
	c->to = file;
	*ret_fd = p[1];
	*ret = c;
	return 0;
}

static int open_file(const char *path, int *ret, struct ks_err *err)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (path[0] != '/' || strlen(path) >= sizeof(dir))
		return ks_err_kind(err, KS_ERR_INVALID, "file://%s: not an absolute path", path);
	ks_fmt(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	int r = *dir ? ks_mkdir_p_at(AT_FDCWD, dir, 0755) : 0;

	if (r < 0)
		return ks_err_set(err, r, "make %s", dir);
	*ret = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	return *ret < 0 ? ks_err_set(err, -errno, "open %s", path) : 0;
}

static int open_logger(struct ks_stdio *s, const char *name, bool want_err, struct ks_err *err)
{
	int out[2], errs[2] = { -EBADF, -EBADF };

	s->logger = strdup(name);
	if (!s->logger)
		return ks_err_oom(err);
	if (pipe2(out, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	s->logger_in[0] = out[0];
	s->fds[1] = out[1];
	if (want_err && pipe2(errs, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	s->logger_in[1] = errs[0];
	s->fds[2] = errs[1];
	return 0;
}

static int open_output(struct ks_stdio *s, int i, const char *name, struct ks_err *err)
{
	const char *file = ks_str_prefix(name, "file://");

	if (!*name)
		return open_null(&s->fds[i], err);
	if (file) {
		int fd = -EBADF, r = open_file(file, &fd, err);

		return r < 0 ? r : copy_to(fd, &s->fds[i], &s->copies[i - 1], err);
	}
	if (strstr(name, "://"))
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "\"%.*s\": of these only file:// and binary:// are supported",
				   200, name);
	return open_ends(name, false, &s->fds[i], &s->keep[i], err);
}

int ks_stdio_open(struct ks_stdio *s, const struct ks_stdio_names *n, uid_t uid, gid_t gid,
		  struct ks_err *err)
{
	bool logger = ks_str_prefix(n->out, "binary://") != NULL;
	int r = !*n->in ? open_null(&s->fds[0], err) :
			  open_ends(n->in, true, &s->fds[0], &s->keep[0], err);

	if (r == 0 && logger)
		r = open_logger(s, n->out, !n->terminal, err);
	else if (r == 0)
		r = open_output(s, 1, n->out, err);
	if (r == 0 && !logger && !n->terminal)
		r = open_output(s, 2, n->err, err);
	struct stat st;

	/* Root of a user namespace must be able to open its /dev/stdout again; never /dev/null. */
	for (int i = 0; i < 3 && r == 0 && (uid || gid); i++)
		if (s->fds[i] >= 0 && fstat(s->fds[i], &st) == 0 && S_ISFIFO(st.st_mode) &&
		    fchown(s->fds[i], uid, gid) < 0 && errno != EPERM)
			r = ks_err_set(err, -errno, "give standard streams to uid %u", uid);
	return r;
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (tolower((unsigned char)c) - 'a') + 10;
}

/* "%2F" and "+" of a query; in place. */
static void decode(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		*to = *s == '+' ? ' ' : *s;
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			*to = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		}
	}
	*to = '\0';
}

/* binary:///path?key=value&…: the program, then keys and values in their order. */
static void logger_args(char *text, char **argv)
{
	char *query = strchr(text, '?');
	int n = 0;

	if (query)
		*query++ = '\0';
	argv[n++] = text;
	decode(text);
	while (query && *query && n < LOGGER_ARGS - 2) {
		char *next = strchr(query, '&'), *value;

		if (next)
			*next++ = '\0';
		value = strchr(query, '=');
		if (value)
			*value++ = '\0';
		decode(query);
		argv[n++] = query;
		if (value && *value) {
			decode(value);
			argv[n++] = value;
		}
		query = next;
	}
	argv[n] = NULL;
}

static void exec_logger(struct ks_stdio *s, const char *ns, const char *id, int ready)
{
	char *argv[LOGGER_ARGS], *text = s->logger + strlen("binary://");
	char ns_env[512], id_env[2048];
	char *env[] = { ns_env, id_env, NULL };

	ks_fmt(ns_env, sizeof(ns_env), "CONTAINER_NAMESPACE=%s", ns);
	ks_fmt(id_env, sizeof(id_env), "CONTAINER_ID=%s", id);
	logger_args(text, argv);
	/* Out of the way of 3, 4 and 5 first: they may be among them. */
	int from[3] = { s->logger_in[0], s->logger_in[1], ready };

	for (int i = 0; i < 3; i++)
		from[i] = from[i] < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) :
					fcntl(from[i], F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], 3 + i) < 0)
			_exit(126);
	setsid();
	execve(text, argv, env);
	/* No program says this. */
	ssize_t n = write(5, "", 1);

	(void)n;
	_exit(127);
}

/* It has closed, or written to, what it was given for that. */
static int wait_ready(int fd, pid_t pid, const char *program, struct ks_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char byte = 'x';
	int r;

	do {
		r = poll(&pfd, 1, LOGGER_MS);
	} while (r < 0 && errno == EINTR);
	if (r > 0 && (read(fd, &byte, 1) <= 0 || byte))
		return 0;
	kill(pid, SIGKILL);
	return r > 0 ? ks_err_kind(err, KS_ERR_INVALID, "the logging program %s cannot be executed",
				   program) :
		       ks_err_kind(err, KS_ERR_TIMEOUT,
				   "the logging program %s is not ready after %d s", program,
				   LOGGER_MS / 1000);
}

/* Until it is ready. */
static int start_logger(struct ks_stdio *s, const char *ns, const char *id, int32_t *ret,
			struct ks_err *err)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) < 0)
		return ks_err_set(err, -errno, "make a pipe");
	pid_t pid = fork();

	if (pid == 0)
		exec_logger(s, ns, id, ready[1]);
	int r = pid < 0 ? ks_err_set(err, -errno, "fork") : 0;

	if (r == 0)
		*ret = pid; /* also of one that fails below */
	close(ready[1]);
	if (r == 0)
		r = wait_ready(ready[0], pid, s->logger + strlen("binary://"), err);
	close(ready[0]);
	return r;
}

/*
 * Told to end; by its streams it should know already. One that does not is killed in the end, by a
 * process of its own, since the shim may be gone by then.
 */
static void end_logger(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	if (ks_sys_pidfd_send_signal(pidfd, SIGTERM) < 0 || poll(&pfd, 1, 0) != 0)
		return;
	pid_t pid = fork();

	if (pid < 0)
		(void)ks_sys_pidfd_send_signal(pidfd, SIGKILL);
	if (pid != 0)
		return;
	prctl(PR_SET_NAME, "kshim-log-end", 0, 0, 0);
	/* Nothing of the shim is held: neither its bundle nor its log. */
	(void)ks_fd_stdio_null();
	(void)(chdir("/") + ks_fd_close_others(3, &pidfd, 1));
	if (poll(&pfd, 1, LOGGER_END_MS) == 0)
		(void)ks_sys_pidfd_send_signal(pidfd, SIGKILL);
	_exit(0);
}

int ks_stdio_use(struct ks_stdio *s, const char *ns, const char *id, int32_t *ret_logger,
		 struct ks_err *err)
{
	/* Under a terminal only the master is joined to them, in the shim. */
	bool terminal = s->fds[2] < 0;
	int r = s->logger ? start_logger(s, ns, id, ret_logger, err) : 0;

	for (int i = 0; i < 3 && r == 0 && !terminal; i++)
		if (dup2(s->fds[i], i) < 0)
			r = ks_err_set(err, -errno, "set up standard streams");
	return r;
}

/*
 * A client may open its FIFO only when the process has ended already. Its open waits for a writer
 * then, and what the process wrote would be lost to it: so there is one, until all is read.
 */
struct ks_linger {
	struct ks_watch timer; /* owned */
	int keep;	       /* borrowed: the read end, by which it is known what is left */
	int writer;	       /* owned */
	unsigned int pause_ms, waited_ms;
	bool watched;
};

static void linger_stop(struct ks_linger *g, struct ks_loop *l)
{
	g->writer = ks_fd_close(g->writer);
	if (g->watched)
		ks_loop_remove(l, &g->timer);
	g->watched = false;
}

static void linger_free(struct ks_linger *g, struct ks_loop *l)
{
	if (!g)
		return;
	linger_stop(g, l);
	ks_fd_close(g->timer.fd);
	free(g);
}

static bool is_read(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) < 0 || n == 0;
}

static void linger_wait(struct ks_linger *g)
{
	struct itimerspec its = { .it_value = { 0, (long)g->pause_ms * 1000000L } };

	(void)timerfd_settime(g->timer.fd, 0, &its, NULL);
}

static int on_linger(struct ks_loop *l, struct ks_watch *w, uint32_t events, struct ks_err *err)
{
	struct ks_linger *g = w->data;
	uint64_t n;

	(void)events;
	(void)err;
	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return 0;
	g->waited_ms += g->pause_ms;
	g->pause_ms = g->pause_ms < LINGER_PAUSE_MAX ? g->pause_ms * 2 : g->pause_ms;
	if (is_read(g->keep) || g->waited_ms >= LINGER_MS)
		linger_stop(g, l);
	else
		linger_wait(g);
	return 0;
}

/* NULL where there is nothing to wait for, or nothing to wait with. */
static struct ks_linger *linger_new(int keep, struct ks_loop *l)
{
	struct ks_linger *g = is_read(keep) ? NULL : calloc(1, sizeof(*g));
	char path[64];

	if (!g)
		return NULL;
	ks_fmt(path, sizeof(path), "/proc/self/fd/%d", keep);
	g->keep = keep;
	g->pause_ms = 1;
	g->writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	g->timer = (struct ks_watch){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.fn = on_linger,
		.data = g,
	};
	g->watched = g->timer.fd >= 0 && ks_loop_add(l, &g->timer, EPOLLIN, NULL) == 0;
	if (!g->watched) {
		linger_free(g, l);
		return NULL;
	}
	linger_wait(g);
	return g;
}

/* The last word is out: the reader gets its end of file. */
static void on_relay_end(struct ks_relay *r)
{
	struct ks_stdio *s = r->data;

	r->out.drop = true;
	r->to.watch.fd = -EBADF;
	if (s->keep[1] >= 0)
		s->linger[1] = linger_new(s->keep[1], s->loop);
	s->fds[1] = ks_fd_close(s->fds[1]);
}

static int start_relay(struct ks_stdio *s, struct ks_loop *l, struct ks_err *err)
{
	struct ks_relay_fds fds = { .in = -EBADF, .out = s->fds[1], .tty = s->tty_fd };
	struct ks_relay *r = calloc(1, sizeof(*r));

	if (!r)
		return ks_err_oom(err);
	s->relay = r;
	s->loop = l;
	if (s->keep[0] >= 0)
		fds.in = s->fds[0];
	for (int i = 0; i < 2; i++)
		if (s->fds[i] >= 0)
			(void)fcntl(s->fds[i], F_SETFL, fcntl(s->fds[i], F_GETFL) | O_NONBLOCK);
	s->slave_fd = ioctl(s->tty_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	r->data = s;
	r->ended = on_relay_end;
	return ks_relay_start(r, l, &fds, err);
}

void ks_stdio_logger(struct ks_stdio *s, pid_t pid)
{
	if (pid > 0)
		s->logger_pidfd = ks_sys_pidfd_open(pid);
}

int ks_stdio_started(struct ks_stdio *s, struct ks_loop *l, int tty_fd, struct ks_err *err)
{
	for (int i = 0; i < 2; i++)
		s->logger_in[i] = ks_fd_close(s->logger_in[i]);
	for (int i = 0; i < 2; i++) {
		if (!s->copies[i])
			continue;
		int r = ks_loop_add(l, &s->copies[i]->watch, EPOLLIN, err);

		if (r < 0)
			return r;
		s->copies[i]->watched = true;
	}
	if (tty_fd >= 0) {
		s->tty_fd = tty_fd;
		return start_relay(s, l, err);
	}
	for (int i = 0; i < 3; i++)
		s->fds[i] = ks_fd_close(s->fds[i]);
	return 0;
}

void ks_stdio_ended(struct ks_stdio *s, struct ks_loop *l)
{
	ks_stdio_close_in(s);
	s->slave_fd = ks_fd_close(s->slave_fd);
	for (int i = 1; i < 3 && s->tty_fd < 0; i++)
		if (s->keep[i] >= 0)
			s->linger[i] = linger_new(s->keep[i], l);
}

void ks_stdio_close_in(struct ks_stdio *s)
{
	s->keep[0] = ks_fd_close(s->keep[0]);
}

void ks_stdio_close(struct ks_stdio *s, struct ks_loop *l)
{
	if (s->relay) {
		s->relay->ended = NULL;
		ks_relay_finish(s->relay, 0);
		ks_relay_stop(s->relay, l);
		free(s->relay);
		s->relay = NULL;
	}
	for (int i = 0; i < 3; i++) {
		linger_free(s->linger[i], l);
		s->linger[i] = NULL;
		s->fds[i] = ks_fd_close(s->fds[i]);
		s->keep[i] = ks_fd_close(s->keep[i]);
	}
	for (int i = 0; i < 2; i++) {
		s->logger_in[i] = ks_fd_close(s->logger_in[i]);
		copy_free(s->copies[i], l);
		s->copies[i] = NULL;
	}
	s->slave_fd = ks_fd_close(s->slave_fd);
	s->tty_fd = ks_fd_close(s->tty_fd);
	if (s->logger_pidfd >= 0)
		end_logger(s->logger_pidfd);
	s->logger_pidfd = ks_fd_close(s->logger_pidfd);
	free(s->logger);
	s->logger = NULL;
}
