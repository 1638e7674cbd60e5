/* SPDX-License-Identifier: Apache-2.0 */
/* -info: what containerd asks before it uses the runtime. */
#include <string.h>
#include <unistd.h>

#include <pb/bootstrap.pb-c.h>

#include <kshim/cli.h>
#include <kshim/fd.h>

#include "bootstrap.h"

int ks_shim_info(struct ks_err *err)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	Pb__RuntimeInfo m = PB__RUNTIME_INFO__INIT;
	Pb__RuntimeVersion version = PB__RUNTIME_VERSION__INIT;
	ks_auto_json_out struct ks_json_out o = { 0 };
	Pb__Any features = PB__ANY__INIT;
	char url[] = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
	char name[] = KS_SHIM_RUNTIME, number[] = KS_VERSION;

	int r = ks_features_write(&a, &o, err);

	if (r < 0)
		return r;
	if (o.buf.failed)
		return ks_err_oom(err);
	features.type_url = url;
	features.value.data = (uint8_t *)o.buf.data;
	features.value.len = o.buf.len;
	version.version = number;
	m.name = name;
	m.version = &version;
	m.features = &features;
	uint8_t *buf = ks_arena_alloc(&a, pb__runtime_info__get_packed_size(&m) + 1);

	if (!buf)
		return ks_err_oom(err);
	r = ks_fd_write_all(1, buf, pb__runtime_info__pack(&m, buf));

	return r < 0 ? ks_err_set(err, r, "print the answer") : 0;
}
