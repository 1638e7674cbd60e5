# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ctr's everyday verbs on the native shim; the caller has set V, containerd's version.
. "$(dirname "$0")/../lib/lib.sh"
. "$TOP/tests/lib/containerd.sh"
requires_root
requires jq
ctd_use "$V"
ctd_start
pod_rootfs
C=$TAG-c
O="$RT --rootfs"
# ctr goes on without an end of its input; a script has none to give.
run() { # OPTIONS… ID COMMAND…
	# shellcheck disable=SC2086 # a list of words
	try ctr run --rm $RT --rootfs "$@"
}

timeout -k 1 1200 "${CTR[@]}" events >"$T/events" 2>/dev/null &
events=$!
stop_all() {
	kill "$events" 2>/dev/null
	ctd_stop
}
at_exit=stop_all

# ---- run -----------------------------------------------------------------------

run "$R" "$C" sh -c 'echo hello; echo oops >&2; exit 3'
is "$rc:$out" 3:hello "run --rm: output and exit code"
like "$err" '*oops*' "and standard error"
run --env A=b --cwd /tmp "$R" "$C" sh -c 'echo $A $(pwd)'
is "$rc:$out" "0:b /tmp" "environment and directory"
run --memory-limit 33554432 "$R" "$C" true
is "$rc" 0 "a memory limit"
run --seccomp "$R" "$C" grep Seccomp: /proc/self/status
like "$rc:$out" '0:*2' "seccomp"
run --read-only "$R" "$C" touch /f
is "$rc" 1 "a read-only root"
run "$R" "$C" nosuch
like "$rc:$err" '1:*"nosuch": executable file not found in $PATH*' "the error reaches the user"
is "$(ctr c ls -q)" "" "of whom nothing is left"
run --mount type=bind,src=/nonexistent,dst=/mnt,options=rbind "$R" "$C" true
like "$rc:$err" '1:*/nonexistent*' "a mount that is not there is named"
try script -qec "$(printf '%q ' "${CTR[@]}") run --rm -t $O $R $C sh -c 'tty; stty size; exit 4'" /dev/null
like "$rc:$out" '4:*/dev/pts/0*' "a terminal"
run --with-ns pid:/proc/self/ns/pid "$R" "$C" sh -c 'sleep 1000 & kill -9 $$'
is "$rc" 137 "in the host's pid namespace, killed: 128 + 9, and with it what it left behind"
try sh -c "echo typed | $(printf '%q ' "${CTR[@]}") run --rm $O $R $C head -1"
is "$rc:$out" 0:typed "standard input"
run "$R" "$C" sh -c 'head -c 3000000 /dev/zero | tr "\0" x'
is "$rc:$(stat -c %s "$T/out")" 0:3000000 "three megabytes of output"

# ---- a task that stays -----------------------------------------------------------

ctr run -d $O "$R" "$C" sh -c 'sleep 1000 & wait' >/dev/null 2>&1 </dev/null
status_is "$C" RUNNING
ok $? "run -d"
shim=$(shim_of "$C")
[ -n "$shim" ] && [ "$(pids_of_shims | wc -l)" = 1 ]
ok $? "one shim"
is "$(find "/proc/$shim/fd" -lname "$R*" | wc -l)" 0 "that holds nothing of the root file system"
try ctr task exec --exec-id e1 "$C" sh -c 'echo from-exec; exit 6'
is "$rc:$out" 6:from-exec "exec"
try ctr task exec --exec-id e2 --cwd /tmp --user 1000 "$C" sh -c 'pwd; id -u'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:/tmp 1000 " "with a directory and a user"
try ctr task exec --exec-id e3 "$C" nosuch
like "$rc:$err" '1:*nosuch*' "of a command that is missing"
try script -qec "$(printf '%q ' "${CTR[@]}") task exec --exec-id e4 -t $C tty" /dev/null
like "$rc:$out" '0:*/dev/pts/0*' "with a terminal"
try sh -c "echo typed | $(printf '%q ' "${CTR[@]}") task exec --exec-id e5 $C cat"
is "$rc:$out" 0:typed "with input"
try ctr task exec --exec-id e1 "$C" true
is "$rc" 0 "an exec's id can come again"
is "$(ctr task ps "$C" | awk 'NR > 1' | wc -l)" 2 "task ps"
try ctr task metrics "$C"
like "$rc:$out" '0:*memory*' "task metrics"
try ctr task pause "$C"
status_is "$C" PAUSED
is "$rc:$?" 0:0 "pause"
try ctr task exec --exec-id e6 "$C" true
like "$rc:$err" '1:*paused*' "no exec in a paused one"
try ctr task pause "$C"
is "$rc" 1 "no pause twice"
try ctr task resume "$C"
status_is "$C" RUNNING
is "$rc:$?" 0:0 "resume"
try ctr task rm "$C"
like "$rc:$err" '1:*running*' "a running task is not deleted"
try ctr task kill -s 99 "$C"
is "$rc" 1 "a signal that is none"
try ctr task kill -s KILL "$C"
wait_for 5 status_is "$C" STOPPED
is "$rc:$?" 0:0 "kill"
try ctr task kill "$C"
like "$rc:$err" '1:*not found*' "of a task that has ended"
try ctr task exec --exec-id e7 "$C" true
is "$rc" 1 "no exec in a stopped one"
try ctr task rm "$C"
ctr c rm "$C"
wait_for 5 eval '[ -z "$(pids_of_shims)" ]'
ok $? "with the task the shim ends"
try ctr task kill "$C"
like "$rc:$err" '1:*not found*' "kill of none"

