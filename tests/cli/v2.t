#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same on a host with cgroup v2 alone, in a private view of it, and on one
# with v1 alone.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
v2_view true || skip_all "cgroup2 cannot be mounted here"

B=$T/b
bundle "$B" '.linux.namespaces = [.linux.namespaces[] | select(.type != "cgroup")] + [{type: "cgroup"}] | .process.args = ["sh", "-c", "cat /proc/self/cgroup | tail -1; grep cgroup /proc/self/mountinfo | wc -l; ls /sys/fs/cgroup/cgroup.procs"]'
try v2_view "$K" run -b "$B" "$TAG-1"
is "$rc:$out" $'0:0::/\n1\n/sys/fs/cgroup/cgroup.procs' "v2: one hierarchy, the container's is its root"

# Device rules are a program on v2.
bundle "$B" '.root.readonly = false | .linux.devices = [{path: "/dev/full2", type: "c", major: 1, minor: 7}, {path: "/dev/fuse2", type: "c", major: 10, minor: 229}, {path: "/dev/loopc", type: "c", major: 10, minor: 237}]
	| .process.args = ["sh", "-c", "for d in null zero urandom full2 fuse2 loopc; do head -c0 /dev/$d 2>/dev/null && echo $d; done; (: >/dev/loopc) 2>/dev/null && echo wrote; exit 0"]'
rules() { edit "$B" ".linux.resources.devices = $1"; }
for view in v2_view peer_view env; do
	while IFS='|' read -r name list want; do
		rules "$list"
		try $view "$K" run -b "$B" "$TAG-1"
		is "$rc:$(tr '\n' ' ' <<<"$out")" "0:$want " "$view: $name"
	done <<-'C'
	device rules are in force|[{allow: false, access: "rwm"}, {allow: true, type: "c", major: 10, minor: 237, access: "r"}]|null zero urandom full2 loopc
	without a rule only the default devices are allowed|[]|null zero urandom full2
	deny all behind allow all|[{allow: true}, {allow: false}]|null zero urandom full2
	deny all with -1 for any number|[{allow: false, type: "a", major: -1, minor: -1}]|null zero urandom full2
	allow all behind deny all|[{allow: false}, {allow: true}]|null zero urandom full2 fuse2 loopc wrote
	a later rule denies again|[{allow: true}, {allow: false, type: "c", major: 10, minor: 229, access: "rw"}]|null zero urandom full2 loopc wrote
	C
done
rules '[{allow: true, major: 1, minor: 3}]'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*devices\[0\]*needs the type*" "a number without a type"

bundle "$B" '.process.args = ["sleep", "100"] | .linux.namespaces = [.linux.namespaces[] | select(.type != "cgroup")]'
try v2_view "$K" run -d -b "$B" "$TAG-1"
is "$rc" 0 "v2: detached"
try v2_view "$K" exec "$TAG-1" cat /proc/self/cgroup
like "$out" "*0::/kshim-$TAG-1" "v2: exec is in the container's cgroup"
try v2_view sh -c "$K exec -d $TAG-1 sleep 100; $K kill --all $TAG-1 KILL"
is "$rc" 0 "v2: kill --all"
try v2_view "$K" delete --force "$TAG-1"
is "$rc" 0 "v2: delete"

# What a host without the controller cannot do is refused with the name of the file.
bundle "$B" '.process.args = ["true"] | .linux.resources.unified = {"nosuch.max": "5"}'
try v2_view "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*nosuch.max*" "v2: an unknown unified file"
bundle "$B" '.process.args = ["true"] | .linux.resources.unified = {"../x.max": "5"}'
try v2_view "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*no cgroup file name*" "v2: a unified name that is a path"
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
	skip "v1: unified needs v2" "this host has v2 alone"
else
	bundle "$B" '.process.args = ["true"] | .linux.resources.unified = {"memory.max": "5"}'
	try "$K" run -b "$B" "$TAG-1"
	like "$rc:$err" "1:*unified*v2*" "v1: unified needs v2"
fi

# A pod, too.
pod_rootfs
try v2_view "$K" run --rootfs "$R" --pod ns/p-0 --empty-dir e:/e "$TAG-1" -- sh -c 'echo x >/e/f; cat /e/f'
is "$rc:$out" "0:x" "v2: a pod with an emptyDir"

# A cgroup that is in use is nobody else's.
bundle "$B" ".process.args = [\"sleep\", \"100\"] | .linux.cgroupsPath = \"/kshim-$TAG-shared\""
try "$K" run -d -b "$B" "$TAG-1"
try "$K" run -d -b "$B" "$TAG-2"
like "$rc:$err" "1:*cgroup*in use*" "a cgroup with processes in it is refused"
"$K" delete --force "$TAG-1"

no_leaks
