#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The verbs on a container that runs: pause, resume, ps, update, events, the
# options of exec, and what `features` says.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq

B=$T/b
bundle "$B" '.process.args = ["sleep", "1000"]'
mkdir -p "$B/rootfs/root"
printf 'root:x:0:\nusers:x:100:user\nwheel:x:10:root,user\n' >"$B/rootfs/etc/group"
ID=$TAG-1
status() { "$K" state "$1" | jq -r .status; }
cg() { cat "/sys/fs/cgroup/$1/kshim-$ID/$2"; } # CONTROLLER FILE, on v1
v1() { [ -d /sys/fs/cgroup/memory ]; }

# ---- pause and resume ------------------------------------------------------------
try "$K" pause "$ID"
like "$rc:$err" "1:*container \"$ID\" does not exist*" "pause of none"
try "$K" create -b "$B" "$ID"
try "$K" pause "$ID"
is "$rc:$(status "$ID")" 0:paused "a created container can be paused"
try "$K" start "$ID"
like "$rc:$err" '1:*it is paused*' "and does not start then"
"$K" resume "$ID"
is "$(status "$ID")" created "resumed, it is created again"
"$K" start "$ID"
try "$K" pause "$ID"
is "$rc:$(status "$ID")" 0:paused "pause"
try "$K" pause "$ID"
like "$rc:$err" '1:*already paused*' "pause of a paused one"
try "$K" exec "$ID" true
like "$rc:$err" '255:*cannot exec in a paused container (use --ignore-paused*' "exec in a paused one"
try "$K" delete "$ID"
like "$rc:$err" '1:*cannot delete*it is paused*' "delete of a paused one"
try timeout 5 "$K" exec --detach --ignore-paused "$ID" true
like "$rc" '[01]*' "--ignore-paused is taken"
try "$K" resume "$ID"
is "$rc:$(status "$ID")" 0:running "resume"
try "$K" resume "$ID"
like "$rc:$err" '1:*container not paused*' "resume of a running one"
"$K" pause "$ID"
try "$K" kill "$ID" KILL
wait_for 5 eval '[ "$("$K" state "$ID" | jq -r .status)" = stopped ]'
ok $? "SIGKILL ends a paused container"
for verb in pause resume; do
	try "$K" $verb "$ID"
	like "$rc:$err" '1:*container not running*' "$verb of a stopped one"
done
"$K" delete "$ID"
"$K" run -d -b "$B" "$ID"
"$K" pause "$ID"
try "$K" delete --force "$ID"
is "$rc:$err" 0: "delete --force of a paused one"

# ---- ps ------------------------------------------------------------------------------
"$K" run -d -b "$B" "$ID" </dev/null
pid=$("$K" state "$ID" | jq .pid)
"$K" exec -d "$ID" sleep 999
is "$("$K" ps -f json "$ID" | jq 'length')" 2 "ps -f json: every process"
is "$("$K" ps -f json "$ID" | jq "index($pid) != null")" true "ps -f json: init is one of them"
try "$K" ps "$ID"
like "$out" "UID*PID*PPID*CMD*$pid*sleep 1000*" "ps: as ps -ef prints them"
is "$(wc -l <<<"$out")" 3 "ps: a header, and only the container's processes"
try "$K" ps "$ID" -o pid,args
is "$(awk -v p="$pid" '$1 == p { $1 = ""; print }' <<<"$out")" " sleep 1000" "ps with options of ps"
try "$K" ps "$ID" -o args
like "$rc:$err" '1:*no PID column*' "ps without a PID column says so"
try "$K" ps -f yaml "$ID"
like "$rc:$err" '2:*not table or json*' "ps in an unknown format"

