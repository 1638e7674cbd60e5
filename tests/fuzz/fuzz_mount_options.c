/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <linux/mount.h>

#include <kshim/mount.h>
#include <kshim/run.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_mount_opts o;
	struct ks_strv v;
	char *text = fuzz_text(data, size);

	if (ks_str_split(&a, text, ',', &v) == 0 && ks_mount_parse_options(&a, &v, &o, &err) == 0) {
		/* Never set and cleared at once, but for the field of the atime bits. */
		assert(!(o.attr_set & o.attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
		assert(!(o.rec_set & o.rec_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
	}
	int sig = ks_signal_parse(text);

	assert(sig == -EINVAL || (sig > 0 && sig <= 64));
	free(text);
	return 0;
}
