/* SPDX-License-Identifier: Apache-2.0 */
/* config.json and process.json: typed or refused, with the promises of the structures kept. */
#include <assert.h>
#include <kshim/spec.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_spec_process p;
	struct ks_spec s;
	char *text = fuzz_text(data, size);

	if (ks_spec_parse(&a, text, size, "fuzz", &s, &err) == 0) {
		assert(s.root.path && *s.root.path);
		assert(ks_spec_namespace(&s, KS_NS_MOUNT));
		if (s.process)
			assert(s.process->args.n && s.process->cwd[0] == '/');
	}
	if (ks_spec_parse_process(&a, text, size, "fuzz", &p, &err) == 0)
		assert(p.args.n && !p.args.v[p.args.n] && p.cwd[0] == '/');
	free(text);
	return 0;
}
