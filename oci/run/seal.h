/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * ks_exe_replace() - give the exe link of this process to @fd
 * @fd: this program's own file through another mount, open for reading
 *
 * Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the process' user namespace,
 * and that there is no other thread.
 * Return: 0, or -errno, and the link is the old one.
 * Source: PR_SET_MM(2const); the kernel's prctl_set_mm_map().
 */
int ks_exe_replace(int fd);
