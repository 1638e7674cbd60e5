#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On a host where systemd is the first process.
. "$(dirname "$0")/guest.sh"
requires_root
[ -d /run/systemd/system ] || skip_all "systemd is not the first process here"
pod_rootfs

like "$(systemctl --version | head -1)" "systemd *" "systemd runs"

# ---- the cgroup driver -----------------------------------------------------------------------------
B=$T/b
ID=$TAG-1
S="$K --systemd-cgroup"
SCOPE=kshim-$ID.scope
D=/sys/fs/cgroup/system.slice/$SCOPE
prop() { systemctl show -P "$2" "$1"; }
gone() { [ ! -d "$D" ] && [ "$(prop "$SCOPE" LoadState)" = not-found ]; }
bundle "$B" '.root.readonly = false | .process.capabilities.ambient = [] | .process.args = ["sleep", "1000"]
	| .linux.resources.memory = {limit: 67108864, swap: 100663296, reservation: 33554432}
	| .linux.resources.cpu = {shares: 2048, quota: 33333, period: 100000, cpus: "0"} | .linux.resources.pids = {limit: 77}
	| .linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11}] | .annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 7000000", "org.systemd.property.CollectMode": "\u0027inactive-or-failed\u0027"}'
cp "$B/config.json" "$T/base.json"
try $S create -b "$B" "$ID"
is "$rc:$err" 0: "create with the systemd cgroup driver"
pid=$("$K" state "$ID" | jq .pid)
is "$(cut -d: -f3 "/proc/$pid/cgroup")" "/system.slice/$SCOPE" "its process is in a scope of system.slice"
is "$(cat "$D/cgroup.procs")" "$pid" "and alone there"
is "$(for p in ActiveState Slice Delegate MemoryMax MemoryLow MemorySwapMax TasksMax CPUWeight CPUQuotaPerSecUSec AllowedCPUs TimeoutStopUSec; do prop "$SCOPE" $p; done | tr '\n' ' ')" \
	"active system.slice yes 67108864 33554432 33554432 77 79 340ms 0 7s " "systemd knows its limits, and the properties of its annotations"
limits() { cat "$D"/{memory.max,memory.low,memory.swap.max,pids.max,cpu.weight,cpu.max,cpuset.cpus} | tr '\n' ' '; }
is "$(limits)" "67108864 33554432 33554432 77 79 34000 100000 0 " "the kernel has them, the quota in whole percents"
"$K" start "$ID"
systemctl daemon-reload
is "$(limits)" "67108864 33554432 33554432 77 79 34000 100000 0 " "a reload of systemd leaves them"
try "$K" exec "$ID" sh -c 'head -c1 /dev/kmsg 2>&1'
like "$out" '*not permitted*' "and the rules of devices"
try "$K" exec "$ID" cat /proc/self/cgroup
is "$rc:$out" 0:0::/ "exec is in the scope"
try "$K" update --memory 50331648 --memory-swap 50331648 --pids-limit 88 "$ID"
is "$rc:$(prop "$SCOPE" MemoryMax):$(prop "$SCOPE" TasksMax):$(cat "$D/memory.max"):$(cat "$D/pids.max")" "0:50331648:88:50331648:88" "update tells the kernel and systemd"
try "$K" pause "$ID"
is "$rc:$("$K" state "$ID" | jq -r .status)" 0:paused "pause"
"$K" resume "$ID"
try "$K" delete --force "$ID"
gone
is "$?:$rc:$err" 0:0: "delete leaves neither scope nor cgroup"
bad=0
jq '.process.args = ["true"]' "$T/base.json" >"$B/config.json"
for _ in $(seq 10); do $S run -b "$B" "$ID" || bad=$((bad + 1)); done
is "$bad" 0 "an id is free at once"
gone
ok $? "and nothing of it is left"

