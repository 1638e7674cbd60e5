/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The files of resctrl, for who changes them and for who reads what they count. */
#include <kshim/json.h>
#include <kshim/resctrl.h>

/* Opens the root, wherever it is mounted, for who looks for @g; -EOPNOTSUPP where it is not. */
int ks_resctrl_open(struct ks_arena *a, const struct ks_resctrl *g, int *ret, struct ks_err *err);

/* Opens the directory of a class. */
int ks_resctrl_open_group(int root, const struct ks_resctrl *g, int *ret, struct ks_err *err);

/* The text of a file without the spaces and line ends around it; in the arena. */
int ks_resctrl_read(struct ks_arena *a, int dir, const char *file, const char **ret,
		    struct ks_err *err);
