#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stop at every crash point, each time that it is passed, as SIGKILL would; then
# carry on as a user would. The promise is looked at after every one: the disk was
# not formatted again, not mounted twice, not deleted, and the name is free again.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
[ -e /dev/loop-control ] || skip_all "needs loop devices"
C=$BUILD/crash/kshim # the build with crash points; what follows a crash runs without them
[ -x "$C" ] || skip_all "needs $C (make check builds it)"
K=$C
pod_rootfs

# Those of criu's work are reached by tests/cli/criu.t, those of resctrl by
# tests/vm/guest/resctrl.t, that of the policy by policy.t.
points=$(grep -rhoE 'ks_crash_point\("[a-z0-9-]+"\)' "$TOP"/oci "$TOP"/volumes "$TOP"/shim | cut -d'"' -f2 | grep -vx -e checkpoint -e restored -e resctrl-group -e resctrl-monitor -e policy-counting | sort -u)
[ "$(wc -l <<<"$points")" -ge 25 ]
ok $? "the sources have crash points"

exec 2>/dev/null # the shell tells of every child that was killed
ID=$TAG-c
reached= # the points at which anything was stopped
img=$KSHIM_STATE_DIR/volumes/ns/data-p-0/image

at() { # POINT:N COMMAND…: sets stopped
	local p=$1
	shift
	rm -f "$T/mark"
	KSHIM_CRASH_AT=$p KSHIM_CRASH_DIR=$T timeout 60 "$@" >"$T/out" 2>"$T/err" </dev/null
	stopped=0
	[ -e "$T/mark" ] || return
	stopped=1
	reached="$reached ${p%:*}"
}

pod_up() { "$K" run --detach --rootfs "$R" --pod ns/p-0 --volume-claim-template data:16Mi:/d --empty-dir e:/e "$ID" -- sleep 1000 >/dev/null 2>"$T/err2" </dev/null; }
pod_down() { "$K" delete --force "$ID" 2>"$T/err2"; }
bad() {
	printf '#   %s: %s\n' "$where" "$*"
	[ ! -s "$T/err2" ] || sed 's/^/#      /' "$T/err2"
	broken=1
}

# After any crash: delete what is there, start the pod, find the file, delete it.
recover() { # FILE-EXPECTED
	local want=$1 got
	pod_down || bad "delete --force fails"
	pod_up || { bad "the pod does not start again"; return; }
	[ "$(grep -c "$T/state" /proc/self/mounts)" = 0 ] || bad "a mount on the host"
	[ "$(losetup -n -O BACK-FILE -a | grep -c "$img")" = 1 ] || bad "not attached exactly once"
	got=$("$K" exec "$ID" sh -c 'cat /d/f 2>/dev/null; ls /e | wc -l' 2>/dev/null)
	[ "$got" = "${want}0" ] || bad "file and emptyDir: got \"$got\""
	pod_down || bad "the last delete fails"
	[ "$("$K" pod inspect ns/p-0 | jq .running)" = false ] || bad "the name is not free"
	[ -z "$uuid" ] || [ "$(blkid -p -o value -s UUID "$img")" = "$uuid" ] || bad "another UUID: formatted again"
	e2fsck -fn "$img" >/dev/null 2>&1 || bad "the file system is not clean"
}

stop_at_each() { # NAME PREPARE COMMAND RECOVER
	local p n
	for p in $points; do
		broken=0
		for n in $(seq 40); do
			where="$1 at $p:$n"
			$2
			at "$p:$n" $3
			$4
			[ "$stopped" = 1 ] && [ "$broken" = 0 ] || break
		done
		ok "$broken" "$1, stopped at $p (passed $((n - 1)) times)"
	done
}

# ---- the first start: the volume is made on the way -----------------------------------------

fresh() {
	uuid=
	"$K" volume delete -n ns data-p-0 2>/dev/null
	"$K" pod forget ns/p-0 2>/dev/null
}
start_cmd="$C run --detach --rootfs $R --pod ns/p-0 --volume-claim-template data:16Mi:/d --empty-dir e:/e $ID -- sleep 1000"
recover_fresh() { recover ""; }
stop_at_each "first start" fresh "$start_cmd" recover_fresh

# ---- a start on a disk with data -----------------------------------------------------------------

with_data() {
	uuid=
	[ -e "$img" ] || { pod_up && pod_down; }
	pod_up && "$K" exec "$ID" sh -c 'echo 123 >/d/f; touch /e/x; sync' && pod_down || bad "no data"
	uuid=$(blkid -p -o value -s UUID "$img")
}
recover_data() { recover $'123\n'; }
fresh
with_data
stop_at_each "start" true "$start_cmd" recover_data

# ---- a whole life: now the keeper too is stopped while it gives up ----------------------------------

cat >"$T/life" <<E
#!/bin/sh
$start_cmd && $C delete --force $ID
E
chmod +x "$T/life"
stop_at_each "start and delete" true "$T/life" recover_data

# ---- create and start -------------------------------------------------------------------------------

mkdir "$T/idmapped"
bundle "$T/b" '.mounts += [{destination: "/idmapped", source: "'"$T"'/idmapped", options: ["bind"],
	uidMappings: [{containerID: 0, hostID: 5000, size: 9}], gidMappings: [{containerID: 0, hostID: 5000, size: 9}]}]
	| .process.args = ["sleep", "1000"] | .hostname = "p-0" | .annotations = {"dev.kshim.pod": "ns/p-0",
	"dev.kshim.volumes": "[{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data-p-0\"}}]",
	"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"d\",\"mountPath\":\"/mnt\"}]}"} | .root.readonly = false'
