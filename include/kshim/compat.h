/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * System calls and constants that Debian 12's C library, or musl, does not
 * wrap. Nothing else in the tree calls syscall(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* sched_setattr(2): Linux' own, which libraries name differently from release to release. */
struct ks_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Each returns what the system call returns: -1 and errno on failure. */
static inline int ks_sys_openat2(int dirfd, const char *path, struct open_how *how)
{
	return (int)syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
}

static inline int ks_sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return (int)syscall(SYS_open_tree, dirfd, path, flags);
}

static inline int ks_sys_move_mount(int from_fd, const char *from, int to_fd, const char *to,
				    unsigned int flags)
{
	return (int)syscall(SYS_move_mount, from_fd, from, to_fd, to, flags);
}

static inline int ks_sys_fsopen(const char *type, unsigned int flags)
{
	return (int)syscall(SYS_fsopen, type, flags);
}

static inline int ks_sys_fspick(int dirfd, const char *path, unsigned int flags)
{
	return (int)syscall(SYS_fspick, dirfd, path, flags);
}

static inline int ks_sys_fsconfig(int fd, unsigned int cmd, const char *key, const void *value,
				  int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static inline int ks_sys_fsmount(int fd, unsigned int flags, unsigned int attr)
{
	return (int)syscall(SYS_fsmount, fd, flags, attr);
}

static inline int ks_sys_mount_setattr(int dirfd, const char *path, unsigned int flags,
				       struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, dirfd, path, flags, attr, sizeof(*attr));
}

static inline int ks_sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int ks_sys_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int ks_sys_pidfd_send_signal(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

static inline int ks_sys_seccomp(unsigned int op, unsigned int flags, void *args)
{
	return (int)syscall(SYS_seccomp, op, flags, args);
}

/*
 * Joins the keyring of that name, made when there is none that may be found: by default only who
 * possesses it already may find it. 0, or -1 and errno.
 */
static inline int ks_sys_join_session_keyring(const char *name)
{
	const unsigned int possessor_all_user_view_read_link_search = 0x3f1b0000;
	long serial = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (serial < 0)
		return -1;
	/* Who may not leaves it to whoever made it. */
	(void)syscall(SYS_keyctl, KEYCTL_SETPERM, serial, possessor_all_user_view_read_link_search);
	return 0;
}

static inline int ks_sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

static inline int ks_sys_execveat(int fd, const char *path, char *const argv[], char *const envp[],
				  int flags)
{
	return (int)syscall(SYS_execveat, fd, path, argv, envp, flags);
}

/* Like fork(2): the child goes on with a copy of the address space and of the stack. */
static inline pid_t ks_sys_clone3(struct clone_args *args)
{
	return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

/*
 * A second thread of this process, without the C library's knowledge: it has neither thread-local
 * storage nor a name of its own, and ends with what @fn returns. Libraries' clone(3) may refuse
 * CLONE_THREAD (musl does). @stack is its upper end, aligned to 16 bytes. -1 and errno on failure.
 */
static inline int ks_sys_clone_thread(int (*fn)(void *data), void *stack, unsigned long flags,
				      void *data)
{
	void **sp = (void **)stack - 2;
	long r;

	sp[0] = (void *)fn;
	sp[1] = data;
#if defined(__x86_64__)
	register long no_tls __asm__("r8") = 0;
	register long no_child_tid __asm__("r10") = 0;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(r)
			 : "0"((long)SYS_clone), "D"(flags), "S"(sp), "d"(0L), "r"(no_child_tid),
			   "r"(no_tls), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory", "cc");
#elif defined(__aarch64__)
	register long nr __asm__("x8") = SYS_clone;
	register long x0 __asm__("x0") = (long)flags;
	register void *x1 __asm__("x1") = sp;
	register long x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "ldp x1, x0, [sp], #16\n\t"
			 "blr x1\n\t"
			 "mov x8, %[exit]\n\t"
			 "svc #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(nr), "r"(x1), "r"(x2), "r"(x3), "r"(x4), [exit] "i"(SYS_exit)
			 : "memory", "cc");
	r = x0;
#else
	(void)sp;
	(void)flags;
	r = -ENOSYS;
#endif
	if (r < 0) {
		errno = (int)-r;
		return -1;
	}
	return (int)r;
}