jq '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "kt-a-b.slice:pre:name"' "$T/base.json" >"$B/config.json"
try $S run -d -b "$B" "$ID"
pid=$("$K" state "$ID" | jq .pid)
is "$rc:$(cut -d: -f3 "/proc/$pid/cgroup")" "0:/kt.slice/kt-a.slice/kt-a-b.slice/pre-name.scope" "slice:prefix:name, as engines give it"
try $S run -d -b "$B" "$TAG-2"
like "$rc:$err" '1:*pre-name.scope*' "a scope that is there is not taken over"
is "$("$K" state "$ID" | jq -r .status):$("$K" state "$TAG-2" 2>&1 | grep -c 'does not exist')" running:1 "and its container lives on"
"$K" kill "$ID" KILL
wait_for 5 eval '[ "$("$K" state "$ID" | jq -r .status)" = stopped ]'
"$K" delete "$ID"
is "$(prop pre-name.scope LoadState)" not-found "a container that ended by itself is deleted"
systemctl stop kt.slice

jq '.process.args = ["/no/such"]' "$T/base.json" >"$B/config.json"
try $S create -b "$B" "$ID"
like "$rc:$err" '127:*no such file*' "a create that fails"
wait_for 5 gone
ok $? "takes its scope with it"
jq '.annotations["org.systemd.property.MemoryNoSuch"] = "1"' "$T/base.json" >"$B/config.json"
try $S create -b "$B" "$ID"
like "$rc:$err" '1:*scope kshim-*MemoryNoSuch*' "a property that systemd does not know is its error"
for a in 'Conflicts="x.service"' 'OnFailure="x.service"' 'Slice="a.slice"' 'PIDs="1"' 'a b="1"' 'After="[x"' "After=\"['x'\"" "TimeoutStopUSec=\"'a' b\""; do
	jq ".annotations = {\"org.systemd.property.${a%%=*}\": ${a#*=}}" "$T/base.json" >"$B/config.json"
	try $S create -b "$B" "$ID"
	like "$rc:$err" '1:*annotations*property*' "refused: $a"
done
# As CRI-O writes them.
jq '.annotations = {"org.systemd.property.After": "[\u0027dbus.service\u0027, \u0027basic.target\u0027]", "org.systemd.property.DefaultDependencies": "true", "org.systemd.property.TimeoutStopUSec": "uint64 9000000", "org.systemd.property.CollectMode": "\u0027inactive-or-failed\u0027"}
	| .linux.resources = {memory: {limit: 200000000}, unified: {"memory.high": "100000000", "cpu.max": "20000 100000", "io.weight": "default 55"}, pids: {limit: 1}}' "$T/base.json" >"$B/config.json"
try $S run -d -b "$B" "$ID"
is "$rc:$err" 0: "annotations of lists, a single process, unified"
is "$(prop "$SCOPE" After | tr ' ' '\n' | grep -cx 'basic.target\|dbus.service')" 2 "systemd has the list"
systemctl daemon-reload
is "$(cat "$D"/{memory.high,cpu.max,io.weight,pids.max} | tr '\n' ' ')" "$(echo 100000000 | awk '{print int($1/4096)*4096}') 20000 100000 default 55 1 " "a reload leaves what is unified"
try "$K" update --memory-swap 250000000 --cpu-quota 30000 "$ID"
systemctl daemon-reload
is "$rc:$(cat "$D"/{memory.max,memory.swap.max,cpu.max} | tr '\n' ' ')" "0:199999488 49999872 30000 100000 " "an update of a part stands on the rest, also behind a reload"
"$K" delete --force "$ID"
jq '.process.args = ["true"] | .linux.resources = {memory: {limit: 1048576}}' "$T/base.json" >"$B/config.json"
try $S run -b "$B" "$ID"
is "$rc:$err" 0: "a memory limit in which the placeholder would not live"

# Killed when the scope is there: it ends with the placeholder, and delete finds what is left.
jq . "$T/base.json" >"$B/config.json"
KSHIM_CRASH_AT=cloned "$BUILD/crash/kshim" --systemd-cgroup create -b "$B" "$ID" 2>/dev/null
try "$K" delete --force "$ID"
wait_for 5 gone
is "$?:$rc" 0:0 "a create that was killed leaves no scope"

