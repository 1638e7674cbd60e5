#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kshim against crun and runc on the same bundle, in one run on one machine:
# ratios of medians, never times. containerd's default spec with its seccomp
# profile, /bin/true. Usage: bench.sh [RUNS]
set -eu
# Its runtimes keep their records on a tmpfs, as in /run; nobody else sees that.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires crun
requires hyperfine
requires jq

RUNS=${1:-60}
IDLE_RUNS=$((RUNS / 3))
RUN=$T/records
mkdir -p "$RUN"
mount -t tmpfs tmpfs "$RUN"
at_exit='umount "$RUN" || :'
B=$T/b
mkdir -p "$B"
rootfs "$B/rootfs"
cp "$TOP/tests/data/containerd-config.json" "$B/config.json"
L=$T/long # the same with a process that stays, for exec and the small verbs
mkdir -p "$L"
jq --arg r "$B/rootfs" '.process.args = ["/bin/sleep", "1000"] | .root.path = $r' "$B/config.json" >"$L/config.json"

# The medians in seconds of some commands, back to back. In rounds, each of which has all of them, since
# a machine that others use is faster at one time than at another.
ROUNDS=6
medians() { # VIEW PREPARE RUNS COMMAND…
	local view=$1 prepare=$2 runs=$3 i
	shift 3
	for i in $(seq "$ROUNDS"); do
		"$view" hyperfine -N --style none --export-json "$T/h.$i.json" --warmup 3 --runs $((runs / ROUNDS + 1)) \
			${prepare:+--prepare "$prepare"} "$@" >/dev/null 2>"$T/h.err" || return
	done
	jq -rs '[.[].results] | transpose | map([.[].times[]] | sort | .[length / 2 | floor]) | @tsv' "$T"/h.?.json
}

# The ids differ, since the cgroup that crun and runc make is named by them alone.
for_one() { # RUNTIME LETTER COMMAND
	local cmd=${3//RUNTIME/$1 --root $RUN/r$2}
	echo "${cmd//ID/$TAG-$2}"
}

row() { # NAME PREPARE RUNS COMMAND, with RUNTIME in it
	local k c r
	read -r k c r < <(medians peer_view "$2" "$3" "$(for_one "$K" k "$4")" "$(for_one crun c "$4")" "$(for_one runc r "$4")") ||
		{ cat "$T/h.err" >&2; exit 1; }
	awk -v n="$1" -v k="$k" -v c="$c" -v r="$r" 'BEGIN {
		printf "%-34s %8.2f ms   %5.2f x crun   %5.2f x runc\n", n, k * 1000, k / c, k / r }'
}

each() { # COMMAND: once with every runtime
	local words
	read -ra words < <(for_one "$K" k "$1") && "${words[@]}"
	read -ra words < <(for_one crun c "$1") && peer_view "${words[@]}"
	read -ra words < <(for_one runc r "$1") && "${words[@]}"
}

rss() { # RUNTIME ROOT: peak memory of a run, in KiB
	peer_view /usr/bin/env time -f %M -o "$T/rss" "$1" --root "$2" run -b "$B" "$TAG-m" >/dev/null
	cat "$T/rss"
}

