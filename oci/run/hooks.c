/* SPDX-License-Identifier: Apache-2.0 */
/* Context of all: parent or child of a launch; no allocation. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kshim/compat.h>
#include <kshim/fd.h>

#include "plan.h"

static void exec_hook(const struct ks_plan_hook *h, int state_fd, const char *cwd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* A shared offset: every hook reads the state from its beginning. */
	if (state_fd >= 0 && (lseek(state_fd, 0, SEEK_SET) < 0 || dup2(state_fd, 0) < 0))
		_exit(126);
	if (cwd && chdir(cwd) < 0)
		_exit(126);
	ks_sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(h->path, h->args, h->env);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Waits for the hook at most its timeout; then it is killed. Returns 1 when it was. */
static int wait_hook(pid_t pid, int timeout_s)
{
	ks_auto_fd int pidfd = timeout_s ? ks_sys_pidfd_open(pid) : -EBADF;
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return 0;
	int r;

	do {
		r = poll(&pfd, 1, timeout_s * 1000);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		kill(pid, SIGKILL);
	return r == 0;
}

int ks_hook_run(const struct ks_plan_hook *h, int state_fd, const char *cwd, struct ks_err *err)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return ks_err_set(err, -errno, "fork for hook %s", h->path);
	if (pid == 0)
		exec_hook(h, state_fd, cwd);
	int timed_out = wait_hook(pid, h->timeout_s);

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ks_err_set(err, -errno, "wait for hook %s", h->path);
	if (timed_out)
		return ks_err_kind(err, KS_ERR_TIMEOUT, "%s did not end within %d s", h->path,
				   h->timeout_s);
	if (WIFSIGNALED(status))
		return ks_err_kind(err, KS_ERR_INTERNAL, "%s was ended by signal %d", h->path,
				   WTERMSIG(status));
	if (WEXITSTATUS(status))
		return ks_err_kind(err, KS_ERR_INTERNAL, "%s: exit status %d", h->path,
				   WEXITSTATUS(status));
	return 0;
}

int ks_hooks_run(const struct ks_plan_hooks *h, const char *kind, int state_fd, const char *cwd,
		 struct ks_err *err)
{
	for (size_t i = 0; i < h->n; i++) {
		int r = ks_hook_run(&h->v[i], state_fd, cwd, err);

		if (r < 0 && err)
			err->kind = KS_ERR_HOOK;
		if (r < 0)
			return ks_err_prefix(err, r, "%s hook %zu", kind, i);
	}
	return 0;
}
