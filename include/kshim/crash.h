/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Points at which the tests stop the process as SIGKILL would. Compiled out
 * unless KS_CRASH_POINTS is defined (make CRASH=1, and the test builds).
 */

/**
 * ks_crash_point() - die here when KSHIM_CRASH_AT names this point
 * @name: stable name, listed in tests/volumes/crash.t; "NAME:N" in the
 *        variable means the Nth time that the process passes the point, or, with
 *        KSHIM_CRASH_COUNT_ALL set, the Nth time that any of the test does. The file "mark"
 *        then appears in $KSHIM_CRASH_DIR, and a parent that is named as
 *        KSHIM_CRASH_PARENT says is killed first. With KSHIM_CRASH_STOPS set the process only
 *        stops, until SIGCONT: so that others get in between
 *
 * Context: any.
 */
#ifdef KS_CRASH_POINTS
void ks_crash_point(const char *name);
#else
static inline void ks_crash_point(const char *name)
{
	(void)name;
}
#endif
