#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Properties of config.json, seen from inside the container; where a host
# cannot give one, the error.
# It mounts on the host: where nobody else looks.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
requires python3

B=$T/b
bundle "$B" '.root.readonly = false'
cp "$B/config.json" "$T/base.json"
N=0
# Runs a shell script in a container with a changed config; sets out, err, rc.
with() { # JQ-FILTER SCRIPT
	N=$((N + 1))
	jq --arg s "$2" ".process.args = [\"sh\", \"-c\", \$s] | $1" "$T/base.json" >"$B/config.json"
	try "$K" run -b "$B" "$TAG-$N"
}
refuses() { # JQ-FILTER GLOB NAME
	with "$1" true
	like "$rc:$err" "1:$2" "$3"
}
cap='(.process.capabilities.bounding, .process.capabilities.effective, .process.capabilities.permitted) += ["CAP_SYS_ADMIN", "CAP_SYS_NICE", "CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"]'

# ---- the process -----------------------------------------------------------------
with '.linux.personality = {domain: "LINUX32"}' 'uname -m'
is "$rc:$out" 0:i686 "personality LINUX32"
refuses '.linux.personality = {domain: "BSD"}' '*personality.domain*unknown value "BSD"*' "an unknown domain"
refuses '.linux.personality = {domain: "LINUX", flags: ["X"]}' '*personality.flags*"X"*' "an unknown flag of it"
"$K" run -d -b "$B" "$TAG-x" </dev/null 2>/dev/null
with '.process.scheduler = {policy: "SCHED_BATCH", nice: 7}' 'cut -d" " -f19,41 /proc/self/stat'
is "$rc:$out" "0:7 3" "scheduler: batch with a nice value"
with '.process.scheduler = {policy: "SCHED_IDLE", flags: ["SCHED_FLAG_RESET_ON_FORK"]}' 'cut -d" " -f41 /proc/$$/stat'
is "$rc:$out" 0:5 "scheduler: idle, with a flag"
refuses '.process.scheduler = {policy: "SCHED_NONE"}' '*scheduler.policy*' "an unknown policy"
refuses '.process.scheduler = {policy: "SCHED_OTHER", nice: 20}' '*scheduler.nice*' "a nice value that is none"
refuses '.process.scheduler = {policy: "SCHED_OTHER", flags: ["X"]}' '*scheduler.flags*' "an unknown flag of it"
refuses '.process.scheduler = {policy: "SCHED_FIFO", priority: 0}' '*set process.scheduler*' "what the kernel refuses is an error"
with '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 3}' 'ionice -p $$'
like "$rc:$out" '0:idle*' "ioPriority"
refuses '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 8}' '*ioPriority.priority*' "a priority that is none"
with '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}' 'grep -c bind:0 /proc/self/numa_maps'
[ "$rc" = 0 ] && [ "${out:-0}" -gt 0 ]
ok $? "memoryPolicy"
refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0-"}' '*memoryPolicy.nodes*' "nodes that are none"
refuses '.linux.memoryPolicy = {mode: "MPOL_X"}' '*memoryPolicy.mode*' "an unknown mode"
refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "9999"}' '*memoryPolicy.nodes*' "a node that Linux cannot have"
refuses '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "1000"}' '*set linux.memoryPolicy*' "a node that is not there"
for f in '.process.apparmorProfile = "nosuch"' '.process.selinuxLabel = "a:b:c:d"' '.linux.mountLabel = "a:b:c:d"' '.linux.intelRdt = {closID: "x"}'; do
	refuses "$f" '*' "refused where the host has no such module: ${f%% =*}"
done

