/* SPDX-License-Identifier: Apache-2.0 */
/* A record file with any content: read, corrupt or of a newer format; never anything else. */
#include <assert.h>
#include <fcntl.h>
#include <kshim/record.h>
#include <unistd.h>

#include "fuzz.h"

static char path[] = "/tmp/kshim-fuzz.XXXXXX";

static void remove_dir(void)
{
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	ks_auto_arena struct ks_arena a = KS_ARENA_INIT;
	struct ks_err err = KS_ERR_INIT;
	struct ks_record rec;

	if (dir < 0) {
		if (!mkdtemp(path) || atexit(remove_dir))
			abort();
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	int fd = openat(dir, "r", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	int r = ks_record_read(&a, dir, "r", "volume", &rec, &err);

	if (r == 0)
		assert(rec.body && rec.body->type == KS_JSON_OBJECT);
	else
		assert(r == KS_RECORD_CORRUPT || r == -EOPNOTSUPP);
	unlinkat(dir, "r", 0);
	return 0;
}