printf '%-34s %11s\n' "median of $RUNS runs ($IDLE_RUNS idle)" "kshim"
row "run /bin/true" "" "$RUNS" "RUNTIME run -b $B ID-x"
row "run /bin/true after 0.3 s" "sleep 0.3" "$IDLE_RUNS" "RUNTIME run -b $B ID-x"
# The same namespaces, mounts and masked paths, made by a program that does nothing else. On a hybrid
# or v1 host there is a cgroup in each hierarchy, on v2 one; crun does not start this there.
floor() { # NAME VIEW BUNDLE [--cgroups]
	local k r f
	read -r k r f < <(medians "$2" "" "$RUNS" "$K --root $RUN/rk run -b $3 $TAG-x" "runc --root $RUN/rr run -b $3 $TAG-y" \
		"$BUILD/helper/floor ${4:+$4 }$3/rootfs /bin/true") || { echo "$1: not on this host"; return 0; }
	awk -v n="$1" -v k="$k" -v r="$r" -v f="$f" 'BEGIN { printf "%-34s %8.2f ms   %5.2f x a bare program   %5.2f x runc\n", n, k * 1000, k / f, k / r }'
}
floor "run, against the floor" peer_view "$B"
[ ! -d /sys/fs/cgroup/memory ] || floor "the same, a floor with v1 cgroups" peer_view "$B" --cgroups
mkdir -p "$T/b2"
ln -s "$B/rootfs" "$T/b2/rootfs"
# Of what this host's v2 tree has no controllers for, it asks for nothing.
jq -c --arg r "$B/rootfs" '.root.path = $r | .linux.resources |= {devices} | del(.process.rlimits)' "$B/config.json" >"$T/b2/config.json"
floor "the same on cgroup v2" v2_view "$T/b2"
each "RUNTIME run --detach -b $L ID-l" >"$T/each" 2>&1 </dev/null || cat "$T/each"
row "exec /bin/true" "" "$RUNS" "RUNTIME exec ID-l /bin/true"
row "exec /bin/true after 0.3 s" "sleep 0.3" "$IDLE_RUNS" "RUNTIME exec ID-l /bin/true"
row "state" "" "$RUNS" "RUNTIME state ID-l"
row "list" "" "$RUNS" "RUNTIME list"
row "kill CONT" "" "$RUNS" "RUNTIME kill ID-l CONT"
each "RUNTIME delete --force ID-l"
# A run in numbers that do not depend on the machine's speed.
counts() { # COMMAND…: system calls, page faults
	local calls faults
	peer_view strace -f -o "$T/strace" "$@" >/dev/null 2>&1
	calls=$(grep -cE '^[0-9]+ +[a-z_0-9]+\(' "$T/strace")
	faults=$(peer_view /usr/bin/env time -f %R -o "$T/faults" "$@" >/dev/null 2>&1; tail -1 "$T/faults")
	echo "$calls system calls, $faults page faults"
}
if command -v strace >/dev/null && [ -x /usr/bin/time ]; then
	printf 'run: kshim %s; crun %s; runc %s; the floor %s\n' "$(counts "$K" --root "$RUN/rk" run -b "$B" "$TAG-n")" \
		"$(counts crun --root "$RUN/rc" run -b "$B" "$TAG-n")" "$(counts runc --root "$RUN/rr" run -b "$B" "$TAG-n")" \
		"$(counts "$BUILD/helper/floor" "$B/rootfs" /bin/true)"
fi
smallest() { # RUNTIME ROOT: the smallest memory limit in which the container runs, in KiB
	local low=4 high=32768 mid
	while [ $((high - low)) -gt 8 ]; do
		mid=$(((low + high) / 2))
		jq --argjson n $((mid * 1024)) '.linux.resources.memory = {limit: $n}' "$B/config.json" >"$L/config.json"
		if peer_view "$1" --root "$2" run -b "$L" "$TAG-s" >/dev/null 2>&1; then high=$mid; else low=$mid; fi
		peer_view "$1" --root "$2" delete --force "$TAG-s" >/dev/null 2>&1
	done
	echo "$high"
}
jq --arg r "$B/rootfs" '.root.path = $r' "$B/config.json" >"$L/true.json" && mv "$L/true.json" "$B/config.json"
printf 'smallest memory limit: kshim %s KiB, crun %s KiB, runc %s KiB\n' \
	"$(smallest "$K" "$RUN/rk")" "$(smallest crun "$RUN/rc")" "$(smallest runc "$RUN/rr")"
if command -v time >/dev/null && [ -x /usr/bin/time ]; then
	printf 'peak memory of run: kshim %s KiB, crun %s KiB, runc %s KiB\n' \
		"$(rss "$K" "$RUN/rk")" "$(rss crun "$RUN/rc")" "$(rss runc "$RUN/rr")"
fi
# What the peers leave of theirs.
find /sys/fs/cgroup -maxdepth 3 -depth -type d -name "$TAG-*" -exec rmdir {} + 2>/dev/null || :
