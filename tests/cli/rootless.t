#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# As a user without privileges, and as root of somebody else's user namespace.
# /etc/subuid and /etc/passwd are the test's own: in a mount namespace of its own.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
requires newuidmap
setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all unshare -U true 2>/dev/null || skip_all "users may not make user namespaces here"

# An exec leaves kshim with the container's pid namespace for its children, where a leak checker's
# helper does not find its parent.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"
chmod 755 "$T"
W=$T/user
mkdir "$W" "$W/run"
cat /etc/passwd >"$T/passwd"
echo "kshimtest:x:12345:12345::$W:/bin/sh" >>"$T/passwd"
echo "kshimtest:700000:65536" >"$T/subids"
mount --bind "$T/passwd" /etc/passwd
[ -e /etc/subuid ] && mount --bind "$T/subids" /etc/subuid
[ -e /etc/subgid ] && mount --bind "$T/subids" /etc/subgid
at_exit='pkill -KILL -u 12345; umount /etc/passwd /etc/subuid /etc/subgid 2>/dev/null'
B=$W/b
bundle "$B" '.root.readonly = false'
cp "$B/config.json" "$T/rooted.json"
cp "$K" "$W/kshim" # the build may lie where the user may not go
chown -R 12345:12345 "$W"
as_user() { (cd "$W" && setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all env -u KSHIM_ROOT -u KSHIM_STATE_DIR HOME="$W" XDG_RUNTIME_DIR="$W/run" "$@"); }
U="as_user $W/kshim"
rm "$B/config.json"
as_user "$W/kshim" spec --rootless -b "$B"
edit "$B" '.process.terminal = false | .root.readonly = false'
cp "$B/config.json" "$T/base.json"
ID=$TAG-1
left() { find "$1" -mindepth 1 -maxdepth 1 ! -name seccomp | wc -l; }
config() { # JQ-FILTER SCRIPT
	jq --arg s "$2" ".process.args = [\"sh\", \"-c\", \$s] | $1" "$T/base.json" >"$B/config.json"
}

# ---- a user, with the id that is its own -------------------------------------------------------------
config . 'id -u; cat /proc/self/uid_map | tr -s " "; echo x >/file; hostname; echo y >/dev/null; ls /proc | grep -c "^[0-9]*$"'
try $U run -b "$B" "$ID"
is "$rc:$(tr '\n' ,  <<<"$out"):$err" "0:0, 0 12345 1,kshim,3,:" "run: root inside, the user outside"
is "$(stat -c %u "$B/rootfs/file")" 12345 "what it writes is the user's"
try $U --root "$W/other" run -b "$B" "$ID"
is "$rc" 0 "a runtime root of its own choice"
is "$(left "$W/run/kshim")" 0 "the default one is in XDG_RUNTIME_DIR, and nothing is left in it"
config '.annotations = {a: "b"}' 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done'
try $U create -b "$B" "$ID"
is "$rc:$err:$($U state "$ID" | jq -r .status)" 0::created "create"
try $U start "$ID"
is "$rc:$($U state "$ID" | jq -r .status)" 0:running "start"
try $U exec "$ID" sh -c 'id -u; cat /proc/1/cmdline | tr "\0" " " | cut -c1-5; readlink /proc/self/ns/user'
pid=$($U state "$ID" | jq .pid)
is "$rc:$(tr '\n' , <<<"$out")" "0:0,sh -c,$(readlink "/proc/$pid/ns/user")," "exec"
try $U exec --user root "$ID" true
is "$rc:$err" 0: "exec by a name of the container's"
cp "$BUILD/helper/tty" "$W/tty"
try as_user "$W/tty" run "$W/kshim" exec --tty "$ID" tty
like "$rc:$out" '0:/dev/pts/*' "exec with a terminal"
try $U list
like "$out" "*$ID*running*12345*" "list names its owner"
for v in ps pause; do
	try $U $v "$ID"
	like "$rc:$err" '1:*has no cgroup*' "$v without a cgroup says so"
done
try $U delete "$ID"
like "$rc:$err" '1:*it is running*' "delete of a running one"
try $U kill "$ID" TERM
wait_for 5 eval '[ "$($U state "$ID" | jq -r .status)" = stopped ]'
is "$rc:$?" 0:0 "kill"
try $U exec "$ID" true
like "$rc:$err" '255:*container not running*' "exec in a stopped one"
try $U delete "$ID"
is "$rc:$(left "$W/run/kshim")" 0:0 "delete"
try as_user "$W/kshim" run --rootfs "$B/rootfs" "$ID" -- id -u
is "$rc:$out:$err" 0:0: "the quick form maps the user by itself"
for h in createRuntime poststop; do
	config ".hooks = {$h: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >$W/state.$h\"]}]}" true
	try $U run -b "$B" "$ID"
	is "$rc:$(jq -r .id "$W/state.$h")" "0:$ID" "a $h hook"
