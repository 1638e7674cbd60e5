#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Demands of runtime-spec 1.3 that no other script proves; docs/RUNTIME-SPEC.md lists them all.
# It mounts on the host: where nobody else looks.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
requires python3

B=$T/b
bundle "$B" '.root.readonly = false | .process.capabilities.ambient = []'
mkdir -p "$B/rootfs/mnt"
cp "$B/config.json" "$T/base.json"
N=0
config() { # JQ-FILTER SCRIPT
	jq --arg s "$2" ".process.args = [\"sh\", \"-c\", \$s] | $1" "$T/base.json" >"$B/config.json"
}
with() { # JQ-FILTER SCRIPT: sets out, err, rc
	N=$((N + 1))
	config "$1" "$2"
	try "$K" run -b "$B" "$TAG-$N"
}
refuses() { # JQ-FILTER GLOB NAME
	with "$1" true
	like "$rc:$err" "1:$2" "$3"
}
runs() { # JQ-FILTER NAME
	with "$1" true
	is "$rc:$err" 0: "$2"
}

# ---- config.md: version, annotations, what is not known -------------------------------------------
for v in banana 1 1.0 1.0.x 01.0.0 1.0.0- '1.0.0-a+' '1.0.0 ' v1.0.0; do
	refuses ".ociVersion = \"$v\"" '*ociVersion: *is no version*' "the ociVersion \"$v\" is refused"
done
for v in 0.2.0 2.0.0; do
	refuses ".ociVersion = \"$v\"" '*ociVersion: *is not supported, only 1.x is*' "version $v is another major one"
done
for v in 1.0.0 1.0.0-rc1 1.0.2-dev 1.2.1+dev 1.3.0-rc.1+x.y "$("$K" features | jq -r .ociVersionMin)" "$("$K" features | jq -r .ociVersionMax)"; do
	runs ".ociVersion = \"$v\"" "version $v runs"
done
refuses '.annotations = {"": "x"}' '*annotations: a key must not be empty*' "an annotation with an empty key"
config '.annotations = {"com.example.x": "y", "org.opencontainers.foo": ""} | .x = 1 | .process.x = {} | .linux.x = [] | .mounts[0].x = "y" | .linux.resources.x = {} | .root.x = null' true
try "$K" create -b "$B" "$TAG-a"
is "$rc:$("$K" state "$TAG-a" | jq -c .annotations)" '0:{"com.example.x":"y","org.opencontainers.foo":""}' "unknown annotations and members are no error; values may be empty"
is "$("$K" state "$TAG-a" | jq -c '[(.ociVersion | type), .id, .status, (.pid | type), .bundle]')" "[\"string\",\"$TAG-a\",\"created\",\"number\",\"$B\"]" "the state has what the specification lists"
"$K" delete --force "$TAG-a"

# ---- config.md: mounts -------------------------------------------------------------------------------
a='{destination: "/mnt", type: "tmpfs", source: "a", options: ["mode=711"]}'
b='{destination: "/mnt", type: "tmpfs", source: "b", options: ["mode=755"]}'
with ".mounts += [$a, $b]" 'stat -c %a /mnt'
is "$out" 755 "mounts are made in the order of their list: the second covers the first"
with ".mounts += [$b, $a]" 'stat -c %a /mnt'
is "$out" 711 "in the other order the other one"
with '.mounts += [{destination: "mnt", type: "tmpfs", source: "x"}]' 'grep -c " /mnt " /proc/self/mountinfo'
is "$rc:$out" 0:1 "a relative destination is below /"
# Field 6 of mountinfo and that of the superblock, behind the separator.
attrs() { with ".mounts += [{destination: \"/mnt\", type: \"tmpfs\", source: \"x\", options: [$1]}]" 'sed -n "s, - , ,; s,.* /mnt ,,p" /proc/self/mountinfo | cut -d" " -f1,4-'; }
while IFS='|' read -r options want name; do
	attrs "\"size=1m\", $options"
	like "$rc:$out" "0:$want" "mount option $name"
