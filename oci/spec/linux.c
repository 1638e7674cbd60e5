/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "linux" object. What is refused here is known to the spec and not yet
 * acted on; a container must not start with less than it asked for.
 */
#include <limits.h>
#include <linux/mempolicy.h>
#include <net/if.h>
#include <string.h>
#include <sys/personality.h>

#include "tables.h"

const struct ks_json_name ks_ns_names[] = {
	{ "user", KS_NS_USER },	    { "pid", KS_NS_PID },   { "network", KS_NS_NETWORK },
	{ "ipc", KS_NS_IPC },	    { "uts", KS_NS_UTS },   { "mount", KS_NS_MOUNT },
	{ "cgroup", KS_NS_CGROUP }, { "time", KS_NS_TIME }, { NULL, 0 },
};

static const struct ks_json_field namespace_fields[] = {
	KS_ENUM(struct ks_spec_namespace, type, "type", KS_FIELD_REQUIRED, ks_ns_names),
	KS_STR(struct ks_spec_namespace, path, "path", 0),
	KS_END,
};

const struct ks_json_field ks_idmap_fields[] = {
	KS_U32(struct ks_spec_idmap, container_id, "containerID", KS_FIELD_REQUIRED),
	KS_U32(struct ks_spec_idmap, host_id, "hostID", KS_FIELD_REQUIRED),
	KS_U32(struct ks_spec_idmap, size, "size", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field device_fields[] = {
	KS_STR(struct ks_spec_device, path, "path", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_STR(struct ks_spec_device, type, "type", KS_FIELD_REQUIRED),
	KS_I64(struct ks_spec_device, major, "major"),
	KS_I64(struct ks_spec_device, minor, "minor"),
	KS_U64(struct ks_spec_device, file_mode, "fileMode", 0),
	KS_U64(struct ks_spec_device, uid, "uid", 0),
	KS_U64(struct ks_spec_device, gid, "gid", 0),
	KS_END,
};

static const struct ks_json_name domains[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
	{ NULL, 0 },
};

static const struct ks_json_field personality_fields[] = {
	KS_ENUM(struct ks_spec_personality, domain, "domain", KS_FIELD_REQUIRED, domains),
	KS_STRV(struct ks_spec_personality, flags, "flags", 0),
	KS_END,
};

const struct ks_json_name ks_memory_modes[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT },
	{ "MPOL_BIND", MPOL_BIND },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 }, /* Linux 6.9; not in older headers */
	{ "MPOL_PREFERRED", MPOL_PREFERRED },
	{ "MPOL_PREFERRED_MANY", 5 }, /* Linux 5.15 */
	{ "MPOL_LOCAL", MPOL_LOCAL },
	{ NULL, 0 },
};

const struct ks_json_name ks_memory_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 }, /* Linux 5.12 */
	{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
	{ NULL, 0 },
};

static const struct ks_json_field memory_policy_fields[] = {
	KS_ENUM(struct ks_spec_memory_policy, mode, "mode", KS_FIELD_REQUIRED, ks_memory_modes),
	KS_STR(struct ks_spec_memory_policy, nodes, "nodes", 0),
	KS_STRV(struct ks_spec_memory_policy, flag_names, "flags", 0),
	KS_END,
};

static const struct ks_json_field time_offset_fields[] = {
	KS_I64(struct ks_spec_time_offset, secs, "secs"),
	KS_U64(struct ks_spec_time_offset, nanosecs, "nanosecs", 0),
	KS_END,
};

static const struct ks_json_field net_device_fields[] = {
	KS_STR(struct ks_spec_net_device, name, "name", 0),
	KS_END,
};

static const struct ks_json_field intel_rdt_fields[] = {
	KS_STR(struct ks_spec_intel_rdt, clos_id, "closID", 0),
	KS_STR(struct ks_spec_intel_rdt, l3_cache_schema, "l3CacheSchema", 0),
	KS_STR(struct ks_spec_intel_rdt, mem_bw_schema, "memBwSchema", 0),
	KS_STRV(struct ks_spec_intel_rdt, schemata, "schemata", 0),
	KS_BOOL(struct ks_spec_intel_rdt, enable_monitoring, "enableMonitoring"),
	KS_END,
};

