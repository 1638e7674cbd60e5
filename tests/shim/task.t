#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The shim's own contract, without containerd: its binary is called, and its
# socket is talked to, as containerd does both.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
requires python3
. "$TOP/tests/lib/shim.sh"
pod_rootfs
at_exit=stop_shims
C=$TAG-c

# ---- the binary -------------------------------------------------------------------

try "$SHIM" -v
like "$rc:$out" "0:containerd-shim-kshim-v2:*Version:*" "-v"
"$SHIM" -info </dev/null >"$T/info"
like "$?:$(tr -d '\0' <"$T/info")" "0:*io.containerd.kshim.v2*ociVersionMax*" "-info"
try "$SHIM" --version
is "$rc" 0 "--version"
try "$SHIM" -nonsense start
like "$rc:$err" "1:*unknown option -nonsense*" "an option that it has not"
try "$SHIM" -id x start
like "$rc:$err" "1:*-namespace is missing*" "no namespace"
for id in ../x a/b .x ''; do
	try "$SHIM" -namespace default -id "$id" start
	like "$rc:$err" "1:*-id:*" "no id: \"$id\""
done
try "$SHIM" -namespace ../x -id x start
like "$rc:$err" "1:*-namespace:*" "no namespace with dots"
try "$SHIM" -namespace default -id x dance
like "$rc:$err" '1:*unknown action "dance"*' "an action that it has not"
try "$SHIM" -namespace default -id x
like "$rc:$err" '*started by containerd*' "called by a person"
mkdir "$T/bundles/$TAG-empty"
start "$TAG-empty"
like "$rc:$err" "1:*sandbox API*" "a bundle without config.json"

new "$C" . sleep 1000
start "$C"
like "$rc:$err:$out" "0::unix:///run/containerd/s/*" "start prints the address alone"
is "$(cat "$T/bundles/$C/address")" "$out" "and leaves it in the bundle"
is "$(stat -c %a "$SOCK")" 600 "the socket is root's alone"
one=$SOCK
start "$C"
is "$rc:$SOCK:$(shims | wc -l)" "0:$one:1" "a second start finds the first one's server"
pid=$(shims)
is "$(readlink "/proc/$pid/fd/0") $(readlink "/proc/$pid/fd/1")" "/dev/null /dev/null" "the server has none of the caller's pipes"
is "$(readlink "/proc/$pid/cwd")" "$T/bundles/$C" "it is in the bundle"
{ : >>"/proc/$pid/exe"; } 2>/dev/null
is $? 1 "its program cannot be written to"

# Ten at once.
new "$TAG-many" . true
for i in 1 2 3 4 5 6 7 8 9 10; do
	(cd "$T/bundles/$TAG-many" && "$SHIM" -namespace default -address "$T/c.sock" -id "$TAG-many" start >"$T/many.$i" 2>&1) &
done
wait
is "$(sort -u "$T"/many.* | wc -l):$(shims | wc -l)" "1:2" "ten starts at once: one server, one address"
SOCK=$(sed 's|unix://||' "$T/many.1")
call Shutdown "1=$TAG-many"
SOCK=$one

# ---- calls ------------------------------------------------------------------------

call containerd.task.v9.Task/State 1=x
is "$rc:$out" "1:12 service containerd.task.v9.Task" "a service that is not there"
call Dance 1=x
is "$rc:$out" "1:12 method Dance" "a method that is not there"
call containerd.task.v3.Task/State 1=x
is "$rc:$out" "1:5 container not created: not found" "the newer name of the service; State of none"
call Connect 1=x
is "$rc:$(grep ^1= <<<"$out")" "0:1=$pid" "Connect answers for unknown ids"
for m in Start Delete Kill Pids Pause Resume Stats Exec Wait ResizePty CloseIO Update; do
	call $m 1=x
	like "$rc:$out" "1:5 *" "$m of none"
