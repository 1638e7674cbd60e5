/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * ks_exe_replace() - give the exe link of this process to @fd
 * @fd: this program's own file through another mount, open for reading; stays the caller's
 *
 * Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the process' user namespace,
 * and that there is no other thread.
 * Return: 0, or -errno: the link is the old one, and this process goes on as before, though some of
 * its memory may be mapped from @fd.
 * Source: PR_SET_MM(2const); the kernel's prctl_set_mm_map().
 */
int ks_exe_replace(int fd);
