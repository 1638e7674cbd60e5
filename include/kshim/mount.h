/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mounts by descriptor: what is mounted and where is held open, nothing is
 * named twice. Needs Linux 5.12 (mount_setattr).
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kshim/arena.h>
#include <kshim/err.h>
#include <kshim/str.h>

/** struct ks_mount_opts - mount options, sorted by who takes them */
struct ks_mount_opts {
	uint64_t attr_set, attr_clr; /* MOUNT_ATTR_* of this mount */
	uint64_t rec_set, rec_clr;   /* of this mount and all below: "rro", … */
	uint64_t propagation;	     /* MS_PRIVATE, … or 0 */
	bool propagation_rec;
	bool bind, recursive;  /* "bind", "rbind" */
	bool copy_up;	       /* "tmpcopyup" */
	bool remount;	       /* "remount": only change what is mounted there */
	bool idmap, idmap_rec; /* "idmap", "ridmap" */
	struct ks_strv super;  /* of the superblock: not for a bind mount */
	struct ks_strv fs;     /* for the file system: one option each, which may hold commas */
};

/**
 * ks_mount_parse_options() - sort a list of options
 *
 * What is no generic option is left to the file system, which refuses what it does not know.
 * Return: 0 or -ENOMEM.
 * Source: OCI config.md, "Linux mount options"; mount(8).
 */
int ks_mount_parse_options(struct ks_arena *a, const struct ks_strv *options,
			   struct ks_mount_opts *ret, struct ks_err *err);

/** ks_mount_option_name() - the option of that index, for `features`; NULL behind the last */
const char *ks_mount_option_name(size_t i);

/**
 * ks_mount_clone() - clone a mount, or a tree of mounts, into a detached one
 * @dirfd:     with @path "" the source itself (may be O_PATH); borrowed
 * @recursive: the mounts below as well
 * @ret_fd:    the detached mount; owned by the caller
 *
 * Context: parent or child; no allocation; needs CAP_SYS_ADMIN.
 * Return: 0 or -errno.
 * Source: open_tree(2).
 */
int ks_mount_clone(int dirfd, const char *path, bool recursive, int *ret_fd, struct ks_err *err);

/**
 * ks_mount_new() - make a file system instance and a detached mount of it
 * @type:   such as "tmpfs"
 * @source: shown in the mount table; may be NULL
 * @data:   options of the file system, comma list; may be NULL
 * @attr:   MOUNT_ATTR_* bits
 *
 * The message of a failure holds what the file system said about its options.
 * Context: parent or child; no allocation; needs CAP_SYS_ADMIN.
 * Source: fsopen(2), fsconfig(2), fsmount(2).
 */
int ks_mount_new(const char *type, const char *source, const char *data, uint64_t attr, int *ret_fd,
		 struct ks_err *err);

/** ks_mount_new_list() - the same with one option in each string; a value may hold commas */
int ks_mount_new_list(const char *type, const char *source, const struct ks_strv *options,
		      uint64_t attr, int *ret_fd, struct ks_err *err);

/**
 * ks_mount_reconfigure() - other options for the file system behind a mount, whoever else has it
 *
 * Context: parent or child. Return: 0 or -errno.
 */
int ks_mount_reconfigure(int mount_fd, const struct ks_strv *options, struct ks_err *err);

/** ks_mount_set() - change attributes of the mount behind @fd; 0 or -errno; mount_setattr(2) */
int ks_mount_set(int fd, uint64_t set, uint64_t clr, bool recursive, struct ks_err *err);

/** ks_mount_propagate() - MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE; 0 or -errno */
int ks_mount_propagate(int fd, uint64_t propagation, bool recursive, struct ks_err *err);

/** ks_mount_idmap() - let a detached mount show ids through a user namespace; 0 or -errno */
int ks_mount_idmap(int fd, int userns_fd, bool recursive, struct ks_err *err);

/** ks_mount_attach() - put a detached mount on a target, both by descriptor; 0 or -errno */
int ks_mount_attach(int mount_fd, int target_fd, struct ks_err *err);

/** ks_selinux_enabled() - whether labels of SELinux mean something on this host */
bool ks_selinux_enabled(void);

/** ks_selinux_label() - label a directory itself, not what is in it; 0 or -errno */
int ks_selinux_label(int dir_fd, const char *label, struct ks_err *err);

/** struct ks_mount_request - a mount that volumes hand to a container */
struct ks_mount_request {
	int fd;		    /* detached mount; owned by the request */
	const char *target; /* path in the container */
	const char *name;   /* of the volume, for messages */
	bool readonly;
};

/** struct ks_mount_requests - what a container gets of its pod */
struct ks_mount_requests {
	struct ks_mount_request *v; /* in an arena; the descriptors are the receiver's */
	size_t n;
	const char *hostname; /* of the pod's identity, or NULL */
};

/**
 * ks_mount_holders() - who has a block device mounted, in any mount namespace
 * @dev: st_rdev of the device
 * @buf: "mysqld (pid 4711), …" or empty; at most three are named
 *
 * Context: parent; reads /proc of every process; needs libmount at run time.
 * Return: how many processes were found, or -errno.
 */
int ks_mount_holders(dev_t dev, char *buf, size_t size);
