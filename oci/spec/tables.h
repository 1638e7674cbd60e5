/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tables and checks that the files of this folder share. */
#include <kshim/spec.h>

extern const struct ks_json_field ks_process_fields[];
extern const struct ks_json_field ks_linux_fields[];

/* What the tables cannot say about a process; also reads additionalGids. */
int ks_process_check(struct ks_json_ctx *ctx, struct ks_spec_process *p);