const struct ks_json_field ks_linux_fields[] = {
	KS_LIST(struct ks_spec_linux, namespaces, struct ks_spec_namespace, "namespaces",
		namespace_fields),
	KS_LIST(struct ks_spec_linux, uid_mappings, struct ks_spec_idmap, "uidMappings",
		ks_idmap_fields),
	KS_LIST(struct ks_spec_linux, gid_mappings, struct ks_spec_idmap, "gidMappings",
		ks_idmap_fields),
	KS_LIST(struct ks_spec_linux, devices, struct ks_spec_device, "devices", device_fields),
	KS_STR(struct ks_spec_linux, cgroups_path, "cgroupsPath", 0),
	KS_OBJ(struct ks_spec_linux, resources, "resources", ks_resources_fields),
	KS_STR(struct ks_spec_linux, rootfs_propagation, "rootfsPropagation", 0),
	KS_JSON_ANY(struct ks_spec_linux, seccomp, "seccomp", 0),
	KS_MAP(struct ks_spec_linux, sysctl, "sysctl"),
	KS_STRV(struct ks_spec_linux, masked_paths, "maskedPaths", 0),
	KS_STRV(struct ks_spec_linux, readonly_paths, "readonlyPaths", 0),
	KS_PTR(struct ks_spec_linux, intel_rdt, struct ks_spec_intel_rdt, "intelRdt",
	       intel_rdt_fields),
	KS_STR(struct ks_spec_linux, mount_label, "mountLabel", 0),
	KS_PTR(struct ks_spec_linux, personality, struct ks_spec_personality, "personality",
	       personality_fields),
	KS_DICT(struct ks_spec_linux, time_offsets, struct ks_spec_time_offset, "timeOffsets",
		time_offset_fields),
	KS_DICT(struct ks_spec_linux, net_devices, struct ks_spec_net_device, "netDevices",
		net_device_fields),
	KS_PTR(struct ks_spec_linux, memory_policy, struct ks_spec_memory_policy, "memoryPolicy",
	       memory_policy_fields),
	KS_END,
};

static int check_time_offsets(struct ks_json_ctx *ctx, const struct ks_list *l)
{
	const struct ks_spec_time_offset *v = l->v;
	size_t old = ks_json_enter(ctx, "timeOffsets", 0);

	for (size_t i = 0; i < l->n; i++) {
		if (!ks_streq(v[i].clock, "monotonic") && !ks_streq(v[i].clock, "boottime"))
			return ks_json_fail(ctx, v[i].clock, "is no clock of a time namespace");
		if (v[i].nanosecs.v > 999999999)
			return ks_json_fail(ctx, v[i].clock, "nanosecs: %llu is above 999999999",
					    (unsigned long long)v[i].nanosecs.v);
	}
	ks_json_leave(ctx, old);
	return 0;
}

