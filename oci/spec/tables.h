/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tables and checks that the files of this folder share. */
#include <kshim/spec.h>

extern const struct ks_json_field ks_process_fields[];
extern const struct ks_json_field ks_linux_fields[];
extern const struct ks_json_field ks_resources_fields[];
extern const struct ks_json_field ks_idmap_fields[];

/* What the tables cannot say about a process; also reads additionalGids. */
int ks_process_check(struct ks_json_ctx *ctx, struct ks_spec_process *p);

/* What they cannot say about resources; also reads rdma. */
int ks_resources_check(struct ks_json_ctx *ctx, struct ks_spec_resources *res);

/* The same of the linux object, with its resources. */
int ks_linux_check(struct ks_json_ctx *ctx, struct ks_spec_linux *l);

/* Names of flags to their bits; an unknown one is an error at @key. */
int ks_flags_read(struct ks_json_ctx *ctx, const char *key, const struct ks_strv *names,
		  const struct ks_json_name *known, uint64_t *ret);