# ---- update --------------------------------------------------------------------------
try "$K" update --memory lots "$ID"
like "$rc:$err" '2:*--memory: "lots" is not valid*' "update with a bad number"
try "$K" update --l3-cache-schema L3:0=f "$ID"
like "$rc:$err" '1:*no class of service*' "update of RDT is refused where there is none"
if v1; then
	try "$K" update --memory 64M --memory-reservation 32M --cpu-share 512 --cpu-quota 50000 --cpu-period 100000 --pids-limit 77 --cpuset-cpus 0 "$ID"
	is "$rc:$err" 0: "update of many at once"
	is "$(cg memory memory.limit_in_bytes):$(cg memory memory.soft_limit_in_bytes)" 67108864:33554432 "memory"
	is "$(cg cpu cpu.shares):$(cg cpu cpu.cfs_quota_us):$(cg cpu cpu.cfs_period_us)" 512:50000:100000 "cpu"
	is "$(cg pids pids.max):$(cg cpuset cpuset.cpus)" 77:0 "pids and cpus"
	try "$K" update --cpu-period 200000 "$ID"
	is "$(cg cpu cpu.cfs_quota_us):$(cg cpu cpu.cfs_period_us)" 50000:200000 "a new period leaves the quota"
	if cg memory memory.memsw.limit_in_bytes >/dev/null 2>&1; then
		try "$K" update --memory 128M --memory-swap 256M "$ID"
		is "$rc:$(cg memory memory.limit_in_bytes):$(cg memory memory.memsw.limit_in_bytes)" 0:134217728:268435456 "memory and swap upwards"
		try "$K" update --memory 64M --memory-swap 96M "$ID"
		is "$rc:$(cg memory memory.limit_in_bytes):$(cg memory memory.memsw.limit_in_bytes)" 0:67108864:100663296 "and downwards"
	fi
	echo '{"memory": {"limit": 50331648}, "pids": {"limit": -1}, "blockIO": {"weight": 0}}' >"$T/res"
	try "$K" update -r "$T/res" "$ID"
	is "$rc:$(cg memory memory.limit_in_bytes):$(cg pids pids.max)" 0:50331648:max "update from a file"
	"$K" update -r - "$ID" <<<'{"cpu": {"shares": 100}, "devices": [{"allow": false}]}'
	is "$?:$(cg cpu cpu.shares)" 0:100 "update from standard input; device rules stay"
	try "$K" exec "$ID" sh -c 'head -c1 /dev/zero | wc -c'
	is "$out" 1 "the container has its devices still"
	try "$K" update -r - "$ID"
	like "$rc:$err" '1:*standard input*' "update from nothing"
	echo '{"memory": {"limit": 4096, "checkBeforeUpdate": true}}' >"$T/res"
	try "$K" update -r "$T/res" "$ID"
	like "$rc:$err" '1:*4096 is below the usage of*' "checkBeforeUpdate refuses a limit below the usage"
	echo '{"memory": {"limit": "64M"}}' >"$T/res"
	try "$K" update -r "$T/res" "$ID"
	like "$rc:$err" '1:*memory.limit: expected integer, got "64M"*' "update names the JSON path"
	try "$K" update --memory=-1 "$ID"
	is "$rc:$(cg memory memory.limit_in_bytes)" 0:9223372036854771712 "no limit any more"
fi

if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
	cg2() { tr '\n' ' ' <"/sys/fs/cgroup/kshim-$ID/$1"; }
	try "$K" update --memory 64M --memory-reservation 32M --cpu-share 1024 --cpu-quota 50000 --cpu-period 100000 --pids-limit 77 --cpuset-cpus 0 "$ID"
	is "$rc:$(cg2 memory.max)$(cg2 memory.low)$(cg2 cpu.weight)$(cg2 cpu.max)$(cg2 pids.max)$(cg2 cpuset.cpus)" "0:67108864 33554432 39 50000 100000 77 0 " "v2: update of many at once"
	try "$K" update --cpu-period 200000 "$ID"
	is "$rc:$(cg2 cpu.max)" "0:50000 200000 " "v2: a new period leaves the quota"
	"$K" update -r - "$ID" <<<'{"memory": {"limit": 4096, "checkBeforeUpdate": true}}' 2>"$T/err"
	like "$?:$(cat "$T/err")" '1:*4096 is below the usage of*' "v2: checkBeforeUpdate"
	try "$K" update --memory=-1 --pids-limit=-1 "$ID"
	is "$rc:$(cg2 memory.max)$(cg2 pids.max)" "0:max max " "v2: no limit any more"
	is "$("$K" events --stats "$ID" | jq '.data.memory.usage.usage > 0 and .data.cpu.usage.total > 0')" true "v2: events"
