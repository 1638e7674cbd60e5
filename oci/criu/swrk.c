/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/criu.h>

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/compat.h>
#include <kshim/fd.h>
#include <pb/criu.pb-c.h>

/* What the child says to its parent before it is criu. */
enum {
	MSG_SOCKET = 1, /* fd: the other end of criu's socket */
	MSG_ERROR,	/* struct ks_err */
};

#define NOTIFY	      6 /* a type, of request and answer */
#define ANSWER_BYTES  65536
#define LOG_MAX_BYTES (256U << 20)

/* ---- the process ------------------------------------------------------- */

static int join_cgroup(const struct ks_cgroup_join *j, struct ks_err *err)
{
	for (size_t i = 0; j && i < j->n_tasks; i++)
		if (write(j->tasks_fd[i], "0", 1) != 1)
			return ks_err_set(err, -errno, "join the cgroup, or the class of service");
	return 0;
}

/* Only the path: criu would read a file of its user's home, and variables of its own. */
static int exec_criu(int sock, struct ks_err *err)
{
	static char path[PATH_MAX];
	const char *search = getenv("PATH");
	char number[16];
	char *argv[] = { (char *)(uintptr_t) "criu", (char *)(uintptr_t) "swrk", number, NULL };
	char *env[] = { path, (char *)(uintptr_t) "LC_ALL=C", NULL };

	ks_fmt(number, sizeof(number), "%d", sock);
	ks_fmt(path, sizeof(path), "PATH=%s",
	       search ? search : "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin");
	execvpe(argv[0], argv, env);
	if (errno == ENOENT)
		return ks_err_kind(err, KS_ERR_NOT_FOUND,
				   "criu is not installed: there is none in the PATH");
	return ks_err_set(err, -errno, "run criu");
}

/*
 * The socket is made here, after all that changes the mount namespace: criu takes directories of
 * whoever made it, by their descriptors, and mounts file systems in one of them.
 */
static int prepare_child(const struct ks_criu_call *c, int parent, int *ret_sock,
			 struct ks_err *err)
{
	int pair[2] = { -EBADF, -EBADF };
	int r = join_cgroup(c->join, err);

	if (r == 0 && c->stage)
		r = c->stage(c->data, err);
	/* criu gets what it is to have, and nothing that the caller of kshim left open. */
	if (r == 0 && ks_sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		r = ks_err_set(err, -errno, "close other descriptors");
	for (const int *fd = c->keep; r == 0 && fd && *fd >= 0; fd++)
		if (fcntl(*fd, F_SETFD, 0) < 0)
			r = ks_err_set(err, -errno, "pass descriptor %d to criu", *fd);
	if (r == 0)
		r = ks_channel_pair(pair, err);
	if (r < 0)
		return r;
	if (fcntl(pair[1], F_SETFD, 0) < 0)
		return ks_err_set(err, -errno, "pass the socket to criu");
	*ret_sock = pair[1];
	r = ks_channel_send(parent, MSG_SOCKET, NULL, 0, pair[0], err);
	return r == KS_CHANNEL_CLOSED ?
		       ks_err_kind(err, KS_ERR_INTERNAL, "the parent of criu is gone") :
		       r;
}

static void run_child(const struct ks_criu_call *c, int parent)
{
	struct ks_err err = KS_ERR_INIT;
	sigset_t none;
	int sock = -1;

	setsid();
	umask(c->umask);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prepare_child(c, parent, &sock, &err) == 0)
		(void)exec_criu(sock, &err);
	(void)ks_channel_send(parent, MSG_ERROR, &err, sizeof(err), -1, NULL);
	_exit(127);
}

static pid_t fork_into(const struct ks_cgroup_join *j)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (!j || j->v2_fd < 0)
		return fork();
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)j->v2_fd;
	return ks_sys_clone3(&args);
}

