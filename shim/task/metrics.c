/* SPDX-License-Identifier: Apache-2.0 */
/* What a container uses, in containerd's messages: one for cgroup v1, one for v2. */
#include <stdlib.h>
#include <string.h>

#include <pb/metrics.pb-c.h>

#include <kshim/stats.h>

#include "task.h"

/* A line of memory.stat and the field that it fills. */
struct field {
	const char *name;
	size_t offset;
};

#define V1(name, member)                                    \
	{                                                   \
		name, offsetof(struct Pb__MemoryV1, member) \
	}
#define V2(member)                                             \
	{                                                      \
#member, offsetof(struct Pb__MemoryV2, member) \
	}

static const struct field memory_v1[] = {
	V1("cache", cache),
	V1("rss", rss),
	V1("rss_huge", rss_huge),
	V1("mapped_file", mapped_file),
	V1("dirty", dirty),
	V1("writeback", writeback),
	V1("pgpgin", pg_pg_in),
	V1("pgpgout", pg_pg_out),
	V1("pgfault", pg_fault),
	V1("pgmajfault", pg_maj_fault),
	V1("inactive_anon", inactive_anon),
	V1("active_anon", active_anon),
	V1("inactive_file", inactive_file),
	V1("active_file", active_file),
	V1("unevictable", unevictable),
	V1("hierarchical_memory_limit", hierarchical_memory_limit),
	V1("hierarchical_memsw_limit", hierarchical_swap_limit),
	V1("total_cache", total_cache),
	V1("total_rss", total_rss),
	V1("total_rss_huge", total_rss_huge),
	V1("total_mapped_file", total_mapped_file),
	V1("total_dirty", total_dirty),
	V1("total_writeback", total_writeback),
	V1("total_pgpgin", total_pg_pg_in),
	V1("total_pgpgout", total_pg_pg_out),
	V1("total_pgfault", total_pg_fault),
	V1("total_pgmajfault", total_pg_maj_fault),
	V1("total_inactive_anon", total_inactive_anon),
	V1("total_active_anon", total_active_anon),
	V1("total_inactive_file", total_inactive_file),
	V1("total_active_file", total_active_file),
	V1("total_unevictable", total_unevictable),
};

static const struct field memory_v2[] = {
	V2(anon),
	V2(file),
	V2(kernel_stack),
	V2(slab),
	V2(sock),
	V2(shmem),
	V2(file_mapped),
	V2(file_dirty),
	V2(file_writeback),
	V2(anon_thp),
	V2(inactive_anon),
	V2(active_anon),
	V2(inactive_file),
	V2(active_file),
	V2(unevictable),
	V2(slab_reclaimable),
	V2(slab_unreclaimable),
	V2(pgfault),
	V2(pgmajfault),
	V2(workingset_refault),
	V2(workingset_activate),
	V2(workingset_nodereclaim),
	V2(pgrefill),
	V2(pgscan),
	V2(pgsteal),
	V2(pgactivate),
	V2(pgdeactivate),
	V2(pglazyfree),
	V2(pglazyfreed),
	V2(thp_fault_alloc),
	V2(thp_collapse_alloc),
};

static void fill_memory(const struct ks_cgroup_stats *s, const struct field *fields, size_t n,
			void *to)
{
	for (size_t i = 0; i < s->n_memory_raw; i++)
		for (size_t k = 0; k < n; k++)
			if (ks_streq(fields[k].name, s->memory_raw[i].name))
				*(uint64_t *)((char *)to + fields[k].offset) =
					s->memory_raw[i].value;
}

static int pack(struct ks_arena *a, const ProtobufCMessage *m, uint8_t **ret, size_t *ret_len,
		struct ks_err *err)
{
	*ret = ks_arena_alloc(a, protobuf_c_message_get_packed_size(m) + 1);
	if (!*ret)
		return ks_err_oom(err);
	*ret_len = protobuf_c_message_pack(m, *ret);
	return 0;
}

static Pb__MemoryEntryV1 entry(const struct ks_stat_memory *m)
{
	Pb__MemoryEntryV1 e = PB__MEMORY_ENTRY_V1__INIT;

	e.limit = m->limit;
	e.usage = m->usage;
	e.max = m->max_usage;
	e.failcnt = m->failures;
	return e;
}

static Pb__BlkIOEntryV1 **io_v1(struct ks_arena *a, const struct ks_stat_io *v, size_t n)
{
	Pb__BlkIOEntryV1 **list = KS_ARENA_NEWV(a, Pb__BlkIOEntryV1 *, n + 1);
	Pb__BlkIOEntryV1 *all = KS_ARENA_NEWV(a, Pb__BlkIOEntryV1, n + 1);

	for (size_t i = 0; list && all && i < n; i++) {
		pb__blk_ioentry_v1__init(&all[i]);
		all[i].op = (char *)(uintptr_t)v[i].op;
		all[i].major = v[i].major;
		all[i].minor = v[i].minor;
		all[i].value = v[i].value;
		list[i] = &all[i];
	}
	return all ? list : NULL;
}

