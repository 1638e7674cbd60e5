/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Options of the runtime handler: a containerd.runc.v1.Options, or a
 * runtimeoptions.v1.Options with the TOML of the configuration.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kshim/arena.h>
#include <kshim/err.h>

/* struct ks_shim_options - strings in the arena of the reading */
struct ks_shim_options {
	bool no_pivot, no_new_keyring, systemd_cgroup;
	uint32_t io_uid, io_gid;
	const char *root, *state_dir, *shim_cgroup; /* or NULL */
};

/** ks_options_read() - an Any of either type; 0, -EINVAL naming the key, -EOPNOTSUPP, -ENOMEM */
int ks_options_read(struct ks_arena *a, const char *type_url, const uint8_t *value, size_t len,
		    struct ks_shim_options *ret, struct ks_err *err);

/** ks_options_read_toml() - "Key = value" lines, as in the options table of a handler */
int ks_options_read_toml(struct ks_arena *a, const char *text, size_t len,
			 struct ks_shim_options *ret, struct ks_err *err);

/** ks_options_save() - for the `delete` that comes when the shim is gone; into the bundle */
int ks_options_save(const char *bundle, const struct ks_shim_options *o, struct ks_err *err);
/** ks_options_load() - what was saved; defaults when nothing was */
int ks_options_load(struct ks_arena *a, const char *bundle, struct ks_shim_options *ret,
		    struct ks_err *err);
