/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* File systems and loop devices: tools and ioctls, no policy of volumes. */
#include <sys/types.h>

#include <kshim/volume.h>

struct ks_fs_info {
	char type[32]; /* "" when nothing is recognised */
	char uuid[40];
};

/* Whether kshim can make and check this type. */
bool ks_fs_known(const char *type);

/* What libblkid reads from a device or file; two signatures at once are an error. */
int ks_fs_probe(int fd, const char *name, struct ks_fs_info *ret, struct ks_err *err);

/*
 * mkfs with a UUID, of the file that is open and no other that may have its
 * name by then. The one place that formats; called by ks_volume_create() alone.
 * @lock_fd: is held for as long as the tool runs, even if we are killed; or -1.
 */
int ks_fs_make(struct ks_arena *a, int image_fd, const char *type, const char *uuid, int lock_fd,
	       struct ks_err *err);

/* Checks before a mount, by the tool of the type; its exit code is a bitmask. @lock_fd: as above.
 */
int ks_fs_check(struct ks_arena *a, const char *dev, const char *type, int policy, int lock_fd,
		struct ks_err *err);

struct ks_loopdev {
	int fd; /* owned; keeps the device until a mount does */
	char path[32];
	dev_t rdev;
};

/* Attaches with autoclear and, where the file system can, direct I/O. */
int ks_loopdev_attach(int image_fd, const char *name, struct ks_loopdev *ret, struct ks_err *err);

#define KS_LOOPDEV_FOUND 1

/*
 * Looks for a loop device that has this file already: two would be two caches
 * over one disk. 0: there is none; KS_LOOPDEV_FOUND with its path; negative
 * when that cannot be told, which must count as found.
 */
int ks_loopdev_find(int image_fd, char path[static 32], struct ks_err *err);

/*
 * The kernel's word on whether a block device is in use anywhere: an
 * exclusive open. 0, or -EBUSY.
 */
int ks_loopdev_exclusive(int dev_dir_fd, const char *path);