with '.process.env = ["PATH=/bin", "A=1", "A=2", "HOME="]' 'env | grep -c ^A=; echo $A $HOME'
is "$rc:$(tr '\n' , <<<"$out")" "0:1,2 /root," "a variable that stands twice has its last value; an empty HOME is found"
with '.process.user = {uid: 1000, gid: 1000} | .process.cwd = "/closed" | .mounts += [{destination: "/closed", type: "tmpfs", source: "tmpfs", options: ["mode=700"]}]' 'pwd'
is "$rc:$out" 0:/closed "a working directory that only root may enter is entered before root is left"
with '.linux.maskedPaths = ["/etc/passwd"]' 'chmod 600 /etc/passwd 2>&1 | grep -c "ead-only"; cat /etc/passwd | wc -c'
is "$(tr '\n' , <<<"$out"):$(stat -c %a /dev/null)" "1,0,:666" "a masked file is the host's null device, whose mode the container cannot change"
with '.linux.devices = [{path: "/dev/d", type: "c", major: 1, minor: 3, fileMode: 8630}]' 'stat -c "%a %F" /dev/d'
is "$rc:$out" "0:666 character special file" "a fileMode with the type in it, as podman gives it"

# Two signals that the C library keeps to itself, and one that it does not, ignored by the caller.
cat >"$T/ignore.py" <<'P'
import ctypes, os, sys
action = (ctypes.c_uint64 * 4)(1)  # SIG_IGN, in the kernel's own structure
for sig in (10, 32, 33):
    ctypes.CDLL(None).syscall(13, sig, action, None, 8)
os.execv(sys.argv[1], sys.argv[1:])
P
edit "$B" '.process.args = ["grep", "SigIgn", "/proc/self/status"]'
try python3 "$T/ignore.py" "$K" run -b "$B" "$TAG-s"
like "$rc:$out" '0:*0000000000000000' "no signal is ignored in a container, whatever its caller ignores"

# ---- exec takes CPUs -----------------------------------------------------------------
last=$(($(nproc) - 1)) # with one processor alone there is no difference to see, but exec still works
jq --arg last "$last" '.process.args = ["sleep", "1000"] | .process.execCPUAffinity = {initial: "0", final: $last} | .linux.personality = {domain: "LINUX32"}' "$T/base.json" >"$B/config.json"
"$K" run -d -b "$B" "$TAG-a" </dev/null
if [ "$last" -gt 0 ]; then
	try "$K" exec "$TAG-a" grep Cpus_allowed_list /proc/self/status
	is "$(awk '{ print $2 }' <<<"$out")" "$last" "execCPUAffinity.final"
	is "$("$K" exec "$TAG-a" grep Cpus_allowed_list /proc/1/status | awk '{ print $2 }' | tr -d '\n')" "$(grep Cpus_allowed_list /proc/self/status | awk '{ print $2 }' | tr -d '\n')" "it is of exec alone"
fi
is "$("$K" exec "$TAG-a" uname -m)" i686 "exec has the container's personality"
"$K" delete -f "$TAG-a"

