#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random bundles under kshim, crun and runc; the seed stands fast, so that a run can be repeated.
# Look for more: BUNDLES=2000 SEED=$RANDOM make diff
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires crun
requires python3
[ -z "${KSHIM_SANITIZED:-}" ] || skip_all "its limits of memory are not meant for a sanitized program"
[ -d /sys/fs/cgroup/memory ] || skip_all "compares the files of cgroup v1"
export TMPDIR=$T
chmod 755 "$T" # the peers walk to the root file system as its mapped user
BUILD=$BUILD peer_view python3 "$(dirname "$0")/diff.py" -n "${BUNDLES:-100}" -s "${SEED:-1000}" >"$T/log" 2>&1
rc=$?
grep '^#' "$T/log"
ok $rc "random bundles are the same under kshim as under crun or runc"
[ $rc = 0 ] || grep -v '^#' "$T/log" | tail -20 | sed 's/^/#   /'
no_leaks
