# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What every test script stands on: TAP, a directory of its own, and the check
# that nothing is left on the host. Usage, at the top of a script:
#	. "$(dirname "$0")/../lib/lib.sh"
set -u

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
K=${KSHIM:-$BUILD/kshim}
T=$(mktemp -d "${TMPDIR:-/tmp}/kshim-test.XXXXXX")
TAG=kt$$ # every container id of the test begins with it
export KSHIM_ROOT=$T/run KSHIM_STATE_DIR=$T/state
export LC_ALL=C
unset KSHIM_LOG

_n=0
_failed=0

# ---- TAP ---------------------------------------------------------------------

ok() { # STATUS NAME
	_n=$((_n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $_n - $2"
	else
		echo "not ok $_n - $2"
		_failed=1
	fi
}

is() { # GOT WANT NAME
	if [ "$1" = "$2" ]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		printf '%s\n' "got: $1" "want: $2" | sed 's/^/#   /'
	fi
}

like() { # GOT GLOB NAME
	# shellcheck disable=SC2053 # a pattern
	if [[ $1 == $2 ]]; then
		ok 0 "$3"
	else
		ok 1 "$3"
		printf '%s\n' "got: $1" "want a match of: $2" | sed 's/^/#   /'
	fi
}

skip() { # NAME REASON
	_n=$((_n + 1))
	echo "ok $_n - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	_n=-1
	exit 0
}

requires_root() { [ "$(id -u)" = 0 ] || skip_all "needs root"; }
requires() { command -v "$1" >/dev/null || skip_all "needs $1"; }

# ---- what must not be left -----------------------------------------------------

own_processes() { # prints the pids of the kshim processes that this test started
	local p comm
	for p in /proc/[0-9]*; do
		comm=
		{ read -r comm <"$p/comm"; } 2>/dev/null
		case $comm in kshim*) ;; *) continue ;; esac
		grep -q '^State:[[:space:]]*Z' "$p/status" 2>/dev/null && continue
		grep -qzxF "KSHIM_ROOT=$T/run" "$p/environ" 2>/dev/null && echo "${p#/proc/}"
	done
}

leaks() { # prints what belongs to this test and is still there
	local p
	grep -F "$T/" /proc/self/mounts
	losetup -n -O NAME,BACK-FILE 2>/dev/null | grep -F "$T/"
	find /sys/fs/cgroup -maxdepth 3 -type d -name "kshim-$TAG*" 2>/dev/null
	for p in $(own_processes); do echo "process $p $(cat "/proc/$p/comm" 2>/dev/null)"; done
	# Below containerd the root has a directory for each of its namespaces, which stays.
	find "$T/run" -mindepth 1 -maxdepth 1 ! -name seccomp ! -name default ! -name k8s.io 2>/dev/null
	find "$T"/run/{default,k8s.io} -mindepth 1 -maxdepth 1 ! -name seccomp ! -name pods 2>/dev/null
	find "$T"/state/{pods,journal,trash} -mindepth 1 -maxdepth 1 2>/dev/null
}

no_leaks() { # NAME: waits a little, since the kernel and a keeper clean up behind us
	local i left=
	for i in $(seq 100); do
		left=$(leaks)
		[ -n "$left" ] || break
		sleep 0.05
	done
	[ -z "$left" ]
	ok $? "${1:-nothing is left behind}"
	[ -z "$left" ] || printf '%s\n' "$left" | sed 's/^/#   left: /'
}

wait_gone() { # PID: five seconds at the most
	local i
	for i in $(seq 100); do
		[ -d "/proc/$1" ] || return 0
		sleep 0.05
	done
}

_cleanup() {
	local id dir pid
	eval "${at_exit:-}" # what a script started
	[ "$_n" -ge 0 ] && {
		for dir in "$T"/run/*/; do
			id=$(basename "$dir")
			case $id in "$TAG"*) "$K" delete --force "$id" 2>/dev/null ;; esac
		done
		# What delete did not end, since the kshim under test is broken, ends here.
		for pid in $(cat /sys/fs/cgroup/{,*/}"kshim-$TAG-"*/cgroup.procs 2>/dev/null) $(own_processes); do
			kill -KILL "$pid" 2>/dev/null && wait_gone "$pid"
		done
		find /sys/fs/cgroup -maxdepth 3 -depth -type d -name "kshim-$TAG*" -exec rmdir {} + 2>/dev/null
	}
	if ! grep -qF "$T/" /proc/self/mounts; then
		rm -rf --one-file-system "$T"
	fi
	[ "$_n" -lt 0 ] || echo "1..$_n"
	exit $_failed
}
trap _cleanup EXIT

# ---- bundles -------------------------------------------------------------------

rootfs() { # DIR: a root file system of busybox
	mkdir -p "$1"/{bin,etc,proc,sys,dev,tmp}
	cp /bin/busybox "$1/bin/busybox"
	chroot "$1" /bin/busybox --install -s /bin
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'user:x:1000:1000:user:/home/user:/bin/sh' >>"$1/etc/passwd"
}

bundle() { # DIR [JQ-FILTER]: a bundle made by `runc spec` without a terminal
	mkdir -p "$1"
	[ -d "$T/rootfs" ] || rootfs "$T/rootfs"
	[ -e "$1/rootfs" ] || cp -a "$T/rootfs" "$1/rootfs"
	rm -f "$1/config.json"
	runc spec -b "$1"
	edit "$1" ".process.terminal = false | ${2:-.}"
}

edit() { # DIR JQ-FILTER
	jq "$2" "$1/config.json" >"$1/config.new" && mv "$1/config.new" "$1/config.json"
}

# Runs a command and keeps its output, errors and exit code.
try() {
	"$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
	out=$(cat "$T/out")
	err=$(cat "$T/err")
}

# Runs a script where cgroup v1 is all that crun sees: it refuses a hybrid host.
peer_view() {
	local f=/sys/fs/cgroup/unified/cgroup.controllers
	if [ -e "$f" ]; then
		# shellcheck disable=SC2016 # for the inner shell
		unshare -m --propagation private bash -c ': >"$1.empty"; mount --bind "$1.empty" "$2"; shift 2; exec "$@"' \
			sh "$T/view" "$f" "$@"
	else
		"$@"
	fi
}

# A private cgroup2 mount over /sys/fs/cgroup.
v2_view() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m --propagation private bash -c '
		umount -R /sys/fs/cgroup 2>/dev/null
		mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 77
		exec "$@"' sh "$@"
}

wait_for() { # SECONDS COMMAND…
	local i n=$(($1 * 20))
	shift
	for i in $(seq "$n"); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

# ---- pods ------------------------------------------------------------------------

R=$T/rootfs # for the quick form; made by pod_rootfs

pod_rootfs() { [ -d "$R" ] || rootfs "$R"; }

# kshim run --detach of a container that stays; the options come first.
up() { # ID OPTION…
	local id=$1
	shift
	try "$K" run --detach --rootfs "$R" "$@" "$id" -- sleep 1000
}

sh_in() { # ID SCRIPT: runs it in a container; sets out, err, rc
	try "$K" exec "$1" sh -c "$2"
}

field() { # CLAIM FIELD: of a volume in the namespace "ns"
	"$K" volume inspect -n ns "$1" | jq -r ".$2"
}
