#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Limits on pure cgroup v2, by their effect inside a container.
. "$(dirname "$0")/guest.sh"
requires_root
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || skip_all "needs cgroup v2 alone"
pod_rootfs
B=$T/b

limited() { # JQ-FILTER-OF-RESOURCES COMMAND…
	local res=$1
	shift
	bundle "$B" ".linux.resources = ($res) | .root.readonly = false | .process.args = [\"sh\", \"-c\", $(jq -Rn --arg s "$*" '$s')]"
	try timeout 60 "$K" run -b "$B" "$TAG-1"
}
last=$(($(nproc) - 1))
cgfile() { cat "/sys/fs/cgroup/kshim-$TAG-1/$1"; }

limited '{memory: {limit: 33554432}}' 'cat /sys/fs/cgroup/memory.max; dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo "rc $?"'
is "$out" $'33554432\nrc 137' "memory.max kills what takes more"
limited '{memory: {limit: 33554432, swap: 33554432}}' 'cat /sys/fs/cgroup/memory.swap.max'
is "$out" 0 "swap as large as memory is none"
limited '{memory: {limit: 33554432, swap: 67108864, reservation: 16777216}}' 'cat /sys/fs/cgroup/memory.swap.max /sys/fs/cgroup/memory.low'
is "$out" $'33554432\n16777216' "swap is translated, reservation is memory.low"
limited '{memory: {limit: 196608}}' 'exit 5'
is "$rc" 5 "a container starts in 192 KiB"
limited '{pids: {limit: 6}}' 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait'
like "$err" "*can't fork*" "pids.max refuses"
limited '{cpu: {quota: 20000, period: 100000}}' 'cat /sys/fs/cgroup/cpu.max; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; grep nr_throttled /sys/fs/cgroup/cpu.stat'
like "$out" $'20000 100000\nnr_throttled [1-9]*' "cpu.max throttles"
limited '{cpu: {shares: 1024}}' 'cat /sys/fs/cgroup/cpu.weight'
is "$out" 39 "cpu shares become a weight"
limited "{cpu: {cpus: \"$last\", mems: \"0\"}}" 'cat /sys/fs/cgroup/cpuset.cpus.effective; grep Cpus_allowed_list /proc/self/status | tr -d "\t "'
is "$out" "$last"$'\n'"Cpus_allowed_list:$last" "cpuset"
limited '{hugepageLimits: [{pageSize: "2MB", limit: 2097152}]}' 'cat /sys/fs/cgroup/hugetlb.2MB.max'
is "$out" 2097152 "hugetlb"
dev=$(stat -c '%Hr:%Lr' /dev/vda)
limited "{unified: {\"io.max\": \"$dev rbps=1048576\", \"memory.high\": \"20971520\"}}" 'cat /sys/fs/cgroup/io.max /sys/fs/cgroup/memory.high'
is "$out" "$dev rbps=1048576 wbps=max riops=max wiops=max"$'\n20971520' "unified: io.max and memory.high"
limited '{unified: {"no.such": "1"}}' true
like "$rc:$err" "1:*no.such*" "an unknown unified file is an error"
limited '{memory: {limit: -1}, pids: {limit: -1}, cpu: {quota: -1}}' 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
is "$out" $'max\nmax' "-1 is max"

# Device rules.
mknod_run() { # RULES
	bundle "$B" ".root.readonly = false | .linux.resources.devices = $1 | .linux.devices = [{path: \"/dev/vd\", type: \"b\", major: ${dev%:*}, minor: ${dev#*:}}] | .process.args = [\"sh\", \"-c\", \"head -c 512 /dev/vd | wc -c; head -c1 /dev/zero | wc -c\"]"
	try "$K" run -b "$B" "$TAG-1"
}
mknod_run '[{allow: false, access: "rwm"}]'
is "$out" $'0\n1' "a block device that is not allowed cannot be read"
mknod_run "[{allow: false, access: \"rwm\"}, {allow: true, type: \"b\", major: ${dev%:*}, minor: ${dev#*:}, access: \"r\"}]"
is "$out" $'512\n1' "one that is allowed can"

# A frozen container is killed and deleted.
bundle "$B" '.process.args = ["sleep", "1000"]'
try "$K" run -d -b "$B" "$TAG-1"
echo 1 >"/sys/fs/cgroup/kshim-$TAG-1/cgroup.freeze"
wait_for 5 eval 'cgfile cgroup.events | grep -q "frozen 1"'
try timeout 20 "$K" delete --force "$TAG-1"
is "$rc" 0 "a frozen container is deleted"

# Hard limits can be raised where CAP_SYS_RESOURCE is.
bundle "$B" '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 600000, hard: 600000}] | .process.oomScoreAdj = -500 | .process.args = ["sh", "-c", "ulimit -n; cat /proc/self/oom_score_adj"]'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" $'0:600000\n-500' "limits are raised, the OOM score lowered"

# OOM in one container of a pod leaves its emptyDir and its neighbour.
up "$TAG-a" --pod ns/p-0 --pod-uid u1 --empty-dir e:/e
up "$TAG-b" --pod ns/p-0 --pod-uid u1 --empty-dir e:/e
sh_in "$TAG-a" 'echo x >/e/f'
"$K" kill "$TAG-a" KILL
sh_in "$TAG-b" 'cat /e/f'
is "$out" x "a killed container leaves the pod's emptyDir"
"$K" delete --force "$TAG-a"
"$K" delete --force "$TAG-b"

no_leaks
