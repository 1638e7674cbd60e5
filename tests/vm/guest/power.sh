#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three boots with one disk: the power goes while a pod writes, the machine is reset
# while another does, and then everything must be there. Usage: power.sh 1|2|3
. "$(dirname "$0")/guest.sh"
export KSHIM_ROOT=/run/kshim KSHIM_STATE_DIR=/s/state
pod_rootfs
mkdir -p /s
mount /dev/vdc /s || exit 1

write_for_ever() { # CLAIM
	"$K" run -d --rootfs "$R" --pod "ns/p-$1" --volume-claim-template "$1:16Mi:/d" "p-$1" -- \
		sh -c 'echo first >/d/first; sync; while :; do date >>/d/log; sync; done' >/dev/null 2>&1 </dev/null
	wait_for 20 "$K" exec "p-$1" grep -q first /d/first
	"$K" volume inspect -n ns "$1-p-$1" | jq -r .fsUuid >"/s/uuid-$1"
	sync
	sleep 1
}

case $1 in
1)
	write_for_ever cut
	host cut
	sleep 60
	;;
2)
	write_for_ever reset
	host reset
	sleep 60
	;;
3)
	is "$("$K" pod list -f json | jq -r '.[] | select(.podUid) | .name' | paste -sd,)" "p-cut,p-reset" "both pods are lost"
	try "$K" gc
	is "$rc" 0 "gc"
	is "$("$K" pod list -f json | jq -r '.[] | select(.podUid) | .name')" "" "then their names are free"
	for c in cut reset; do
		is "$("$K" volume inspect -n ns "$c-p-$c" | jq -r .fsUuid)" "$(cat "/s/uuid-$c")" "$c: the volume was not formatted again"
		try "$K" run --rootfs "$R" --pod "ns/p-$c" --volume "$c-p-$c:/d" "p-$c" -- sh -c 'cat /d/first; test -s /d/log && echo log; hostname'
		is "$rc:$out" $'0:first\nlog\n'"p-$c" "$c: its next pod finds what was written, and its name"
	done
	wait_for 10 umount /s
	;;
esac
