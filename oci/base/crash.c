/* SPDX-License-Identifier: Apache-2.0 */
#include <kshim/crash.h>

#ifdef KS_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <kshim/str.h>

void ks_crash_point(const char *name)
{
	static unsigned int passed; /* of the one point that is named; test builds only */
	const char *at = getenv("KSHIM_CRASH_AT");
	const char *rest = at ? ks_str_prefix(at, name) : NULL;
	uint64_t n = 1;

	if (!rest || (*rest && (*rest != ':' || ks_parse_u64(rest + 1, 1000000, &n) < 0)))
		return;
	if (++passed == n)
		kill(getpid(), SIGKILL);
}
#else
typedef int ks_crash_unused; /* a translation unit must not be empty */
#endif
