/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The directories of a container, as the files of this folder see them. */
#include <limits.h>

#include <kshim/cgroup.h>

#define KS_CGROUP_ROOT "/sys/fs/cgroup"

/* The v1 hierarchies, and behind them the v2 one when there is one. */
size_t ks_cgroup_n_hierarchies(const struct ks_cgroup *cg);

/* The container's directory in one of them; @buf of PATH_MAX bytes. */
void ks_cgroup_hierarchy_dir(const struct ks_cgroup *cg, size_t i, char *buf);

/* Whether a path has a component "..". */
bool ks_cgroup_goes_up(const char *path);

/* Whether a comma list names the controller. */
bool ks_cgroup_has_controller(const char *list, const char *name);

/* Calls @fn for the directory and all below, children first; 0 or what @fn returned. */
int ks_cgroup_walk(const char *dir, int level, int (*fn)(const char *dir, void *data), void *data);

/* How many processes are in a directory and below; -errno. */
int ks_cgroup_count(const char *dir, size_t *ret);
