/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Identities, inside this folder. The caller of each holds the identity's lock. */
#include <kshim/pod.h>

#include "store.h"

void ks_identity_put(const struct ks_identity *id, struct ks_json_out *o);
int ks_identity_save(struct ks_store *s, struct ks_identity *id, struct ks_err *err);

/* Checks @p against the record, or makes it, and writes @uid as the holder. */
int ks_identity_take(struct ks_arena *a, struct ks_store *s, const struct ks_pod_spec *p,
		     const char *uid, const char *boot_id, struct ks_identity *ret,
		     struct ks_err *err);

/* Clears the holder when it is @uid. */
int ks_identity_give_up(struct ks_arena *a, struct ks_store *s, const char *ns, const char *name,
			const char *uid, struct ks_err *err);