done <<'C'
"ro"|ro,relatime *|ro
"ro", "rw"|rw*|rw behind ro
"nosuid"|*nosuid*|nosuid
"nosuid", "suid"|rw,relatime *|suid
"nodev", "dev"|rw,relatime *|dev
"noexec", "exec"|rw,relatime *|exec
"noexec"|*noexec*|noexec
"sync"|* rw*sync*|sync
"sync", "async"|rw,relatime rw,size*|async
"dirsync"|* rw*dirsync*|dirsync
"noatime"|rw,noatime *|noatime
"noatime", "atime"|rw,relatime *|atime
"nodiratime"|rw,nodiratime,relatime *|nodiratime
"nodiratime", "diratime"|rw,relatime *|diratime
"strictatime"|rw *|strictatime
"strictatime", "nostrictatime"|rw,relatime *|nostrictatime
"relatime"|rw,relatime *|relatime
"noatime", "relatime"|rw,relatime *|relatime behind noatime
"relatime", "norelatime"|rw,relatime *|norelatime, which leaves what the kernel does
"lazytime"|rw,relatime *lazytime*|lazytime
"lazytime", "nolazytime"|rw,relatime rw,size*|nolazytime
"nosymfollow"|*nosymfollow*|nosymfollow
"nosymfollow", "symfollow"|rw,relatime *|symfollow
"defaults"|rw,relatime *|defaults
"mode=700"|rw,relatime *size=1024k,mode=700*|of the file system
C
for p in private:0 rprivate:0 shared:shared rshared:shared slave:0 rslave:0 unbindable:unbindable runbindable:unbindable; do
	with ".mounts += [{destination: \"/mnt\", type: \"tmpfs\", source: \"x\", options: [\"${p%:*}\"]}]" \
		'sed -n "s, - .*,,; s,.* /mnt [^ ]*,,p" /proc/self/mountinfo | sed "s/:.*//; s/ //; s/^$/0/"'
	is "$rc:$out" "0:${p#*:}" "propagation ${p%:*} of a mount"
done
mkdir -p "$T/tree/below"
mount -t tmpfs below "$T/tree/below"
: >"$T/tree/below/seen"
with ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/tree\", options: [\"bind\"]}]" 'ls /mnt/below'
is "$rc:$out" 0: "bind does not take the mounts below"
with ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/tree\", options: [\"rbind\"]}]" 'ls /mnt/below'
is "$rc:$out" 0:seen "rbind does"
map='uidMappings: [{containerID: 0, hostID: 1000, size: 10}], gidMappings: [{containerID: 0, hostID: 1000, size: 10}]'
chown 3:3 "$T/tree/below/seen" "$T/tree/below"
: >"$T/tree/here"
with ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/tree\", options: [\"rbind\", \"ridmap\"], $map}]" 'stat -c %u /mnt/here /mnt/below/seen | tr "\n" " "'
if [[ $err == *"Invalid argument"* ]]; then
	skip "ridmap maps the mounts below too" "this kernel has no idmapped tmpfs"
else
	is "$rc:$out" "0:1000 1003 " "ridmap maps the mounts below too"
fi
umount "$T/tree/below"
refuses ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/tree\", options: [\"rbind\", \"ridmap\"]}]" '*mount on /mnt*' "ridmap without any mapping is an error"
with ".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
	| .mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/tree\", options: [\"bind\", \"idmap\"]}]" 'stat -c %u /mnt/here'
if [[ $err == *"Invalid argument"* ]]; then
	skip "idmap without mappings takes those of the user namespace" "the test's directory is on a file system without idmapped mounts"
else
	is "$rc:$out" 0:0 "idmap without mappings takes those of the user namespace"
fi

