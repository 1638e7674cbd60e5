/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

static const struct ks_json_field device_rule_fields[] = {
	KS_BOOL_AS(struct ks_spec_device_rule, allow, "allow", KS_FIELD_REQUIRED),
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
	KS_U64(struct ks_spec_memory, swappiness, "swappiness", 0),
	KS_BOOL(struct ks_spec_memory, disable_oom_killer, "disableOOMKiller"),
	KS_BOOL(struct ks_spec_memory, use_hierarchy, "useHierarchy"),
	KS_BOOL(struct ks_spec_memory, check_before_update, "checkBeforeUpdate"),
	KS_I64(struct ks_spec_memory, kernel, "kernel"),
	KS_I64(struct ks_spec_memory, kernel_tcp, "kernelTCP"),
	KS_END,
};

static const struct ks_json_field cpu_fields[] = {
	KS_U64(struct ks_spec_cpu, shares, "shares", 0),
	KS_I64(struct ks_spec_cpu, quota, "quota"),
	KS_U64(struct ks_spec_cpu, burst, "burst", 0),
	KS_U64(struct ks_spec_cpu, period, "period", 0),
	KS_I64(struct ks_spec_cpu, rt_runtime, "realtimeRuntime"),
	KS_U64(struct ks_spec_cpu, rt_period, "realtimePeriod", 0),
	KS_STR(struct ks_spec_cpu, cpus, "cpus", 0),
	KS_STR(struct ks_spec_cpu, mems, "mems", 0),
	KS_I64(struct ks_spec_cpu, idle, "idle"),
	KS_END,
};

static const struct ks_json_field pids_fields[] = {
	KS_I64(struct ks_spec_pids, limit, "limit"),
	KS_END,
};

/* KS_I64 rows are optional; which of them the spec requires is checked below. */
static const struct ks_json_field weight_device_fields[] = {
	KS_I64(struct ks_spec_weight_device, major, "major"),
	KS_I64(struct ks_spec_weight_device, minor, "minor"),
	KS_U64(struct ks_spec_weight_device, weight, "weight", 0),
	KS_U64(struct ks_spec_weight_device, leaf_weight, "leafWeight", 0),
	KS_END,
};

static const struct ks_json_field throttle_fields[] = {
	KS_I64(struct ks_spec_throttle_device, major, "major"),
	KS_I64(struct ks_spec_throttle_device, minor, "minor"),
	KS_U64(struct ks_spec_throttle_device, rate, "rate", KS_FIELD_REQUIRED),
	KS_END,
};

#define THROTTLE(member, key)                                                         \
	KS_LIST(struct ks_spec_block_io, member, struct ks_spec_throttle_device, key, \
		throttle_fields)

static const struct ks_json_field block_io_fields[] = {
	KS_U64(struct ks_spec_block_io, weight, "weight", 0),
	KS_U64(struct ks_spec_block_io, leaf_weight, "leafWeight", 0),
	KS_LIST(struct ks_spec_block_io, weight_devices, struct ks_spec_weight_device,
		"weightDevice", weight_device_fields),
	THROTTLE(read_bps, "throttleReadBpsDevice"),
	THROTTLE(write_bps, "throttleWriteBpsDevice"),
	THROTTLE(read_iops, "throttleReadIOPSDevice"),
	THROTTLE(write_iops, "throttleWriteIOPSDevice"),
	KS_END,
};

