#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkpoint and restore through the shim: as containerd calls it, and as a
# user of ctr sees it.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/criu.sh"
. "$(dirname "$0")/../lib/containerd.sh"
requires_root
requires jq
requires python3
. "$TOP/tests/lib/shim.sh"
criu_use || skip_all "$no_criu"
export PATH # the shim looks there for criu
pod_rootfs
at_exit=stop_shims
C=$TAG-c
IMG=$T/img
EXIT=$'\x08\x01' # CheckpointOptions.exit
TYPE=containerd.runc.v1.CheckpointOptions
# shellcheck disable=SC2016 # for the container
LOOP='i=0; echo up; while :; do i=$((i+1)); echo $i >>/dev/shm/n; sleep 0.05; done'
PLAIN='.process.noNewPrivileges = false' # before 3.18 criu loses it
said() { [ "$rc" = 0 ] || grep -h 'Error (' "$T"/bundles/*/criu/*.log | sed 's/^/#   /'; }
number() { "$K" --root "$T/run/default" exec "$1" tail -n 1 /dev/shm/n; }

new "$C" "$PLAIN" sh -c "$LOOP"
start "$C"
call Checkpoint "1=$C" "2=$IMG"
like "$rc:$out" "1:5 *" "Checkpoint of nothing"
mkfifo "$T/out.fifo"
cat "$T/out.fifo" >"$T/log" &
create "$C" "6=$T/out.fifo"
call Checkpoint "1=$C" "2=$IMG"
like "$rc:$out" "1:9 *not running*" "Checkpoint of what is only created"
call Start "1=$C"
wait_for 5 grep -q up "$T/log"
wait_for 5 number "$C"
call Checkpoint "1=$C" "2=relative"
like "$rc:$out" '1:3 *"relative" is not absolute*' "images at a relative path"
call Checkpoint "1=$C" "2=$IMG" "3:1=$TYPE" "3:2=@"$'\x3a\x04some'
like "$rc:$out" '1:3 *"some" is not one of soft*' "a cgroups mode that there is not"
call Checkpoint "1=$C" "2=$IMG" "3:1=$TYPE" "3:2=@"$'\x32\x03uts'
like "$rc:$out" '1:12 *empty uts namespace*' "an empty namespace of another type"
call Checkpoint "1=$C" "2=$IMG"
is "$rc:$out" "0:" "Checkpoint"
said
state_is "$C" $RUNNING
ok $? "it goes on"
n=$(number "$C")
call Checkpoint "1=$C" "2=$IMG" "3:1=$TYPE" "3:2=@$EXIT"
is "$rc:$out" "0:" "Checkpoint with exit"
said
wait_for 5 state_is "$C" $STOPPED
ok $? "it has ended"
call Wait "1=$C"
like "$rc:$out" "0:1=137*" "as killed"
call Delete "1=$C"
is "$rc" 0 "Delete"
wait # for the end of its output

create "$C" 9=/x "8=$IMG"
like "$rc:$out" "1:12 *parent*" "a parent checkpoint"
create "$C" 8=img
like "$rc:$out" '1:3 *"img" is not absolute*' "a checkpoint at a relative path"
cat "$T/out.fifo" >"$T/log" &
create "$C" "8=$IMG" "6=$T/out.fifo"
is "$rc:$out" "0:" "Create from a checkpoint: no process yet"
state_is "$C" $CREATED
ok $? "it is created"
call Pids "1=$C"
is "$rc:$out" "0:" "without processes"
call Kill "1=$C" 3=9
like "$rc:$out" "1:9 *not restored yet*" "and nothing to kill"
for m in Stats Pause Resume Update Checkpoint; do
	call "$m" "1=$C" "2=$IMG.x" 2:1=x
	is "$rc" 1 "nor anything for $m"
done
call Kill "1=$C" 3=9 4=1
is "$rc" 1 "nor for Kill of all"
call Exec "1=$C" 2=e1 "7:2=$(jq -c .process "$T/bundles/$C/config.json")"
call Start "1=$C" 2=e1
is "$rc" 1 "or to enter"
call Start "1=$C"
like "$rc:$out" "0:1=*" "Start"
said
init=${out#1=}
state_is "$C" $RUNNING
ok $? "it runs"
m=$(number "$C")
[ "${m:-0}" -ge "${n:-9999}" ] && [ "$m" -lt $((n + 200)) ]
ok $? "and goes on where it was ($n, $m)"
# While the shell redirects an echo it is another file.
fd1() { [ "$(readlink "/proc/$init/fd/1")" = "$T/out.fifo" ]; }
wait_for 5 fd1
ok $? "its output is the FIFO of the new client"
is "$(sed -n 's/^PPid:\t//p' "/proc/$init/status")" "$(shims)" "it is the shim's child"
call Start "1=$C"
like "$rc:$out" "1:9 *" "it is not started twice"
call Kill "1=$C" 3=9
wait_for 5 state_is "$C" $STOPPED
ok $? "it can be killed"
call Delete "1=$C"
like "$rc:$out" "0:*2=137*" "and deleted"
wait

create "$C" "8=$IMG"
call Delete "1=$C"
is "$rc" 0 "Delete of one that was never restored"
create "$C" "8=$T/none"
call Start "1=$C"
like "$rc:$out" "1:5 *open the image directory $T/none*" "a checkpoint that is not there"
state_is "$C" $STOPPED
ok $? "it is stopped"
call Delete "1=$C"
is "$rc" 0 "and can be deleted"

# An id that is somebody else's: a Delete must not take that one.
"$K" --root "$T/run/default" run -d --rootfs "$R" "$C" -- sleep 1000 >/dev/null 2>&1 </dev/null
create "$C" "8=$IMG"
call Kill "1=$C" 3=9
call Kill "1=$C" 3=9 4=1
call Exec "1=$C" 2=e1 "7:2=$(jq -c '.process.args = ["touch", "/pwned"] | .process' "$T/bundles/$C/config.json")"
call Start "1=$C" 2=e1
call Update "1=$C" '2:1=@x' '2:2={"pids":{"limit":7}}'
is "$(ls "$R/pwned" 2>/dev/null):$("$K" --root "$T/run/default" state "$C" | jq -r .status)" ":running" "whom nothing touches before the start"
call Start "1=$C"
like "$rc:$out" "1:6 *already exists*" "an id that another one has"
call Delete "1=$C"
is "$rc:$("$K" --root "$T/run/default" state "$C" | jq -r .status)" "0:running" "whom a Delete leaves alone"
"$K" --root "$T/run/default" delete --force "$C"

create "$C" "8=$IMG"
for p in $(shims); do kill -KILL "$p"; done
shims_gone
delete "$C"
is "$rc" 0 "delete behind a shim that is dead"
start "$C"
create "$C" "8=$IMG"
"$K" --root "$T/run/default" run -d --rootfs "$R" "$C" -- sleep 1000 >/dev/null 2>&1 </dev/null
for p in $(shims); do kill -KILL "$p"; done
shims_gone
delete "$C"
is "$rc:$("$K" --root "$T/run/default" state "$C" | jq -r .status)" 0:running "which leaves another's container alone, too"
like "$err" "*container $C is of another bundle than *" "and says so"
"$K" --root "$T/run/default" delete --force "$C"
stop_shims

# ---- ctr ----------------------------------------------------------------------------------------

chmod 755 "$T" # what is mounted for a container lies below
command -v containerd >/dev/null || { skip "ctr" "needs containerd"; no_leaks; exit; }
ctd_use 1
ctd_start
at_exit=ctd_stop
ctr run -d $RT --rootfs "$R" "$C" sh -c "$LOOP" >/dev/null 2>&1 </dev/null
try ctr task checkpoint "$C"
like "$rc:$out" "0:containerd.io/checkpoint/$C*" "ctr task checkpoint"
[ "$rc" = 0 ] || echo "#   $err"
status_is "$C" RUNNING
ok $? "and it still runs"
is "$(ctr i ls -q | wc -l)" 1 "it is an image"
ctr content get "$(ctr i ls | awk 'NR == 2 { print $3 }')" | jq -r '.manifests[].mediaType' >"$T/types"
like "$(cat "$T/types")" "*application/vnd.containerd.container.criu.checkpoint.criu.tar*" "of criu's files"
ctd_stop
at_exit=
no_leaks
