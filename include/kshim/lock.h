/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Lock files: open-file-description locks on files that are never replaced
 * and never unlinked while they may be in use. The kernel frees the lock when
 * the last descriptor is closed, however the holder ended.
 */
#include <stdbool.h>

#include <kshim/err.h>

#define KS_LOCK_HELD 1 /* somebody else holds it */

/**
 * ks_lock_open() - open a lock file and take its exclusive lock
 * @dirfd:      directory; borrowed
 * @name:       file name; created with mode 0600 when missing
 * @timeout_ms: 0 to try once; else how long to wait
 * @ret_fd:     descriptor that holds the lock; closing it frees the lock
 *
 * Return: 0, KS_LOCK_HELD, or -errno.
 * Source: fcntl(2), F_OFD_SETLK.
 */
int ks_lock_open(int dirfd, const char *name, unsigned int timeout_ms, int *ret_fd,
		 struct ks_err *err);

/**
 * ks_lock_held() - whether somebody holds a lock now
 *
 * Only asks: it neither takes the lock, which would turn others away, nor
 * makes the file. The answer may be old when it arrives.
 */
bool ks_lock_held(int dirfd, const char *name);
