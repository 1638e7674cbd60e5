/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include <kshim/run.h>

int ks_signal_parse(const char *s)
{
	uint64_t n;

	/* 0 is no signal, but asks whether there is a process. */
	if (ks_parse_u64(s, 64, &n) == 0)
		return (int)n;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	bool max = strncasecmp(s, "RTMAX", 5) == 0;

	if (max || strncasecmp(s, "RTMIN", 5) == 0) {
		const char *rest = s + 5;
		uint64_t off = 0;
		int base = max ? SIGRTMAX : SIGRTMIN;

		if (*rest && (*rest != (max ? '-' : '+') || ks_parse_u64(rest + 1, 30, &off) < 0))
			return -EINVAL;
		return max ? base - (int)off : base + (int)off;
	}
	/* sigabbrev_np() knows the names; there is no way back but to try. */
	for (int sig = 1; sig < SIGRTMIN; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcasecmp(name, s) == 0)
			return sig;
	}
	return -EINVAL;
}
