/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The runtime root: one directory for each container, with what must be known
 * of it until it is deleted.
 *
 *	/run/kshim/ID/state.json   this record
 *	           ID/process.json the process of its config.json, for exec
 *	           ID/config.json  the container's own copy: later edits of the bundle's have no
 *effect ID/start.sock   there until `start`; the init process listens on it ID/lock         held by
 *the verb that changes the container; goes last
 *
 * Source: docs/formats/runtime-root.md.
 */
#include <stdbool.h>
#include <sys/types.h>

#include <kshim/json.h>
#include <kshim/process.h>

enum ks_status {
	KS_STATUS_CREATING, /* a create is at work, or died at it */
	KS_STATUS_CREATED,
	KS_STATUS_RUNNING,
	KS_STATUS_PAUSED,
	KS_STATUS_STOPPED,
};

/** ks_status_name() - as the OCI spec spells it */
const char *ks_status_name(enum ks_status s);

/** struct ks_container - the record of a container; strings in an arena */
struct ks_container {
	const char *id, *bundle, *rootfs, *created, *oci_version;
	const char *cgroup_path;
	const char *freezer; /* file that tells whether it is paused, or NULL */
	const char *storage; /* reference of its pod's storage, or NULL */
	const char *boot_id;
	uint32_t owner_uid;
	bool systemd;	     /* the cgroup is a scope of systemd */
	bool cgroup_made;    /* the cgroup is this container's, not only its plan */
	bool own_pidns;	     /* all its processes end with its first */
	bool no_new_keyring; /* its processes keep the caller's session keyring */
	/* What start, exec and delete need of the spec, so that they need not read it again. */
	bool poststart, poststop;		       /* it has such hooks */
	const char *seccomp;			       /* name of the compiled program, or NULL */
	uint32_t seccomp_flags;			       /* of seccomp(2) */
	const char *listener_path, *listener_metadata; /* of a filter that notifies, or NULL */
	struct ks_opt_u64 personality;
	/* Its class of service, as struct ks_resctrl has it; NULL: none */
	const char *resctrl;
	bool resctrl_remove, resctrl_monitor;
	struct ks_opt_u64 resctrl_inode;
	struct ks_opt_u64 pid, start_time; /* of init; unset while creating */
	struct ks_map annotations;
};

#define KS_STATE_ABSENT 1

/**
 * ks_state_open_root() - open the runtime root, made with mode 0700
 * @ret_fd: owned by the caller
 *
 * Return: 0; -EPERM when somebody else than the caller could have written there; -errno.
 */
int ks_state_open_root(const char *path, int *ret_fd, struct ks_err *err);

/**
 * ks_state_create() - claim an id
 * @ret_dir:  the container's directory; owned
 * @ret_lock: its lock; owned
 *
 * Return: 0; -EEXIST when the id is in use; -EINVAL for a bad id; -errno.
 */
int ks_state_create(int root_fd, const char *id, int *ret_dir, int *ret_lock, struct ks_err *err);

/**
 * ks_state_open() - open an existing container
 * @ret_lock: its lock, owned; NULL to look without one
 *
 * Return: 0; -ENOENT with `container "x" does not exist`; -EBUSY; -errno.
 */
int ks_state_open(int root_fd, const char *id, int *ret_dir, int *ret_lock, struct ks_err *err);

/** ks_state_save() - replace the record; rename without fsync: the root need not survive a reboot
 */
int ks_state_save(int dir_fd, const struct ks_container *c, struct ks_err *err);

/** ks_state_load() - 0, KS_STATE_ABSENT when the directory has no record yet, or -errno */
int ks_state_load(struct ks_arena *a, int dir_fd, struct ks_container *ret, struct ks_err *err);

/** ks_state_lives() - whether init lives, by pid, start time and boot id; false while creating */
bool ks_state_lives(const struct ks_container *c);

/** ks_state_frozen() - whether its cgroup is paused; that init lives is for the caller to know */
bool ks_state_frozen(const struct ks_container *c);

/** ks_state_status() - asks the kernel: both of these, and whether start is due */
enum ks_status ks_state_status(int dir_fd, const struct ks_container *c);

/** ks_state_remove() - remove a container's directory and all files in it */
int ks_state_remove(int root_fd, const char *id, struct ks_err *err);

/** ks_state_list() - the ids in the runtime root */
int ks_state_list(struct ks_arena *a, int root_fd, struct ks_strv *ret, struct ks_err *err);

/** ks_state_owner() - who made it: "root", or the number of a user */
const char *ks_state_owner(const struct ks_container *c, char buf[static 16]);

/** ks_state_write_oci() - the OCI state object, as the `state` verb prints it and hooks get it */
void ks_state_write_oci(const struct ks_container *c, enum ks_status status, struct ks_json_out *o);

/** ks_state_put_oci() - the members of that object, into one that is open */
void ks_state_put_oci(const struct ks_container *c, enum ks_status status, struct ks_json_out *o);