stop_at_each "create" true "$C create -b $T/b $ID" recover_data
created() { "$C" create -b "$T/b" "$ID" >/dev/null 2>"$T/err2" </dev/null || bad "create fails"; }
recover_start() {
	# Whether it got to start or not: it can be started once, and not twice.
	"$K" start "$ID"
	"$K" start "$ID" && bad "started twice"
	[ "$("$K" state "$ID" | jq -r .status)" = running ] || bad "it is $("$K" state "$ID" | jq -r .status)"
	recover_data
}
stop_at_each "start of a created one" created "$C start $ID" recover_start

# ---- a delete --------------------------------------------------------------------------------------

running() { pod_up && "$K" exec "$ID" touch /e/x || bad "the pod does not start"; }
stop_at_each "delete" running "$C delete --force $ID" recover_data

# ---- the keeper, and everything, killed ---------------------------------------------------------------

keepers() { # of this test
	local p
	for p in /proc/[0-9]*; do
		[ "$(cat "$p/comm" 2>/dev/null)" = kshim-keeper ] || continue
		grep -qzxF "KSHIM_ROOT=$T/run" "$p/environ" 2>/dev/null && echo "${p#/proc/}"
	done
}
broken=0
where="keeper killed"
running
keepers | xargs kill -9
"$K" exec "$ID" sh -c 'cat /d/f' >"$T/got" 2>&1 || bad "exec without a keeper"
"$K" run --detach --rootfs "$R" --pod ns/p-0 --empty-dir e:/e "$TAG-other" -- sleep 1 >"$T/err" 2>&1 && bad "a second holder"
grep -q "lost its keeper, but container \"$ID\"" "$T/err" || bad "the message: $(cat "$T/err")"
"$K" volume delete -n ns data-p-0 >/dev/null 2>&1 && bad "the volume could be deleted"
"$K" gc >/dev/null 2>&1
[ -n "$("$K" exec "$ID" ls /e)" ] || bad "gc took the emptyDir of a living container"
recover_data
ok $broken "the keeper killed under a running container"

broken=0
where="power cut"
running
pid=$("$K" state "$ID" | jq .pid)
{ keepers; echo "$pid"; } | xargs kill -9
wait_for 5 test ! -e "/proc/$pid/root/bin"
rm -rf "${KSHIM_ROOT:?}"/* # /run does not survive a boot
find /sys/fs/cgroup -maxdepth 3 -depth -type d -name "kshim-$TAG*" -exec rmdir {} +
"$K" gc >"$T/gc" 2>&1
grep -q 'took down what its keeper left' "$T/gc" || bad "gc: $(cat "$T/gc")"
[ -z "$(find "$KSHIM_STATE_DIR"/{pods,trash} -mindepth 1)" ] || bad "something is left in the state directory"
recover_data
ok $broken "everything killed and the runtime root gone, as after a power cut"

# ---- volume create and delete ------------------------------------------------------------------------------

vimg=$KSHIM_STATE_DIR/volumes/ns/v/image
no_volume() { "$K" volume delete -n ns v 2>/dev/null; }
recover_create() {
	"$K" gc >"$T/gc" 2>&1 || bad "gc: $(cat "$T/gc")"
	[ -z "$(ls "$KSHIM_STATE_DIR/journal")" ] || bad "journal: $(ls "$KSHIM_STATE_DIR/journal")"
	if "$K" volume inspect -n ns v >"$T/v.json" 2>/dev/null; then
		[ "$(blkid -p -o value -s UUID "$vimg")" = "$(jq -r .fsUuid "$T/v.json")" ] || bad "half made"
	else
		[ ! -e "$KSHIM_STATE_DIR/volumes/ns/v" ] || bad "left: $(ls "$KSHIM_STATE_DIR/volumes/ns/v")"
		"$K" volume create -n ns v --size 16Mi 2>"$T/err2" || bad "create again fails"
	fi
	"$K" volume delete -n ns v 2>"$T/err2" || bad "delete fails"
}
stop_at_each "volume create" no_volume "$C volume create -n ns v --size 16Mi" recover_create

a_volume() { "$K" volume create -n ns v --size 16Mi 2>/dev/null; }
recover_delete() {
	# It is there as a whole, or it goes as a whole.
	"$K" gc >"$T/gc" 2>&1 || bad "gc: $(cat "$T/gc")"
	[ -z "$(find "$KSHIM_STATE_DIR"/{journal,trash} -mindepth 1)" ] || bad "journal or trash is left"
	if "$K" volume inspect -n ns v >"$T/v.json" 2>/dev/null; then
		[ "$(blkid -p -o value -s UUID "$vimg")" = "$(jq -r .fsUuid "$T/v.json")" ] || bad "half deleted"
		"$K" volume delete -n ns v 2>"$T/err2" || bad "delete fails"
	fi
	[ ! -e "$KSHIM_STATE_DIR/volumes/ns/v" ] || bad "left: $(ls "$KSHIM_STATE_DIR/volumes/ns/v")"
}
stop_at_each "volume delete" a_volume "$C volume delete -n ns v" recover_delete

for p in $points; do
	case " $reached " in *" $p "*) continue ;; esac
	ok 1 "nothing was ever stopped at $p: the test is blind there"
done
rm -rf "${KSHIM_STATE_DIR:?}/volumes"
no_leaks
