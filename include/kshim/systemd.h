/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The systemd cgroup driver: a container's cgroup is a transient scope.
 *
 * cgroup v2 alone. Source: systemd's "Control Group APIs and Delegation"; the
 * form of cgroupsPath and the annotations are runc's.
 */
#include <kshim/cgroup.h>

/** struct ks_scope - the placeholder that holds a scope until the container is in it; zeroed: none
 */
struct ks_scope {
	pid_t pid;
	int sock; /* owned */
};

/**
 * ks_systemd_path() - where the scope of a container is
 * @spec_path: linux.cgroupsPath, "slice:prefix:name", or NULL for "system.slice:kshim:ID"
 *
 * Below the user's own manager for all but root.
 * Return: 0, -EINVAL.
 */
int ks_systemd_path(struct ks_arena *a, const char *spec_path, const char *id, const char **ret,
		    struct ks_err *err);

/**
 * ks_scope_start() - make the scope at cg->path, delegated, without limits yet
 * @id:          of the container, for the scope's description
 * @annotations: "org.systemd.property.NAME" are further properties
 * @ret:         ks_scope_done() is due when the container's process is in it
 *
 * Context: blocks until systemd has done it.
 * Return: 0; -EOPNOTSUPP where systemd is not the first process, or cgroup v1 is used; -errno.
 */
int ks_scope_start(struct ks_arena *a, const struct ks_cgroup *cg, const char *id,
		   const struct ks_map *annotations, struct ks_scope *ret, struct ks_err *err);
void ks_scope_done(struct ks_scope *s);

/**
 * ks_scope_update() - tell systemd of the limits that are in force
 *
 * After ks_cgroup_apply(). What systemd does not know it would set back at its next reload.
 * It writes them again, cpu.max in whole percents, rounded up.
 */
int ks_scope_update(struct ks_arena *a, const struct ks_cgroup *cg, struct ks_err *err);

/** ks_scope_stop() - forget the scope, so that its name is free at once; a failure does no harm */
void ks_scope_stop(struct ks_arena *a, const char *path);
