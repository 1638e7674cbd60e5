#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# linux.intelRdt, over a model of the kernel's resctrl (tests/vm/resctrl), which runc is
# asked to use as well: the emulated processor has nothing of the kind.
. "$(dirname "$0")/guest.sh"
requires_root
requires jq
requires runc
modprobe resctrl_model 2>/dev/null || skip_all "needs the model of resctrl, which is built for Linux 6.1 by linux-headers-cloud-amd64"
RDT=/sys/fs/resctrl
at_exit='umount -q $RDT /proc/cpuinfo'

B=$T/b
ID=$TAG-1
rdt() { # JSON [JQ-FILTER]: a bundle of that linux.intelRdt, whose program stays
	bundle "$B" ".linux.intelRdt = $1 | .process.args = [\"sleep\", \"1000\"] | ${2:-.}"
}
start() { # JSON [ID]
	rdt "$1"
	try "$K" run -d -b "$B" "${2:-$ID}"
}
limits() { tr -d ' ' <"$RDT/$1/schemata" | tr '\n' ,; }
init() { "$K" state "${1:-$ID}" | jq .pid; }
# Which class a process is in: monitoring groups are of their class as well.
class_of() {
	local d
	for d in "$RDT" "$RDT"/*/; do
		[ -e "$d/tasks" ] && grep -qx "$1" "$d/tasks" && realpath --relative-to "$RDT" "$d"
	done
}
groups() { find "$RDT" -mindepth 1 -maxdepth 1 -type d ! -name info ! -name 'mon_*' -printf '%f\n' | sort | tr '\n' ,; }
containers() { find "$KSHIM_ROOT" -mindepth 1 -maxdepth 1 -name "$TAG*" | wc -l; }
gone() { # NAME: neither a class nor a container is left
	is "$(groups):$(containers)" ":0" "$1"
}

start '{}'
like "$rc:$err" '1:*linux.intelRdt: no resctrl file system is mounted*' "without resctrl it is an error"
is "$(containers)" 0 "and nothing is left"
mount -t resctrl resctrl $RDT
ok $? "the model is mounted"

# ---- a class of the container's own ------------------------------------------------------------
ONE='{l3CacheSchema: "L3:0=f;1=ff", memBwSchema: "MB:0=20;1=70"}'
start "$ONE"
is "$rc:$err" 0: "a container with limits and no closID"
is "$(limits "$ID")" 'L3:0=00f;1=0ff,MB:0=20;1=70,' "gets a class of its name, with those limits"
is "$(class_of "$(init)")" "$ID" "its first process is in it"
"$K" exec -d --pid-file "$T/pid" "$ID" sh -c 'sleep 1000 & wait' && wait_for 5 pgrep -P "$(cat "$T/pid")"
is "$(class_of "$(cat "$T/pid")"):$(class_of "$(pgrep -P "$(cat "$T/pid")")")" "$ID:$ID" "so is an exec, and what it starts"
is "$(sort -n "$RDT/$ID/tasks" | tr '\n' ' ')" "$(printf '%s\n' "$(init)" "$(cat "$T/pid")" "$(pgrep -P "$(cat "$T/pid")")" | sort -n | tr '\n' ' ')" "and nobody else"
"$K" events --stats "$ID" | jq -S .data.intel_rdt >"$T/stats.kshim"
try "$K" update --l3-cache-schema 'L3:0=3' --mem-bw-schema 'MB:1=40' "$ID"
is "$rc:$err:$(limits "$ID")" '0::L3:0=003;1=0ff,MB:0=20;1=40,' "update changes what it names"
try "$K" update --l3-cache-schema 'L3:0=5' "$ID"
like "$rc:$err" '1:*set "L3:0=5"*The mask 5 has non-consecutive 1-bits*' "what the kernel says of bad limits is told"
"$K" delete --force "$ID"
gone "delete removes the class"
start '{}'
is "$rc:$(limits "$ID"):$(class_of "$(init)")" "0:L3:0=fff;1=fff,MB:0=100;1=100,:$ID" "an empty intelRdt is a class without limits"
"$K" delete --force "$ID"
start '{l3CacheSchema: "L3:0=f\nMB:0=10", memBwSchema: "MB:0=20;1=70", schemata: ["L3:1=3", "MB:1=30"]}'
is "$rc:$(limits "$ID")" "0:L3:0=00f;1=003,MB:0=20;1=30," "l3CacheSchema is written first, then memBwSchema, then schemata"
"$K" delete --force "$ID"
start '{l3CacheSchema: "L3:0=f\nMB:1=10", memBwSchema: "MB:0=20"}'
is "$rc:$(limits "$ID")" "0:L3:0=00f;1=fff,MB:0=20;1=100," "of bandwidth in l3CacheSchema nothing is written beside a memBwSchema"
"$K" delete --force "$ID"
start '{l3CacheSchema: "L3:0=f0f"}'
like "$rc:$err" '1:*set "L3:0=f0f"*non-consecutive*' "limits that the kernel refuses are an error"
gone "which leaves no class"
rdt "$ONE" '.process.args = ["/nosuch"]'
try "$K" run -b "$B" "$ID"
like "$rc:$err" '127:*/nosuch*' "a program that is not there is one"
gone "and leaves none"
rdt "$ONE" '.hooks.createRuntime = [{path: "/bin/false"}]'
try "$K" run -b "$B" "$ID"
like "$rc:$err" '1:*createRuntime*' "and a hook that fails"
gone "which leaves none either"
rdt "$ONE" '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
chown -R 100000:100000 "$B/rootfs"
try "$K" run -d -b "$B" "$ID"
is "$rc:$err:$(class_of "$(init)")" "0::$ID" "a container in a user namespace is in its class"
"$K" exec -d --pid-file "$T/pid" "$ID" sleep 1000
is "$(class_of "$(cat "$T/pid")")" "$ID" "an exec in it, too"
"$K" delete --force "$ID"
rm -rf "${B:?}/rootfs"

# ---- the same by runc -----------------------------------------------------------------------------
# What it looks for before it looks at the file system.
sed 's/^flags.*/& rdt_a cat_l3 mba cqm_llc cqm_occup_llc cqm_mbm_total cqm_mbm_local/' /proc/cpuinfo >"$T/cpuinfo"
mount --bind "$T/cpuinfo" /proc/cpuinfo
rdt "$ONE" '.process.args[0] = "/bin/sleep"'
try runc --root "$T/rt" run -d -b "$B" "$ID"
is "$rc:$(limits "$ID")" '0:L3:0=00f;1=0ff,MB:0=20;1=70,' "runc makes the same class"
is "$(class_of "$(runc --root "$T/rt" state "$ID" | jq .pid)")" "$ID" "and puts the process there"
is "$(jq -r .l3_cache_schema "$T/stats.kshim")" "L3:0=00f;1=0ff" "events tells of its limits"
is "$(cat "$T/stats.kshim")" "$(runc --root "$T/rt" events --stats "$ID" | jq -S .data.intel_rdt)" "with all that runc tells"
runc --root "$T/rt" delete --force "$ID"
is "$(groups)" "" "delete removes it"
umount /proc/cpuinfo

# ---- a class that is named ----------------------------------------------------------------------
start '{closID: "gold"}'
like "$rc:$err" '1:*there is no class "gold", and no limits are given*' "a class that is named and not there is an error"
gone "and is not made"
mkdir $RDT/gold
start '{closID: "gold"}'
is "$rc:$(class_of "$(init)")" 0:gold "one that is there is joined"
"$K" delete --force "$ID"
is "$(groups):$(limits gold)" 'gold,:L3:0=fff;1=fff,MB:0=100;1=100,' "and outlives the container, as it was"
rmdir $RDT/gold
start '{closID: "gold", l3CacheSchema: "L3:0=f", schemata: ["MB:0=25"]}'
is "$rc:$(limits gold):$(class_of "$(init)")" '0:L3:0=00f;1=fff,MB:0=30;1=100,:gold' "with limits it is made"
start '{closID: "gold", l3CacheSchema: "L3: 0 = 0F", schemata: ["MB:0=25"]}' "$TAG-2"
is "$rc:$err:$(class_of "$(init "$TAG-2")")" 0::gold "the next container of the same limits joins it, in whatever way they are written"
start '{closID: "gold", l3CacheSchema: "L3:0=1f"}' "$TAG-3"
like "$rc:$err" '1:*class "gold" is there with other limits: L3 of domain 0 is f, not 1f*' "one of other limits is refused, and told which"
start '{closID: "gold", schemata: ["MB:0=35"]}' "$TAG-3"
like "$rc:$err" '1:*MB of domain 0 is 30, not 35*' "also of bandwidth"
start '{closID: "gold", schemata: ["L2:0=1"]}' "$TAG-3"
like "$rc:$err" '1:*class "gold" has no L2 of domain 0*' "and of what the class has no limits for"
start '{closID: "gold", schemata: ["what"]}' "$TAG-3"
like "$rc:$err" '1:*"what" is no line of schemata*' "what is no limit is named"
is "$(limits gold)" 'L3:0=00f;1=fff,MB:0=30;1=100,' "none of them changed it"
"$K" delete --force "$ID"
"$K" delete --force "$TAG-2"
is "$(groups)" gold, "a class of that kind stays: others may be about to use it"
rmdir $RDT/gold
for n in a b c; do mkdir "$RDT/$n"; done
start "$ONE"
like "$rc:$err" '1:*make the class*Out of CLOSIDs*' "when no class is left, that is told"
for n in a b c; do rmdir "$RDT/$n"; done

start '{closID: "/"}'
is "$rc:$(class_of "$(init)"):$(groups)" "0:.:" "closID / is the default class"
"$K" delete --force "$ID"
start '{closID: "/", l3CacheSchema: "L3:0=fff"}'
is "$rc" 0 "whose limits may be given as they are"
"$K" delete --force "$ID"
start '{closID: "/", l3CacheSchema: "L3:0=f"}'
like "$rc:$err" '1:*class "/" is there with other limits*' "and are not changed"
is "$(limits .)" 'L3:0=fff;1=fff,MB:0=100;1=100,' "by anybody"

# ---- monitoring -----------------------------------------------------------------------------------
start '{closID: "/", enableMonitoring: true}'
is "$rc:$(cat $RDT/mon_groups/"$ID"/tasks)" "0:$(init)" "enableMonitoring makes a group of the container's name"
"$K" exec -d --pid-file "$T/pid" "$ID" sleep 1000
is "$(grep -cx "$(cat "$T/pid")" $RDT/mon_groups/"$ID"/tasks)" 1 "an exec is in it"
is "$("$K" events --stats "$ID" | jq -c '.data.intel_rdt | [.mbm_stats, .cmt_stats]')" '[[{"mbm_total_bytes":4096,"mbm_local_bytes":1024},{"mbm_local_bytes":1024}],[{"llc_occupancy":65536},{"llc_occupancy":65536}]]' "events reads its counters; one that has not counted is left out"
"$K" delete --force "$ID"
is "$(ls $RDT/mon_groups)" "" "delete removes it"
start "{enableMonitoring: true, l3CacheSchema: \"L3:0=f\"}"
is "$rc:$(cat $RDT/"$ID"/mon_groups/"$ID"/tasks):$(cat $RDT/"$ID"/tasks)" "0:$(init):$(init)" "in a class of its own, too"
"$K" delete --force "$ID"
gone "and both go"
mkdir "$RDT/mon_groups/$ID"
start '{closID: "/", enableMonitoring: true}'
like "$rc:$err" '1:*enableMonitoring: there is a monitoring group*already*' "a monitoring group of that name is not taken"
[ -d "$RDT/mon_groups/$ID" ]
ok $? "it stays"
rmdir "$RDT/mon_groups/$ID"

# ---- somebody else's --------------------------------------------------------------------------------
mkdir "$RDT/$ID"
echo 'L3:0=7' >"$RDT/$ID/schemata"
sleep 1000 &
other=$!
echo $other >"$RDT/$ID/tasks"
start "$ONE"
like "$rc:$err" '1:*there is a class of the container'"'"'s name*already*' "a class of the container's name is not taken over"
is "$(limits "$ID"):$(cat "$RDT/$ID/tasks")" "L3:0=007;1=fff,MB:0=100;1=100,:$other" "and stays as it was"
kill $other
wait $other 2>/dev/null
for p in claimed cgroup-made; do
	rdt "$ONE"
	KSHIM_CRASH_AT=$p "$BUILD/crash/kshim" run -b "$B" "$ID" </dev/null >/dev/null 2>&1
	is $? 137 "a create is killed at $p"
	"$K" delete --force "$ID" 2>/dev/null
	is "$(limits "$ID"):$(cat "$RDT/$ID/tasks")" "L3:0=007;1=fff,MB:0=100;1=100,:" "also with nobody in it, when a create that would have made one is killed at $p and deleted"
done
rmdir "$RDT/$ID"
start "$ONE"
KSHIM_CRASH_AT=delete-storage "$BUILD/crash/kshim" delete --force "$ID" </dev/null >/dev/null 2>&1
is "$(groups)" "" "a delete is killed when the class is gone"
mkdir "$RDT/$ID"
try "$K" delete --force "$ID"
is "$rc:$(groups)" "0:$ID," "the next one leaves the class that somebody has made since then"
rmdir "$RDT/$ID"
start "$ONE"
start "{closID: \"$ID\"}" "$TAG-2"
"$K" delete --force "$ID"
is "$(class_of "$(init "$TAG-2")"):$(limits "$ID")" "$ID:L3:0=00f;1=0ff,MB:0=20;1=70," "a class that another container is in stays"
"$K" delete --force "$TAG-2"
rmdir "$RDT/$ID"

hold() { # locks the file system as another program does; sets other
	flock $RDT sleep 600 &
	other=$!
	wait_for 60 eval '! flock -n $RDT true' || echo "# nobody holds the lock"
}
let_go() { pkill -P $other; wait $other 2>/dev/null; }
rdt "$ONE"
hold
"$K" run -d -b "$B" "$ID" </dev/null >/dev/null 2>"$T/err" &
pid=$!
wait_for 60 test -e "$KSHIM_ROOT/$ID/state.json"
sleep 1
is "$(groups)" "" "it waits for who has locked the file system"
let_go
wait $pid
is "$?:$(class_of "$(init)")" "0:$ID" "and goes on then"
hold
try "$K" delete --force "$ID"
is "$rc:$err:$(groups)" "0::" "delete of what is its own goes on without the lock after a while"
start "$ONE"
like "$rc:$err" '1:*resctrl file system is locked by another program*' "create does not"
let_go
gone "and leaves nothing"

start "$ONE"
jq '.resctrlInode = 1' "$KSHIM_ROOT/$ID/state.json" >"$T/record" && cp "$T/record" "$KSHIM_ROOT/$ID/state.json"
try "$K" delete --force "$ID"
is "$rc:$(groups)" "0:$ID," "a class that is not the one on record stays"
rmdir "$RDT/$ID"

# ---- killed --------------------------------------------------------------------------------------------
for p in claimed resctrl-group resctrl-monitor cgroup-recorded cloned ready recorded delete-cgroup delete-storage; do
	rdt "{enableMonitoring: true, l3CacheSchema: \"L3:0=f\"}"
	case $p in
	delete-*)
		"$K" run -d -b "$B" "$ID" </dev/null
		KSHIM_CRASH_AT=$p "$BUILD/crash/kshim" delete --force "$ID" </dev/null >/dev/null 2>&1
		;;
	*) KSHIM_CRASH_AT=$p "$BUILD/crash/kshim" run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1 ;;
	esac
	died=$?
	try "$K" delete --force "$ID"
	is "$died:$rc:$(groups):$(containers)" "137:0::0" "killed at $p: delete removes all of it"