static int metrics_v1(struct ks_arena *a, const struct ks_cgroup_stats *s, uint8_t **ret,
		      size_t *ret_len, struct ks_err *err)
{
	Pb__MetricsV1 m = PB__METRICS_V1__INIT;
	Pb__PidsStat pids = PB__PIDS_STAT__INIT;
	Pb__CpuV1 cpu = PB__CPU_V1__INIT;
	Pb__CpuUsageV1 usage = PB__CPU_USAGE_V1__INIT;
	Pb__ThrottleV1 throttle = PB__THROTTLE_V1__INIT;
	Pb__MemoryV1 memory = PB__MEMORY_V1__INIT;
	Pb__BlkIOV1 blkio = PB__BLK_IOV1__INIT;
	Pb__OomControlV1 oom = PB__OOM_CONTROL_V1__INIT;
	Pb__MemoryEntryV1 entries[] = { entry(&s->memory), entry(&s->swap), entry(&s->kernel),
					entry(&s->kernel_tcp) };
	Pb__HugetlbV1 *huge = KS_ARENA_NEWV(a, Pb__HugetlbV1, s->n_hugetlb + 1);

	m.hugetlb = KS_ARENA_NEWV(a, Pb__HugetlbV1 *, s->n_hugetlb + 1);
	blkio.io_service_bytes_recursive = io_v1(a, s->io_bytes, s->n_io_bytes);
	blkio.io_serviced_recursive = io_v1(a, s->io_ops, s->n_io_ops);
	if (!huge || !m.hugetlb || !blkio.io_service_bytes_recursive ||
	    !blkio.io_serviced_recursive)
		return ks_err_oom(err);
	blkio.n_io_service_bytes_recursive = s->n_io_bytes;
	blkio.n_io_serviced_recursive = s->n_io_ops;
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		pb__hugetlb_v1__init(&huge[i]);
		huge[i].usage = s->hugetlb[i].usage;
		huge[i].max = s->hugetlb[i].max_usage;
		huge[i].failcnt = s->hugetlb[i].failures;
		huge[i].pagesize = (char *)(uintptr_t)s->hugetlb[i].page_size;
		m.hugetlb[m.n_hugetlb++] = &huge[i];
	}
	pids.current = s->pids;
	pids.limit = s->pids_limit;
	usage.total = s->cpu_total_ns;
	usage.kernel = s->cpu_kernel_ns;
	usage.user = s->cpu_user_ns;
	usage.per_cpu = s->cpu_each_ns;
	usage.n_per_cpu = s->n_cpus;
	throttle.periods = s->periods;
	throttle.throttled_periods = s->throttled_periods;
	throttle.throttled_time = s->throttled_ns;
	cpu.usage = &usage;
	cpu.throttling = &throttle;
	fill_memory(s, memory_v1, KS_ARRAY_LEN(memory_v1), &memory);
	memory.usage = &entries[0];
	memory.swap = &entries[1];
	memory.kernel = &entries[2];
	memory.kernel_tcp = &entries[3];
	oom.oom_kill = s->oom_kills;
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.blkio = &blkio;
	m.memory_oom_control = &oom;
	return pack(a, &m.base, ret, ret_len, err);
}

/* "avg10=0.12 …" as a number; the text is the kernel's. */
static double number(const char *line, const char *key)
{
	const char *at = line ? strstr(line, key) : NULL;

	return at ? strtod(at + strlen(key), NULL) : 0;
}

static Pb__Psi *pressure(struct ks_arena *a, const struct ks_stat_pressure *p)
{
	const char *const lines[] = { p->some, p->full };
	Pb__PsiData *data = KS_ARENA_NEWV(a, Pb__PsiData, 2);
	Pb__Psi *psi = KS_ARENA_NEW(a, Pb__Psi);

	if (!p->set || !data || !psi)
		return NULL;
	pb__psi__init(psi);
	for (size_t i = 0; i < 2; i++) {
		pb__psi_data__init(&data[i]);
		data[i].avg10 = number(lines[i], "avg10=");
		data[i].avg60 = number(lines[i], "avg60=");
		data[i].avg300 = number(lines[i], "avg300=");
		data[i].total = (uint64_t)number(lines[i], "total=");
	}
	psi->some = &data[0];
	psi->full = &data[1];
	return psi;
}