fi

# ---- events --------------------------------------------------------------------------
try "$K" events --stats "$ID"
is "$rc:$(jq -r '.type + " " + .id' <<<"$out")" "0:stats $ID" "events --stats: one line of JSON"
is "$(jq '.data.pids.current' <<<"$out")" 2 "it counts the processes"
v1 && is "$(jq '.data.memory.usage.usage > 0 and .data.cpu.usage.total > 0' <<<"$out")" true "and what they use"
if v1; then
	is "$(jq -c '.data | keys' <<<"$out")" "$(runc --root "$T/rr" run -d -b "$B" "$TAG-r" </dev/null >&2; runc --root "$T/rr" events --stats "$TAG-r" | jq -c '.data | keys - ["cpuset", "network_interfaces"]'; runc --root "$T/rr" delete -f "$TAG-r")" "the groups are runc's"
fi
"$K" events --interval 100ms "$ID" >"$T/events" &
watcher=$!
wait_for 5 eval '[ "$(wc -l <"$T/events")" -ge 3 ]'
ok $? "events: a line at every interval"
if v1; then
	"$K" update --memory 8M "$ID"
	"$K" exec "$ID" sh -c 'tail /dev/zero' >/dev/null 2>&1
	wait_for 5 grep -q '"oom"' "$T/events"
	ok $? "events: a kill for want of memory is told"
fi
try "$K" events --interval never "$ID"
like "$rc:$err" '2:*--interval*' "an interval that is none"

# ---- exec ----------------------------------------------------------------------------
try "$K" exec -u user "$ID" id
like "$rc:$out" '0:uid=1000*gid=1000*groups=*100(users)*' "exec -u NAME: uid, gid and the groups that list it"
is "$(grep -c '10(wheel)' <<<"$out")" 1 "all of those groups"
try "$K" exec -u 1234:wheel "$ID" id
like "$rc:$out" '0:uid=1234*gid=10(wheel)*' "exec -u UID:GROUP"
for bad in '' ':' 'user:' ':wheel' '1000:1000:1' '-1' '4294967295' '99999999999' 'us/er' ' 1000' '0x10' '1000 '; do
	try "$K" exec -u "$bad" "$ID" true
	is "$rc" 255 "exec -u '$bad' is refused"
done
try "$K" exec -g 33 -g 44 "$ID" id -G
is "$rc:$out" "0:0 33 44" "exec -g"
try "$K" exec --apparmor nosuch "$ID" true
is "$rc" 255 "exec --apparmor: refused where there is no AppArmor, or no such profile"
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
	try "$K" exec --apparmor unconfined "$ID" cat /proc/self/attr/current
	like "$rc:$out" '0:unconfined*' "exec --apparmor with a profile that is there"
else
	skip "exec --apparmor with a profile that is there" "this host has no AppArmor"
fi
try "$K" exec --process-label a:b:c "$ID" true
is "$rc" 255 "exec --process-label: the same for SELinux"
if v1; then
	mkdir "/sys/fs/cgroup/pids/kshim-$ID/sub"
	try "$K" exec --cgroup pids:sub "$ID" sh -c 'grep pids: /proc/self/cgroup; grep memory: /proc/self/cgroup'
	like "$rc:$out" "0:*kshim-$ID/sub*kshim-$ID" "exec --cgroup: one controller below, the others as they are"
	for bad in sub 'pids:../..' 'pids:..' 'nosuch:sub' 'pids:none'; do
		try "$K" exec --cgroup "$bad" "$ID" true
		is "$rc" 255 "exec --cgroup $bad is refused"
	done
	rmdir "/sys/fs/cgroup/pids/kshim-$ID/sub"
fi
"$K" exec --preserve-fds 1 "$ID" sh -c 'cat <&3' 3<<<kept >"$T/out"
is "$(cat "$T/out")" kept "exec --preserve-fds"

