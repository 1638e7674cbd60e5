#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The native shim against the runc shim on one containerd, in one run: ratios
# of medians, and memory. Usage: shim.sh [RUNS] [SHIMS]
set -u
. "$(dirname "$0")/../lib/lib.sh"
. "$TOP/tests/lib/containerd.sh"
requires_root
requires hyperfine
requires jq
RUNS=${1:-40} SHIMS=${2:-50}
ctd_use 1
ctd_start
pod_rootfs
runtimes=(io.containerd.kshim.v2 io.containerd.runc.v2)

row() { # NAME PREPARE COMMAND with RUNTIME in it
	local a b
	hyperfine -N --style none --export-json "$T/h.json" --warmup 3 --runs "$RUNS" ${2:+--prepare "$2"} \
		"${3//RUNTIME/${runtimes[0]}}" "${3//RUNTIME/${runtimes[1]}}" >/dev/null 2>"$T/h.err" || cat "$T/h.err"
	read -r a b < <(jq -r '[.results[].median] | @tsv' "$T/h.json")
	awk -v n="$1" -v a="$a" -v b="$b" 'BEGIN { printf "%-38s %8.2f ms  %5.2f x the runc shim\n", n, a * 1000, a / b }'
}

# ctr itself takes a good part of both: the answer of its "version" says how much.
row "ctr version, for comparison" "" "ctr version"
row "ctr run --rm /bin/true" "" "ctr run --rm --runtime RUNTIME --rootfs $R $TAG-b /bin/true"
row "the same after 0.3 s" "sleep 0.3" "ctr run --rm --runtime RUNTIME --rootfs $R $TAG-b /bin/true"
for r in "${runtimes[@]}"; do
	ctr run -d --runtime "$r" --rootfs "$R" "$TAG-$r" /bin/sleep 1000 >/dev/null 2>&1 </dev/null
done
row "ctr task exec /bin/true" "" "ctr task exec --exec-id e $TAG-RUNTIME /bin/true"

shims() { # RUNTIME: pids
	case $1 in
	*kshim*) pids_of_shims ;;
	*) pgrep -f "^/usr/bin/containerd-shim-runc-v2 .*-address $CONTAINERD_ADDRESS" ;;
	esac
}
sum() { # FIELD PID…: in KiB
	local f=$1 p t=0
	shift
	for p in "$@"; do t=$((t + $(awk -v f="$f:" '$1 == f { print $2 }' "/proc/$p/smaps_rollup"))); done
	echo "$t"
}
memory() { # of what there is now, when it is quiet
	local p r
	sleep 3
	for r in "${runtimes[@]}"; do
		mapfile -t p < <(shims "$r")
		printf '%-38s %6d shims: %6d KiB PSS, %6d KiB anonymous each; %d threads, %d descriptors\n' "$r" "${#p[@]}" \
			$(($(sum Pss "${p[@]}") / ${#p[@]})) $(($(sum Anonymous "${p[@]}") / ${#p[@]})) \
			"$(find "/proc/${p[0]}/task" -mindepth 1 -maxdepth 1 | wc -l)" "$(find "/proc/${p[0]}/fd" -mindepth 1 | wc -l)"
	done
}
memory
for r in "${runtimes[@]}"; do
	for i in $(seq 2 "$SHIMS"); do
		ctr run -d --runtime "$r" --rootfs "$R" "$TAG-$r-$i" /bin/sleep 1000 >/dev/null 2>&1 </dev/null
	done
done
memory
# What comes out of a container, against the same program and FIFO without one.
mb=256
mkfifo "$T/fifo"
direct=$( { time { "$R/bin/busybox" dd if=/dev/zero bs=64k count=$((mb * 16)) 2>/dev/null >"$T/fifo" & cat "$T/fifo" >/dev/null; wait $!; }; } 2>&1 | awk '/^real/ { split($2, t, /[ms]/); print t[1] * 60 + t[2] }')
through=$( { time ctr run --rm --runtime io.containerd.kshim.v2 --rootfs "$R" "$TAG-o" /bin/dd if=/dev/zero bs=64k count=$((mb * 16)) 2>/dev/null >/dev/null; } 2>&1 | awk '/^real/ { split($2, t, /[ms]/); print t[1] * 60 + t[2] }')
runc=$( { time ctr run --rm --runtime io.containerd.runc.v2 --rootfs "$R" "$TAG-o" /bin/dd if=/dev/zero bs=64k count=$((mb * 16)) 2>/dev/null >/dev/null; } 2>&1 | awk '/^real/ { split($2, t, /[ms]/); print t[1] * 60 + t[2] }')
echo "$mb MiB of output: a FIFO alone ${direct} s; through ctr ${through} s, with the runc shim ${runc} s"
