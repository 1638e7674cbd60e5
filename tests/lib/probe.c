/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees that no shell can tell. Statically linked.
 *	probe keyring    the description of the session keyring
 *	probe key-label  its label
 *	probe call N…    what each of these system calls fails with, with -1 for every argument
 *	probe seize S    for S seconds, try to trace each new process that is seen; what was caught
 *	probe clone N    a child that outlives this process, in the same namespaces, sleeps N s
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of the next pids of this namespace: whoever can be traced is named, and let go. */
static int seize(int seconds)
{
	char path[64], name[64];
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		for (int pid = 2; pid < 200; pid++) {
			if (pid == getpid() || ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
				continue;
			snprintf(path, sizeof(path), "/proc/%d/comm", pid);
			FILE *f = fopen(path, "r");

			if (f && fgets(name, sizeof(name), f))
				printf("caught %s", name);
			if (f)
				fclose(f);
			fflush(stdout);
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			waitpid(pid, NULL, __WALL);
			ptrace(PTRACE_DETACH, pid, 0, 0);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	char buf[256] = "";

	if (argc > 1 && (!strcmp(argv[1], "keyring") || !strcmp(argv[1], "key-label"))) {
		syscall(SYS_keyctl, argv[1][3] == 'r' ? KEYCTL_DESCRIBE : KEYCTL_GET_SECURITY,
			KEY_SPEC_SESSION_KEYRING, buf, sizeof(buf) - 1);
		puts(buf);
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "seize"))
		return seize(atoi(argv[2]));
	if (argc > 2 && !strcmp(argv[1], "call")) {
		for (int i = 2; i < argc; i++) {
			errno = 0;
			syscall(strtol(argv[i], NULL, 0), -1L, -1L, -1L, -1L, -1L, -1L);
			printf("%d ", errno);
		}
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "clone")) {
		if (fork() == 0) {
			setsid();
			sleep((unsigned)atoi(argv[2]));
		}
		return 0;
	}
	return 98;
}
