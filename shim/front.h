/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The front ends above containers and volumes, and what they share. */
#include <kshim/cli.h>

/* The verbs of volumes, pods and care; ends with name NULL. */
extern const struct ks_verb ks_storage_verbs[];

struct ks_front {
	struct ks_cli *cli;
};

/* Joins containers with the volumes of their pods; valid for as long as @f. */
struct ks_storage ks_front_storage(struct ks_front *f);