# ---- a socket for the pidfd ---------------------------------------------------------------
cat >"$T/recv.py" <<'P'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("ready", flush=True)
c = s.accept()[0]
_, anc, _, _ = c.recvmsg(64, socket.CMSG_LEN(4))
fd = array.array("i", anc[0][2])[0]
print([l for l in open("/proc/self/fdinfo/%d" % fd) if l.startswith("Pid:")][0].split()[1], flush=True)
P
for verb in exec run; do
	python3 "$T/recv.py" "$T/$verb.sock" >"$T/pidfd" &
	server=$!
	wait_for 5 grep -q ready "$T/pidfd"
	if [ $verb = exec ]; then
		"$K" exec -d --pidfd-socket "$T/$verb.sock" --pid-file "$T/pid" "$ID" sleep 10
	else
		"$K" run -d --pidfd-socket "$T/$verb.sock" --pid-file "$T/pid" -b "$B" "$TAG-p" </dev/null
	fi
	wait "$server"
	is "$(tail -1 "$T/pidfd")" "$(cat "$T/pid")" "$verb --pidfd-socket: a pidfd of the process"
done
"$K" kill "$ID" KILL
wait "$watcher"
is $? 0 "events ends with the container"
"$K" delete "$ID"

# ---- many at once ---------------------------------------------------------------------------
try "$K" kill --regex "$TAG-[p-z]" KILL
is "$rc" 0 "kill --regex"
wait_for 5 eval '[ "$("$K" state "$TAG-p" | jq -r .status)" = stopped ]'
ok $? "it ends what matches"
"$K" create -b "$B" "$TAG-pq"
try "$K" delete --regex "$TAG-p"
is "$rc:$("$K" list -q)" "0:$TAG-pq" "delete --regex: the whole id is to match"
try "$K" delete --regex "$TAG-("
like "$rc:$err" '2:*no regular expression*' "a pattern that is none"
"$K" delete "$TAG-pq"

# ---- other ways to say it -----------------------------------------------------------------------
edit "$B" '.process.args = ["sh", "-c", "echo $0; cat /proc/self/cgroup"]'
try "$K" --cgroup-manager=disabled run -b "$B" "$ID"
is "$rc" 0 "--cgroup-manager=disabled"
is "$(grep -c "kshim-$ID" <<<"$out")" 0 "no cgroup is made"
jq '.process.args = ["sleep", "1000"]' "$B/config.json" >"$T/sleep.json"
"$K" --cgroup-manager=disabled run -d --config "$T/sleep.json" -b "$B" "$ID" </dev/null
for verb in pause 'ps -f json' 'update --pids-limit 5' 'events --stats'; do
	# shellcheck disable=SC2086 # words
	try "$K" $verb "$ID"
	like "$rc:$err" '1:*has no cgroup*' "${verb%% *} of a container without one says so"
