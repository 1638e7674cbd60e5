# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A containerd of the test's own: Debian's, or 2.x of a later suite unpacked
# beside it. After lib.sh: ctd_use 1|2; ctd_start; ctd_kill; ctd_stop.

LATER=$BUILD/later
RT="--runtime io.containerd.kshim.v2"

ctd_use() { # 1 or 2
	local ld lib
	case $1 in
	1)
		requires containerd
		requires ctr
		CONTAINERD=(containerd)
		CTR=("$(type -P ctr)") # not the function below
		;;
	2)
		requires apt-get
		flock "$BUILD" "$TOP/tests/lib/later.sh" sid "$LATER" containerd libc6 >"$T/later.log" 2>&1 ||
			skip_all "no containerd 2.x: $(tail -1 "$T/later.log")"
		ld=$(find "$LATER/root/" -name 'ld-linux*.so.*' | head -1)
		lib=$(dirname "$(find "$LATER/root/" -name libc.so.6 | head -1)")
		CONTAINERD=("$ld" --library-path "$lib" "$LATER/root/usr/bin/containerd")
		CTR=("$ld" --library-path "$lib" "$LATER/root/usr/bin/ctr")
		;;
	esac
	CTD=$T/ctd
	export CONTAINERD_ADDRESS=$CTD/c.sock
	mkdir -p "$CTD"
	ctd_config "$1"
}

ctd_config() { # VERSION: more may be appended to it
	cat >"$CTD/config.toml" <<-E2
	version = $(($1 + 1))
	root = "$CTD/root"
	state = "$CTD/state"
	$([ "${CRI:-}" ] || echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]')
	[grpc]
	address = "$CONTAINERD_ADDRESS"
	E2
}

ctr() { timeout -k 1 60 "${CTR[@]}" "$@"; }

ctd_start() {
	PATH=$BUILD:$PATH "${CONTAINERD[@]}" -c "$CTD/config.toml" >>"$CTD/log" 2>&1 </dev/null &
	ctd=$!
	wait_for 20 ctr version || skip_all "containerd does not run here: $(tail -1 "$CTD/log")"
}

ctd_kill() { # as a crash
	kill -KILL "$ctd"
	wait "$ctd" 2>/dev/null
}

# Every task and container of the test, then containerd itself.
ctd_stop() {
	local c
	[ "${ctd:-}" ] || return 0
	for c in $(ctr task ls -q 2>/dev/null); do
		ctr task kill -a -s KILL "$c" 2>/dev/null
		ctr task rm -f "$c" >/dev/null 2>&1
	done
	for c in $(ctr c ls -q 2>/dev/null); do ctr c rm "$c" >/dev/null 2>&1; done
	kill "$ctd" 2>/dev/null
	wait "$ctd" 2>/dev/null
	ctd=
}

shim_of() { # CONTAINER: the pid of the shim that has it
	local p
	for p in $(pids_of_shims); do
		[ "$(readlink "/proc/$p/cwd")" = "$CTD/state/io.containerd.runtime.v2.task/default/$1" ] && echo "$p"
	done
}

pids_of_shims() { # of this test
	local p
	for p in $(own_processes); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != kshim-shim ] || echo "$p"
	done
}
status_is() { ctr task ls | grep -q "^$1 .* *$2"; }
at_exit=ctd_stop
