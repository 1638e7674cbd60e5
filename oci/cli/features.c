/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this runtime recognizes, from the tables that its parsers use.
 * Source: runtime-spec 1.3, features.md and features-linux.md.
 */
#include "verbs.h"

static void put_names(struct ks_json_out *o, const char *key, const struct ks_json_name *n)
{
	ks_json_open(o, key, '[');
	for (; n->name; n++)
		ks_json_put_str(o, NULL, n->name);
	ks_json_close(o, ']');
}

static void put_flag(struct ks_json_out *o, const char *key, const char *member, bool value)
{
	ks_json_open(o, key, '{');
	ks_json_put_bool(o, member, value);
	ks_json_close(o, '}');
}

static void put_linux(struct ks_json_out *o)
{
	ks_json_open(o, "linux", '{');
	put_names(o, "namespaces", ks_ns_names);
	ks_caps_write_features(o);
	ks_json_open(o, "cgroup", '{');
	ks_json_put_bool(o, "v1", true);
	ks_json_put_bool(o, "v2", true);
	ks_json_put_bool(o, "systemd", true);
	ks_json_put_bool(o, "systemdUser", true);
	ks_json_put_bool(o, "rdma", true);
	ks_json_close(o, '}');
	ks_seccomp_write_features(o);
	put_flag(o, "apparmor", "enabled", true);
	put_flag(o, "selinux", "enabled", true);
	ks_json_open(o, "intelRdt", '{');
	ks_json_put_bool(o, "enabled", true);
	ks_json_put_bool(o, "schemata", true);
	ks_json_put_bool(o, "monitoring", true);
	ks_json_close(o, '}');
	ks_json_open(o, "memoryPolicy", '{');
	put_names(o, "modes", ks_memory_modes);
	put_names(o, "flags", ks_memory_flags);
	ks_json_close(o, '}');
	ks_json_open(o, "mountExtensions", '{');
	put_flag(o, "idmap", "enabled", true);
	ks_json_close(o, '}');
	put_flag(o, "netDevices", "enabled", true);
	ks_json_close(o, '}');
}

int ks_features_write(struct ks_arena *a, struct ks_json_out *o, struct ks_err *err)
{
	struct ks_strv options = { 0 };

	for (size_t i = 0; ks_mount_option_name(i); i++)
		if (ks_strv_append(a, &options, ks_mount_option_name(i)) < 0)
			return ks_err_oom(err);
	ks_strv_sort(&options);
	ks_json_open(o, NULL, '{');
	ks_json_put_str(o, "ociVersionMin", "1.0.0");
	ks_json_put_str(o, "ociVersionMax", KS_OCI_VERSION);
	ks_json_open(o, "hooks", '[');
	for (size_t i = 0; ks_spec_hook_names[i]; i++)
		ks_json_put_str(o, NULL, ks_spec_hook_names[i]);
	ks_json_close(o, ']');
	ks_json_put_strv(o, "mountOptions", &options);
	put_linux(o);
	/* Whoever writes these of a pod can do more than run it: an engine that passes them on
	 * must know. */
	ks_json_open(o, "potentiallyUnsafeConfigAnnotations", '[');
	ks_json_put_str(o, NULL, "org.systemd.property.");
	ks_json_put_str(o, NULL, "dev.kshim.");
	ks_json_close(o, ']');
	ks_json_open(o, "annotations", '{');
	ks_json_put_str(o, "dev.kshim.version", KS_VERSION);
	ks_json_close(o, '}');
	ks_json_close(o, '}');
	return 0;
}

int ks_verb_features(struct ks_cli *cli, const void *opts, const struct ks_args *args,
		     struct ks_err *err)
{
	ks_auto_json_out struct ks_json_out out = { .pretty = true };

	(void)opts;
	(void)args;
	int r = ks_features_write(&cli->arena, &out, err);

	if (r < 0)
		return r;
	ks_buf_adds(&out.buf, "\n");
	return ks_cli_print(&out.buf, err);
}
