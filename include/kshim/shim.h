/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The containerd shim: one process for a pod, that runs its containers and
 * answers containerd's task service.
 */
#include <kshim/run.h>

#define KS_SHIM_NAME	"containerd-shim-kshim-v2"
#define KS_SHIM_RUNTIME "io.containerd.kshim.v2"

/** struct ks_shim_env - what the front end gives the shim */
struct ks_shim_env {
	/* Where containers meet their volumes, for these directories; valid until the next call. */
	const struct ks_storage *(*storage)(void *data, const char *root, const char *state_dir);
	void *data;
};

/**
 * ks_shim_main() - the program under containerd: start, delete, -info, -v, or the server itself
 *
 * Return: the exit code.
 * Source: docs/protocol/shim.md; containerd-shim-kshim-v2(8).
 */
int ks_shim_main(int argc, char **argv, const struct ks_shim_env *env);