/* What the kernel takes for a name; one "%d" is for it to fill in. */
static bool is_device_name(const char *s, bool pattern)
{
	const char *percent = strchr(s, '%');

	if (!*s || strlen(s) >= IFNAMSIZ || ks_streq(s, ".") || ks_streq(s, "..") ||
	    s[strcspn(s, "/: \t\n\v\f\r")])
		return false;
	return !percent || (pattern && percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static const char *inner_name(const struct ks_spec_net_device *d)
{
	return ks_str_empty(d->name) ? d->host_name : d->name;
}

static int check_net_devices(struct ks_json_ctx *ctx, const struct ks_list *l)
{
	const struct ks_spec_net_device *v = l->v;
	size_t old = ks_json_enter(ctx, "netDevices", 0);

	for (size_t i = 0; i < l->n; i++) {
		if (!is_device_name(v[i].host_name, false))
			return ks_json_fail(ctx, v[i].host_name, "is no name of a network device");
		if (!ks_str_empty(v[i].name) && !is_device_name(v[i].name, true))
			return ks_json_fail(ctx, v[i].host_name,
					    "name: \"%.*s\" is no name of a network device", 64,
					    v[i].name);
		for (size_t k = 0; k < i; k++)
			if (ks_streq(inner_name(&v[k]), inner_name(&v[i])) &&
			    !strchr(inner_name(&v[i]), '%'))
				return ks_json_fail(ctx, v[i].host_name, "two devices are to be %s",
						    inner_name(&v[i]));
	}
	ks_json_leave(ctx, old);
	return 0;
}

/* The name of one directory that is not one of resctrl's own, or "/". */
static bool is_class(const char *s)
{
	static const char *const taken[] = { ".", "..", "info", "mon_groups", "mon_data" };

	for (size_t i = 0; i < KS_ARRAY_LEN(taken); i++)
		if (ks_streq(s, taken[i]))
			return false;
	return ks_streq(s, "/") || (!strpbrk(s, "/\n") && strlen(s) <= NAME_MAX);
}

bool ks_is_mem_bw_schema(const char *s)
{
	return ks_str_prefix(s, "MB:") && !strchr(s, '\n');
}

static int check_intel_rdt(struct ks_json_ctx *ctx, const struct ks_spec_intel_rdt *rdt)
{
	const char *mb = rdt->mem_bw_schema;

	if (rdt->clos_id && !is_class(rdt->clos_id))
		return ks_json_fail(ctx, "intelRdt.closID",
				    "\"%.*s\" is no name of a class of service", 64, rdt->clos_id);
	if (!ks_str_empty(mb) && !ks_is_mem_bw_schema(mb))
		return ks_json_fail(ctx, "intelRdt.memBwSchema",
				    "\"%.*s\" is no line that begins with MB:", 64, mb);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		if (strchr(rdt->schemata.v[i], '\n'))
			return ks_json_fail(ctx, "intelRdt.schemata",
					    "\"%.*s\" is more than one line", 64,
					    rdt->schemata.v[i]);
	return 0;
}

int ks_flags_read(struct ks_json_ctx *ctx, const char *key, const struct ks_strv *names,
		  const struct ks_json_name *known, uint64_t *ret)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct ks_json_name *n = known;

		while (n->name && !ks_streq(n->name, names->v[i]))
			n++;
		if (!n->name)
			return ks_json_fail(ctx, key, "unknown value \"%.*s\"", 64, names->v[i]);
		*ret |= (uint64_t)n->value;
	}
	return 0;
}

static int check_absolute(struct ks_json_ctx *ctx, const char *key, const struct ks_strv *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		if (paths->v[i][0] != '/')
			return ks_json_fail(ctx, key, "\"%.*s\" is not absolute", 64, paths->v[i]);
	return 0;
}

int ks_linux_check(struct ks_json_ctx *ctx, struct ks_spec_linux *l)
{
	uint64_t flags = 0;
	int r = ks_resources_check(ctx, &l->resources);

	if (r == 0)
		r = check_absolute(ctx, "maskedPaths", &l->masked_paths);
	if (r == 0)
		r = check_absolute(ctx, "readonlyPaths", &l->readonly_paths);

	if (r == 0 && l->personality && l->personality->flags.n)
		return ks_json_fail(ctx, "personality.flags", "unknown value \"%.*s\"", 64,
				    l->personality->flags.v[0]);
	if (r == 0 && l->memory_policy)
		r = ks_flags_read(ctx, "memoryPolicy.flags", &l->memory_policy->flag_names,
				  ks_memory_flags, &flags);
	if (r == 0 && l->memory_policy)
		l->memory_policy->flags = (int)flags;
	if (r == 0)
		r = check_time_offsets(ctx, &l->time_offsets);
	if (r == 0)
		r = check_net_devices(ctx, &l->net_devices);
	if (r == 0 && l->intel_rdt)
		r = check_intel_rdt(ctx, l->intel_rdt);
	return r;
}
