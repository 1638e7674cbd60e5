/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The state directory and the volumes in it.
 *
 * A volume is formatted once, when it is made, with a UUID that was chosen
 * and journalled before. Attaching compares, checks and mounts; it never
 * formats. Deleting is only ever done by ks_volume_delete().
 * Source: docs/formats/state-directory.md.
 */
#include <stdbool.h>
#include <stdint.h>

#include <kshim/json.h>

#define KS_DEFAULT_NAMESPACE "default"
#define KS_VOLUME_MIN_BYTES  (16ULL << 20)
#define KS_VOLUME_MAX_BYTES  (64ULL << 40) /* what ext4 with 4 KiB blocks is tested with */

/** struct ks_store - the open state directory */
struct ks_store {
	const char *path; /* absolute; borrowed */
	int fd;		  /* owned */
	int locks_fd;	  /* owned */
	/* Whether a process is in a container's cgroup; set by the front end, NULL: nobody knows.
	 */
	bool (*populated)(const char *cgroup_path);
};

/** ks_store_open() - open the state directory, made when missing; refuses one of a newer format */
int ks_store_open(const char *path, struct ks_store *ret, struct ks_err *err);
void ks_store_close(struct ks_store *s);

enum ks_fsck_policy {
	KS_FSCK_REPAIR, /* what a tool repairs without asking; else refuse */
	KS_FSCK_REFUSE, /* any error refuses */
};

/** ks_fsck_name() - "repair" or "refuse"; ks_fsck_parse() - the policy of that name, or -EINVAL */
const char *ks_fsck_name(int policy);
int ks_fsck_parse(const char *s);

/** struct ks_volume - the record of a volume; strings in an arena */
struct ks_volume {
	const char *ns, *claim;
	const char *uid; /* of the record, random */
	const char *fs_type, *fs_uuid, *created;
	struct ks_opt_u64 size_bytes;
	int fsck; /* enum ks_fsck_policy */
	/* While attached, and after a crash until recovery: by which pod. */
	const char *attached_uid, *attached_boot_id;
	uint64_t generation;
};

/** struct ks_volume_params - what a new volume is to be */
struct ks_volume_params {
	const char *ns, *claim;
	uint64_t size_bytes;
	const char *fs_type; /* NULL: the policy's, or ext4 */
	int fsck;	     /* enum ks_fsck_policy; negative: the policy's, or repair */
};

/**
 * ks_volume_create() - make and format a volume
 *
 * Context: blocks (mkfs).
 * Return: 0; -EEXIST; -EINVAL; -EPERM for what the operator's policy does not allow; -EBUSY when
 * its claim is being worked on; -ENOSPC, also by the policy; -errno.
 */
int ks_volume_create(struct ks_arena *a, struct ks_store *s, const struct ks_volume_params *p,
		     struct ks_volume *ret, struct ks_err *err);

/** ks_volume_load() - read a record; -ENOENT with `volume "ns/claim" does not exist` */
int ks_volume_load(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		   struct ks_volume *ret, struct ks_err *err);

/** struct ks_volumes - a list */
struct ks_volumes {
	struct ks_volume *v;
	size_t n;
	struct ks_strv damaged; /* what is there and is no record that can be read */
};

/** ks_volume_list() - all volumes of a namespace, or of all when @ns is NULL */
int ks_volume_list(struct ks_arena *a, struct ks_store *s, const char *ns, struct ks_volumes *ret,
		   struct ks_err *err);

/**
 * ks_volume_delete() - delete a volume and its data
 *
 * Return: 0; -ENOENT; -EBUSY naming the pod that has it; -errno.
 */
int ks_volume_delete(struct ks_arena *a, struct ks_store *s, const char *ns, const char *claim,
		     struct ks_err *err);

/** ks_volume_in_use() - whether a pod's keeper, or another command, holds the volume now */
bool ks_volume_in_use(struct ks_store *s, const char *ns, const char *claim);

/** struct ks_gc - what a repair found; counts and lines for people */
struct ks_gc {
	struct ks_arena *arena;
	struct ks_strv lines;
	unsigned int repaired, kept;
};

/** ks_gc_note() - add a line */
void ks_gc_note(struct ks_gc *gc, bool repaired, const char *fmt, ...) KS_PRINTF(3, 4);

/** ks_volume_gc() - finish or undo interrupted creates and deletes, empty the trash */
int ks_volume_gc(struct ks_store *s, struct ks_gc *gc, struct ks_err *err);