done

for p in resctrl-group cgroup-recorded; do
	rdt '{closID: "gold", l3CacheSchema: "L3:0=f"}'
	KSHIM_CRASH_AT=$p "$BUILD/crash/kshim" run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1
	died=$?
	try "$K" delete --force "$ID"
	is "$died:$rc:$(groups)" "137:0:$([ $p = resctrl-group ] || echo gold,)" "killed at $p: a class that was named goes only when it was half made"
done
is "$(limits gold)" 'L3:0=00f;1=fff,MB:0=100;1=100,' "and is whole where it stays"
rmdir $RDT/gold
KSHIM_CRASH_AT=resctrl-group "$BUILD/crash/kshim" run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1
sleep 1000 &
other=$!
echo $other >$RDT/gold/tasks
"$K" delete --force "$ID"
is "$(groups)" gold, "not even then when somebody is in it"
kill $other
wait $other 2>/dev/null
rmdir $RDT/gold

# ---- what cannot be ----------------------------------------------------------------------------------
bundle "$B" '.process.args = ["sleep", "1000"]'
"$K" run -d -b "$B" "$ID" </dev/null
try "$K" update --l3-cache-schema 'L3:0=3' "$ID"
like "$rc:$err" '1:*has no class of service: it was made without linux.intelRdt*' "update of a container without a class is an error"
try "$K" update --memory 77M --l3-cache-schema 'L3:0=3' "$ID"
is "$rc:$(cat "/sys/fs/cgroup/kshim-$ID/memory.max")" 1:max "that changes nothing else"
try "$K" update --mem-bw-schema 'L3:0=3' "$ID"
like "$rc:$err" '2:*--mem-bw-schema: "L3:0=3" is not valid*' "a bandwidth that is none"
is "$("$K" events --stats "$ID" | jq -c .data.intel_rdt)" '{}' "which has no statistics of it"
"$K" delete --force "$ID"