/* The channel is closed by exec: then criu runs. */
static int listen_to_child(int child, int *ret_sock, struct ks_err *err)
{
	struct ks_msg m;

	for (;;) {
		ks_auto_fd int fd = -EBADF;
		int r = ks_channel_recv(child, &m, &fd, err);

		if (r == KS_CHANNEL_CLOSED)
			return *ret_sock >= 0 ? 0 :
						ks_err_kind(err, KS_ERR_INTERNAL,
							    "the child that was to become criu "
							    "is gone");
		if (r < 0)
			return r;
		if (m.type == MSG_ERROR && m.len == sizeof(struct ks_err)) {
			struct ks_err why;

			memcpy(&why, m.data, sizeof(why));
			why.msg[sizeof(why.msg) - 1] = '\0';
			if (err)
				*err = why;
			return why.num > 0 ? -why.num : -EIO;
		}
		if (m.type == MSG_SOCKET && *ret_sock < 0)
			*ret_sock = KS_TAKE_FD(fd);
	}
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Returns when criu runs, or with what kept it from that. */
static int start(const struct ks_criu_call *c, int *ret_sock, pid_t *ret, struct ks_err *err)
{
	ks_auto_fd int sock = -EBADF;
	int pair[2];
	int r = ks_channel_pair(pair, err);

	if (r < 0)
		return r;
	pid_t pid = fork_into(c->join);

	if (pid == 0) {
		close(pair[0]);
		run_child(c, pair[1]);
	}
	if (pid < 0)
		r = ks_err_set(err, -errno, "fork for criu");
	close(pair[1]);
	if (r == 0)
		r = listen_to_child(pair[0], &sock, err);
	close(pair[0]);
	if (r < 0 && pid > 0) {
		sock = ks_fd_close(sock);
		reap(pid);
	}
	if (r < 0)
		return r;
	*ret_sock = KS_TAKE_FD(sock);
	*ret = pid;
	return 0;
}

/* ---- what is said ------------------------------------------------------ */

static int send_request(int sock, const Criu__Req *req, struct ks_err *err)
{
	size_t len = criu__req__get_packed_size(req);
	uint8_t *buf = malloc(len ? len : 1);

	if (!buf)
		return ks_err_oom(err);
	criu__req__pack(req, buf);
	ssize_t n;

	do {
		n = send(sock, buf, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	int saved = errno;

	free(buf);
	if (n < 0 && (saved == EPIPE || saved == ECONNRESET))
		return ks_err_kind(err, KS_ERR_INTERNAL, "criu ended without an answer");
	return n < 0 ? ks_err_set(err, -saved, "send criu a request") : 0;
}

/* *ret_fd is the first descriptor that came with it. */
static int receive(int sock, uint8_t *buf, Criu__Resp **ret, int *ret_fd, struct ks_err *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = ANSWER_BYTES };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf) };
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return ks_err_kind(err, KS_ERR_INTERNAL, "criu ended without an answer");
	if (n < 0)
		return ks_err_set(err, -errno, "receive criu's answer");
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);

	if (cm && cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(cm), sizeof(int));
	*ret = mh.msg_flags & MSG_TRUNC ? NULL : criu__resp__unpack(NULL, (size_t)n, buf);
	if (!*ret) {
		*ret_fd = ks_fd_close(*ret_fd);
		return ks_err_kind(err, KS_ERR_INTERNAL, "criu's answer cannot be read");
	}
	return 0;
}

/*
 * "(00.012345) Error (criu/mount.c:1): mnt: …": the text of the first such line is the cause. What
 * criu finds that it may not do while it looks at the host is none.
 */
static const char *first_error(const char *log)
{
	for (const char *p = log; p && (p = strstr(p, "Error (")); p++) {
		const char *text = strstr(p, "): ");

		if (text && !ks_str_prefix(text + 3, "rlimit: ") &&
		    !ks_str_prefix(text + 3, "tun: Unable to create tun"))
			return text + 3;
	}
	return NULL;
}

static int fail(const struct ks_criu_call *c, const Criu__Resp *resp, struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	const char *verb = c->type == KS_CRIU_RESTORE ? "restore" : "dump";
	const char *why = NULL;
	char *log = NULL;

	if (ks_file_read_at(&a, c->opts->work_dir_fd, c->opts->log_file, LOG_MAX_BYTES, &log,
			    NULL) == 0)
		why = first_error(log);
	if (!why && !ks_str_empty(resp->cr_errmsg))
		why = resp->cr_errmsg;
	if (!why)
		why = resp->has_cr_errno ? strerror(abs(resp->cr_errno)) : "it does not say why";
	return ks_err_kind(err, KS_ERR_INTERNAL, "criu could not %s the container: %.*s (%s/%s)",
			   verb, (int)(strcspn(why, "\n") < 400 ? strcspn(why, "\n") : 400), why,
			   c->work_path, c->opts->log_file);
}

static int answer_notify(const struct ks_criu_call *c, int sock, const Criu__Resp *resp, int *fd,
			 struct ks_err *err)
{
	Criu__Req req = CRIU__REQ__INIT;
	struct ks_err lost = KS_ERR_INIT;
	int r = c->notify && resp->notify && resp->notify->script ?
			c->notify(c->data, resp->notify->script, resp->notify->pid, fd, err) :
			0;

	req.type = NOTIFY;
	req.has_notify_success = true;
	req.notify_success = r == 0;
	/* When it is gone, receiving says so. */
	(void)send_request(sock, &req, &lost);
	return r;
}

/* Answers criu until it is done. The first error is the cause of those behind it. */
static int converse(const struct ks_criu_call *c, int sock, struct ks_err *err)
{
	Criu__Req req = CRIU__REQ__INIT;
	uint8_t *buf = malloc(ANSWER_BYTES);
	int first = 0;

	if (!buf)
		return ks_err_oom(err);
	req.type = c->type;
	req.opts = c->opts;
	int r = send_request(sock, &req, err);

	for (bool done = false; r == 0 && !done;) {
		Criu__Resp *resp = NULL;
		ks_auto_fd int fd = -EBADF;

		r = receive(sock, buf, &resp, &fd, first < 0 ? NULL : err);
		if (r < 0 || !resp)
			break;
		done = resp->type != NOTIFY;
		if (!done) {
			int f = answer_notify(c, sock, resp, &fd, first < 0 ? NULL : err);

			first = first < 0 ? first : f;
		} else if (!resp->success) {
			r = fail(c, resp, first < 0 ? NULL : err);
		}
		criu__resp__free_unpacked(resp, NULL);
	}
	free(buf);
	return first < 0 ? first : r;
}

int ks_criu_call(const struct ks_criu_call *c, struct ks_err *err)
{
	pid_t pid;
	int sock;
	int r = start(c, &sock, &pid, err);

	if (r < 0)
		return r;
	r = converse(c, sock, err);
	close(sock);
	reap(pid);
	return r;
}
