/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block I/O. v1 has a file for each kind of limit, v2 one line of "key=value"
 * for each device. Weights go to BFQ where that scheduler is there, else to
 * the cost model of io.weight.
 */
#include "resources.h"

struct throttle {
	size_t offset; /* of the list */
	const char *v1_file, *v2_key;
};

static const struct throttle throttles[] = {
	{ offsetof(struct ks_spec_block_io, read_bps), "blkio.throttle.read_bps_device", "rbps" },
	{ offsetof(struct ks_spec_block_io, write_bps), "blkio.throttle.write_bps_device", "wbps" },
	{ offsetof(struct ks_spec_block_io, read_iops), "blkio.throttle.read_iops_device",
	  "riops" },
	{ offsetof(struct ks_spec_block_io, write_iops), "blkio.throttle.write_iops_device",
	  "wiops" },
};

static const struct ks_list *list_of(const struct ks_spec_block_io *b, const struct throttle *t)
{
	return (const struct ks_list *)(const void *)((const char *)b + t->offset);
}

bool ks_block_io_is_set(const struct ks_spec_block_io *b)
{
	bool set = b->weight.v || b->leaf_weight.v || b->weight_devices.n;

	for (size_t i = 0; i < KS_ARRAY_LEN(throttles); i++)
		set |= list_of(b, &throttles[i])->n > 0;
	return set;
}

/* "8:0 500" */
static int write_device(int dirfd, const char *file, const struct ks_opt_i64 *major,
			const struct ks_opt_i64 *minor, uint64_t v, struct ks_err *err)
{
	char line[96];

	ks_fmt(line, sizeof(line), "%lld:%lld %llu", (long long)major->v, (long long)minor->v,
	       (unsigned long long)v);
	return ks_cgroup_write(dirfd, file, line, err);
}

static int write_weights(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err)
{
	const struct ks_spec_weight_device *v = b->weight_devices.v;
	bool cfq = ks_cgroup_has_file(dirfd, "blkio.weight");
	const char *file = cfq ? "blkio.weight" : "blkio.bfq.weight";
	const char *device_file = cfq ? "blkio.weight_device" : "blkio.bfq.weight_device";
	int r = 0;

	if (b->weight.v)
		r = ks_cgroup_write_i64(dirfd, file, (int64_t)b->weight.v, err);
	if (r == 0 && b->leaf_weight.v)
		r = ks_cgroup_write_i64(dirfd, "blkio.leaf_weight", (int64_t)b->leaf_weight.v, err);
	for (size_t i = 0; i < b->weight_devices.n && r == 0; i++) {
		if (v[i].weight.set)
			r = write_device(dirfd, device_file, &v[i].major, &v[i].minor,
					 v[i].weight.v, err);
		if (r == 0 && v[i].leaf_weight.set)
			r = write_device(dirfd, "blkio.leaf_weight_device", &v[i].major,
					 &v[i].minor, v[i].leaf_weight.v, err);
	}
	return r;
}

int ks_cgroup1_block_io(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err)
{
	int r = write_weights(dirfd, b, err);

	for (size_t k = 0; k < KS_ARRAY_LEN(throttles); k++) {
		const struct ks_list *l = list_of(b, &throttles[k]);
		const struct ks_spec_throttle_device *v = l->v;

		for (size_t i = 0; i < l->n && r == 0; i++)
			r = write_device(dirfd, throttles[k].v1_file, &v[i].major, &v[i].minor,
					 v[i].rate.v, err);
	}
	return r;
}

/* 10 to 1000, as v1 and BFQ have it, to the 1 to 10000 of io.weight. */
static uint64_t to_io_weight(uint64_t w)
{
	w = w < 10 ? 10 : w > 1000 ? 1000 : w;
	return 1 + (w - 10) * 9999 / 990;
}

static int write_weights2(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err)
{
	const struct ks_spec_weight_device *v = b->weight_devices.v;
	bool bfq = ks_cgroup_has_file(dirfd, "io.bfq.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	bool leaf = b->leaf_weight.v > 0;
	int r = 0;

	for (size_t i = 0; i < b->weight_devices.n; i++)
		leaf |= v[i].leaf_weight.set;
	if (leaf)
		return ks_err_kind(err, KS_ERR_UNSUPPORTED,
				   "linux.resources.blockIO.leafWeight: cgroup v2 has none");
	if (b->weight.v)
		r = ks_cgroup_write_i64(
			dirfd, file, (int64_t)(bfq ? b->weight.v : to_io_weight(b->weight.v)), err);
	for (size_t i = 0; i < b->weight_devices.n && r == 0; i++)
		r = write_device(dirfd, file, &v[i].major, &v[i].minor,
				 bfq ? v[i].weight.v : to_io_weight(v[i].weight.v), err);
	return r;
}

int ks_cgroup2_block_io(int dirfd, const struct ks_spec_block_io *b, struct ks_err *err)
{
	char line[96];
	int r = write_weights2(dirfd, b, err);

	for (size_t k = 0; k < KS_ARRAY_LEN(throttles); k++) {
		const struct ks_list *l = list_of(b, &throttles[k]);
		const struct ks_spec_throttle_device *v = l->v;

		for (size_t i = 0; i < l->n && r == 0; i++) {
			size_t n = ks_fmt(line, sizeof(line),
					  "%lld:%lld %s=", (long long)v[i].major.v,
					  (long long)v[i].minor.v, throttles[k].v2_key);

			/* v1 takes a rate of 0 for none, and so do its callers. */
			if (v[i].rate.v)
				ks_fmt(line + n, sizeof(line) - n, "%llu",
				       (unsigned long long)v[i].rate.v);
			else
				ks_fmt(line + n, sizeof(line) - n, "max");
			r = ks_cgroup_write(dirfd, "io.max", line, err);
		}
	}
	return r;
}