# A user's own manager, from below it, as podman's rootless mode has it.
useradd -u 4000 -m kshimuser 2>/dev/null
mkdir -p "$T/u"
chmod 755 "$T"
cp "$K" "$T/u/kshim"
bundle "$T/u/b" '.'
rm "$T/u/b/config.json"
chown -R 4000:4000 "$T/u"
timeout 60 systemctl start user@4000.service
as_user() { timeout 60 setpriv --reuid 4000 --regid 4000 --clear-groups --inh-caps=-all env -u KSHIM_ROOT -u KSHIM_STATE_DIR HOME="$T/u" XDG_RUNTIME_DIR=/run/user/4000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/4000/bus "$@"; }
as_user "$T/u/kshim" spec --rootless -b "$T/u/b"
jq '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.resources = {memory: {limit: 50003968}, pids: {limit: 55}}' "$T/u/b/config.json" >"$T/u/c" && cp "$T/u/c" "$T/u/b/config.json"
try as_user systemd-run --user --scope --quiet -p Delegate=yes "$T/u/kshim" --systemd-cgroup run -d -b "$T/u/b" "$ID"
is "$rc:$err" 0: "a user's container in a scope of its own manager"
pid=$(as_user "$T/u/kshim" state "$ID" | jq .pid)
where=/user.slice/user-4000.slice/user@4000.service/user.slice/$SCOPE
is "$(cut -d: -f3 "/proc/$pid/cgroup"):$(cat "/sys/fs/cgroup$where"/{memory.max,pids.max} | tr '\n' ' ')" "$where:50003968 55 " "with its limits"
try as_user systemd-run --user --scope --quiet "$T/u/kshim" exec "$ID" id -u
is "$rc:$out" 0:0 "exec"
try as_user "$T/u/kshim" pause "$ID"
is "$rc:$(as_user "$T/u/kshim" state "$ID" | jq -r .status)" 0:paused "pause"
try as_user "$T/u/kshim" delete --force "$ID"
is "$rc:$err:$(ls -d "/sys/fs/cgroup$where" 2>/dev/null)" 0:: "delete"
try as_user "$T/u/kshim" --systemd-cgroup run -d -b "$T/u/b" "$ID"
like "$rc:$err" '1:*in a cgroup that its user may not leave*' "from elsewhere the error says why it cannot be"
timeout 60 systemctl stop user@4000.service

# The everyday verbs again, with this driver.
printf '#!/bin/sh\nexec %s --systemd-cgroup "$@"\n' "$K" >"$T/kshim-systemd"
chmod 755 "$T/kshim-systemd"
KSHIM=$T/kshim-systemd bash "$TOP/tests/cli/lifecycle.t" >"$T/lifecycle" 2>&1
is "$?:$(grep '^not ok' "$T/lifecycle")" 0: "lifecycle.t with the systemd driver"

# Its mount units never see a volume.
before=$(systemctl list-units --type=mount --all --no-legend | wc -l)
"$K" volume create -n ns data --size 16Mi
up "$TAG-1" --pod ns/p-0 --volume data:/d --empty-dir e:/e --empty-dir m:/m:medium=Memory
is "$rc" 0 "a pod with volumes"
sleep 1
is "$(systemctl list-units --type=mount --all --no-legend | wc -l)" "$before" "systemd sees no mount of it"

# A keeper and its containers outlive the session that started them.
systemd-run --quiet --wait --collect -p KillMode=process "$K" --root "$KSHIM_ROOT" --state-dir "$KSHIM_STATE_DIR" \
	run --detach --rootfs "$R" --pod ns/p-1 --empty-dir e:/e "$TAG-2" -- sleep 1000
is "$("$K" state "$TAG-2" | jq -r .status)" running "a pod outlives the unit that started it"
"$K" delete --force "$TAG-1"
"$K" delete --force "$TAG-2"
"$K" volume delete -n ns data
no_leaks