/* The counters of one device, which the kernel tells one by one, in one message. */
static Pb__IoEntryV2 *io_entry(struct ks_arena *a, Pb__IoV2 *io, const struct ks_stat_io *v)
{
	for (size_t i = 0; i < io->n_usage; i++)
		if (io->usage[i]->major == v->major && io->usage[i]->minor == v->minor)
			return io->usage[i];
	Pb__IoEntryV2 *e = KS_ARENA_NEW(a, Pb__IoEntryV2);

	if (!e)
		return NULL;
	pb__io_entry_v2__init(e);
	e->major = v->major;
	e->minor = v->minor;
	io->usage[io->n_usage++] = e;
	return e;
}

static int io_v2(struct ks_arena *a, const struct ks_cgroup_stats *s, Pb__IoV2 *io)
{
	io->usage = KS_ARENA_NEWV(a, Pb__IoEntryV2 *, s->n_io_bytes + s->n_io_ops + 1);
	if (!io->usage)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_io_bytes + s->n_io_ops; i++) {
		bool bytes = i < s->n_io_bytes;
		const struct ks_stat_io *v = bytes ? &s->io_bytes[i] :
						     &s->io_ops[i - s->n_io_bytes];
		Pb__IoEntryV2 *e = io_entry(a, io, v);

		if (!e)
			return -ENOMEM;
		if (ks_streq(v->op, "Read"))
			*(bytes ? &e->rbytes : &e->rios) = v->value;
		else if (ks_streq(v->op, "Write"))
			*(bytes ? &e->wbytes : &e->wios) = v->value;
	}
	io->psi = pressure(a, &s->io_psi);
	return 0;
}

static int metrics_v2(struct ks_arena *a, const struct ks_cgroup_stats *s, uint8_t **ret,
		      size_t *ret_len, struct ks_err *err)
{
	Pb__MetricsV2 m = PB__METRICS_V2__INIT;
	Pb__PidsStat pids = PB__PIDS_STAT__INIT;
	Pb__CpuV2 cpu = PB__CPU_V2__INIT;
	Pb__MemoryV2 memory = PB__MEMORY_V2__INIT;
	Pb__MemoryEventsV2 events = PB__MEMORY_EVENTS_V2__INIT;
	Pb__IoV2 io = PB__IO_V2__INIT;
	Pb__HugetlbV2 *huge = KS_ARENA_NEWV(a, Pb__HugetlbV2, s->n_hugetlb + 1);

	m.hugetlb = KS_ARENA_NEWV(a, Pb__HugetlbV2 *, s->n_hugetlb + 1);
	if (!huge || !m.hugetlb || io_v2(a, s, &io) < 0)
		return ks_err_oom(err);
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		pb__hugetlb_v2__init(&huge[i]);
		huge[i].current = s->hugetlb[i].usage;
		huge[i].max = s->hugetlb[i].max_usage;
		huge[i].pagesize = (char *)(uintptr_t)s->hugetlb[i].page_size;
		m.hugetlb[m.n_hugetlb++] = &huge[i];
	}
	pids.current = s->pids;
	pids.limit = s->pids_limit;
	cpu.usage_usec = s->cpu_total_ns / 1000;
	cpu.user_usec = s->cpu_user_ns / 1000;
	cpu.system_usec = s->cpu_kernel_ns / 1000;
	cpu.nr_periods = s->periods;
	cpu.nr_throttled = s->throttled_periods;
	cpu.throttled_usec = s->throttled_ns / 1000;
	cpu.psi = pressure(a, &s->cpu_psi);
	fill_memory(s, memory_v2, KS_ARRAY_LEN(memory_v2), &memory);
	memory.usage = s->memory.usage;
	memory.usage_limit = s->memory.limit;
	memory.swap_usage = s->swap.usage;
	memory.swap_limit = s->swap.limit;
	memory.psi = pressure(a, &s->memory_psi);
	events.oom_kill = s->oom_kills;
	events.max = s->memory.failures;
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.io = &io;
	m.memory_events = &events;
	return pack(a, &m.base, ret, ret_len, err);
}

int ks_task_metrics(struct ks_arena *a, const struct ks_task *t, const char **ret_type,
		    uint8_t **ret, size_t *ret_len, struct ks_err *err)
{
	struct ks_cgroup_stats s = { 0 };
	struct ks_cgroup cg;
	int r = ks_str_empty(t->cgroup) ? -ENOENT : ks_cgroup_open(a, t->cgroup, &cg, err);

	if (r == 0)
		r = ks_cgroup_stats(a, &cg, &s, err);
	if (r == -ENOENT)
		return ks_err_kind(err, KS_ERR_NOT_FOUND, "cgroup does not exist: not found");
	if (r < 0)
		return r;
	*ret_type = cg.host.v2 ? "io.containerd.cgroups.v2.Metrics" :
				 "io.containerd.cgroups.v1.Metrics";
	return (cg.host.v2 ? metrics_v2 : metrics_v1)(a, &s, ret, ret_len, err);
}
