# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced first: as root, the script goes on in a mount namespace of its own, where it mounts
# unseen by others, and where what others mount meanwhile does not come.
if [ "$(id -u)" = 0 ] && [ -z "${KSHIM_OWN_MOUNTS:-}" ]; then
	KSHIM_OWN_MOUNTS=1 exec unshare -m --propagation private bash "$0" "$@"
fi
unset KSHIM_OWN_MOUNTS # not for the scripts that this one calls
