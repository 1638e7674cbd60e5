/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Points at which the tests stop the process as SIGKILL would. Compiled out
 * unless KS_CRASH_POINTS is defined (make CRASH=1, and the test builds).
 */

/**
 * ks_crash_point() - die here when KSHIM_CRASH_AT names this point
 * @name: stable name, listed in tests/volumes/crash.t; "NAME:N" in the
 *        variable means the Nth time that the point is passed. The file "mark" then
 *        appears in $KSHIM_CRASH_DIR
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
