#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# containerd with its own shim for runc, which calls kshim: ctr's everyday verbs.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/criu.sh"
requires_root
criu_use
export PATH # containerd's shim looks there for criu
requires jq
requires containerd
requires ctr

pod_rootfs
cat >"$T/containerd.toml" <<E2
version = 2
root = "$T/ctd"
state = "$T/ctd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$T/ctd.sock"
E2
containerd -c "$T/containerd.toml" >"$T/containerd.log" 2>&1 &
ctd=$!
ctr() { command ctr -a "$T/ctd.sock" "$@"; }
C=$TAG-c
stop_containerd() {
	ctr task kill -s KILL "$C" 2>/dev/null
	sleep 0.3
	ctr task rm -f "$C" 2>/dev/null
	kill "$ctd" 2>/dev/null
	wait "$ctd" 2>/dev/null
}
at_exit=stop_containerd
wait_for 10 ctr version || skip_all "containerd does not run here"
O="--runc-binary $K --runc-root $T/ctr-root --rootfs"
stopped() { ctr task ls | grep -q "^$C .*STOPPED"; }
gone() { # ends the container and everything of it
	ctr task kill -s KILL "$C" >/dev/null 2>&1
	wait_for 5 stopped
	ctr task rm "$C" >/dev/null 2>&1
	ctr c rm "$C" >/dev/null 2>&1
}

try ctr run --rm --seccomp $O "$R" "$C" sh -c 'echo hello; exit 3'
is "$rc:$out" 3:hello "run --rm"
try ctr run --rm --memory-limit 33554432 $O "$R" "$C" true
is "$rc" 0 "with a memory limit"
try ctr run --rm $O "$R" "$C" nosuch
like "$rc:$err" '1:*"nosuch": executable file not found in $PATH*' "the error reaches the user"
try ctr run --rm --cwd /tmp --env A=b --read-only --cap-add CAP_SYS_ADMIN $O "$R" "$C" sh -c 'echo $A $(pwd); touch /f'
is "$rc:$out" "1:b /tmp" "directory, environment, read-only"
try ctr run --rm --mount type=bind,src="$T",dst=/mnt,options=rbind:ro $O "$R" "$C" sh -c 'test -e /mnt/containerd.toml && touch /mnt/x'
is "$rc" 1 "a bind mount"
try ctr run --rm --privileged $O "$R" "$C" grep CapEff /proc/self/status
like "$rc:$out" '0:*' "--privileged"
try script -qec "ctr -a $T/ctd.sock run --rm -t $O $R $C sh -c 'tty; exit 4'" /dev/null
like "$rc:$out" '4:*/dev/pts/0*' "--tty"

ctr run -d $O "$R" "$C" sh -c 'sleep 1000 & wait' >/dev/null 2>&1 </dev/null
like "$(ctr task ls)" "*$C*RUNNING*" "run -d; task ls"
try ctr task exec --exec-id e1 "$C" sh -c 'echo from-exec; exit 6'
is "$rc:$out" 6:from-exec "task exec"
try ctr task exec --exec-id e2 --cwd /tmp --user 1000 "$C" sh -c 'pwd; id -u'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:/tmp 1000 " "with a directory and a user"
try ctr task exec --exec-id e3 "$C" nosuch
like "$rc:$err" '1:*nosuch*' "of a command that is missing"
try script -qec "ctr -a $T/ctd.sock task exec --exec-id e4 -t $C tty" /dev/null
like "$rc:$out" '0:*/dev/pts/0*' "with a terminal"
is "$(ctr task ps "$C" | awk 'NR > 1' | wc -l)" 2 "task ps"
try ctr task metrics "$C"
like "$rc:$out" '0:*memory*' "task metrics"
try ctr task pause "$C"
like "$rc:$(ctr task ls)" "0:*$C*PAUSED*" "task pause"
try ctr task resume "$C"
like "$rc:$(ctr task ls)" "0:*$C*RUNNING*" "task resume"
if [ -z "$no_criu" ]; then
	mkdir "$T/images"
	try ctr task checkpoint --image-path "$T/images" "$C"
	is "$rc" 0 "task checkpoint"
	[ -s "$T/images/inventory.img" ]
	ok $? "which are images of criu"
else
	skip "task checkpoint" "$no_criu"
fi
try ctr task kill -s USR2 --all "$C"
is "$rc" 0 "task kill --all"
wait_for 5 eval '[ "$(ctr task ps "$C" | awk "NR > 1" | wc -l)" -le 1 ]'
ok $? "which ends what does not take the signal"
gone
is "$(ctr task ls -q)" "" "task kill -s KILL, task rm"
try ctr task kill "$C"
like "$rc:$err" '1:*not found*' "kill of none"

# A pod's disk, by annotation.
"$K" volume create -n ns data --size 16Mi
for word in first second; do
	try ctr run --rm --annotation dev.kshim.pod=ns/p-0 \
		--annotation 'dev.kshim.volumes=[{"name":"d","persistentVolumeClaim":{"claimName":"data"}}]' \
		--annotation 'dev.kshim.volume-mounts={"*":[{"name":"d","mountPath":"/mnt"}]}' \
		$O "$R" "$C" sh -c "cat /mnt/f 2>/dev/null; echo $word >/mnt/f"
done
is "$rc:$out" "0:first" "run with a volume by annotation: the next one finds the file"
"$K" volume delete -n ns data
stop_containerd
at_exit=
no_leaks
