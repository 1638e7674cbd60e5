/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <kshim/run.h>

/* Runs hooks in the host's namespaces with the container's state as their input. */
int ks_hooks_run_list(const struct ks_list *list, const char *kind, const struct ks_container *c,
		      enum ks_status status, struct ks_err *err);
