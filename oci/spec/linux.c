/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "linux" object. What is refused here is known to the spec and not yet
 * acted on; a container must not start with less than it asked for.
 */
#include "tables.h"

static const struct ks_json_name ns_names[] = {
	{ "user", KS_NS_USER },	    { "pid", KS_NS_PID }, { "network", KS_NS_NETWORK },
	{ "ipc", KS_NS_IPC },	    { "uts", KS_NS_UTS }, { "mount", KS_NS_MOUNT },
	{ "cgroup", KS_NS_CGROUP }, { NULL, 0 },
};

static const struct ks_json_field namespace_fields[] = {
	KS_ENUM(struct ks_spec_namespace, type, "type", KS_FIELD_REQUIRED, ns_names),
	KS_STR(struct ks_spec_namespace, path, "path", 0),
	KS_END,
};

static const struct ks_json_field idmap_fields[] = {
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

static const struct ks_json_field device_rule_fields[] = {
	KS_BOOL(struct ks_spec_device_rule, allow, "allow"),
	KS_STR(struct ks_spec_device_rule, type, "type", 0),
	KS_I64(struct ks_spec_device_rule, major, "major"),
	KS_I64(struct ks_spec_device_rule, minor, "minor"),
	KS_STR(struct ks_spec_device_rule, access, "access", 0),
	KS_END,
};

static const struct ks_json_field memory_fields[] = {
	KS_I64(struct ks_spec_memory, limit, "limit"),
	KS_I64(struct ks_spec_memory, reservation, "reservation"),
	KS_I64(struct ks_spec_memory, swap, "swap"),
	KS_REFUSE("swappiness"),
	KS_REFUSE("disableOOMKiller"),
	KS_REFUSE("useHierarchy"),
	KS_REFUSE("checkBeforeUpdate"),
	/* kernel and kernelTCP are without effect by the spec itself. */
	KS_END,
};

static const struct ks_json_field cpu_fields[] = {
	KS_U64(struct ks_spec_cpu, shares, "shares", 0),
	KS_I64(struct ks_spec_cpu, quota, "quota"),
	KS_U64(struct ks_spec_cpu, period, "period", 0),
	KS_STR(struct ks_spec_cpu, cpus, "cpus", 0),
	KS_STR(struct ks_spec_cpu, mems, "mems", 0),
	KS_REFUSE("burst"),
	KS_REFUSE("idle"),
	KS_REFUSE("realtimeRuntime"),
	KS_REFUSE("realtimePeriod"),
	KS_END,
};

static const struct ks_json_field pids_fields[] = {
	KS_I64(struct ks_spec_pids, limit, "limit"),
	KS_END,
};

static const struct ks_json_field hugepage_fields[] = {
	KS_STR(struct ks_spec_hugepage_limit, page_size, "pageSize",
	       KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_U64(struct ks_spec_hugepage_limit, limit, "limit", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field resources_fields[] = {
	KS_LIST(struct ks_spec_resources, devices, struct ks_spec_device_rule, "devices",
		device_rule_fields),
	KS_OBJ(struct ks_spec_resources, memory, "memory", memory_fields),
	KS_OBJ(struct ks_spec_resources, cpu, "cpu", cpu_fields),
	KS_OBJ(struct ks_spec_resources, pids, "pids", pids_fields),
	KS_MAP(struct ks_spec_resources, unified, "unified"),
	KS_REFUSE("blockIO"),
	KS_LIST(struct ks_spec_resources, hugepage_limits, struct ks_spec_hugepage_limit,
		"hugepageLimits", hugepage_fields),
	KS_REFUSE("network"),
	KS_REFUSE("rdma"),
	KS_END,
};

const struct ks_json_field ks_linux_fields[] = {
	KS_LIST(struct ks_spec_linux, namespaces, struct ks_spec_namespace, "namespaces",
		namespace_fields),
	KS_LIST(struct ks_spec_linux, uid_mappings, struct ks_spec_idmap, "uidMappings",
		idmap_fields),
	KS_LIST(struct ks_spec_linux, gid_mappings, struct ks_spec_idmap, "gidMappings",
		idmap_fields),
	KS_LIST(struct ks_spec_linux, devices, struct ks_spec_device, "devices", device_fields),
	KS_STR(struct ks_spec_linux, cgroups_path, "cgroupsPath", 0),
	KS_OBJ(struct ks_spec_linux, resources, "resources", resources_fields),
	KS_STR(struct ks_spec_linux, rootfs_propagation, "rootfsPropagation", 0),
	KS_JSON_ANY(struct ks_spec_linux, seccomp, "seccomp", 0),
	KS_MAP(struct ks_spec_linux, sysctl, "sysctl"),
	KS_STRV(struct ks_spec_linux, masked_paths, "maskedPaths", 0),
	KS_STRV(struct ks_spec_linux, readonly_paths, "readonlyPaths", 0),
	KS_REFUSE("intelRdt"),
	KS_REFUSE("mountLabel"),
	KS_REFUSE("personality"),
	KS_REFUSE("timeOffsets"),
	KS_REFUSE("netDevices"),
	KS_REFUSE("memoryPolicy"),
	KS_END,
};
