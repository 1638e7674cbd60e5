/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a start: what no runtime can do without for containerd's default spec. Makes its
 * namespaces and mounts, masks its paths, changes the root, executes the command and waits. No
 * config.json, cgroup, device rule, seccomp, capability, record or check. Statically linked.
 *	floor [--cgroups] ROOTFS COMMAND…
 * --cgroups: one, too, in each v1 hierarchy below /sys/fs/cgroup, joined, and removed at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *target, *type, *data;
	unsigned long flags;
} mounts[] = {
	{ "proc", "proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME },
	{ "dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC },
	{ "dev/shm", "tmpfs", "mode=1777,size=65536k", MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV },
	{ "sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY },
	{ "run", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME },
};
static const char *const masked_dirs[] = { "proc/acpi", "proc/scsi", "sys/firmware" };
static const char *const masked_files[] = { "proc/kcore", "proc/keys", "proc/timer_list" };
static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
					"proc/sysrq-trigger" };
static const struct {
	const char *path;
	unsigned int major, minor;
} devices[] = { { "dev/null", 1, 3 },	{ "dev/zero", 1, 5 },	 { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };

static char cgroups[16][64];
static size_t n_cgroups;
static pid_t maker; /* of the cgroups: its child leaves them alone */

static void must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		for (size_t i = 0; maker == getpid() && i < n_cgroups; i++)
			rmdir(cgroups[i]);
		_exit(99);
	}
}

#define EACH(i, a) for (size_t i = 0; i < sizeof(a) / sizeof((a)[0]); i++)

/* A cpuset without processors and memory can be joined by nobody. */
static void copy(const char *cgroup, const char *name)
{
	char path[128], text[4096];

	snprintf(path, sizeof(path), "%.63s/../%s", cgroup, name);
	int from = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = from < 0 ? -1 : read(from, text, sizeof(text));

	snprintf(path, sizeof(path), "%.63s/%s", cgroup, name);
	int to = open(path, O_WRONLY | O_CLOEXEC);

	must(n < 0 ? -1 : write(to, text, (size_t)n), path);
	close(from);
	close(to);
}

static void make_cgroups(void)
{
	DIR *d = opendir("/sys/fs/cgroup");

	maker = getpid();
	must(d ? 0 : -1, "/sys/fs/cgroup");
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (e->d_name[0] == '.' || e->d_type != DT_DIR || n_cgroups == 16)
			continue;
		char *path = cgroups[n_cgroups++];

		snprintf(path, sizeof(cgroups[0]), "/sys/fs/cgroup/%.20s/floor-%d", e->d_name,
			 (int)getpid());
		if (mkdir(path, 0755) < 0) {
			n_cgroups--;
			must(-1, path);
		}
		if (!strcmp(e->d_name, "cpuset")) {
			copy(path, "cpuset.cpus");
			copy(path, "cpuset.mems");
		}
	}
	closedir(d);
}

static void join_cgroups(void)
{
	char path[128];

	for (size_t i = 0; i < n_cgroups; i++) {
		snprintf(path, sizeof(path), "%.63s/cgroup.procs", cgroups[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		must(write(fd, "0", 1), path);
		close(fd);
	}
}

static void child(const char *rootfs, char **argv)
{
	join_cgroups();
	must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "slave");
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "root");
	must(chdir(rootfs), "chdir");
	EACH(i, mounts)
	{
		mkdir(mounts[i].target, 0755);
		must(mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			   mounts[i].data),
		     mounts[i].target);
	}
	EACH(i, devices)
	must(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)),
	     devices[i].path);
	EACH(i, masked_dirs)
	if (mount("tmpfs", masked_dirs[i], "tmpfs", MS_RDONLY, NULL) < 0 && errno != ENOENT)
		must(-1, masked_dirs[i]);
	EACH(i, masked_files)
	if (mount("dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
		must(-1, masked_files[i]);
	EACH(i, readonly)
	if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
		must(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL),
		     readonly[i]);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount");
	must(chdir("/"), "chdir /");
	execv(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct clone_args a = { .flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS |
					 CLONE_NEWNET,
				.exit_signal = SIGCHLD };
	int status;

	if (argc > 1 && !strcmp(argv[1], "--cgroups")) {
		make_cgroups();
		argv++;
		argc--;
	}
	if (argc < 3)
		return 98;
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));

	must(pid, "clone3");
	if (pid == 0)
		child(argv[1], argv + 2);
	must(waitpid(pid, &status, 0), "wait");
	for (size_t i = 0; i < n_cgroups; i++)
		must(rmdir(cgroups[i]), cgroups[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
