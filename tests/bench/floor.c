/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a start: what no runtime can do without for containerd's default spec. Makes its
 * namespaces and mounts, masks its paths, changes the root, executes the command and waits. No
 * config.json, cgroup, device rule, seccomp, capability, record or check. Statically linked.
 *	floor ROOTFS COMMAND…
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

static void must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		_exit(99);
	}
}

#define EACH(i, a) for (size_t i = 0; i < sizeof(a) / sizeof((a)[0]); i++)

static void child(const char *rootfs, char **argv)
{
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

	if (argc < 3)
		return 98;
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));

	must(pid, "clone3");
	if (pid == 0)
		child(argv[1], argv + 2);
	must(waitpid(pid, &status, 0), "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
