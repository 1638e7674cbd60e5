/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The files of resctrl, for who changes them and for who reads what they count. */
#include <kshim/json.h>
#include <kshim/resctrl.h>

/* Opens the root, wherever it is mounted, for who looks for @g; -EOPNOTSUPP where it is not. */
int ks_resctrl_open(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err);

/* Takes the lock of the root, which goes with its descriptor; -EBUSY after @timeout_ms. */
int ks_resctrl_lock(int root, unsigned int timeout_ms, struct ks_err *err);

/* Opens the directory of a class. */
int ks_resctrl_open_group(int root, const struct ks_resctrl *g, int *ret, struct ks_err *err);

/* The text of a file without the spaces and line ends around it; in the arena. */
int ks_resctrl_read(struct ks_arena *a, int dir, const char *file, const char **ret,
		    struct ks_err *err);

/* The error @r of what was tried, with what the kernel has to say of it. */
int ks_resctrl_fail(struct ks_arena *a, int root, int r, const char *what, struct ks_err *err);

/* The schemata of a spec in the order in which they are written; those behind win. */
int ks_schemata_list(struct ks_arena *a, const struct ks_spec_intel_rdt *s, struct ks_strv *ret,
		     struct ks_err *err);

/* Each by a write of its own: the kernel takes no domain twice in one. @dir: the class. */
int ks_schemata_write(struct ks_arena *a, int root, int dir, const struct ks_strv *lines,
		      struct ks_err *err);

/*
 * Of a class that is there: what is asked for must be so already; what is not may be anything.
 * -EINVAL naming the first limit that differs.
 */
int ks_schemata_compare(struct ks_arena *a, int root, int dir, const char *group,
			const struct ks_strv *lines, struct ks_err *err);
