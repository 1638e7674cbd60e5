/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/lock.h>

#include <fcntl.h>
#include <time.h>

#include <kshim/fd.h>

#define POLL_MS 5

int ks_lock_open(int dirfd, const char *name, unsigned int timeout_ms, int *ret_fd,
		 struct ks_err *err)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	ks_auto_fd int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ks_err_set(err, -errno, "open lock %s", name);
	/* Polled, since a blocking F_OFD_SETLKW could only be ended by a signal. */
	for (unsigned int waited = 0;; waited += POLL_MS) {
		if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
			break;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return ks_err_set(err, -errno, "lock %s", name);
		if (waited >= timeout_ms)
			return KS_LOCK_HELD;
		nanosleep(&pause, NULL);
	}
	*ret_fd = KS_TAKE_FD(fd);
	return 0;
}

bool ks_lock_held(int dirfd, const char *name)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	ks_auto_fd int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}
