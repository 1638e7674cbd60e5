#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same bundle under runc, crun and kshim: same output, same exit code.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires crun
requires jq

bundle "$T/b"

# One command on each line. What differs for a good reason has a normalising filter.
cases=$(cat <<'C'
id
pwd
hostname
cat /proc/self/status | grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid|Umask)'
grep -E '^(Max open files|Max core|Max processes)' /proc/self/limits
env | grep -v SHLVL | sort
awk '{print $5, $9, $6}' /proc/self/mountinfo | grep -vE '^/sys/fs/cgroup|^/proc/|^/sys/firmware|^/ ' | sort
awk '$5 ~ /^\/(proc|sys\/firmware)\/?/ && $5 != "/proc" {print $5, $6}' /proc/self/mountinfo | sort | cut -d, -f1
ls /dev | grep -v -e core -e mqueue -e console
ls -l /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | awk '{print $1,$3,$4,$5,$6,$NF}'
readlink /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx
echo x > /proc/sys/kernel/hostname
echo x > /proc/sysrq-trigger
echo x > /sys/kernel/profiling
mkdir /newdir
touch /proc/self/comm && echo ok
cat /proc/kcore | head -c 1 | wc -c
cat /proc/timer_list | wc -c
ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | wc -w
umask
ls /proc/self/fd | wc -l
mknod /dev/sda b 8 0
mount -t tmpfs x /tmp
chown 1:1 /dev/shm
kill -9 $$
kill -TERM $$
exit 0
exit 7
exit 255
exit 300
sleep 0.01; echo done
cat /sys/fs/cgroup/*/tasks 2>/dev/null | head -1
ulimit -n
cat /proc/1/comm
ps | wc -l
echo err >&2; echo out
cat
ip link | grep -c lo
df /dev/shm | tail -1 | awk '{print $2}'
stat -c %a /dev/shm /dev/pts /dev/mqueue /dev
nosuchcommand
C
)

run_one() { # RUNTIME ID
	timeout 20 "$1" --root "$T/r-$(basename "$1")" run -b "$T/b" "$2" </dev/null \
		>"$T/o" 2>"$T/e"
	echo "rc=$?"
	cat "$T/o"
	# A message of the shell or of busybox, not of the runtime.
	grep -E '^(sh|ls|cat|mkdir|mount|mknod|chown|kill|touch|err)' "$T/e"
}

compare() { # NAME JQ-FILTER
	local got want_r want_c
	bundle "$T/b" "$2"
	got=$(run_one "$K" "$TAG-k")
	want_r=$(run_one runc "$TAG-r")
	want_c=$(peer_view bash -c "$(declare -f run_one); T=$T run_one crun $TAG-c")
	if [ "$got" = "$want_r" ] || [ "$got" = "$want_c" ]; then
		ok 0 "$1"
		# Where the peers differ from each other, one of them is enough.
		[ "$want_r" = "$want_c" ] || echo "#   runc and crun differ here"
	else
		ok 1 "$1"
		diff <(echo "$want_r") <(echo "$got") | sed 's/^/#   runc|kshim: /' | head -10
		diff <(echo "$want_c") <(echo "$got") | sed 's/^/#   crun|kshim: /' | head -10
	fi
}

while IFS= read -r line; do
	compare "$line" ".process.args = [\"/bin/sh\", \"-c\", $(jq -Rn --arg s "$line" '$s')]"
done <<<"$cases"

compare "no shell: /bin/true" '.process.args = ["/bin/true"]'
compare "argv is passed as it is" '.process.args = ["/bin/echo", "a b", "", "*", "ü"]'
compare "cwd is missing" '.process.cwd = "/missing/dir" | .root.readonly = false | .process.args = ["pwd"]'
compare "cwd below /tmp" '.process.cwd = "/tmp" | .process.args = ["pwd"]'
compare "another user and groups" '.process.user = {uid: 1000, gid: 1000, additionalGids: [5, 7]} | .process.args = ["sh", "-c", "id -u; id -g; id -G; grep Cap /proc/self/status"]'
compare "HOME of another user" '.process.user = {uid: 1000, gid: 1000} | .process.args = ["sh", "-c", "echo $HOME"]'
compare "HOME given empty" '.process.env += ["HOME="] | .process.args = ["sh", "-c", "echo $HOME"]'
compare "umask" '.process.user.umask = 63 | .process.args = ["sh", "-c", "umask"]'
compare "no capabilities at all" 'del(.process.capabilities) | .process.args = ["grep", "Cap", "/proc/self/status"]'
compare "rlimits" '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 64, hard: 128}, {type: "RLIMIT_CORE", soft: 0, hard: 0}] | .process.args = ["sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c"]'
compare "writable root" '.root.readonly = false | .process.args = ["sh", "-c", "touch /x && ls /x"]'
compare "bind mount, read-only" ".mounts += [{destination: \"/mnt/x\", type: \"bind\", source: \"$T/b/rootfs/etc\", options: [\"rbind\", \"ro\"]}] | .process.args = [\"sh\", \"-c\", \"ls /mnt/x; touch /mnt/x/y\"] | .root.readonly = false"
compare "bind mount of a file" ".mounts += [{destination: \"/etc/hosts\", type: \"bind\", source: \"$T/b/rootfs/etc/passwd\", options: [\"bind\", \"ro\"]}] | .process.args = [\"cat\", \"/etc/hosts\"] | .root.readonly = false"
compare "tmpfs with options" '.mounts += [{destination: "/t", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=700", "noexec"]}] | .root.readonly = false | .process.args = ["sh", "-c", "stat -c %a /t; grep \" /t \" /proc/mounts | cut -d\" \" -f4 | cut -d, -f1-3"]'
compare "a device of its own" '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 384, uid: 3, gid: 4}] | .process.args = ["stat", "-c", "%F %a %u %g %t %T", "/dev/mine"]'
compare "seccomp refuses mkdir" '.root.readonly = false | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]} | .process.args = ["mkdir", "/tmp/x"]'
compare "seccomp kills" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL"}]} | .process.args = ["mkdir", "/tmp/x"]'
compare "seccomp by argument" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["personality"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 8, op: "SCMP_CMP_EQ"}]}]} | .process.args = ["grep", "Seccomp:", "/proc/self/status"]'
compare "sysctl" '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"} | .process.args = ["cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"]'
compare "a user namespace" '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings | .root.readonly = false | .process.args = ["sh", "-c", "id; cat /proc/self/uid_map; echo x > /dev/null && echo ok"] | del(.mounts[] | select(.type == "cgroup"))'
compare "the memory limit is seen" '.linux.resources.memory = {limit: 33554432} | .process.args = ["sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes"]'
compare "the pids limit is felt" '.linux.resources.pids = {limit: 4} | .process.args = ["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1 & done; wait"]'
compare "domain and host name" '.hostname = "box" | .process.args = ["hostname"]'

no_leaks