# ---- time namespace ------------------------------------------------------------------
with '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000000}, monotonic: {secs: 5, nanosecs: 7}}' 'cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets'
[ "$rc" = 0 ] && [ "$(head -1 <<<"$out")" -gt 999999999 ]
ok $? "time namespace: the offset is in force"
like "$(tr -s ' \t\n' ' ' <<<"$out")" '*monotonic 5 7 boottime 1000000000 0*' "both clocks"
jq '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000000}} | .process.args = ["sleep", "1000"]' "$T/base.json" >"$B/config.json"
"$K" run -d -b "$B" "$TAG-t" </dev/null
[ "$("$K" exec "$TAG-t" cut -d. -f1 /proc/uptime)" -gt 999999999 ]
ok $? "exec joins it"
"$K" delete -f "$TAG-t"
refuses '.linux.timeOffsets = {boottime: {secs: 1}}' '*no time namespace*' "offsets without a namespace"
refuses '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {realtime: {secs: 1}}' '*timeOffsets.realtime*' "a clock that is none"
refuses '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {nanosecs: 1000000000}}' '*nanosecs*' "nanoseconds that are too many"
unshare -T -n -i -u -C --fork sleep 100 &
holder=$!
at_exit="kill $holder 2>/dev/null"
wait_for 5 eval '[ -n "$(pgrep -P $holder)" ]'
child=$(pgrep -P "$holder")
with ".linux.namespaces += [{type: \"time\", path: \"/proc/$child/ns/time\"}]" 'readlink /proc/self/ns/time'
is "$rc:$out" "0:$(readlink "/proc/$child/ns/time")" "a time namespace is joined by its path"
refuses ".linux.namespaces += [{type: \"time\", path: \"/proc/$child/ns/net\"}]" '*is not a time namespace*' "one of another type is refused"
# Engines keep namespaces by bind mounts, as `ip netns` does.
for ns in net ipc uts cgroup; do
	: >"$T/ns-$ns"
	mount --bind "/proc/$child/ns/$ns" "$T/ns-$ns"
	type=${ns/#net/network}
	with ".linux.namespaces |= map(select(.type != \"$type\")) + [{type: \"$type\", path: \"$T/ns-$ns\"}] | if \"$ns\" == \"uts\" then del(.hostname) else . end" "readlink /proc/self/ns/$ns"
	is "$rc:$out" "0:$(readlink "/proc/$child/ns/$ns")" "a $ns namespace is joined by a bind mount of it"
	umount "$T/ns-$ns"
done
refuses "(.linux.namespaces[] | select(.type == \"network\")).path = \"/proc/$child/ns/uts\"" '*is not a net namespace*' "a namespace of another type"
refuses '(.linux.namespaces[] | select(.type == "network")).path = "/etc/passwd"' '*is not a net namespace*' "a file that is none"
kill "$child" "$holder" 2>/dev/null

# ---- mounts --------------------------------------------------------------------------
mnt() { printf '.mounts += [{destination: "/mnt", type: "%s", source: "%s", options: %s}]' "$1" "$2" "$3"; }
mkdir -p "$B/rootfs/mnt/sub" "$T/src/inner"
echo content >"$B/rootfs/mnt/file"
ln -sf file "$B/rootfs/mnt/link"
chown 12:34 "$B/rootfs/mnt/file"
chmod 4755 "$B/rootfs/mnt/file"
chmod 2711 "$B/rootfs/mnt"
mkfifo "$B/rootfs/mnt/sub/fifo"
with "$(mnt tmpfs tmpfs '["tmpcopyup"]')" 'cd /mnt; cat link; stat -c "%a %u %g" file; stat -c %F sub/fifo; stat -c %a .; echo x >new; grep -c " /mnt .*tmpfs" /proc/self/mountinfo'
is "$rc:$(tr '\n' , <<<"$out")" "0:content,4755 12 34,fifo,2711,1," "tmpcopyup: files, links, nodes, owners and modes"
[ ! -e "$B/rootfs/mnt/new" ]
ok $? "and what is written then stays in the tmpfs"
with "$(mnt tmpfs tmpfs '["tmpcopyup", "ro"]')" 'cat /mnt/file; echo x >/mnt/new'
like "$rc:$out:$err" '1:content:*ead-only*' "tmpcopyup into a read-only tmpfs"
refuses "$(mnt proc proc '["tmpcopyup"]')" '*tmpcopyup needs a tmpfs*' "tmpcopyup is for tmpfs"
with "$(mnt tmpfs tmpfs '[]')" 'stat -c %a /mnt'
is "$rc:$out" 0:2711 "a tmpfs takes the mode of what it covers"
with "$(mnt tmpfs tmpfs '["mode=700"]')" 'stat -c %a /mnt'
is "$rc:$out" 0:700 "unless it is given one"
d=$B/rootfs/deep
for i in $(seq 60); do d=$d/d; done
mkdir -p "$d"
refuses '.mounts += [{destination: "/deep", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]}]' '*more than 48 directories deep*' "tmpcopyup of a bottomless directory"
rm -rf "$B/rootfs/deep"

map='uidMappings: [{containerID: 0, hostID: 5000, size: 1000}], gidMappings: [{containerID: 0, hostID: 6000, size: 1000}]'
echo x >"$T/src/file"
chown 7:8 "$T/src/file"
if [ "$(stat -f -c %T "$T/src")" = tmpfs ] && [ "$(uname -r | cut -d. -f1-2 | sort -V - <(echo 6.3) | head -1)" != 6.3 ]; then
	skip "idmapped mounts" "the test's directory is a tmpfs, which has none before Linux 6.3"
else
	with ".mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\"], $map}]" 'stat -c "%u %g" /mnt/file'
	is "$rc:$out" "0:5007 6008" "an idmapped bind mount"
	with ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = [{containerID: 0, hostID: 5000, size: 1000}] | .linux.gidMappings = [{containerID: 0, hostID: 6000, size: 1000}] | .mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\", \"idmap\"]}] | .mounts |= map(select(.destination | startswith(\"/sys\") | not))" 'stat -c "%u %g" /mnt/file; echo y >/mnt/made; stat -c "%u %g" /mnt/made'
	is "$rc:$(tr '\n' , <<<"$out")" "0:7 8,0 0," "idmap alone takes the container's mappings"
	is "$(stat -c '%u %g' "$T/src/made")" "0 0" "and the host sees the ids as they are on the disk"
fi
refuses ".mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\", \"idmap\"]}]" '*needs uidMappings and gidMappings*' "idmap without any mapping"
refuses ".mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\"], uidMappings: [{containerID: 0, hostID: 5000, size: 1}]}]" '*needs uidMappings and gidMappings*' "idmap with one of the two"
with '.mounts += [{destination: "/mnt", type: "tmpfs", source: "t", options: ["size=1m"]}, {destination: "/mnt", type: "tmpfs", source: "t", options: ["remount", "size=2m", "nosuid"]}]' 'sed -n "s,.* /mnt ,,; T; s/,inode64//; p" /proc/self/mountinfo | cut -d" " -f1,5'
is "$rc:$out" "0:rw,nosuid,relatime rw,size=2048k" "remount with an option of a file system that is the container's"
with '.mounts += [{destination: "/mnt", type: "tmpfs", source: "t", options: ["size=1m"]}, {destination: "/mnt", type: "tmpfs", source: "t", options: ["remount", "ro"]}]' 'sed -n "s,.* /mnt ,,; T; s/,inode64//; p" /proc/self/mountinfo | cut -d" " -f1,5'
is "$rc:$out" "0:ro,relatime rw,size=1024k" "and without one its file system stays"
refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/src\", options: [\"bind\"]}, {destination: \"/mnt\", source: \"x\", type: \"tmpfs\", options: [\"remount\", \"size=1m\"]}]" '*remount changes the attributes*' "one of the host's is not touched"
refuses '.mounts += [{destination: "/mnt", type: "tmpfs", source: "t"}, {destination: "/mnt", type: "tmpfs", source: "t", options: ["remount", "size=x"]}]' '*size*' "what the file system does not take is an error"
refuses "$(mnt bind "$T/src" '["bind", "tmpcopyup"]')" '*tmpcopyup needs a tmpfs*' "a bind mount takes no tmpcopyup"
if [ -x "$BUILD/crash/kshim" ]; then
	# The process that holds a mapping has the container's lock as its parent has.
	jq ".mounts += [{destination: \"/mnt\", source: \"$T/src\", options: [\"bind\"], $map}]" "$T/base.json" >"$B/config.json"
	KSHIM_CRASH_AT=idmap "$BUILD/crash/kshim" run -b "$B" "$TAG-k" </dev/null 2>/dev/null
	wait_for 5 eval '[ -z "$(own_processes)" ]'
	is "$(own_processes)" "" "killed while it makes a mapping, kshim leaves no process"
	try "$K" delete --force "$TAG-k"
	is "$rc:$err" 0: "and nothing holds the container"
fi
with "$(mnt none / '["remount", "nosuid"]' | sed 's#/mnt#/proc#; s#"/", op#"proc", op#')" 'grep " /proc " /proc/self/mountinfo | cut -d" " -f6'
like "$rc:$out" '0:*nosuid*' "remount sets attributes of what is there"
with "$(mnt tmpfs tmpfs '["sync", "lazytime", "iversion", "mand", "silent", "loud", "noiversion"]')" 'grep " /mnt " /proc/self/mountinfo'
like "$rc:$out" '0:*sync*' "flags of the superblock"
with "$(mnt bind "$T/src" '["rbind", "sync", "dirsync", "nolazytime"]')" true
is "$rc:$err" 0: "which a bind mount leaves as they are"
mount -t tmpfs tmpfs "$T/src/inner"
at_exit="$at_exit; umount '$T/src/inner' 2>/dev/null"
for o in rro rnosuid rnodev rnoexec rnoatime rnosymfollow rnodiratime; do
	with "$(mnt bind "$T/src" "[\"rbind\", \"$o\"]")" 'grep " /mnt/inner " /proc/self/mountinfo | cut -d" " -f6'
	like "$rc:,$out," "0:*,${o#r},*" "$o is of the mounts below too"
done
with "$(mnt bind "$T/src" '["rbind", "ro"]')" 'echo x >/mnt/inner/y && echo written'
is "$out" written "ro is of the mount alone"
umount "$T/src/inner"

# ---- cgroup resources ------------------------------------------------------------------
if [ -d /sys/fs/cgroup/memory ]; then
	res() { # JQ-OBJECT CONTROLLER/FILE WANT NAME
		N=$((N + 1))
		jq ".process.args = [\"sleep\", \"1000\"] | .linux.resources += $1" "$T/base.json" >"$B/config.json"
		try "$K" create -b "$B" "$TAG-$N"
		is "$rc:$(cat "/sys/fs/cgroup/${2%%/*}/kshim-$TAG-$N/${2##*/}" 2>&1 | tr '\n' ' ')" "0:$3 " "$4"
		"$K" delete -f "$TAG-$N"
	}
	res '{memory: {limit: 67108864, swappiness: 7}}' memory/memory.swappiness 7 "memory.swappiness"
	res '{memory: {limit: 67108864, disableOOMKiller: true}}' memory/memory.oom_control "oom_kill_disable 1 under_oom 0 oom_kill 0" "memory.disableOOMKiller"
	res '{memory: {limit: 67108864, useHierarchy: true}}' memory/memory.use_hierarchy 1 "memory.useHierarchy"
	res '{cpu: {quota: 50000, period: 100000, burst: 20000}}' cpu/cpu.cfs_burst_us 20000 "cpu.burst"
	res '{cpu: {idle: 1, shares: 99}}' cpu/cpu.idle 1 "cpu.idle"
	res '{pids: {limit: 0}}' pids/pids.max max "a pids.limit of 0 is none, as podman means it"
	res '{pids: {limit: -1}}' pids/pids.max max "and so is -1"
	dev=$(lsblk -ndo MAJ:MIN 2>/dev/null | head -1 | tr -d ' ')
	if [ -n "$dev" ]; then
		res "{blockIO: {throttleReadBpsDevice: [{major: ${dev%:*}, minor: ${dev#*:}, rate: 1048576}]}}" blkio/blkio.throttle.read_bps_device "$dev 1048576" "blockIO.throttleReadBpsDevice"
		res "{blockIO: {throttleWriteIOPSDevice: [{major: ${dev%:*}, minor: ${dev#*:}, rate: 50}]}}" blkio/blkio.throttle.write_iops_device "$dev 50" "blockIO.throttleWriteIOPSDevice"
	fi
fi
refuses '.linux.resources.memory = {swappiness: 101}' '*linux.resources.memory.swappiness*' "a swappiness that is none"
refuses '.linux.resources.cpu = {idle: 2}' '*linux.resources.cpu.idle*' "an idle that is none"
refuses '.linux.resources.blockIO = {weightDevice: [{major: 8, minor: 0}]}' '*weightDevice*needs a weight*' "a weightDevice without a weight"
refuses '.linux.resources.blockIO = {throttleReadBpsDevice: [{rate: 1}]}' '*major*' "a throttle without a device"
refuses '.linux.resources.blockIO = {weight: 70000}' '*blockIO.weight*' "a weight that is none"
refuses '.linux.resources.rdma = {mlx: {}}' '*linux.resources.rdma.mlx*needs*' "an rdma device without a limit"
refuses '.linux.resources.rdma = {mlx: {hcaHandles: 1}}' '*rdma*' "rdma where the host has no such controller"
refuses '.linux.resources.network = {priorities: [{name: "e h", priority: 1}]}' '*network.priorities*' "an interface with a space in its name"
[ -d /sys/fs/cgroup/memory ] && refuses '.linux.resources.unified = {"memory.max": "1"}' '*unified: needs a cgroup v2 host*' "unified on v1"
if grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
	res2() { # JQ-OBJECT FILE WANT NAME: on a host with v2 alone
		N=$((N + 1))
		jq ".process.args = [\"sleep\", \"1000\"] | .linux.resources += $1" "$T/base.json" >"$B/config.json"
		try "$K" create -b "$B" "$TAG-$N"
		is "$rc:$(tr '\n' ' ' <"/sys/fs/cgroup/kshim-$TAG-$N/$2")" "0:$3 " "v2: $4"
		"$K" delete -f "$TAG-$N"
	}
	res2 '{memory: {limit: 67108864, reservation: 33554432}}' memory.low 33554432 "memory.reservation"
	[ -e /sys/fs/cgroup/system.slice ] || res2 '{memory: {limit: -1}}' memory.max max "no limit of memory"
	res2 '{cpu: {quota: 50000, period: 100000, burst: 20000}}' cpu.max.burst 20000 "cpu.burst"
	res2 '{cpu: {period: 50000}}' cpu.max "max 50000" "a period alone"
	res2 '{cpu: {idle: 1, shares: 99}}' cpu.idle 1 "cpu.idle"
	res2 '{cpu: {shares: 1024}}' cpu.weight 39 "cpu.shares"
	res2 '{cpu: {cpus: "0", mems: "0"}}' cpuset.cpus 0 "cpuset"
	res2 '{pids: {limit: 0}}' pids.max max "a pids.limit of 0 is none"
	res2 '{unified: {"memory.high": "67108864"}}' memory.high 67108864 "unified"
	dev=$(lsblk -ndo MAJ:MIN 2>/dev/null | head -1 | tr -d ' ')
	[ -z "$dev" ] || res2 "{blockIO: {throttleReadBpsDevice: [{major: ${dev%:*}, minor: ${dev#*:}, rate: 1048576}], throttleWriteIOPSDevice: [{major: ${dev%:*}, minor: ${dev#*:}, rate: 50}]}}" io.max "$dev rbps=1048576 wbps=max riops=max wiops=50" "blockIO"
	refuses '.linux.resources.memory = {swappiness: 5}' '*swappiness: cgroup v2 has none*' "v2: swappiness"
	refuses '.linux.resources.memory = {disableOOMKiller: true}' '*cgroup v2 cannot*' "v2: disableOOMKiller"
	refuses '.linux.resources.cpu = {realtimeRuntime: 1}' '*cgroup v2 has none*' "v2: real time"
	refuses '.linux.resources.network = {classID: 1}' '*neither net_cls*' "v2: network"
	refuses '.linux.resources.blockIO = {leafWeight: 10}' '*leafWeight: cgroup v2 has none*' "v2: leafWeight"
	refuses '.linux.resources.unified = {"nosuch.max": "1"}' '*nosuch.max is not there*' "v2: unified of a controller that is not there"
fi
"$K" delete -f "$TAG-x" 2>/dev/null
no_leaks