if command -v criu >/dev/null; then
	rdt "$ONE" '.process.noNewPrivileges = false'
	"$K" run -d -b "$B" "$ID" </dev/null
	try "$K" checkpoint --image-path "$T/img" "$ID"
	is "$rc:$(groups)" 0: "a checkpoint takes the class away"
	try "$K" restore -d --image-path "$T/img" -b "$B" "$ID"
	is "$rc:$err" 0: "a restore"
	is "$(limits "$ID"):$(class_of "$(init)")" "L3:0=00f;1=0ff,MB:0=20;1=70,:$ID" "is in a class of the same limits"
	"$K" delete --force "$ID"
	gone "that goes with it"
else
	skip "checkpoint and restore" "needs criu"
fi

# shellcheck disable=SC2016 # for jq
rdt "$ONE" '.hostname = "p-0" | .annotations = {"dev.kshim.pod": "ns/p-0", "dev.kshim.volume-claim-templates": ([{metadata: {name: "d"}, spec: {resources: {requests: {storage: "32Mi"}}}}] | tojson), "dev.kshim.volume-mounts": ({"*": [{name: "d", mountPath: "/mnt"}]} | tojson)}'
mkdir -p "$B/rootfs/mnt"
try "$K" run -d -b "$B" "$ID"
is "$rc:$err:$("$K" volume list -n ns -f json | jq -c '[.[].inUse]')" '0::[true]' "a pod with a disk and a class"
mount -o remount,bind,ro $RDT
try "$K" delete --force "$ID"
like "$rc:$err" "1:*remove $ID of the resctrl file system*" "a class that cannot be removed is an error"
is "$(containers):$("$K" volume list -n ns -f json | jq -c '[.[].inUse]')" '1:[false]' "that keeps the container on record, and lets its disk go"
mount -o remount,bind,rw $RDT
try "$K" delete --force "$ID"
is "$rc:$err" 0: "the next delete"
gone "finishes it"
"$K" pod forget ns/p-0 2>/dev/null
"$K" volume delete -n ns d-p-0

start "$ONE"
rmdir "$RDT/$ID"
try "$K" exec "$ID" echo in
is "$rc:$out:$err" 0:in: "an exec works when somebody has removed the class"
try "$K" events --stats "$ID"
is "$rc:$(jq -c '[.data.intel_rdt, .data.pids.current]' <<<"$out")" '0:[{},1]' "so do events"
try "$K" delete --force "$ID"
is "$rc:$err" 0: "so does delete"

# Where the file system is gone there are no classes either.
start "$ONE"
umount $RDT
try "$K" delete --force "$ID"
is "$rc:$err" 0: "delete works when resctrl has been unmounted"
mkdir "$T/elsewhere"
mount -t resctrl resctrl "$T/elsewhere"
start "$ONE"
is "$rc:$(ls -d "$T/elsewhere/$ID")" "0:$T/elsewhere/$ID" "it is found elsewhere, too"
"$K" delete --force "$ID"
umount "$T/elsewhere"
no_leaks
