/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of this folder share about the state directory. */
#include <kshim/volume.h>

/*
 * Lock order: identity, then incarnation (pod.h), then volumes, then the policy. A lock file in
 * locks/ is never removed, since a process may wait for it.
 */

/* Takes the lock of an object: kind "identity", "volume" or "policy"; 0, KS_LOCK_HELD, -errno. */
int ks_store_lock(struct ks_store *s, const char *kind, const char *ns, const char *name,
		  unsigned int timeout_ms, int *ret_fd, struct ks_err *err);

/* Whether somebody holds it now; for lists and messages, since it may change at once. */
bool ks_store_locked(struct ks_store *s, const char *kind, const char *ns, const char *name);

/* Opens a directory below the store; with @make it and its parents are made, durably. */
int ks_store_open_dir(struct ks_store *s, const char *path, bool make, int *ret_fd,
		      struct ks_err *err);

/* Names of the entries of a directory below the store, sorted, without dots; empty when it is
 * missing. */
int ks_store_list(struct ks_arena *a, struct ks_store *s, const char *path, struct ks_strv *ret,
		  struct ks_err *err);

/*
 * Moves a directory into trash/ under a name of its own, durably. What is
 * moved is gone for every reader; ks_trash_purge() gives its space back.
 */
int ks_trash_put(struct ks_store *s, int parent_fd, const char *name, struct ks_err *err);

/* Deletes everything in trash/; never crosses a mount, never follows a link; resumable. */
int ks_trash_purge(struct ks_store *s, unsigned int *ret_n, struct ks_err *err);

/* Namespace and claim or pod name as Kubernetes allows them. */
int ks_check_names(const char *ns, const char *name, const char *what, struct ks_err *err);
