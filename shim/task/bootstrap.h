/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How containerd calls the binary, and what it is told. */
#include "task.h"

#define KS_SHIM_LISTEN_FD 3 /* the server's socket, from `start` */

/* struct ks_shim_args - the command line, as Go's flag package reads one */
struct ks_shim_args {
	const char *ns, *id, *address, *publish_binary, *bundle, *socket, *debug_socket;
	bool debug, version, info;
	const char *action; /* "start", "delete", or NULL: serve */
};

/* The server: until the pod is gone. */
int ks_shim_serve(const struct ks_shim_args *args, const struct ks_shim_env *env,
		  struct ks_err *err);
/* start: finds or starts the pod's server, and prints its address. */
int ks_shim_start(const struct ks_shim_args *args, struct ks_err *err);
/* delete: leaves nothing of a container, with or without a server. */
int ks_shim_delete(const struct ks_shim_args *args, const struct ks_shim_env *env,
		   struct ks_err *err);
/* -info */
int ks_shim_info(struct ks_err *err);

/* The path of a group's socket; @buf of PATH_MAX bytes. */
void ks_shim_socket_path(const char *dir, const char *address, const char *ns, const char *group,
			 char *buf);
