#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pod with a disk under the shim, and at every crash point that its life passes, each time that
# it is passed, SIGKILL: of the worker that works for the shim, of both, or of the `delete` that
# comes after a dead shim. Then everything is ended as containerd ends it, and looked at: nothing
# of it runs, is mounted or attached, and the next life finds its file on the same file system.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
requires python3
[ -e /dev/loop-control ] || skip_all "needs loop devices"
[ -z "${KSHIM_SANITIZED:-}" ] || skip_all "a process that is killed tells a sanitizer nothing"
. "$TOP/tests/lib/shim.sh"
SHIM=$BUILD/crash/containerd-shim-kshim-v2
[ -x "$SHIM" ] || skip_all "needs $SHIM (make check builds it)"
pod_rootfs
# It takes the events: a shim does not end before they are told.
python3 "$TOP/tests/lib/events.py" "$TTRPC_ADDRESS" >"$T/events" 2>&1 &
taker=$!
stop_all() {
	stop_shims
	delete "$C"
	kill "$taker"
	wait "$taker"
}
at_exit=stop_all
wait_for 5 test -S "$TTRPC_ADDRESS"
export PYTHONPATH=$TOP/tests/lib
points=$(grep -rhoE 'ks_crash_point\("[a-z0-9-]+"\)' "$TOP"/oci "$TOP"/volumes "$TOP"/shim | cut -d'"' -f2 | sort -u)
C=$TAG-c
img=$KSHIM_STATE_DIR/volumes/ns/data/image

new "$C" '.annotations = {"dev.kshim.pod": "ns/p-0",
	"dev.kshim.volumes": "[{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},{\"name\":\"e\",\"emptyDir\":{}}]",
	"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"d\",\"mountPath\":\"/d\"},{\"name\":\"e\",\"mountPath\":\"/e\"}]}"}
	| .hostname = "p-0" | .root.readonly = false' sleep 1000
rm "$T/bundles/$C/rootfs"
mkdir "$T/bundles/$C/rootfs"
"$K" volume create -n ns data --size 16Mi
uuid=$(blkid -p -o value -s UUID "$img")

life() { # COMMAND; the variables of the crash point come before it
	start "$C"
	[ "$rc" = 0 ] || return
	timeout -k 1 60 python3 "$TOP/tests/shim/life.py" "$SOCK" "$C" "$T/bundles/$C" "$R" "$1" >"$T/life" 2>&1
}
good='[ "$(cat /d/f)" = 123 ] && [ -z "$(ls /e)" ] && touch /e/x && sync'
bad() {
	printf '#   %s: %s\n' "$where" "$*"
	sed 's/^/#      /' "$T/life"
	broken=1
}
repair() { # so that one failure is told once
	stop_shims
	delete "$C"
}
remains() { # of the container, once it was ended
	losetup -n -O BACK-FILE -a | grep -F "$img"
	grep -F "$T/" /proc/self/mounts
	cat /sys/fs/cgroup/{,*/}"kshim-$C"/cgroup.procs 2>/dev/null
	ls -d "$KSHIM_ROOT/default/$C" 2>/dev/null
	"$K" pod inspect ns/p-0 | jq -e .running >/dev/null && echo "its name is held"
}
look() {
	shims_gone || bad "the shim is still there"
	wait_for 5 eval '[ -z "$(remains)" ]' || bad "it is left: $(remains)"
	life "$good"
	is_good=$?
	[ "$is_good:$(cat "$T/life")" = "0:exec 0" ] || bad "the next life"
	shims_gone || bad "the next life's shim is still there"
	[ "$(blkid -p -o value -s UUID "$img")" = "$uuid" ] || bad "another UUID: formatted again"
	e2fsck -fn "$img" >/dev/null 2>&1 || bad "the file system is not clean"
}
at() { # POINT:N COMMAND…: sets stopped
	rm -f "$T/mark" "$T/passed"
	KSHIM_CRASH_AT=$1 KSHIM_CRASH_DIR=$T KSHIM_CRASH_COUNT_ALL=1 "${@:2}"
	status=$?
	stopped=0
	[ ! -e "$T/mark" ] || stopped=1
}
whole() { # nothing was killed: it must have been as usual
	[ "$status:$(cat "$T/life")" = "0:exec 0" ] || bad "a life in which nothing was killed: $status"
}
stop_at_each() { # NAME BODY POINT…: some that must be passed
	local p n want reached=''
	for p in $points; do
		broken=0
		for n in $(seq 60); do
			[ "$p:$n" != cgroup-made:3 ] || break # one hierarchy is like the next
			where="$1 at $p:$n"
			$2 "$p:$n"
			[ "$stopped" = 1 ] && [ "$broken" = 0 ] || break
			reached="$reached $p "
		done
		[ "$n" -lt 60 ] || broken=1
		[ "$broken" = 0 ] || repair
		ok "$broken" "$1 killed at $p (passed $((n - 1)) times)"
	done
	broken=0
	for want in "${@:3}"; do
		case $reached in *" $want "*) ;; *) broken=1 ;; esac
	done
	ok "$broken" "$1 was killed at ${*:3}"
}
exec 2>/dev/null # the shell tells of every child that was killed
life 'echo 123 >/d/f; sync'
is "$?:$(cat "$T/life")" "0:exec 0" "a life writes its file"

