/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the node's operator lets volumes be: /etc/kshim/kshim.json, or the file
 * that $KSHIM_POLICY names. It is asked when a volume is made, and never of one
 * that is there: what it says later takes no pod's disk away.
 *
 * Source: docs/formats/policy.md.
 */
#include "volume.h"

#define KS_POLICY_DIR  "/etc/kshim"
#define KS_POLICY_FILE KS_POLICY_DIR "/kshim.json"

/* struct ks_policy - strings in an arena; all zero is no limit at all. */
struct ks_policy {
	const char *path;		       /* for messages */
	struct ks_opt_u64 capacity, max_bytes; /* of all volumes together, of each */
	struct ks_opt_u64 ns_capacity;	       /* of a namespace that is not listed */
	struct ks_map namespaces;	       /* name -> capacity, as a quantity */
	struct ks_strv fs_types;	       /* none: every one that kshim knows */
	int fsck;			       /* of a volume that says nothing of it */
};

/* Reads the file; without one there is no limit. One that is wrong is an error. */
int ks_policy_load(struct ks_arena *a, struct ks_policy *ret, struct ks_err *err);

/* Fills in what @p leaves open, and refuses what it may not be: -EPERM. */
int ks_policy_apply(const struct ks_policy *pol, struct ks_volume_params *p, struct ks_err *err);

/*
 * Whether there is room for @p. *ret_lock keeps others from asking until the new volume stands in
 * the journal; owned, -EBADF where nothing is limited. Costs a look at every volume only where
 * something is. -ENOSPC when there is none.
 */
int ks_policy_admit(struct ks_arena *a, struct ks_store *s, const struct ks_policy *pol,
		    const struct ks_volume_params *p, int *ret_lock, struct ks_err *err);