# ---- config.md: the process --------------------------------------------------------------------------
runs '.process.consoleSize = {height: 70000, width: 1}' "a consoleSize without a terminal is ignored"
runs '.process.consoleSize = "x"' "whatever it is"
refuses '.process.terminal = true | .process.consoleSize = {height: 70000, width: 1}' '*process.consoleSize: is out of range*' "with a terminal it is read"
for f in .process.user .process.user.uid .process.user.gid .linux.resources.devices[0].allow; do
	g=${f#.}
	refuses "del($f)" "*${g//\[0\]/\\[0\\]}: is missing*" "$f is required"
done
refuses '.process.ioPriority = {class: "IOPRIO_CLASS_BE"}' '*ioPriority.priority: is missing*' "ioPriority.priority too"
refuses '.root = null' '*root: is missing*' "root too"
refuses 'del(.process)' '*process: is missing*' "a container without a process is refused at create"
refuses '.process.rlimits = [{type: "RLIMIT_CORE", soft: 1, hard: 1}, {type: "RLIMIT_CORE", soft: 1, hard: 1}]' '*RLIMIT_CORE stands twice*' "a resource limit that stands twice"
for s in bounding effective inheritable permitted ambient; do
	with ".process.capabilities.$s += [\"CAP_NOPE\"]" true
	is "$rc:$(grep -c 'warning: capability CAP_NOPE is unknown' <<<"$err")" 0:1 "an unknown capability in the $s set is a warning"
done
with '.process.capabilities |= map_values(. + ["CAP_NOPE"])' true
is "$rc:$(grep -c 'CAP_NOPE' <<<"$err")" 0:1 "one warning for all sets"
config '(.process.capabilities.bounding, .process.capabilities.effective, .process.capabilities.permitted) += ["CAP_NET_RAW"]' 'grep CapEff /proc/self/status'
try setpriv --bounding-set -net_raw "$K" run -b "$B" "$TAG-g"
is "$rc:$(grep -c 'warning: capability CAP_NET_RAW cannot be granted here' <<<"$err")" 0:1 "one that the caller cannot grant is a warning"
with '.process.capabilities.effective += ["CAP_CHOWN"]' true
like "$rc:$err" '0:*capability CAP_CHOWN is effective without being permitted*' "what can only be effective together is a warning"

# ---- config-linux.md: namespaces -----------------------------------------------------------------------
if unshare -U --map-users=0,100000,65536 --map-groups=0,100000,65536 true 2>/dev/null; then
	unshare -U --map-users=0,100000,65536 --map-groups=0,100000,65536 sleep 1000 &
	sleeper=$!
	at_exit='kill $sleeper 2>/dev/null'
	wait_for 5 eval '[ "$(readlink /proc/$sleeper/ns/user)" != "$(readlink /proc/self/ns/user)" ] && grep -q sleep /proc/$sleeper/cmdline'
	chmod 755 "$T"
	with ".linux.namespaces += [{type: \"user\", path: \"/proc/$sleeper/ns/user\"}]" 'readlink /proc/self/ns/user'
	is "$rc:$out" "0:$(readlink "/proc/$sleeper/ns/user")" "a user namespace is joined by its path"
else
	skip "a user namespace is joined by its path" "this unshare maps no ranges"
fi
refuses '.linux.namespaces = [.linux.namespaces[] | if .type == "mount" then .path = "/proc/self/ns/mnt" else . end]' '*joining a mount namespace is not supported*' "a mount namespace is not joined, which is an error"
refuses 'del(.linux.namespaces[] | select(.type == "mount"))' '*without a mount namespace is not supported*' "nor shared with the host"

# ---- config-linux.md: devices ----------------------------------------------------------------------------
with '.linux.devices = [{path: "/dev/b1", type: "b", major: 7, minor: 200}, {path: "/dev/u1", type: "u", major: 1, minor: 5}, {path: "/dev/p1", type: "p"}, {path: "/else/where", type: "c", major: 1, minor: 7, fileMode: 384, uid: 3, gid: 4}]' \
	'stat -c "%F %a %t:%T %u:%g" /dev/b1 /dev/u1 /dev/p1 /else/where | tr "\n" ,'
is "$rc:$out" "0:block special file 666 7:c8 0:0,character special file 666 1:5 0:0,fifo 666 0:0 0:0,character special file 600 1:7 3:4," "devices of every type, anywhere"
echo text >"$B/rootfs/devfile"
refuses '.linux.devices = [{path: "/devfile", type: "c", major: 1, minor: 3}]' '*/devfile is there already and is another device*' "a file that is not the device is an error"
mknod -m 600 "$B/rootfs/devnode" c 1 3
refuses '.linux.devices = [{path: "/devnode", type: "c", major: 1, minor: 5}]' '*/devnode is there already*' "another device too"
with '.linux.devices = [{path: "/devnode", type: "c", major: 1, minor: 3}]' 'stat -c "%a %u" /devnode'
is "$rc:$out" "0:600 0" "the same is taken as it is"
with '.linux.devices = [{path: "/devnode", type: "c", major: 1, minor: 3, fileMode: 432, uid: 5}]' 'stat -c "%a %u" /devnode'
is "$rc:$out" "0:660 5" "with the mode and the owner that are asked for"
mkdir -p "$T/lent"
mknod -m 600 "$T/lent/node" c 1 3
with ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$T/lent\", options: [\"bind\"]}] | .linux.devices = [{path: \"/mnt/node\", type: \"c\", major: 1, minor: 3, fileMode: 438, uid: 5}]" true
is "$rc:$(stat -c '%a %u' "$T/lent/node")" "0:600 0" "but not in a directory that the host lends"
with ".mounts |= map(select(.destination | startswith(\"/dev\") | not)) | .mounts += [{destination: \"/dev\", type: \"bind\", source: \"$T/lent\", options: [\"bind\"]}] | .linux.devices = [{path: \"/dev/x\", type: \"c\", major: 1, minor: 3}, {path: \"/away\", type: \"c\", major: 1, minor: 3}] | .linux.maskedPaths = []" 'ls /dev; ls /away'
is "$rc:$(tr '\n' , <<<"$out"):$(ls "$T/lent")" "0:node,/away,:node" "a /dev that is bound gets no devices, other places do"
userns='.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
with "$userns"' | .linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 384, uid: 3}]' 'stat -c "%t:%T" /dev/null'
like "$rc:$out:$err" '0:1:3:*warning: device /dev/null is the host*mode and owner are not changed*' "in a user namespace the host's node is bound, and its mode a warning"
with "$userns"' | .linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 86400}}' 'tr -s " " </proc/self/timens_offsets'
like "$rc:$out" '0:*monotonic 86400*' "a time namespace beside a user namespace"
refuses "$userns"' | .linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 5}]' '*device /dev/null in a user namespace: it is another device*' "one that is another there is refused"
for f in null zero random urandom tty; do : >"$B/rootfs/dev/$f"; done # or they could not be made
echo text >"$B/rootfs/dev/full"
refuses "$userns"' | .mounts = [.mounts[] | select(.destination | startswith("/dev") | not)]' '*/dev/full is there already and is another device*' "so is a file in its place"
rm "$B/rootfs/dev/"*

# ---- config-linux.md: resources, masks, seccomp ------------------------------------------------------
refuses '.linux.resources.memory = {kernel: 1048576}' '*memory.kernel: Linux has no such limit*' "memory.kernel is refused"
runs '.linux.resources.memory = {kernel: -1, kernelTCP: 0}' "no limit is none"
if [ -e /sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes ]; then
	config '.linux.resources.memory = {kernelTCP: 1048576}' 'sleep 1000'
	"$K" run -d -b "$B" "$TAG-k" </dev/null
	is "$(cat "/sys/fs/cgroup/memory/kshim-$TAG-k/memory.kmem.tcp.limit_in_bytes")" 1048576 "memory.kernelTCP is set where cgroup v1 has it"
	"$K" delete --force "$TAG-k"
else
	refuses '.linux.resources.memory = {kernelTCP: 1048576}' '*kernelTCP*' "memory.kernelTCP is refused where there is none"
fi
refuses '.linux.resources.devices = [{allow: true, type: "x", access: "r"}]' '*linux.resources.devices*wrong type, number or access*' "a device rule of an unknown type"
refuses '.linux.resources.devices = [{allow: true, type: "c", access: "rx"}]' '*linux.resources.devices*wrong type, number or access*' "with an unknown access"
refuses '.linux.maskedPaths = ["etc"]' '*linux.maskedPaths: "etc" is not absolute*' "a relative masked path"
refuses '.linux.readonlyPaths = ["etc"]' '*linux.readonlyPaths: "etc" is not absolute*' "a relative read-only path"
refuses '.linux.intelRdt = {closID: "a/b"}' '*linux.intelRdt.closID: "a/b" is no name*' "a closID that is a path"
refuses '.linux.intelRdt = {closID: ".."}' '*linux.intelRdt.closID: ".." is no name*' "or leads up"
refuses '.linux.intelRdt = {closID: "mon_groups"}' '*linux.intelRdt.closID*is no name*' "or is of the file system's own"
refuses '.linux.intelRdt = {memBwSchema: "L3:0=f"}' '*linux.intelRdt.memBwSchema*begins with MB:*' "a memBwSchema of something else"
refuses '.linux.intelRdt = {memBwSchema: "MB:0=10\nL3:0=f"}' '*linux.intelRdt.memBwSchema*begins with MB:*' "or of several lines"
refuses '.linux.intelRdt = {schemata: ["MB:0=10\nL3:0=f"]}' '*linux.intelRdt.schemata*more than one line*' "schemata of several lines in one"
if [ -e /sys/fs/resctrl/schemata ]; then
	skip "intelRdt without resctrl" "this host has it"
else
	refuses '.linux.intelRdt = {}' '*linux.intelRdt: no resctrl file system is mounted*' "intelRdt is refused without resctrl, also an empty one"
fi
refuses '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 5}' '*linux.seccomp*rrnoRet*' "a number for a default action that takes none"
refuses '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: [], action: "SCMP_ACT_LOG"}]}' '*linux.seccomp.syscalls*names*empty*' "a rule without a name"
runs '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "relative"}' "a listenerPath that nothing needs is ignored"
bad=
for f in $("$K" features | jq -r '.linux.seccomp.supportedFlags[]'); do
	[ "$f" != SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ] || continue # needs who listens: seccomp.t
	with ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", flags: [\"$f\"], syscalls: [{names: [\"swapon\"], action: \"SCMP_ACT_ERRNO\"}]}" true
	[ "$rc" = 0 ] || bad="$bad $f"
done
is "$bad" "" "every flag of seccomp that features calls supported works"
is "$("$K" features | jq -c '.linux.seccomp | .supportedFlags - .knownFlags')" "[]" "and those are known"
bad=
for o in $("$K" features | jq -r '.linux.seccomp.operators[]'); do
	with ".linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"swapon\"], action: \"SCMP_ACT_ERRNO\", args: [{index: 1, value: 1, valueTwo: 1, op: \"$o\"}]}]}" true
	[ "$rc" = 0 ] || bad="$bad $o"
done
is "$bad" "" "every operator"

# ---- features.md ------------------------------------------------------------------------------------------
"$K" features >"$T/features"
is "$(jq -c '(keys - ["ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations", "potentiallyUnsafeConfigAnnotations"]) +
	(.linux | keys - ["namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt", "memoryPolicy", "mountExtensions", "netDevices"])' "$T/features")" '[]' "features has no property that the specification has not"
is "$(jq -c '[.annotations[] | type] | unique' "$T/features")" '["string"]' "its annotations are strings"
is "$(jq -c '[.linux.mountExtensions.idmap.enabled, .linux.netDevices.enabled, (.linux.intelRdt | .enabled, .schemata, .monitoring)]' "$T/features")" '[true,true,true,true,true]' "it tells of idmap, netDevices and intelRdt as they are"
is "$(jq -c '.linux.namespaces | sort' "$T/features")" '["cgroup","ipc","mount","network","pid","time","user","uts"]' "the eight namespaces"
jq --slurpfile f "$T/features" '.process.args = ["true"] | .process.capabilities = ($f[0].linux.capabilities | {bounding: ., effective: ., permitted: .})' "$T/base.json" >"$B/config.json"
try "$K" run -b "$B" "$TAG-f"
is "$rc:$(grep -c 'is unknown' <<<"$err")" 0:0 "every capability of features is known"
bad=
for m in $(jq -r '.linux.memoryPolicy.modes[]' "$T/features"); do
	with ".linux.memoryPolicy = {mode: \"$m\", nodes: \"0\"}" true
	case $rc:$err in 0:* | *"set linux.memoryPolicy"*) ;; *) bad="$bad $m" ;; esac