done
mkdir "$W/src"
echo data >"$W/src/f"
chown -R 12345:12345 "$W/src"
config ".mounts += [{destination: \"/mnt\", type: \"bind\", source: \"$W/src\", options: [\"rbind\", \"ro\"]}, {destination: \"/t\", type: \"tmpfs\", source: \"t\", options: [\"size=64k\"]}] | .linux.maskedPaths = [\"/etc/passwd\"]" \
	'cat /mnt/f; echo x 2>/dev/null >/mnt/f || echo ro; echo x >/t/f && cat /t/f; wc -c </etc/passwd'
try $U run -b "$B" "$ID"
is "$rc:$(tr '\n' , <<<"$out")" "0:data,ro,x,0," "mounts, read-only and masked paths"
config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}' 'mkdir /x'
try $U run -b "$B" "$ID"
like "$rc:$err" '1:*not implemented*' "seccomp"

# ---- more ids, by newuidmap -----------------------------------------------------------------------------
range='.linux.uidMappings = [{containerID: 0, hostID: 12345, size: 1}, {containerID: 1, hostID: 700000, size: 1000}] | .linux.gidMappings = .linux.uidMappings'
config '.process.oomScoreAdj = 321' 'cat /proc/self/oom_score_adj; sleep 1000'
$U run -d -b "$B" "$ID" </dev/null >"$T/adj"
wait_for 5 grep -q . "$T/adj"
try $U exec "$ID" cat /proc/self/oom_score_adj
is "$(cat "$T/adj"):$rc:$out" 321:0:321 "oomScoreAdj, also of an exec"
$U delete --force "$ID"
config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 86400}}' 'cut -d. -f1 /proc/uptime >/dev/null; cat /proc/self/timens_offsets | tr -s " "'
try $U run -b "$B" "$ID"
like "$rc:$out" '0:*monotonic 86400*' "a time namespace"
config "$range | .process.user = {uid: 5, gid: 6, additionalGids: [7]}" 'id -u; id -G; sleep 1000'
if [ -e /etc/subuid ] && [ -e /etc/subgid ]; then
	$U run -d -b "$B" "$ID" </dev/null >"$T/ids"
	wait_for 5 eval '[ "$(wc -l <"$T/ids")" = 2 ]'
	pid=$($U state "$ID" | jq .pid)
	is "$(tr '\n' , <"$T/ids"):$(stat -c %u "/proc/$pid")" "5,6 7,:700004" "a range of /etc/subuid"
	try $U exec --user 3:4 "$ID" sh -c 'id -u; id -g'
	is "$rc:$(tr '\n' , <<<"$out")" 0:3,4, "exec as another of them"
	try $U delete --force "$ID"
	is "$rc:$err:$(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline")" 0:: "delete --force ends processes of other ids"
	config '.linux.uidMappings = [{containerID: 0, hostID: 12345, size: 1}, {containerID: 1, hostID: 0, size: 10}] | .linux.gidMappings = .linux.uidMappings' true
	try $U run -b "$B" "$ID"
	like "$rc:$err" '1:*map the ids of the user namespace: newuidmap*' "ids that are not the user's are refused, by newuidmap's word"
else
	skip "a range of /etc/subuid" "there are no such files to mount over"
fi
config '.linux.uidMappings = [{containerID: 5, hostID: 12345, size: 1}] | .linux.gidMappings = .linux.uidMappings' true
try $U run -b "$B" "$ID"
like "$rc:$err" '1:*is id 0 mapped*' "a container without a root"

# ---- what a user cannot have --------------------------------------------------------------------------
cp "$T/rooted.json" "$B/config.json"
try $U run -b "$B" "$ID"
like "$rc:$err" '1:*only root can run a container without a user namespace*' "a config.json of root's"
config '.linux.resources = {memory: {limit: 10000000}}' true
try $U run -b "$B" "$ID"
like "$rc:$err" '1:*linux.resources needs a cgroup*ermission denied*' "a limit without a cgroup is an error"
config '.linux.resources = {devices: [{allow: false, access: "rwm"}], memory: {limit: -1}, pids: {limit: 0}}' true
try $U run -b "$B" "$ID"
is "$rc:$err" 0: "no limit is none"
config '.linux.cgroupsPath = "/kshim-'"$TAG"'-c"' true
try $U run -b "$B" "$ID"
like "$rc:$err" '1:*make cgroup*ermission denied*' "a cgroup that is named must be"
config . true
try $U --rootless=false run -b "$B" "$ID"
like "$rc:$err" '1:*make cgroup*ermission denied*' "--rootless=false does not go without one"
try as_user "$W/kshim" run --rootfs "$B/rootfs" --pod ns/p-0 --empty-dir e:/e "$ID" -- true
like "$rc:$err" '1:*for root alone*' "volumes are root's"
is "$(left "$W/run/kshim")" 0 "and nothing is left of all that"