static const struct ks_json_field hugepage_fields[] = {
	KS_STR(struct ks_spec_hugepage_limit, page_size, "pageSize",
	       KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_U64(struct ks_spec_hugepage_limit, limit, "limit", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field priority_fields[] = {
	KS_STR(struct ks_spec_if_priority, name, "name", KS_FIELD_REQUIRED | KS_FIELD_NONEMPTY),
	KS_U64(struct ks_spec_if_priority, priority, "priority", KS_FIELD_REQUIRED),
	KS_END,
};

static const struct ks_json_field network_fields[] = {
	KS_U64(struct ks_spec_network, class_id, "classID", 0),
	KS_LIST(struct ks_spec_network, priorities, struct ks_spec_if_priority, "priorities",
		priority_fields),
	KS_END,
};

static const struct ks_json_field rdma_fields[] = {
	KS_U64(struct ks_spec_rdma, handles, "hcaHandles", 0),
	KS_U64(struct ks_spec_rdma, objects, "hcaObjects", 0),
	KS_END,
};

const struct ks_json_field ks_resources_fields[] = {
	KS_LIST(struct ks_spec_resources, devices, struct ks_spec_device_rule, "devices",
		device_rule_fields),
	KS_OBJ(struct ks_spec_resources, memory, "memory", memory_fields),
	KS_OBJ(struct ks_spec_resources, cpu, "cpu", cpu_fields),
	KS_OBJ(struct ks_spec_resources, pids, "pids", pids_fields),
	KS_MAP(struct ks_spec_resources, unified, "unified"),
	KS_OBJ(struct ks_spec_resources, block_io, "blockIO", block_io_fields),
	KS_LIST(struct ks_spec_resources, hugepage_limits, struct ks_spec_hugepage_limit,
		"hugepageLimits", hugepage_fields),
	KS_OBJ(struct ks_spec_resources, network, "network", network_fields),
	KS_DICT(struct ks_spec_resources, rdma, struct ks_spec_rdma, "rdma", rdma_fields),
	KS_END,
};

static bool valid_number(const struct ks_opt_i64 *n)
{
	return n->set && n->v >= 0 && n->v <= INT32_MAX;
}

static int check_throttles(struct ks_json_ctx *ctx, const struct ks_list *l, const char *key)
{
	const struct ks_spec_throttle_device *v = l->v;

	for (size_t i = 0; i < l->n; i++)
		if (!valid_number(&v[i].major) || !valid_number(&v[i].minor))
			return ks_json_fail(ctx, key, "entry %zu needs a major and a minor number",
					    i);
	return 0;
}

static int check_block_io(struct ks_json_ctx *ctx, const struct ks_spec_block_io *b)
{
	const struct ks_spec_weight_device *v = b->weight_devices.v;

	if (b->weight.v > UINT16_MAX || b->leaf_weight.v > UINT16_MAX)
		return ks_json_fail(ctx, "blockIO.weight", "is out of range");
	for (size_t i = 0; i < b->weight_devices.n; i++) {
		if (!valid_number(&v[i].major) || !valid_number(&v[i].minor))
			return ks_json_fail(ctx, "blockIO.weightDevice",
					    "entry %zu needs a major and a minor number", i);
		if (!v[i].weight.set && !v[i].leaf_weight.set)
			return ks_json_fail(ctx, "blockIO.weightDevice",
					    "entry %zu needs a weight or a leafWeight", i);
		if (v[i].weight.v > UINT16_MAX || v[i].leaf_weight.v > UINT16_MAX)
			return ks_json_fail(ctx, "blockIO.weightDevice",
					    "the weight of entry %zu is out of range", i);
	}
	int r = check_throttles(ctx, &b->read_bps, "blockIO.throttleReadBpsDevice");

	if (r == 0)
		r = check_throttles(ctx, &b->write_bps, "blockIO.throttleWriteBpsDevice");
	if (r == 0)
		r = check_throttles(ctx, &b->read_iops, "blockIO.throttleReadIOPSDevice");
	if (r == 0)
		r = check_throttles(ctx, &b->write_iops, "blockIO.throttleWriteIOPSDevice");
	return r;
}

static int check_network(struct ks_json_ctx *ctx, const struct ks_spec_network *n)
{
	const struct ks_spec_if_priority *v = n->priorities.v;

	if (n->class_id.v > UINT32_MAX)
		return ks_json_fail(ctx, "network.classID", "is out of range");
	for (size_t i = 0; i < n->priorities.n; i++)
		/* The kernel reads "name number": a name with a space would be another order. */
		if (v[i].priority.v > UINT32_MAX || strlen(v[i].name) > 15 ||
		    v[i].name[strcspn(v[i].name, " \t\n/")])
			return ks_json_fail(ctx, "network.priorities", "entry %zu is not valid", i);
	return 0;
}

static int check_rdma(struct ks_json_ctx *ctx, const struct ks_list *l)
{
	const struct ks_spec_rdma *v = l->v;
	size_t old = ks_json_enter(ctx, "rdma", 0);

	for (size_t i = 0; i < l->n; i++) {
		const struct ks_spec_rdma *d = &v[i];

		if (!*d->device || strlen(d->device) > 128 ||
		    d->device[strcspn(d->device, " \t\n/")])
			return ks_json_fail(ctx, d->device, "is no name of a device");
		if (!d->handles.set && !d->objects.set)
			return ks_json_fail(ctx, d->device, "needs hcaHandles or hcaObjects");
		if (d->handles.v > UINT32_MAX || d->objects.v > UINT32_MAX)
			return ks_json_fail(ctx, d->device, "is out of range");
	}
	ks_json_leave(ctx, old);
	return 0;
}

static int check(struct ks_json_ctx *ctx, struct ks_spec_resources *res)
{
	/* Engines write 0 or -1 for "none". */
	if (res->memory.kernel.v > 0)
		return ks_err_kind(ctx->err, KS_ERR_UNSUPPORTED,
				   "linux.resources.memory.kernel: Linux has no such limit any "
				   "more");
	if (res->memory.swappiness.v > 100)
		return ks_json_fail(ctx, "memory.swappiness", "%llu is above 100",
				    (unsigned long long)res->memory.swappiness.v);
	if (res->cpu.idle.v < 0 || res->cpu.idle.v > 1)
		return ks_json_fail(ctx, "cpu.idle", "%lld is not 0 or 1",
				    (long long)res->cpu.idle.v);
	int r = check_block_io(ctx, &res->block_io);

	if (r == 0)
		r = check_network(ctx, &res->network);
	if (r == 0)
		r = check_rdma(ctx, &res->rdma);
	return r;
}

int ks_resources_check(struct ks_json_ctx *ctx, struct ks_spec_resources *res)
{
	size_t old = ks_json_enter(ctx, "resources", 0);
	int r = check(ctx, res);

	if (r == 0)
		ks_json_leave(ctx, old);
	return r;
}

int ks_resources_parse(struct ks_arena *a, const char *text, size_t len, const char *name,
		       struct ks_spec_resources *ret, struct ks_err *err)
{
	struct ks_json_ctx ctx = { .arena = a, .err = err };
	struct ks_spec_resources res = { 0 };
	struct ks_json *root;
	int r = ks_json_parse(a, text, len, name, &root, err);

	if (r == 0)
		r = ks_json_decode(&ctx, root, ks_resources_fields, &res);
	if (r == 0)
		r = check(&ctx, &res);
	if (r < 0)
		return ks_err_prefix(err, r, "%s", name);
	*ret = res;
	return 0;
}

bool ks_resources_limit(const struct ks_spec_resources *res)
{
	const struct ks_spec_memory *m = &res->memory;
	const struct ks_spec_cpu *c = &res->cpu;
	const struct ks_spec_block_io *b = &res->block_io;

	return m->limit.v > 0 || m->reservation.v > 0 || m->swap.v > 0 || m->kernel_tcp.v > 0 ||
	       m->swappiness.set || m->disable_oom_killer || c->shares.v || c->quota.v > 0 ||
	       c->period.v || c->rt_runtime.v || c->rt_period.v || c->burst.v || c->idle.v ||
	       !ks_str_empty(c->cpus) || !ks_str_empty(c->mems) || res->pids.limit.v > 0 ||
	       b->weight.v || b->leaf_weight.v || b->weight_devices.n || b->read_bps.n ||
	       b->write_bps.n || b->read_iops.n || b->write_iops.n || res->hugepage_limits.n ||
	       res->network.class_id.v || res->network.priorities.n || res->rdma.n ||
	       res->unified.n;
}
