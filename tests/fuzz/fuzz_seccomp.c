/* SPDX-License-Identifier: Apache-2.0 */
/* The profile: compiled or refused, within what the kernel takes. */
#include <assert.h>

#include "oci/run/seccomp.c"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_json_ctx ctx = { .arena = &a, .err = &err };
	struct ks_seccomp_profile p = { 0 };
	struct ks_json *root;
	char *prog, *text = fuzz_text(data, size);
	size_t len = 0;

	if (ks_json_parse(&a, text, size, "fuzz", &root, &err) == 0 &&
	    ks_json_decode(&ctx, root, profile_fields, &p) == 0 &&
	    ks_seccomp_compile(&ctx, &p, &prog, &len) == 0)
		assert(len % sizeof(struct sock_filter) == 0);
	free(text);
	return 0;
}
