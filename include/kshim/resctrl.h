/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shares of the caches and of the memory bandwidth (Intel RDT and the like), by
 * the kernel's resctrl file system: a directory for each class of service, whose
 * `schemata` has its limits and whose `tasks` its threads.
 *
 * Whoever changes more than one thing of it holds flock(2) on its root, as all
 * programs that use it are asked to.
 * Source: kernel arch/x86/resctrl.rst; runtime-spec config-linux.md, IntelRdt.
 */
#include <kshim/cgroup.h>
#include <kshim/spec.h>

/** struct ks_resctrl - where a container is; strings borrowed */
struct ks_resctrl {
	const char *group; /* directory below the root, "" for the root; NULL: nowhere */
	const char *id;	   /* of the container: the name of its monitoring group */
	bool remove;	   /* the class is this container's to remove: made for it, or half made */
	bool monitor;	   /* there is a monitoring group of it */
	uint64_t inode;	   /* of the class that is to be removed; 0: not known yet */
};

/**
 * ks_resctrl_plan() - where a container is to be, without any effect
 * @s: NULL: nowhere
 */
struct ks_resctrl ks_resctrl_plan(const struct ks_spec_intel_rdt *s, const char *id);

/** ks_resctrl_record_fn() - put on record what of @g is about to be made; 0 or -errno */
typedef int ks_resctrl_record_fn(void *data, const struct ks_resctrl *g, struct ks_err *err);

/**
 * ks_resctrl_make() - make the class and its limits, or hold them against one that is there
 * @g:      as ks_resctrl_plan() has it; gets .remove and .monitor
 * @record: called when it is known that nothing of the name is there, before it is made, and
 *          again with its inode
 *
 * A class that was named and is made is everybody's once it has its limits: .remove is for the
 * time before. On failure nothing that it made is left, or .remove says that it could not go.
 * Return: 0; -EOPNOTSUPP without a resctrl file system; -EEXIST where a class or monitoring group
 * of the container's name is there; -ENOENT where a class that is only named is not; -EINVAL where
 * it has other limits, or the kernel refuses them; -ENOSPC when there is no class left; -EBUSY
 * where somebody holds the lock; -errno.
 */
int ks_resctrl_make(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_resctrl *g,
		    ks_resctrl_record_fn *record, void *data, struct ks_err *err);

/**
 * ks_resctrl_open_join() - add what a child joins by to @j: two descriptors at the most
 *
 * Return: 0 or -errno; @j is the caller's to be done with in any case.
 */
int ks_resctrl_open_join(const struct ks_resctrl *g, struct ks_cgroup_join *j, struct ks_err *err);

/**
 * ks_resctrl_update() - other limits for its class, whoever else is in it
 * @s: what it gives of schemata; the rest does not count
 *
 * Return: 0; -EBADFD for a container without a class; else as ks_resctrl_make().
 */
int ks_resctrl_update(struct ks_arena *a, const struct ks_resctrl *g,
		      const struct ks_spec_intel_rdt *s, struct ks_err *err);

/**
 * ks_resctrl_remove() - remove what is the container's alone, when its processes are dead
 *
 * Waits two seconds at the most for them to be gone, and one for the lock. What somebody else's
 * process is in stays. Idempotent. Return: 0 or -errno.
 */
int ks_resctrl_remove(struct ks_arena *a, const struct ks_resctrl *g, struct ks_err *err);

/** ks_resctrl_write_stats() - as `events` has them: limits, and what the monitors count */
int ks_resctrl_write_stats(struct ks_arena *a, const struct ks_resctrl *g, struct ks_json_out *o,
			   struct ks_err *err);
