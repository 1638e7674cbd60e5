/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals for tests. Statically linked.
 *	tty recv SOCKET          listen as an engine does, print what comes over the terminal
 *	tty run COMMAND…         run a command on a new terminal, type what comes on standard input
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int die(const char *what)
{
	perror(what);
	return 99;
}

static void copy_out(int tty)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(tty, buf, sizeof(buf))) > 0)
		if (write(1, buf, (size_t)n) != n)
			return;
}

static int receive(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl;
	char name[256];
	struct iovec iov = { name, sizeof(name) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf) };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), tty;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 1) < 0)
		return die("listen");
	s = accept(s, NULL, NULL);
	if (s < 0 || recvmsg(s, &mh, 0) < 0 || !CMSG_FIRSTHDR(&mh))
		return die("recvmsg");
	memcpy(&tty, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(tty));
	copy_out(tty);
	return 0;
}

static int run(char **argv)
{
	struct winsize ws = { .ws_row = 33, .ws_col = 77 };
	int unlock = 0, status;
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (m < 0 || ioctl(m, TIOCSPTLCK, &unlock) < 0 || ioctl(m, TIOCSWINSZ, &ws) < 0)
		return die("ptmx");
	int slave = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			dup2(slave, i);
		execvp(argv[0], argv);
		_exit(127);
	}
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .fd = m, .events = POLLIN } };
	char buf[4096];

	close(slave);
	while (poll(p, 2, 20000) > 0) {
		ssize_t n;

		if (p[1].revents) {
			n = read(m, buf, sizeof(buf));
			if (n <= 0 || write(1, buf, (size_t)n) != n)
				break;
		}
		if (p[0].revents) {
			n = read(0, buf, sizeof(buf));
			if (n <= 0)
				p[0].fd = -1;
			else if (write(m, buf, (size_t)n) != n)
				break;
		}
	}
	if (waitpid(pid, &status, 0) != pid)
		return die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "recv"))
		return receive(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	return 98;
}
