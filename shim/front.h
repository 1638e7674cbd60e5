/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The front ends above containers and volumes, and what they share. */
#include <kshim/cli.h>
#include <kshim/pod.h>

/* The verbs of volumes, pods and care; ends with name NULL. */
extern const struct ks_verb ks_storage_verbs[];

struct ks_front {
	struct ks_cli *cli;
	struct ks_pod_spec pod; /* of the container that is being created */
	bool fresh;		/* its uid is random: nobody can have it yet */
};

/* Joins containers with the volumes of their pods; valid for as long as @f. */
struct ks_storage ks_front_storage(struct ks_front *f);

/* Opens the state directory; owned by the caller. */
int ks_front_open_store(struct ks_cli *cli, struct ks_store *ret, struct ks_err *err);

/* Opens the runtime root and the state directory; both owned by the caller. */
int ks_front_open(struct ks_cli *cli, struct ks_store *store, int *root_fd, struct ks_err *err);
