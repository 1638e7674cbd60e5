#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The config.json that containerd makes; the engines themselves are in tests/engines.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
pod_rootfs

# ---- containerd's spec, as its own shim would hand it over ------------------------------------

mkdir "$T/c" && cp "$TOP/tests/data/containerd-config.json" "$T/c/config.json"
edit "$T/c" ".root.path = \"$R\" | .process.args = [\"sh\", \"-c\", \"grep -E 'Seccomp:|NoNewPrivs' /proc/self/status | tr -d '\\\\t'; ulimit -n\"]"
try "$K" run -b "$T/c" "$TAG-1"
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:NoNewPrivs:1 Seccomp:2 1024 " "containerd's default spec with its seccomp profile"
is "$(ls "$KSHIM_ROOT/seccomp" | wc -l)" 1 "the compiled profile is kept"
: >"$KSHIM_ROOT/seccomp/$(ls "$KSHIM_ROOT/seccomp")"
try "$K" run -b "$T/c" "$TAG-1"
is "$rc" 0 "an empty one is made anew"
edit "$T/c" '.process.args = ["sleep", "1000"]'
"$K" run -d -b "$T/c" "$TAG-2" </dev/null
rm -f "$KSHIM_ROOT"/seccomp/*
try "$K" exec "$TAG-2" grep Seccomp: /proc/self/status
like "$rc:$out" '0:*2' "exec compiles the profile again when its program is gone"
"$K" delete -f "$TAG-2"
edit "$T/c" '.process.args = ["unshare", "-r", "true"]'
try "$K" run -b "$T/c" "$TAG-1"
[ "$rc" -ne 0 ]
ok $? "what the profile forbids fails"

no_leaks