# Signals: each number arrives as it is.
ctr run -d $O "$R" "$C" sh -c 'for s in 1 2 3 10 12 15; do trap "echo got-$s" $s; done; echo ready; while :; do sleep 0.05; done' \
	>"$T/sig" 2>&1 </dev/null
for s in HUP INT QUIT USR1 USR2 TERM; do
	ctr task kill -s "$s" "$C"
	status_is "$C" RUNNING || echo "$s ended it"
done
ok 0 "signals that are handled end nothing"
ctr task kill -s KILL "$C"
wait_for 5 status_is "$C" STOPPED
ctr task rm "$C" >/dev/null 2>&1
ctr c rm "$C"

# Created and never started; deleted all the same.
ctr c create $O "$R" "$C" sleep 1000
is "$(ctr c ls -q)" "$C" "a container without a task"
ctr c rm "$C"

# A client goes, without a word, and another comes.
mkfifo "$T/typed"
"${CTR[@]}" run $RT --fifo-dir "$T/fifos" --rootfs "$R" "$TAG-t" sh -c 'while read l; do echo "got-$l"; done' <>"$T/typed" >/dev/null 2>&1 &
client=$!
wait_for 5 status_is "$TAG-t" RUNNING
kill -KILL "$client"
wait "$client" 2>/dev/null
{ echo hello; sleep 1; } | timeout -s KILL 3 "${CTR[@]}" task attach "$TAG-t" >"$T/attached" 2>&1
like "$(cat "$T/attached")" "*got-hello*" "attach, after the first client was killed"
status_is "$TAG-t" RUNNING
ok $? "the container has not noticed"
ctr task kill -s KILL "$TAG-t"
wait_for 5 status_is "$TAG-t" STOPPED
ctr task rm "$TAG-t" >/dev/null 2>&1
ctr c rm "$TAG-t"

# ---- what was told ---------------------------------------------------------------

topics() { # CONTAINER: of its events, in order
	awk -v id="\"$1\"" 'index($0, id) { for (i = 1; i <= NF; i++) if ($i ~ "^/tasks/") print $i }' "$T/events" | tr '\n' ' '
}
told_of_delete() { topics "$1" | grep -q '/tasks/delete $'; } # its last one
E=$TAG-e
ctr run -d $O "$R" "$E" sleep 1000 >/dev/null 2>&1 </dev/null
ctr task exec --exec-id x "$E" true
ctr task pause "$E"
ctr task resume "$E"
ctr task kill -s KILL "$E"
wait_for 5 status_is "$E" STOPPED
ctr task rm "$E" >/dev/null 2>&1
ctr c rm "$E"
wait_for 60 told_of_delete "$E"
is "$(topics "$E")" \
	"/tasks/create /tasks/start /tasks/exec-added /tasks/exec-started /tasks/exit /tasks/paused /tasks/resumed /tasks/exit /tasks/delete " \
	"every event, in order"
for i in 1 2 3 4 5; do run "$R" "$TAG-q$i" true; done
bad=0
for i in 1 2 3 4 5; do
	wait_for 60 told_of_delete "$TAG-q$i"
	[ "$(topics "$TAG-q$i")" = "/tasks/create /tasks/start /tasks/exit /tasks/delete " ] || bad=1