# ---- a cgroup that was delegated --------------------------------------------------------------------------
cat >"$T/delegated" <<'D'
set -u
D=/sys/fs/cgroup/$TAG-user
mkdir "$D" "$D/caller" || exit 1
chown 12345:12345 "$D" "$D"/{cgroup.procs,cgroup.subtree_control,cgroup.threads} "$D/caller" "$D/caller/cgroup.procs"
echo $$ >"$D/caller/cgroup.procs"
U="setpriv --reuid 12345 --regid 12345 --clear-groups --inh-caps=-all env -u KSHIM_ROOT HOME=$W XDG_RUNTIME_DIR=$W/run $W/kshim"
$U run -d -b "$W/b" d1 </dev/null >/dev/null
pid=$($U state d1 | jq .pid)
echo "in $(grep ^0:: /proc/$pid/cgroup | sed "s/$TAG//")"
$U exec d1 sh -c 'grep ^0:: /proc/self/cgroup' | sed 's/^/exec /'
$U pause d1 && echo "status $($U state d1 | jq -r .status)"
$U resume d1
$U exec -d d1 sleep 1000
echo "processes $($U ps -f json d1 | jq length)"
$U kill --all d1 KILL
for i in $(seq 100); do [ "$($U state d1 | jq -r .status)" = stopped ] && break; sleep 0.05; done
$U delete d1 && [ ! -d "$D/c" ] && echo gone
echo $$ >/sys/fs/cgroup/cgroup.procs
rmdir "$D/caller" "$D"
D
jq '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = "/'"$TAG"'-user/c" | .linux.resources = {devices: [{allow: false, access: "rwm"}]}' "$T/base.json" >"$B/config.json"
export TAG W
v2_view bash "$T/delegated" >"$T/delegated.out" 2>&1
if [ $? = 77 ]; then
	skip "a delegated cgroup" "there is no cgroup2 here"
else
	is "$(tr '\n' , <"$T/delegated.out")" "in 0::/-user/c,exec 0::/,status paused,processes 2,gone," "a delegated cgroup: made, joined, frozen, listed, killed, removed"
fi

# ---- root of a user namespace, as under podman ----------------------------------------------------------
inner() { # runs kshim as root of a new user namespace, whose root is 12345 outside
	(cd "$W" && as_user unshare -U --map-root-user -m "$W/kshim" --root "$W/inner" "$@")
}
jq 'del(.linux.namespaces[] | select(.type == "user")) | del(.linux.uidMappings, .linux.gidMappings) | .process.args = ["sh", "-c", "id -u; echo y >/dev/null; echo $0; cat /proc/self/oom_score_adj"]
	| .process.oomScoreAdj = 500 | .linux.resources = {devices: [{allow: false, access: "rwm"}]}' "$T/base.json" >"$B/config.json"
try inner run -b "$B" "$ID"
is "$rc:$(tr '\n' , <<<"$out"):$err" "0:0,sh,500,:" "in a user namespace without one of its own"
is "$(left "$W/inner")" 0 "and nothing is left"

# ---- podman's rootless mode -------------------------------------------------------------------------------
if grep -q __asan_init "$K"; then
	skip "podman run --rm as a user" "podman does not pass the sanitizer's options on"
elif command -v podman >/dev/null && [ -e /etc/subuid ]; then
	mkdir "$W/prun"
	chown 12345:12345 "$W/prun"
	printf '[containers]\ndefault_ulimits = []\nlog_driver = "k8s-file"\n[engine]\nhelper_binaries_dir = ["/usr/libexec/podman", "/usr/lib/podman"]\n' >"$W/containers.conf"
	P="as_user env XDG_RUNTIME_DIR=$W/prun CONTAINERS_CONF=$W/containers.conf timeout 60 podman --cgroup-manager cgroupfs --runtime $W/kshim --storage-driver vfs --events-backend file"
	O="--network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
	try $P run --rm $O --rootfs "$B/rootfs" sh -c 'id -u; tail -1 /proc/self/uid_map | tr -s " "; exit 3'
	is "$rc:$(tr '\n' , <<<"$out")" "3:0, 1 700000 65536," "podman run --rm as a user"
	[ "$rc" = 3 ] || sed 's/^/#   /' "$T/err"
	try $P run -d --name c $O --rootfs "$B/rootfs" sleep 1000
	is "$rc" 0 "podman run -d"
	try $P exec -u 7 c id -u
	is "$rc:$out" 0:7 "podman exec"
	try $P stop -t 1 c
	is "$rc" 0 "podman stop"
	try $P rm -f c
	is "$rc:$($P ps -aq)" 0: "podman rm"
	# What holds the user namespace between its commands.
	pause=$(cat "$W"/prun/libpod/tmp/pause.pid 2>/dev/null)
	[ -z "$pause" ] || kill -KILL "$pause"
else
	skip "podman run --rm as a user" "there is no podman"
fi
no_leaks