done
create "$C" 6=/nonexistent
like "$rc:$out" "1:*/nonexistent*" "a stdout that is not there"
create "$C" 6="$T/file"
: >"$T/file"
create "$C" 6="$T/file"
like "$rc:$out" "1:*is not a FIFO*" "a stdout that is a file"
create ../x
like "$rc:$out" "1:3 *" "an id that is none"
create "$C"
is "$rc" 0 "Create"
init=${out#1=}
create "$C"
like "$rc:$out" "1:6 *exists already*" "twice"
state_is "$C" $CREATED
ok $? "State: created"
call Pids "1=$C"
like "$out" "*1=*" "Pids of what is created"
call Pause "1=$C"
like "$rc:$out" "1:9 *" "no pause before it runs"
call Start "1=$C"
is "$rc:$out" "0:1=$init" "Start"
call Start "1=$C"
like "$rc:$out" "1:9 *running*" "twice"
call Delete "1=$C"
like "$rc:$out" "1:9 *running*" "no Delete while it runs"
call Shutdown "1=$C"
is "$rc:$(shims)" "0:$pid" "no Shutdown while it runs, and no error"
call Kill "1=$C" 3=0
is "$rc" 0 "signal 0"
call Kill "1=$C" 3=300
like "$rc:$out" "1:3 *" "a signal that is none"
call ResizePty "1=$C" 3=80 4=25
is "$rc" 0 "ResizePty without a terminal"
call Stats "1=$C"
like "$rc:$out" "0:*io.containerd.cgroups.v*.Metrics*" "Stats"

# Execs.
proc() { jq -cn --argjson args "$(words "$@")" '{cwd:"/",args:$args,env:["PATH=/bin"],user:{uid:0,gid:0}}'; }
exec_() { # EXEC-ID COMMAND…: registers
	local id=$1
	shift
	call Exec "1=$C" "2=$id" 7:1=Process "7:2=@$(proc "$@")"
}
exec_ e true
is "$rc" 0 "Exec registers"
exec_ e true
like "$rc:$out" "1:6 *" "not twice"
exec_ ../e true
like "$rc:$out" "1:3 *" "an exec's id that is none"
state_is "$C" $CREATED e
ok $? "State of an exec that is not started"
call Kill "1=$C" 2=e 3=9
like "$rc:$out" "1:9 *" "which cannot be killed"
call Start "1=$C" 2=e
is "$rc" 0 "Start of an exec"
call Wait "1=$C" 2=e
like "$rc:$out" "0:2=*" "Wait: exit status 0"
call Delete "1=$C" 2=e
first=$out
is "$rc" 0 "Delete of an exec"
call Delete "1=$C" 2=e
is "$rc:$out" "0:$first" "again: the same answer, as for a client whose first call was cut off"
call Wait "1=$C" 2=e
is "$rc" 0 "and Wait"
exec_ bad nosuch
call Start "1=$C" 2=bad
like "$rc:$out" '1:2 *"nosuch": executable file not found*' "an exec that cannot start"
call Wait "1=$C" 2=bad
is "$rc:$(head -1 <<<"$out")" "0:1=255" "lets its waiters go"
call Delete "1=$C" 2=bad
is "$rc" 0 "and can be deleted"
exec_ junk true
call Delete "1=$C" 2=junk
is "$rc" 0 "an exec that was never started can be deleted"

# What waits is told, whoever kills.
(timeout -k 1 30 python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" Wait "1=$C" >"$T/wait" 2>&1) &
waiter=$!
python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" Wait "1=$C" --hang
sleep 0.2
kill -KILL "$init"
wait "$waiter"
like "$(cat "$T/wait")" "1=137*" "Wait is answered at the end; one that hung up does no harm"
state_is "$C" $STOPPED
ok $? "State: stopped"
call Kill "1=$C" 3=9
like "$rc:$out" "1:5 *already finished*" "Kill of what has ended"
call Kill "1=$C" 3=9 4=1
is "$rc" 0 "of all: no failure"
exec_ late true
like "$rc:$out" "1:9 *" "no exec any more"
call Pids "1=$C"
like "$out" "*1=*" "Pids while it is not deleted: containerd must not take it for leaked"
call Delete "1=$C"
like "$rc:$out" "0:*2=137*" "Delete"
call Delete "1=$C"
like "$rc:$out" "0:*2=137*" "again"
state_is "$C" $STOPPED
ok $? "State, of the tombstone"
call Pids "1=$C"
like "$rc:$out" "1:5 *" "Pids of a tombstone: none"
create "$C"
is "$rc" 0 "the id can come again"
init=${out#1=}
call Delete "1=$C"
is "$rc" 0 "Delete of what was only created"
[ ! -d "/proc/$init" ]
ok $? "which is gone"

# A container of the host's pid namespace: what it leaves is killed before its exit is told.
call Shutdown "1=$C"
shims_gone
ok $? "Shutdown"
is "$(ls "$SOCK" 2>/dev/null)" "" "takes the socket along"
new "$TAG-h" '.linux.namespaces |= map(select(.type != "pid"))' sh -c 'sleep 1000 & exec sleep 1000'
start "$TAG-h"
create "$TAG-h"
C=$TAG-h
init=${out#1=}
call Start "1=$C"
exec_ long sleep 1000
call Start "1=$C" 2=long
is "$rc" 0 "an exec in a container of the host's pid namespace"
left=$(cat /sys/fs/cgroup/*/kshim-"$C"/cgroup.procs /sys/fs/cgroup/kshim-"$C"/cgroup.procs 2>/dev/null | sort -u)
kill -KILL "$init"
call Wait "1=$C"
alive=0
for p in $left; do [ -d "/proc/$p" ] && ! grep -q '^State:.*Z' "/proc/$p/status" 2>/dev/null && alive=1; done
is "$rc:$alive" 0:0 "its end is told when nothing of it runs any more"
call State "1=$C" 2=long
like "$out" "*4=$STOPPED*9=137*" "and its execs have ended"
call Delete "1=$C"

# Output: a file, a logging program.
cat >"$T/logger" <<-'L'
#!/bin/sh
exec 5>&-
echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $*" >"$1"
cat <&3 >>"$1" &
cat <&4 >>"$1"
wait
L
chmod +x "$T/logger"
new "$TAG-f" . sh -c 'echo to-out; echo to-err >&2'
C=$TAG-f
create "$C" "6=file://$T/logs/x.log" "7=file://$T/logs/x.log"
call Start "1=$C"
call Wait "1=$C"
call Delete "1=$C"
is "$(sort "$T/logs/x.log" | tr '\n' ' ')" "to-err to-out " "file://"
edit "$T/bundles/$C" ".process.args = $(words sh -c 'chmod 4755 /proc/self/fd/1; readlink /proc/self/fd/1')"
create "$C" "6=file://$T/logs/z.log" "7=file://$T/logs/z.log"
call Start "1=$C"
call Wait "1=$C"
call Delete "1=$C"
like "$(stat -c %a "$T/logs/z.log"):$(tail -1 "$T/logs/z.log")" "644:pipe:*" "the file is not the container's"
edit "$T/bundles/$C" ".process.args = $(words sh -c 'echo to-out; echo to-err >&2')"
create "$C" "6=binary:///nonexistent"
like "$rc:$out" "1:3 *cannot be executed*" "a logging program that is not there"
create "$C" "6=binary://$T/logger?$T/logs/y.log&a=b%20c" "7=binary://$T/logger?$T/logs/y.log"
call Start "1=$C"
call Wait "1=$C"
wait_for 5 grep -q to-err "$T/logs/y.log"
is "$(sort "$T/logs/y.log" | tr '\n' ' ')" "default/$C $T/logs/y.log a b c to-err to-out " "binary://: its words, its environment, both streams"
call Delete "1=$C"
create "$C" "6=carrier-pigeon://x"
like "$rc:$out" "1:12 *carrier-pigeon*" "what is not supported is said"

# Streams, and whose they are.
mkfifo "$T/stream"
edit "$T/bundles/$C" ".process.user.uid = 1000 | .process.args = $(words sh -c 'echo again >/dev/stdout')"
cat "$T/stream" >"$T/got" &
create "$C" "6=$T/stream"
call Start "1=$C"
wait "$!"
is "$(cat "$T/got")" again "a user of the container can open its /dev/stdout again"
call Delete "1=$C"
edit "$T/bundles/$C" ".process.args = $(words echo late)"
create "$C" "6=$T/stream"
call Start "1=$C"
call Wait "1=$C"
is "$(timeout -k 1 10 cat "$T/stream")" late "a reader that comes after the end gets what was written, and its end"
call Delete "1=$C"
edit "$T/bundles/$C" ".process.args = $(words true)"
create "$C" "6=$T/stream"
call Start "1=$C"
call Wait "1=$C"
call Delete "1=$C"
is "$rc" 0 "and nobody has to come"
null=$(stat -c %u:%a /dev/null)
create "$C" 10:1=runtimeoptions.v1.Options "10:2:3=@IoUid = 1234"
is "$rc:$(stat -c %u:%a /dev/null)" "0:$null" "IoUid does not give the host's /dev/null away"
call Delete "1=$C"
create "$C" 10:1=runtimeoptions.v1.Options "10:2:3=@IoUid = no"
like "$rc:$out" "1:3 *IoUid*" "a wrong option is named"
echo "IoUid = no" >"$T/config.toml"
ln -s config.toml "$T/link.toml"
mkfifo "$T/fifo.toml"
create "$C" 10:1=runtimeoptions.v1.Options "10:2:2=$T/link.toml"
like "$rc:$out" "1:3 *IoUid*" "also in a file that a link names"
create "$C" 10:1=runtimeoptions.v1.Options "10:2:2=$T/fifo.toml"
like "$rc:$out" "1:3 *options from $T/fifo.toml: not a regular file*" "a FIFO in its place is not waited for"

# A logging program that is never ready keeps one exec waiting, and nobody else.
cat >"$T/never" <<-'L'
#!/bin/sh
exec sleep 5
L
chmod +x "$T/never"
edit "$T/bundles/$C" ".process.user.uid = 0 | .process.args = $(words sleep 1000)"
create "$C"
call Exec "1=$C" 2=slow "5=binary://$T/never" 7:1=Process "7:2=@$(proc true)"
python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" Start "1=$C" 2=slow --hang
sleep 0.2
call Delete "1=$C"
is "$rc" 0 "a container with an exec that is being started can be deleted"
create "$C"
like "$rc:$out" "1:6 *" "but not come again before that is over"
again() { create "$C" && [ "$rc" = 0 ]; }
wait_for 20 again
ok $? "and then it can: the shim lives"
call Delete "1=$C"

# Nor does one that does not end outlive its container for long, or the shim.
cat >"$T/deaf" <<-'L'
#!/bin/sh
trap '' TERM
echo $$ >"$1"
exec 5>&-
while :; do sleep 1; done
L
chmod +x "$T/deaf"
create "$C" "6=binary://$T/deaf?$T/deaf.pid"
deaf=$(cat "$T/deaf.pid")
call Delete "1=$C"
is "$rc:$(kill -0 "$deaf" && echo alive)" 0:alive "a logging program that does not take SIGTERM"
wait_for 20 eval '! kill -0 "$deaf" 2>/dev/null || grep -q "^State:.*Z" "/proc/$deaf/status"'
ok $? "is killed in the end"

edit "$T/bundles/$C" ".process.args = $(words nosuch)"
create "$C" "6=binary://$T/deaf?$T/deaf.pid"
deaf2=$(cat "$T/deaf.pid")
is "$rc:$(kill -0 "$deaf2" && echo alive)" 1:alive "one of a container that cannot be created"
wait_for 20 eval '! kill -0 "$deaf2" 2>/dev/null || grep -q "^State:.*Z" "/proc/$deaf2/status"'
ok $? "neither"

# The shim's own words are in containerd's log.
cat "$T/bundles/$TAG-h/log" >"$T/log" &
reader=$!
new "$TAG-l" . nosuch
# The server has the log of the bundle that it was started in, once somebody reads it.
SOCK=
for p in $(shims); do kill -TERM "$p"; done
shims_gone
kill "$reader" 2>/dev/null
cat "$T/bundles/$TAG-l/log" >"$T/log" &
sleep 0.1
start "$TAG-l" -debug
create "$TAG-l"
call Shutdown "1=$TAG-l"
wait_for 5 grep -q 'level=error.*nosuch' "$T/log"
ok $? "what fails is in the log"
grep -q 'level=debug.*containerd.task.v2.Task/Create' "$T/log"
ok $? "with -debug each call is, too"

# A container that restarts for ever, beside one that lives.
new "$TAG-p" . sleep 1000
new "$TAG-w" . true
start "$TAG-p"
create "$TAG-p"
PYTHONPATH=$TOP/tests/lib timeout -k 1 200 python3 - "$SOCK" "$T/bundles/$TAG-w" "$TAG" <<-'P'
	import sys
	from ttrpc import Client
	c = Client(sys.argv[1])
	for i in range(520):
	    c.call("Create", {1: f"{sys.argv[3]}-w{i}", 2: sys.argv[2]})
	    c.call("Delete", {1: f"{sys.argv[3]}-w{i}"})
	P
is $? 0 "a container can restart as often as it likes"
[ "$(ls "/proc/$(shims)/fd" | wc -l)" -lt 30 ]
ok $? "and leaves no descriptor"
call Delete "1=$TAG-p"
call Shutdown "1=$TAG-p"
shims_gone

# ---- events: kept while nobody takes them, told once, in order --------------------------

new "$TAG-v" . sleep 1000
C=$TAG-v
start "$C"
create "$C"
call Start "1=$C"
exec_ e true
call Start "1=$C" 2=e
call Wait "1=$C" 2=e
call Kill "1=$C" 3=9
call Wait "1=$C"
call Delete "1=$C"
python3 "$TOP/tests/lib/events.py" "$TTRPC_ADDRESS" 4 >"$T/told" 2>&1 &
taker=$!
call Shutdown "1=$C"
wait_for 10 eval '[ -z "$(shims)" ]'
ok $? "a shim that has been told to end waits until its events are taken"
kill "$taker"
wait "$taker" 2>/dev/null
is "$(tr '\n' ' ' <"$T/told")" "/tasks/create $C /tasks/start $C /tasks/exec-added $C /tasks/exec-started $C /tasks/exit e /tasks/exit $C /tasks/delete $C " \
	"each once and in order, also one whose answer did not come"

# The shim is killed; delete leaves nothing, and can be called twice.
new "$TAG-k" . sleep 1000
C=$TAG-k
start "$C"
create "$C"
init=${out#1=}
call Start "1=$C"
kill -KILL "$(shims)"
delete "$C"
is "$rc:$err" "0:" "the shim killed: delete"
wait_for 5 eval '[ ! -d /proc/$init ] || grep -q "^State:.*Z" /proc/$init/status'
ok $? "ends its process"
delete "$C"
is "$rc:$err" "0:" "again"
delete "$TAG-never"
is "$rc" 1 "of a bundle that is not there" # cd fails
mkdir -p "$T/bundles/$TAG-half"
delete "$TAG-half"
is "$rc:$err" "0:" "of half a bundle"

# Many execs: nothing grows.
new "$TAG-x" . sleep 1000
C=$TAG-x
start "$C"
create "$C"
call Start "1=$C"
pid=$(shims)
many() {
	PYTHONPATH=$TOP/tests/lib timeout -k 1 300 python3 - "$SOCK" "$C" "$1" "$(proc true)" <<-'P'
	import sys
	from ttrpc import Client
	c = Client(sys.argv[1])
	for i in range(int(sys.argv[3])):
	    process = {1: sys.argv[2], 2: f"x{i}"}
	    c.call("Exec", {**process, 7: {1: "Process", 2: sys.argv[4]}})
	    for method in ("Start", "Wait", "Delete"):
	        c.call(method, process)
	P
}
many 100
fds=$(ls "/proc/$pid/fd" | wc -l)
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
many "${EXECS:-400}"
is "$?" 0 "${EXECS:-400} execs"
is "$(ls "/proc/$pid/fd" | wc -l)" "$fds" "no descriptor more"
now=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
# Events that nobody fetches are kept, up to a limit: some 200 bytes each.
[ "${KSHIM_SANITIZED:-}" ] || [ "$now" -le $((rss + 2048)) ]
ok $? "no memory ($rss kB, then $now kB)"
is "$(ps -o stat= --ppid "$pid" | grep -c Z)" 0 "no zombie"
call Kill "1=$C" 3=9
call Wait "1=$C"
call Delete "1=$C"
kill -TERM "$pid"
shims_gone
ok $? "SIGTERM ends a shim that has no task"
stop_shims
at_exit=
no_leaks
