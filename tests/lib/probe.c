/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees that no shell can tell. Statically linked.
 *	probe keyring    the description of the session keyring
 *	probe clone N    a child that outlives this process, in the same namespaces, sleeps N s
 */
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
	if (argc > 2 && !strcmp(argv[1], "clone")) {
		if (fork() == 0) {
			setsid();
			sleep((unsigned)atoi(argv[2]));
		}
		return 0;
	}
	return 98;
}
