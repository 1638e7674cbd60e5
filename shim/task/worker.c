/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/channel.h>
#include <kshim/compat.h>
#include <kshim/fd.h>

_Static_assert(sizeof(struct ks_worker_result) <= KS_CHANNEL_MAX_BYTES, "one message");

/*
 * It holds no connection, no socket and no stream of another container: their ends must be seen.
 * And it does not outlive the shim: what it has not recorded yet, nobody would find.
 */
static void leave_shim(struct ks_worker *w, int sock, pid_t shim)
{
	int keep[KS_WORKER_KEEP + 1];

	for (size_t i = 0; i < KS_WORKER_KEEP; i++)
		keep[i] = w->keep[i];
	keep[KS_WORKER_KEEP] = sock;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != shim || ks_fd_close_others(3, keep, KS_ARRAY_LEN(keep)) < 0)
		_exit(1);
}

static void work(struct ks_worker *w, int sock, int other, pid_t shim)
{
	struct ks_worker_result res = { 0 };
	struct ks_msg go;
	sigset_t none;
	int fd = -EBADF;

	close(other);
	/* Before the shim can see its end it does nothing that must be seen. */
	if (ks_channel_recv(sock, &go, NULL, NULL) != 0)
		_exit(1);
	leave_shim(w, sock, shim);
	prctl(PR_SET_NAME, "kshim-worker", 0, 0, 0);
	/* Hooks and tools that are started from here expect the usual. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	w->run(w, &res, &fd);
	(void)ks_channel_send(sock, 0, &res, sizeof(res), fd, NULL);
	_exit(0);
}

static struct ks_worker_note *note_new(struct ks_err *err)
{
	void *at = mmap(NULL, sizeof(struct ks_worker_note), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at != MAP_FAILED)
		return at;
	ks_err_oom(err);
	return NULL;
}

/* What it said, for whoever goes on with the result. */
static void take_note(struct ks_worker *w, struct ks_worker_result *res)
{
	res->note = *w->note;
	munmap(w->note, sizeof(*w->note));
	w->note = NULL;
}

static void lost(struct ks_worker_result *res, const siginfo_t *si)
{
	*res = (struct ks_worker_result){ .r = -EIO, .lost = true };
	ks_err_kind(&res->err, KS_ERR_INTERNAL, "the shim's worker died (%s %d)",
		    si->si_code == CLD_EXITED ? "exit status" : "signal", si->si_status);
}

/*
 * Only when it has ended: what it started has the shim as its parent by then, so that its exit
 * status is the shim's to fetch.
 */
static int on_end(struct ks_loop *l, struct ks_watch *watch, uint32_t events, struct ks_err *err)
{
	struct ks_worker *w = watch->data;
	struct ks_worker_result res;
	siginfo_t si = { 0 };
	struct ks_msg m;
	int fd = -EBADF;

	(void)events;
	(void)err;
	if (waitid(P_PIDFD, (id_t)w->pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid == 0)
		return 0;
	ks_loop_remove(l, watch);
	w->pidfd = ks_fd_close(w->pidfd);
	if (ks_channel_recv(w->sock, &m, &fd, NULL) == 0 && m.len == sizeof(res))
		memcpy(&res, m.data, sizeof(res));
	else
		lost(&res, &si);
	take_note(w, &res);
	w->sock = ks_fd_close(w->sock);
	w->done(w, &res, fd);
	return 0;
}

/* It has not begun: it waits for the word. */
static void abandon(struct ks_worker *w, pid_t pid)
{
	if (pid >= 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	w->pidfd = ks_fd_close(w->pidfd);
	w->sock = ks_fd_close(w->sock);
	munmap(w->note, sizeof(*w->note));
	w->note = NULL;
}

/* Watched first, then told to begin: what has begun cannot be called back, only waited for. */
static int let_go(struct ks_loop *l, struct ks_worker *w, struct ks_err *err)
{
	int r = ks_loop_add(l, &w->watch, EPOLLIN, err);

	if (r < 0)
		return r;
	r = ks_channel_send(w->sock, 0, NULL, 0, -1, err);
	if (r < 0)
		ks_loop_remove(l, &w->watch);
	/* One that is dead already: the loop will see it. */
	return r < 0 ? r : 0;
}

int ks_worker_start(struct ks_loop *l, struct ks_worker *w, struct ks_err *err)
{
	int pair[2];

	assert(w->run && w->done);
	w->note = note_new(err);
	if (!w->note)
		return -ENOMEM;
	int r = ks_channel_pair(pair, err);

	if (r < 0) {
		munmap(w->note, sizeof(*w->note));
		return r;
	}
	pid_t shim = getpid(), pid = fork();

	if (pid == 0)
		work(w, pair[1], pair[0], shim);
	r = pid < 0 ? ks_err_set(err, -errno, "start a worker") : 0;
	close(pair[1]);
	w->loop = l;
	w->sock = pair[0];
	w->pidfd = pid < 0 ? -EBADF : ks_sys_pidfd_open(pid);
	if (pid >= 0 && w->pidfd < 0)
		r = ks_err_set(err, -errno, "watch a worker");
	w->watch = (struct ks_watch){ .fd = w->pidfd, .fn = on_end, .data = w };
	if (r == 0)
		r = let_go(l, w, err);
	if (r < 0)
		abandon(w, pid);
	return r;
}
