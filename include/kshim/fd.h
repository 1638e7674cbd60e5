/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * File descriptors and small files. The empty descriptor is -EBADF; every
 * descriptor that kshim opens is close-on-exec.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <kshim/arena.h>
#include <kshim/err.h>

/** ks_fd_close() - close @fd if there is one; keeps errno; returns -EBADF */
int ks_fd_close(int fd);

static inline void ks_cleanup_fd(int *fd)
{
	*fd = ks_fd_close(*fd);
}

#define ks_auto_fd KS_CLEANUP(ks_cleanup_fd)

/**
 * ks_fd_read_all() - read a whole file into an arena
 * @fd:       readable; borrowed; read from its present offset
 * @max:      bytes that are accepted; a longer file is -EFBIG
 * @ret_text: terminated text; owned by @a
 * @ret_len:  its length, or NULL
 *
 * Return: 0, -EFBIG, or -errno.
 */
int ks_fd_read_all(struct ks_arena *a, int fd, size_t max, char **ret_text, size_t *ret_len);

/** ks_fd_write_all() - write @len bytes, however often write(2) must be called; 0 or -errno */
int ks_fd_write_all(int fd, const void *buf, size_t len);

/**
 * ks_file_read_at() - open and read a small file below a directory
 * @dirfd: borrowed, or AT_FDCWD
 * @path:  must be trusted: the last component only is not followed
 *
 * Return: as ks_fd_read_all().
 */
int ks_file_read_at(struct ks_arena *a, int dirfd, const char *path, size_t max, char **ret_text,
		    size_t *ret_len);

/**
 * ks_file_write_at() - write a string to an existing file, as proc and cgroup files want it
 *
 * Context: parent or child; async-signal-safe.
 * Return: 0 or -errno, also for a short write.
 */
int ks_file_write_at(int dirfd, const char *path, const char *text);

/**
 * ks_mkdir_p_at() - make a trusted directory and its parents
 * @path: relative to @dirfd or absolute
 * @mode: of those that are made
 *
 * Return: 0 or -errno.
 */
int ks_mkdir_p_at(int dirfd, const char *path, mode_t mode);

/** ks_fd_stdio_null() - point descriptors 0, 1 and 2 at /dev/null; 0 or -errno */
int ks_fd_stdio_null(void);

/**
 * ks_fd_reserve_stdio() - open /dev/null on each of 0, 1 and 2 that is closed
 *
 * So that no descriptor of ours ever is mistaken for standard output.
 * Return: 0 or -errno.
 */
int ks_fd_reserve_stdio(void);

/**
 * ks_fd_close_others() - close every descriptor from a number on but those of a list
 * @first: the lowest that is closed
 * @keep:  their numbers; sorted by the call; negative ones are passed over
 *
 * For a process that outlives its caller: it must hold none of the caller's pipes and locks.
 * Context: parent or child; async-signal-safe.
 * Return: 0 or -errno.
 */
int ks_fd_close_others(unsigned int first, int *keep, size_t n);
