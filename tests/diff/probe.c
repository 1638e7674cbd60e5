/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees, as lines "key value", for the differential suite.
 * Statically linked, so that the root file system need not hold a library.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *err(int failed)
{
	return failed ? strerrorname_np(errno) : "ok";
}

static void ids(char **argv, char **envp)
{
	gid_t gids[64];
	int n = getgroups(64, gids);
	char cwd[4096];
	mode_t m = umask(0);

	umask(m);
	printf("uid %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
	printf("groups");
	for (int i = 0; i < n; i++)
		printf(" %d", gids[i]);
	printf("\numask %o\ncwd %s\n", m, getcwd(cwd, sizeof(cwd)) ? cwd : err(1));
	for (int i = 1; argv[i]; i++)
		printf("arg%d %s\n", i, argv[i]);
	for (int i = 0; envp[i]; i++)
		printf("env:%d %s\n", i, envp[i]);
	/* A new session is its own leader; one that is joined is not. */
	printf("session %d group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
}

static void limits(void)
{
	static const int all[] = { RLIMIT_AS,	 RLIMIT_CORE,	  RLIMIT_CPU,	 RLIMIT_DATA,
				   RLIMIT_FSIZE, RLIMIT_MEMLOCK,  RLIMIT_NICE,	 RLIMIT_NOFILE,
				   RLIMIT_NPROC, RLIMIT_MSGQUEUE, RLIMIT_RTPRIO, RLIMIT_STACK,
				   RLIMIT_LOCKS };
	struct rlimit r;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (getrlimit((__rlimit_resource_t)all[i], &r) == 0)
			printf("rlimit:%d %llu %llu\n", all[i], (unsigned long long)r.rlim_cur,
			       (unsigned long long)r.rlim_max);
}

static void file(const char *path, const char *key, const char *const *prefixes)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	if (!f) {
		printf("%s %s\n", key, err(1));
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!prefixes)
			printf("%s %s\n", key, line);
		for (size_t i = 0; prefixes && prefixes[i]; i++)
			if (!strncmp(line, prefixes[i], strlen(prefixes[i])))
				printf("%s:%s\n", key, line);
	}
	fclose(f);
}

static void namespaces(void)
{
	static const char *const all[] = { "user", "pid", "net",    "ipc",
					   "uts",  "mnt", "cgroup", "time" };
	char path[64], target[64];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", all[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		printf("ns:%s %s\n", all[i], n > 0 ? target : err(1));
	}
}

static void descriptors(void)
{
	struct stat st;

	for (int fd = 0; fd < 256; fd++)
		if (fstat(fd, &st) == 0)
			printf("fd:%d %o\n", fd, st.st_mode & S_IFMT);
}

static void dev(void)
{
	char path[512], link[256];
	DIR *d = opendir("/dev");
	struct stat st;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		if (lstat(path, &st) < 0)
			continue;
		ssize_t n = readlink(path, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		printf("dev:%s %o %d:%d %u:%u %s\n", e->d_name, st.st_mode, st.st_uid, st.st_gid,
		       major(st.st_rdev), minor(st.st_rdev), link);
	}
	if (d)
		closedir(d);
}

/* What may be written, and what is hidden. */
static void access_of(const char *path)
{
	char buf[64];
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	printf("read:%s %s %s\n", path, err(fd < 0), n > 0 ? "data" : n == 0 ? "empty" : "none");
	if (fd >= 0)
		close(fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	printf("write:%s %s\n", path, err(fd < 0));
	if (fd >= 0)
		close(fd);
	if (stat(path, &st) == 0)
		printf("mode:%s %o\n", path, st.st_mode);
}

static void create_in(const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/probe-was-here", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	printf("create:%s %s\n", dir, err(fd < 0));
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
}

static void calls(void)
{
	printf("call:getcpu %s\n", err(syscall(SYS_getcpu, NULL, NULL, NULL) < 0));
	printf("call:chroot %s\n", err(chroot("/nonexistent") < 0));
	printf("call:unshare %s\n", err(unshare(CLONE_NEWNS) < 0));
	printf("call:sethostname %s\n", err(sethostname("p", 1) < 0));
	printf("call:personality %s\n", err(personality(0xffffffff) < 0));
	printf("call:mknod %s\n", err(mknod("/tmp/node", S_IFCHR | 0600, makedev(1, 3)) < 0));
	unlink("/tmp/node");
	printf("call:setuid %s\n", err(setresuid(4321, 4321, 4321) < 0));
}

int main(int argc, char **argv, char **envp)
{
	static const char *const status[] = { "CapInh",
					      "CapPrm",
					      "CapEff",
					      "CapBnd",
					      "CapAmb",
					      "NoNewPrivs",
					      "Seccomp:",
					      "SigBlk",
					      "SigIgn",
					      "SigCgt",
					      "Cpus_allowed_list",
					      NULL };
	static const char *const paths[] = {
		"/proc/kcore",
		"/proc/keys",
		"/proc/timer_list",
		"/proc/acpi",
		"/sys/firmware",
		"/proc/sys/kernel/hostname",
		"/proc/sysrq-trigger",
		"/proc/bus",
		"/dev/null",
		"/dev/full",
		"/dev/mine",
		"/bind",
		"/bind/file",
		"/etc/passwd",
		"/dev/shm",
		"/data",
		"/etc/made-file",
		"/proc/self/oom_score_adj",
		"/sys/kernel/mm",
	};
	static const char *const dirs[] = { "",	     "/tmp",  "/dev",	   "/etc",
					    "/bind", "/data", "/data/sub", "/dev/shm",
					    "/proc", "/sys",  "/run" };
	struct utsname u;
	char buf[256];

	(void)argc;
	uname(&u);
	printf("host %s domain %s machine %s\n", u.nodename, u.domainname, u.machine);
	ids(argv, envp);
	limits();
	file("/proc/self/status", "status", status);
	file("/proc/self/mountinfo", "mount", NULL);
	file("/proc/self/cgroup", "cgroup", NULL);
	file("/proc/self/oom_score_adj", "oom", NULL);
	file("/proc/sys/net/ipv4/ip_forward", "sysctl:ip_forward", NULL);
	file("/proc/sys/kernel/shmmax", "sysctl:shmmax", NULL);
	file("/proc/self/uid_map", "uid_map", NULL);
	file("/proc/self/setgroups", "setgroups", NULL);
	namespaces();
	descriptors();
	dev();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		access_of(paths[i]);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		create_in(dirs[i]);
	printf("nice %d scheduler %d ioprio %ld dumpable %d\n", getpriority(PRIO_PROCESS, 0),
	       sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0), prctl(PR_GET_DUMPABLE));
	printf("pid1 %d\n", getpid() == 1);
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, buf,
			 sizeof(buf) - 1);

	printf("keyring %s\n", n > 0 ? buf : err(1));
	calls();
	return 0;
}
