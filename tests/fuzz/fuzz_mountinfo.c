/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "oci/cgroup/host.c"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_cgroup_host host = { 0 };
	struct ks_strv lines, f;
	char *text = fuzz_text(data, size);
	const char *path;

	if (ks_str_split(&a, text, '\n', &lines) == 0)
		for (size_t i = 0; i < lines.n; i++)
			if (ks_str_split(&a, lines.v[i], ' ', &f) == 0)
				(void)read_mount(&a, &host, &f);
	assert(host.n_v1 <= KS_CGROUP_MAX_V1);
	if (ks_cgroup_path(&a, text, "id", &path, NULL) == 0)
		assert(path[0] == '/' && path[1] && !strstr(path, "/../"));
	free(text);
	return 0;
}
