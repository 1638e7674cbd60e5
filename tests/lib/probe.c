/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees that no shell can tell. Statically linked.
 *	probe keyring    the description of the session keyring
 *	probe call N…    what each of these system calls fails with, with -1 for every argument
 *	probe clone N    a child that outlives this process, in the same namespaces, sleeps N s
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buf[256] = "";

	if (argc > 1 && !strcmp(argv[1], "keyring")) {
		syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, buf,
			sizeof(buf) - 1);
		puts(buf);
		return 0;
	}
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
