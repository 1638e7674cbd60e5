/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <kshim/spec.h>

/*
 * Moves the devices (struct ks_spec_net_device) into the network namespace @ns, with their
 * addresses, and sets them up. What was moved before a failure stays there: the kernel gives
 * hardware back when that namespace ends. Enters it for a moment.
 */
int ks_netdev_move(struct ks_arena *a, const struct ks_list *devices, int ns, struct ks_err *err);