done
for m in $(jq -r '.linux.memoryPolicy.flags[]' "$T/features"); do
	with ".linux.memoryPolicy = {mode: \"MPOL_BIND\", nodes: \"0\", flags: [\"$m\"]}" true
	case $rc:$err in 0:* | *"set linux.memoryPolicy"*) ;; *) bad="$bad $m" ;; esac
done
is "$bad" "" "every mode and flag of a memory policy is known"

# ---- runtime.md ---------------------------------------------------------------------------------------------
for v in state create start kill delete; do
	try "$K" "$v"
	is "$rc:$out" 2: "$v without an id is an error"
done
for v in state start kill delete pause resume ps; do
	try "$K" $v "$TAG-none"
	like "$rc:$err" "1:*container \"$TAG-none\" does not exist*" "$v of a container that is not there is an error"
done
try "$K" exec "$TAG-none" true
like "$rc:$err" "255:*container \"$TAG-none\" does not exist*" "exec in one"
config . 'trap "exit 7" USR1; echo up >/up; while :; do sleep 0.1; done'
rm -f "$B/rootfs/up"
"$K" run -b "$B" "$TAG-u" </dev/null >/dev/null 2>&1 &
runner=$!
wait_for 10 test -e "$B/rootfs/up"
try "$K" kill "$TAG-u" USR1
wait "$runner"
is "$rc:$?" 0:7 "kill sends the signal that it is given"
config . true
"$K" create -b "$B" "$TAG-c"
try "$K" kill "$TAG-c" KILL
wait_for 5 eval '[ "$("$K" state "$TAG-c" | jq -r .status)" = stopped ]'
is "$rc:$?" 0:0 "a created container is killed"
try "$K" start "$TAG-c"
like "$rc:$err" '1:*it is stopped*' "a stopped one does not start"
try "$K" kill "$TAG-c" KILL
like "$rc:$err" '1:*container not running*' "nor is it killed"
"$K" delete "$TAG-c"
config '.hostname = "made" | .linux.sysctl = {"net.ipv4.ip_forward": "1"} | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 77}] | .linux.maskedPaths = ["/etc"] | .mounts += [{destination: "/mnt", type: "tmpfs", source: "x"}]' true
"$K" create -b "$B" "$TAG-p"
pid=$("$K" state "$TAG-p" | jq .pid)
is "$(nsenter -t "$pid" -u hostname):$(nsenter -t "$pid" -n cat /proc/sys/net/ipv4/ip_forward):$(ls "/proc/$pid/root/etc"):$(grep -c ' /mnt ' "/proc/$pid/mountinfo"):$(awk '/open files/ { print $4 }' "/proc/$pid/limits")" \
	"made:1::1:77" "at create everything but the program is there"
