#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# emptyDir: of one incarnation of a pod, shared by its containers, gone with it.
# It counts the mounts of its host, which is one whose mounts are shared.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
mount --make-rshared /
requires jq
requires losetup
pod_rootfs

host_mounts() { wc -l </proc/self/mounts; }
before=$(host_mounts)

# In memory.
up "$TAG-a" --empty-dir m:/m:size=1Mi,medium=Memory --empty-dir d:/d
is "$rc" 0 "a pod with an emptyDir in memory and one on disk"
is "$(host_mounts)" "$before" "the host's mount table does not know of it"
sh_in "$TAG-a" 'grep " /m " /proc/mounts | cut -d" " -f3; stat -c %a /m'
is "$out" $'tmpfs\n777' "medium Memory is a tmpfs of mode 0777"
sh_in "$TAG-a" 'dd if=/dev/zero of=/m/big bs=64k count=32 2>&1'
like "$out" "*No space left on device*" "its size limit is hard"
sh_in "$TAG-a" 'rm /m/big; dd if=/dev/zero of=/m/fit bs=1000000 count=1 2>/dev/null && echo fits'
is "$out" fits "and no smaller than asked for"
sh_in "$TAG-a" 'grep -E " /(m|d) " /proc/mounts | grep -c nosuid,nodev'
is "$out" 2 "both are nosuid and nodev"

# On disk.
sh_in "$TAG-a" 'echo 123 >/d/test.txt; stat -c %a /d'
is "$out" 777 "on disk the mode is 0777 too"
uid=$("$K" state "$TAG-a" >/dev/null; jq -r .storage "$KSHIM_ROOT/$TAG-a/state.json")
[ -e "$KSHIM_STATE_DIR/pods/$uid/emptydir/d/test.txt" ]
ok $? "its data is in the state directory"

# A second container of the pod.
up "$TAG-b" --pod-uid "$uid" --empty-dir m:/x:size=1Mi,medium=Memory --empty-dir d:/y
is "$rc" 0 "a second container joins the pod by its uid"
sh_in "$TAG-b" 'cat /y/test.txt; echo from-b >/x/b'
is "$out" 123 "and sees what the first wrote"
sh_in "$TAG-a" 'cat /m/b'
is "$out" from-b "and the other way round"

# A container that restarts finds it as it left it, as long as the pod lives.
try "$K" delete --force "$TAG-a"
is "$rc" 0 "the first container is deleted"
up "$TAG-a" --pod-uid "$uid" --empty-dir m:/m:size=1Mi,medium=Memory --empty-dir d:/d
sh_in "$TAG-a" 'cat /d/test.txt /m/b'
is "$out" $'123\nfrom-b' "its next one finds both as they were"

try "$K" delete --force "$TAG-a"
try "$K" delete --force "$TAG-b"
is "$rc" 0 "the last container is deleted"
[ ! -e "$KSHIM_STATE_DIR/pods/$uid" ]
ok $? "with the last container the emptyDir is gone"
up "$TAG-a" --empty-dir d:/d
sh_in "$TAG-a" 'cat /d/test.txt'
is "$rc" 1 "a new pod starts empty"
"$K" delete --force "$TAG-a"

# A pod that reuses a uid is not the one before.
up "$TAG-a" --pod-uid u-1 --empty-dir d:/d
sh_in "$TAG-a" 'echo x >/d/x'
"$K" delete --force "$TAG-a"
up "$TAG-a" --pod-uid u-1 --empty-dir d:/d
sh_in "$TAG-a" 'ls /d | wc -l'
is "$out" 0 "the same uid again starts empty too"
"$K" delete --force "$TAG-a"

# Foreground.
try "$K" run --rootfs "$R" --empty-dir d:/d "$TAG-f" -- sh -c 'echo hi >/d/f; cat /d/f; exit 5'
is "$rc:$out" "5:hi" "a foreground run gives its exit code and cleans up"

# subPath, read-only, and what a hostile container leaves behind.
bundle "$T/b" '.process.args = ["sleep", "1000"] | .root.readonly = false | .annotations = {
	"dev.kshim.pod-uid": "u-2",
	"dev.kshim.volumes": "[{\"name\":\"v\",\"emptyDir\":{}}]",
	"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"v\",\"mountPath\":\"/v\"},{\"name\":\"v\",\"mountPath\":\"/s\",\"subPath\":\"a/b\"},{\"name\":\"v\",\"mountPath\":\"/r\",\"readOnly\":true}]}"}'
try "$K" run --detach -b "$T/b" "$TAG-s"
is "$rc" 0 "a bundle with annotations"
sh_in "$TAG-s" 'echo sub >/s/f; cat /v/a/b/f; touch /r/x 2>&1 | grep -c Read-only'
is "$out" $'sub\n1' "subPath is made, readOnly is"
sh_in "$TAG-s" 'ln -s /etc /v/link; ln -s ../../../.. /v/up; mkdir -p /v/swap; echo ok'
edit "$T/b" '.annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"link\"}]}"'
try "$K" run --detach -b "$T/b" "$TAG-t"
like "$rc:$err" "1:*subPath link*" "a subPath that a container made a link is refused"
edit "$T/b" '.annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"up/etc\"}]}"'
try "$K" run --detach -b "$T/b" "$TAG-t"
like "$rc:$err" "1:*subPath up/etc*" "one that leads out by .. too"
"$K" delete --force "$TAG-s"

# A mount point that the image made a link: the volume is what stands there.
ln -s /etc "$T/b/rootfs/data"
edit "$T/b" '.annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"v\",\"mountPath\":\"/data\"}]}" | .process.args = ["sh", "-c", "ls /data | wc -l; cat /etc/passwd | wc -l"]'
try "$K" run -b "$T/b" "$TAG-l"
is "$rc:$out" $'0:0\n0' "a link as mount point is followed inside the root only"

# Many files: the caller does not wait for their deletion.
up "$TAG-m" --empty-dir d:/d
sh_in "$TAG-m" 'cd /d; i=0; while [ $i -lt 3000 ]; do : >f$i; i=$((i+1)); done; mkdir -p deep; cd deep; i=0; while [ $i -lt 60 ]; do mkdir d; cd d; i=$((i+1)); done'
try "$K" delete --force "$TAG-m"
is "$rc" 0 "an emptyDir with many files and a deep tree"

no_leaks
