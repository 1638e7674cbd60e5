#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints text-order.ld anew, from what a container's everyday life executes; see `make text-order`.
# Usage: text-order.sh BUILD, with kshim linked in the linker's own order, and kshim.map beside it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "$1" && pwd)
export BUILD
cc -D_GNU_SOURCE -O1 -Wall -Wextra -o "$BUILD/touched" "$here/touched.c"
hits=()
for w in small run verbs pod ctr; do
	said=$("$BUILD/touched" "$BUILD/hits.$w" "$BUILD/kshim" bash "$here/workload.sh" "$w")
	# A workload that this host cannot run would be missing without a word.
	case $said in *SKIP*) echo "$w: $said" >&2; exit 1 ;; esac
	hits+=("$BUILD/hits.$w")
done
exec python3 "$here/text-order.py" "$BUILD/kshim.map" "${hits[@]}"