is "$("$K" state "$TAG-p" | jq -r .status):$(cat "/proc/$pid/comm")" "created:kshim" "and the program does not run"
"$K" delete "$TAG-p"
config 'del(.linux.namespaces[] | select(.type == "cgroup")) | .linux.cgroupsPath = "/'"$TAG"'-deep/below"' 'cat /proc/self/cgroup | grep -c "/'"$TAG"'-deep/below$"'
try "$K" run -b "$B" "$TAG-d"
[ "$rc" = 0 ] && [ "$out" -ge 1 ]
ok $? "the same place below each cgroup mount for an absolute cgroupsPath"
find /sys/fs/cgroup -maxdepth 3 -depth -type d -name "$TAG-deep" -exec rmdir {} + 2>/dev/null
# The kernel's v1 reads three letters of an access, and takes type a for all access.
rules_in_v1() { # NAME RULES GLOB: what the kernel has of them
	if [ -d /sys/fs/cgroup/devices ]; then
		bundle "$T/v1" ".process.args = [\"sleep\", \"1000\"] | .linux.resources.devices = [{allow: false, access: \"rwm\"}, $2]"
		try "$K" run -d -b "$T/v1" "$TAG-v1"
		like "$rc:$(cat "/sys/fs/cgroup/devices/kshim-$TAG-v1/devices.list")" "0:$3" "$1"
		"$K" delete --force "$TAG-v1"
	else
		skip "$1" "no v1 devices controller here"
	fi
}
rules_in_v1 "letters of an access that repeat" '{allow: true, type: "c", major: 10, minor: 229, access: "mmmrw"}, {allow: true, type: "c", major: 10, minor: 229, access: "rwm"}' "*c 10:229 rwm*"
rules_in_v1 "reading is allowed for all types" '{allow: true, type: "a", access: "r"}' "*b \*:\* rm*"
rules_in_v1 "writing is denied for all types" '{allow: true, type: "c", major: 10, minor: 229}, {allow: false, type: "a", access: "w"}' "*c 1:3 rm*c 10:229 rm*"

no_leaks
