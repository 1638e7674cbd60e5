/* SPDX-License-Identifier: Apache-2.0 */
/* The dev.kshim.* annotations, one on each line: pod, volumes, templates, mounts, uid. */
#include <assert.h>
#include <kshim/pod.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "dev.kshim.pod", "dev.kshim.volumes",
					    "dev.kshim.volume-claim-templates",
					    "dev.kshim.volume-mounts", "dev.kshim.pod-uid" };
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_map_entry e[KS_ARRAY_LEN(keys)];
	struct ks_map m = { e, 0 };
	struct ks_err err = KS_ERR_INIT;
	struct ks_pod_spec p;
	char *text = fuzz_text(data, size), *line = text;

	for (size_t i = 0; i < KS_ARRAY_LEN(keys) && line; i++) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		if (*line)
			e[m.n++] = (struct ks_map_entry){ keys[i], line };
		line = end;
	}
	if (ks_pod_parse(&a, &m, "c", "host", &p, &err) == 0) {
		assert(p.n_volumes <= KS_POD_MAX_VOLUMES && p.n_mounts <= KS_POD_MAX_VOLUMES);
		assert(!p.name || (ks_valid_dns_name(p.name) && ks_valid_dns_label(p.ns)));
		for (size_t i = 0; i < p.n_volumes; i++) {
			assert(ks_valid_dns_label(p.volumes[i].name));
			assert(p.volumes[i].kind != KS_POD_CLAIM ||
			       ks_valid_dns_name(p.volumes[i].claim));
		}
		for (size_t i = 0; i < p.n_mounts; i++)
			assert(p.mounts[i].path[0] == '/' &&
			       (!p.mounts[i].sub_path || !strstr(p.mounts[i].sub_path, "/../")));
	}
	free(text);
	return 0;
}
