/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: parsed or refused; what was parsed is written and parsed again to the same. */
#include <assert.h>
#include <kshim/json.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	ks_auto_json_out struct ks_json_out once = { 0 }, twice = { 0 };
	struct ks_err err = KS_ERR_INIT;
	struct ks_json *v, *w;
	char *text = fuzz_text(data, size);

	if (ks_json_parse(&a, text, size, "fuzz", &v, &err) == 0) {
		ks_json_put_json(&once, NULL, v);
		int r = ks_json_parse(&a, once.buf.data, once.buf.len, "again", &w, &err);

		assert(r == 0);
		ks_json_put_json(&twice, NULL, w);
		assert(once.buf.len == twice.buf.len);
		assert(!memcmp(once.buf.data, twice.buf.data, once.buf.len));
	} else {
		assert(*err.msg && strlen(err.msg) < KS_ERR_MSG_MAX);
	}
	free(text);
	return 0;
}
