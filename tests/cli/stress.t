#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 200 containers by 16 callers at once; then the same with kshim killed at
# random moments and the callers trying again.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq

B=$T/b
CALLERS=16
PER=13 # of each: 208
bundle "$B" '.process.args = ["sleep", "1000"] | .process.capabilities.ambient = []
	| .mounts += [{destination: "/tmp", type: "tmpfs", source: "t", options: ["size=64k"]}]'

say() { echo "$*" >>"$T/complaints"; }

# How long a run takes here: what is killed shall have got somewhere, and a slow build does less.
before=$(date +%s%N)
for i in 1 2 3 4 5; do "$K" run --rootfs "$B/rootfs" "$TAG-t" -- true </dev/null >/dev/null 2>&1; done
RUN_MS=$((($(date +%s%N) - before) / 5000000))
LIFE_MS=$((RUN_MS * 3 + 20))
SOME=$PER # of those that are killed
[ "$RUN_MS" -le 16 ] || SOME=2
echo "# a run takes $RUN_MS ms"

# ---- all at once ---------------------------------------------------------------------------------
worker() { # NUMBER
	local i id
	for i in $(seq "$PER"); do
		id=$TAG-$1-$i
		"$K" create -b "$B" "$id" >/dev/null 2>"$T/e.$1" || say "create $id: $(cat "$T/e.$1")"
		"$K" start "$id" 2>"$T/e.$1" || say "start $id: $(cat "$T/e.$1")"
		[ "$("$K" exec "$id" echo "$id" 2>"$T/e.$1")" = "$id" ] || say "exec $id: $(cat "$T/e.$1")"
		[ "$("$K" state "$id" 2>"$T/e.$1" | jq -r .status)" = running ] || say "state $id: $(cat "$T/e.$1")"
		"$K" list -q >/dev/null 2>"$T/e.$1" || say "list: $(cat "$T/e.$1")"
		"$K" delete --force "$id" 2>"$T/e.$1" || say "delete $id: $(cat "$T/e.$1")"
	done
}
everybody() { # FUNCTION
	local n pids=()
	: >"$T/complaints"
	for n in $(seq "$CALLERS"); do
		"$1" "$n" </dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
}
everybody worker
is "$(wc -l <"$T/complaints")" 0 "$((CALLERS * PER)) containers by $CALLERS callers: no error"
head -5 "$T/complaints" | sed 's/^/#   /'
no_leaks "and nothing is left"

# ---- killed at random ------------------------------------------------------------------------------
# A random life; the last of twelve tries is left alone.
often() { # COMMAND…: its exit code
	local try=1 rc ms
	while :; do
		ms=$((RANDOM % LIFE_MS + 1))
		if [ "$try" -lt 12 ]; then
			timeout --foreground -s KILL "0.$(printf %03d $ms)" "$K" "$@" && return 0
		else
			"$K" "$@" && return 0
		fi
		rc=$?
		[[ $rc = 124 || $rc = 137 ]] && [ "$try" -lt 12 ] || return "$rc"
		echo x >>"$T/kills"
		try=$((try + 1))
		# What a caller does with a create that it knows nothing of: away with it, and again.
		[ "$1" != create ] || often delete --force "${!#}" 2>"$T/d.$BASHPID" || say "delete after a killed create: $(cat "$T/d.$BASHPID")"
	done
}
status() { "$K" state "$1" 2>/dev/null | jq -r .status; }
tough_worker() { # NUMBER
	local i id s
	for i in $(seq "$SOME"); do
		id=$TAG-k$1-$i
		often create -b "$B" "$id" >/dev/null 2>"$T/e.$1" || say "create $id: $(tail -1 "$T/e.$1")"
		# A start that was killed may have started it.
		often start "$id" 2>"$T/e.$1" || [ "$(status "$id")" = running ] || say "start $id: $(tail -1 "$T/e.$1")"
		for s in 1 2 3; do
			[ "$(status "$id")" = running ] && break
			often start "$id" 2>"$T/e.$1"
		done
		[ "$(status "$id")" = running ] || say "$id is $(status "$id")"
		timeout --foreground -s KILL "0.$(printf %03d $((RANDOM % LIFE_MS + 1)))" "$K" exec "$id" true 2>/dev/null
		[ "$("$K" exec "$id" echo "$id" 2>"$T/e.$1")" = "$id" ] || say "exec $id: $(cat "$T/e.$1")"
		often delete --force "$id" 2>"$T/e.$1" || say "delete $id: $(tail -1 "$T/e.$1")"
		[ -z "$(status "$id")" ] || say "$id is still there"
	done
}
everybody tough_worker 2>/dev/null # the shell tells of each that was killed
is "$(wc -l <"$T/complaints")" 0 "the same with kshim killed at random: the callers get there"
head -5 "$T/complaints" | sed 's/^/#   /'
[ "$(wc -l <"$T/kills")" -gt 50 ]
ok $? "it was killed more than fifty times"
echo "# killed $(wc -l <"$T/kills") times"
no_leaks "and nothing is left either"