# containerd does not call `delete` while the shim answers: the shim must end what its worker began.
worker() {
	at "$1" life "$good"
	[ "$stopped" = 1 ] || { whole; return; }
	[ "$status" != 2 ] || bad "the shim died with it"
	look
}
stop_at_each "the worker" worker claimed cloned recorded delete-cgroup pod-recorded volume-attached start-sent

shim() {
	KSHIM_CRASH_PARENT=kshim-shim at "$1" life "$good"
	[ "$stopped" = 1 ] || { whole; return; }
	shims_gone || stop_shims # it was the keeper, and its parent is not the shim
	delete "$C"
	[ "$rc:$err" = 0: ] || bad "delete: $rc $err"
	look
}
stop_at_each "the shim" shim claimed cloned recorded delete-cgroup pod-recorded volume-attached start-sent

deleter() {
	start "$C"
	call Create "1=$C" "2=$T/bundles/$C" 3:1=bind "3:2=$R" 3:4=rbind
	[ "$rc" = 0 ] || bad "create: $out"
	call Start "1=$C"
	[ "$rc" = 0 ] || bad "start: $out"
	: >"$T/life"
	stop_shims
	at "$1" delete "$C"
	delete "$C"
	[ "$rc:$err" = 0: ] || bad "delete: $rc $err"
	look
}
stop_at_each "delete" deleter delete-stopped delete-cgroup delete-storage

# The id is another one's already, and the worker is killed: it is not undone, nor deleted later,
# also when the rest of the undoing fails.
"$K" --root "$KSHIM_ROOT/default" run -d --rootfs "$R" "$TAG-mine" -- sleep 1000 </dev/null
new "$TAG-mine" . true
rm "$T/bundles/$TAG-mine/rootfs"
mkdir "$T/bundles/$TAG-mine/rootfs"
start "$TAG-mine"
cat >"$T/killer" <<-L
#!/bin/sh
mount -t tmpfs none "$T/bundles/$TAG-mine/rootfs/tmp"
kill -9 \$PPID
L
chmod +x "$T/killer"
create "$TAG-mine" 3:1=bind "3:2=$R" 3:4=rbind "6=binary://$T/killer"
like "$rc:$out" "1:*worker died*" "a Create of an id that is taken, whose worker is killed"
call Delete "1=$TAG-mine"
is "$("$K" --root "$KSHIM_ROOT/default" state "$TAG-mine" | jq -r .status)" running "does not touch the other one, nor does Delete"
stop_shims
for m in "$T/bundles/$TAG-mine/rootfs/tmp" "$R/tmp" "$T/bundles/$TAG-mine/rootfs"; do
	while mountpoint -q "$m"; do umount "$m" || break; done
done
"$K" --root "$KSHIM_ROOT/default" delete -f "$TAG-mine"

at_exit=
stop_all
"$K" volume delete -n ns data
"$K" pod forget ns/p-0
rm -rf "${KSHIM_STATE_DIR:?}/volumes"
no_leaks