done
is "$("$K" exec "$ID" echo in)" in "exec in it"
try "$K" kill --all "$ID" KILL
wait_for 5 eval '[ "$("$K" state "$ID" | jq -r .status)" = stopped ]'
is "$rc:$("$K" state "$ID" | jq -r .status)" 0:stopped "kill --all ends its first process"
"$K" delete "$ID"
edit "$B" '.linux.namespaces |= map(select(.type != "pid")) | .annotations = {"dev.kshim.pod": "ns/p-0", "dev.kshim.volumes": "[{\"name\":\"e\",\"emptyDir\":{}}]", "dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"e\",\"mountPath\":\"/mnt\"}]}"}'
try "$K" --cgroup-manager=disabled run -b "$B" "$ID"
like "$rc:$err" '1:*with volumes needs a cgroup*' "volumes need a cgroup, or a pid namespace, by which the end of all processes is known"
bundle "$B" '.process.args = ["sh", "-c", "echo $0; cat /proc/self/cgroup"]'
try "$K" --cgroup-manager cgroupfs run --config "$B/config.json" -b "$B" "$ID"
is "$rc" 0 "--cgroup-manager=cgroupfs, run --config"
mv "$B/config.json" "$T/elsewhere.json"
try "$K" run --config "$T/elsewhere.json" -b "$B" "$ID"
is "$rc" 0 "--config beside the bundle"
mv "$T/elsewhere.json" "$B/config.json"
try "$K" --cgroup-manager=nosuch list
is "$rc" 2 "an unknown manager"
try "$K" --log "file:$T/log" --log-format json state nosuch
like "$(tail -1 "$T/log")" '*"level":"error"*does not exist*' "--log file:PATH"
try "$K" --log "journald:kshim-test" state nosuch
is "$rc" 1 "--log journald:ID without a journal"
edit "$B" '.process.args = ["grep", "-c", " / ", "/proc/self/mountinfo"]'
try "$K" run --no-pivot -b "$B" "$ID"
is "$rc" 0 "run --no-pivot"
mkdir -p "$T/spec"
try "$K" spec -b "$T/spec" --file other.json
is "$rc:$(jq -r .root.path "$T/spec/other.json")" 0:rootfs "spec --file"
try "$K" spec -b "$T/spec" --rootless
is "$(jq -c '[.linux.uidMappings[0].size, (.linux.namespaces | map(.type) | index("network"))]' "$T/spec/config.json")" '[1,null]' "spec --rootless"

# ---- features ------------------------------------------------------------------------------------
"$K" features >"$T/features"
is "$(jq -r '.ociVersionMin, .ociVersionMax' "$T/features" | tr '\n' ' ')" "1.0.0 1.3.0 " "features: versions"
is "$(jq -c .hooks "$T/features")" "$(runc features | jq -c .hooks)" "features: runc's hooks"
is "$(jq -c --slurpfile r <(runc features) '$r[0].linux.capabilities - .linux.capabilities' "$T/features")" '[]' "features: every capability that runc knows"
is "$(jq -c --slurpfile r <(runc features) '$r[0].mountOptions - .mountOptions' "$T/features")" '[]' "features: every mount option that runc knows"
# SCMP_ACT_NOTIFY is not supported yet: refused, and not claimed.
is "$(jq -c --slurpfile r <(runc features) '($r[0].linux.seccomp.actions - .linux.seccomp.actions) + ($r[0].linux.seccomp.operators - .linux.seccomp.operators)' "$T/features")" '[]' "features: every action and operator of seccomp that runc knows"
# What it names, the parser takes.
edit "$B" '.process.args = ["true"] | .mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs", options: []}]'
cp "$B/config.json" "$T/base.json"
bad=
for o in $(jq -r '.mountOptions[] | select(IN("bind", "rbind", "remount", "idmap", "ridmap") | not)' "$T/features"); do
	jq --arg o "$o" '.mounts[-1].options = [$o]' "$T/base.json" >"$B/config.json"
	"$K" run -b "$B" "$ID" >/dev/null 2>&1 </dev/null || bad="$bad $o"
done
is "$bad" "" "every mount option of features can be used on a tmpfs"
bad=
for a in $(jq -r '.linux.seccomp.actions[]' "$T/features"); do
	[ "$a" != SCMP_ACT_NOTIFY ] || continue # it needs somebody who listens: seccomp.t
	jq --arg a "$a" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapon"], action: $a}]}' "$T/base.json" >"$B/config.json"
	"$K" run -b "$B" "$ID" >/dev/null 2>&1 </dev/null || bad="$bad $a"
done
is "$bad" "" "every action of features can be used"
bad=
for a in $(jq -r '.linux.seccomp.archs[]' "$T/features"); do
	jq --arg a "$a" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: [$a], syscalls: [{names: ["swapon"], action: "SCMP_ACT_ERRNO"}]}' "$T/base.json" >"$B/config.json"
	# libseccomp joins no machines of the other byte order, and says so.
	try "$K" run -b "$B" "$ID"
	[ "$rc" = 0 ] || case $err in *"add architecture"*) ;; *) bad="$bad $a" ;; esac
done
is "$bad" "" "every architecture of features is recognized"
no_leaks
