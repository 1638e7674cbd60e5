/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Paths that somebody else chose. They are resolved below a root descriptor,
 * as chroot(2) would, and what was found is used by descriptor only: nothing
 * is resolved twice, so there is nothing to win by a race.
 *
 * Context of all: parent or child; no allocation.
 * Source: openat2(2), RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS.
 */
#include <stddef.h>
#include <sys/types.h>

#include <kshim/err.h>

/**
 * ks_path_open() - open a path inside a root
 * @root_fd: the root; borrowed
 * @path:    absolute or relative, both mean below @root_fd
 * @flags:   of open(2); O_CLOEXEC is added
 *
 * Return: the descriptor, owned by the caller, or -errno (no ks_err: mostly
 * the caller goes on from -ENOENT).
 */
int ks_path_open(int root_fd, const char *path, int flags);

/**
 * ks_path_mkdir() - make a directory and its parents inside a root
 * @mode: of those that are made
 *
 * Symlinks in the way are followed inside the root; a dangling one is an error.
 * Return: an O_PATH descriptor of the directory, or -errno.
 */
int ks_path_mkdir(int root_fd, const char *path, mode_t mode);

/**
 * ks_path_mkfile() - make an empty file, and its parents, unless there is something already
 *
 * Return: an O_PATH descriptor of it, or -errno.
 */
int ks_path_mkfile(int root_fd, const char *path, mode_t mode);

/**
 * ks_path_open_parent() - open, and make, the directory that holds a path's last component
 * @ret_name: points into @path at the last component; never "", "." or ".."
 *
 * Return: an O_PATH descriptor of the directory, or -errno.
 */
int ks_path_open_parent(int root_fd, const char *path, mode_t mode, const char **ret_name);

/**
 * ks_path_clean() - resolve "." and ".." and double slashes by the text alone
 * @buf: the absolute result; of at least strlen(@path) + 2 bytes
 *
 * Return: 0 or -ENAMETOOLONG.
 */
int ks_path_clean(const char *path, char *buf, size_t size);