done
ok $bad "start before exit, however fast it ends"
run --memory-limit 16777216 "$R" "$TAG-oom" sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" a)'
wait_for 60 told_of_delete "$TAG-oom"
like "$rc:$(topics "$TAG-oom")" "137:*/tasks/oom */tasks/exit */tasks/delete " "a kill for want of memory is told before the exit"

# ---- a pod -------------------------------------------------------------------------

L="--annotation io.containerd.runc.v2.group=$TAG-pod"
ctr run -d $L $O "$R" "$TAG-a" sleep 1000 >/dev/null 2>&1 </dev/null
ctr run -d $L $O "$R" "$TAG-b" sleep 1000 >/dev/null 2>&1 </dev/null
is "$(pids_of_shims | wc -l)" 1 "two containers of a group have one shim"
ctr task kill -s KILL "$TAG-a"
wait_for 5 status_is "$TAG-a" STOPPED
ctr task rm "$TAG-a" >/dev/null 2>&1
status_is "$TAG-b" RUNNING
ok $? "one goes, the other stays"
is "$(pids_of_shims | wc -l)" 1 "and its shim"
ctr task kill -s KILL "$TAG-b"
wait_for 5 status_is "$TAG-b" STOPPED
ctr task rm "$TAG-b" >/dev/null 2>&1
ctr c rm "$TAG-a" "$TAG-b"
wait_for 5 eval '[ -z "$(pids_of_shims)" ]'
ok $? "with the last one it ends"

# A pod's disk by annotation, and its identity.
"$K" volume create -n ns data --size 16Mi
P=(--annotation dev.kshim.pod=ns/p-0
	--annotation 'dev.kshim.volumes=[{"name":"d","persistentVolumeClaim":{"claimName":"data"}}]'
	--annotation 'dev.kshim.volume-mounts={"*":[{"name":"d","mountPath":"/mnt"}]}')
for word in first second; do
	run "${P[@]}" "$R" "$C" sh -c "cat /mnt/f 2>/dev/null; echo $word >/mnt/f"
done
is "$rc:$out" "0:first" "a volume by annotation: the next one finds the file"
ctr run -d "${P[@]}" $O "$R" "$TAG-a" sleep 1000 >/dev/null 2>&1 </dev/null
run "${P[@]}" "$R" "$TAG-b" true
like "$rc:$err" "1:*pod ns/p-0 is running already*$TAG-a*" "a second pod of the name is refused; the client is told who holds it"
kill -KILL "$(shim_of "$TAG-a")"
wait_for 10 eval '! ctr task ls -q | grep -q "$TAG-a"'
ok $? "the shim killed: containerd cleans up"
ctr c rm "$TAG-a"
run "${P[@]}" "$R" "$C" cat /mnt/f
is "$rc:$out" "0:second" "the disk is whole, and the next pod of the name starts"
"$K" volume delete -n ns data

# ---- containerd comes and goes -------------------------------------------------------

for i in $(seq 20); do ctr run -d $O "$R" "$TAG-r$i" sh -c 'sleep 1000' >/dev/null 2>&1 </dev/null; done
victim=$(ctr task ls | awk -v id="$TAG-r2" '$1 == id { print $2 }')
ctd_kill
kill -KILL "$victim"
sleep 0.3
ctd_start
kill "$events" 2>/dev/null
timeout -k 1 1200 "${CTR[@]}" events >"$T/events2" 2>/dev/null &
events=$!
is "$(ctr task ls | grep -c RUNNING)" 19 "containerd killed and started again: the tasks run"
status_is "$TAG-r2" STOPPED
ok $? "what ended meanwhile has ended"
try ctr task rm "$TAG-r2"
like "$rc:$err" '*137*' "with its status"
try ctr task exec --exec-id again "$TAG-r1" echo still
is "$rc:$out" 0:still "and they can be worked with"
for i in $(seq 20); do
	ctr task kill -s KILL "$TAG-r$i" 2>/dev/null
	wait_for 5 status_is "$TAG-r$i" STOPPED
	ctr task rm "$TAG-r$i" >/dev/null 2>&1
	ctr c rm "$TAG-r$i"
done
stop_all
at_exit=
no_leaks
