# shellcheck shell=bash disable=SC2034 # set for the caller
# SPDX-License-Identifier: Apache-2.0
# The shim called and talked to as containerd does both, without containerd. After lib.sh.
SHIM=$BUILD/containerd-shim-kshim-v2
export TTRPC_ADDRESS=$T/nobody.ttrpc
mkdir -p "$T/bundles"
call() { try timeout -k 1 90 python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" "$@"; }
shims() { # pids of this test's servers
	local p comm
	for p in $(own_processes); do
		comm=
		{ read -r comm <"/proc/$p/comm"; } 2>/dev/null
		[ "$comm" != kshim-shim ] || echo "$p"
	done
}
words() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@"; }
new() { # ID JQ-FILTER COMMAND…: a bundle, as containerd makes one
	local b=$T/bundles/$1 f=$2
	shift 2
	mkdir -p "$b"
	[ -e "$b/rootfs" ] || ln -s "$R" "$b/rootfs"
	rm -f "$b/config.json"
	runc spec -b "$b"
	edit "$b" ".process.terminal = false | .process.args = $(words "$@") | $f"
	mkfifo "$b/log"
}
start() { # ID [OPTION]: sets SOCK
	try_in "$T/bundles/$1" "$SHIM" -namespace default -address "$T/c.sock" -publish-binary /x -id "$1" ${2:-} start
	SOCK=${out#unix://}
}
try_in() { # DIR COMMAND…
	local d=$1
	shift
	(cd "$d" && exec "$@") >"$T/out" 2>"$T/err" </dev/null
	rc=$?
	out=$(cat "$T/out")
	err=$(cat "$T/err")
}
delete() { # ID
	try_in "$T/bundles/$1" "$SHIM" -namespace default -address "$T/c.sock" -id "$1" -bundle "$T/bundles/$1" delete
}
create() { call Create "1=$1" "2=$T/bundles/$1" "${@:2}"; }
state_is() { python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" State "1=$1" "2=@${3:-}" | grep -x "4=$2" >/dev/null; }
CREATED=1 RUNNING=2 STOPPED=3 PAUSED=4
shims_gone() { wait_for 5 eval '[ -z "$(shims)" ]'; }
stop_shims() {
	local p
	for p in $(shims); do kill -KILL "$p"; done
	shims_gone
}
