#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Volumes: made and formatted once, compared and checked at each attach, kept.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
requires losetup
requires perl
[ -e /dev/loop-control ] || skip_all "needs loop devices"
pod_rootfs

vol() { try "$K" volume "$@"; }
image() { echo "$KSHIM_STATE_DIR/volumes/ns/$1/image"; }
mount_count() { grep -c "$T" /proc/self/mounts; }

# ---- create, list, inspect, delete --------------------------------------------------

vol create -n ns data --size 32Mi
is "$rc" 0 "create"
vol create -n ns data --size 32Mi
like "$rc:$err" '1:*volume "ns/data" already exists*' "create again"
vol create -n ns x1 --size 300Mi --fs xfs
is "$rc" 0 "create with xfs"
is "$(blkid -p -o value -s TYPE "$(image x1)")" xfs "it is xfs"
is "$(blkid -p -o value -s UUID "$(image data)")" "$(field data fsUuid)" "the UUID is the record's"
is "$(field data sizeBytes)" 33554432 "and the size"
vol list
like "$out" "NAMESPACE*ns *data *32Mi*ext4*Available*" "list as a table"
vol list -f json
is "$(jq -r '.[].claim' <<<"$out" | sort | paste -sd,)" data,x1 "list as JSON"
vol inspect -n ns data --format table
like "$out" "NAMESPACE*ns *data *32Mi*ext4*Available*" "inspect as a table"
vol list -n other
is "$(wc -l <<<"$out")" 1 "list of another namespace"
vol delete -n ns x1
is "$rc" 0 "delete"
vol inspect -n ns x1
like "$rc:$err" '1:*volume "ns/x1" does not exist*' "inspect of nothing"
vol delete -n ns x1
is "$rc" 1 "delete of nothing"

while IFS='|' read -r args glob; do
	eval "vol create $args"
	like "$rc:$err" "[12]:$glob" "create $args"
done <<'C'
-n ns bad --size -1|*"-1" is not a size*
-n ns bad --size 1Zi|*"1Zi" is not a size*
-n ns bad --size 0|*"0" is not a size*
-n ns bad --size ''|*"" is not a size*
-n ns bad --size 1M|*not between 16Mi and 64Ti*
-n ns bad --size 7Ei|*not between 16Mi and 64Ti*
-n ns bad --size 100Ei|*is not a size*
-n ns bad|*needs --size*
-n ns bad --size 32Mi --fs ntfs|*"ntfs" is not supported*
-n ns bad --size 32Mi --fs xfs|*xfs' least*
-n ns bad --size 32Mi --fsck maybe|*not repair or refuse*
-n ns ../bad --size 32Mi|*not valid*
-n ns Bad --size 32Mi|*not valid*
-n .. bad --size 32Mi|*not valid*
-n a.b bad --size 32Mi|*not valid*
-n ns -- -bad --size 32Mi|*
C
is "$(ls "$KSHIM_STATE_DIR/volumes/ns")" data "nothing of them is left"

# ---- one disk, many pods ---------------------------------------------------------------

uuid=$(field data fsUuid)
up "$TAG-1" --pod ns/web-0 --volume data:/d
is "$rc" 0 "a pod on the volume"
is "$(mount_count)" 0 "the host's mount table does not know of it"
sh_in "$TAG-1" 'echo 123 >/d/test.txt; sync; grep " /d " /proc/mounts | cut -d" " -f3'
is "$out" ext4 "an ext4 is mounted in the container"
vol list
like "$out" "*data*InUse*" "it is in use"
vol delete -n ns data
like "$rc:$err" '1:*volume "ns/data" is in use by pod ns/web-0*' "and cannot be deleted"
up "$TAG-2" --pod ns/web-0 --volume data:/d
like "$rc:$err" "1:*pod ns/web-0 is running already*container \"$TAG-1\"*" "a second pod of that name is refused, the holder is named"
up "$TAG-2" --pod ns/web-1 --volume data:/d
like "$rc:$err" "1:*volume \"ns/data\" is in use by pod ns/web-0*container \"$TAG-1\" (pid *" "the claim for another pod too"
up "$TAG-2" --pod ns/web-1 --volume nope:/d
like "$rc:$err" '1:*volume "ns/nope" does not exist*' "a volume that does not exist"
up "$TAG-2" --pod other/web-0 --volume data:/d
like "$rc:$err" '1:*volume "other/data" does not exist*' "a claim is looked up in the pod's own namespace only"
try "$K" delete --force "$TAG-1"
is "$rc" 0 "the pod is deleted"
vol list
like "$out" "*data*Available*" "its volume is free"
up "$TAG-1" --pod ns/web-0 --volume data:/d
sh_in "$TAG-1" 'cat /d/test.txt; hostname'
is "$out" $'123\nweb-0' "the next pod of that name finds the file, and has the host name"
"$K" delete --force "$TAG-1"
up "$TAG-1" --pod ns/web-9 --volume data:/d:ro
sh_in "$TAG-1" 'cat /d/test.txt; touch /d/x 2>&1 | grep -c Read-only'
is "$out" $'123\n1' "read-only"
"$K" delete --force "$TAG-1"
is "$(field data fsUuid)" "$uuid" "it was never formatted again"

# ---- templates ---------------------------------------------------------------------------

up "$TAG-1" --pod ns/db-0 --volume-claim-template data:32Mi:/d
is "$rc" 0 "a claim template makes the pod's own volume"
sh_in "$TAG-1" 'echo mine >/d/f'
uuid=$(field data-db-0 fsUuid)
"$K" delete --force "$TAG-1"
up "$TAG-1" --pod ns/db-0 --volume-claim-template data:64Mi:/d
sh_in "$TAG-1" 'cat /d/f'
is "$out:$(field data-db-0 fsUuid)" "mine:$uuid" "and finds it again"
"$K" delete --force "$TAG-1"
up "$TAG-1" --pod ns/db-0 --hostname other --volume-claim-template data:32Mi:/d
like "$rc:$err" '1:*host name "db-0"*"other"*' "another host name is refused with both"
try "$K" pod inspect ns/db-0
is "$(jq -r '.hostname, .incarnation, .claims[0], .running' <<<"$out" | paste -sd,)" "db-0,2,data-db-0,false" "pod inspect"
try "$K" pod inspect -f table ns/db-0
like "$out" "NAMESPACE*ns *db-0 *Free *2 *" "pod inspect as a table"
try "$K" pod list
like "$out" "*ns *db-0 *Free *2 *" "pod list"
try "$K" pod forget ns/db-0
is "$rc" 0 "pod forget"
is "$(field data-db-0 fsUuid)" "$uuid" "leaves the claim"
vol delete -n ns data-db-0

# ---- what is not the volume is refused, and not touched --------------------------------------

refused() { # NAME GLOB
	local sum
	sum=$(sha256sum <"$(image data)")
	up "$TAG-1" --pod ns/web-0 --volume data:/d
	like "$rc:$err" "1:$2" "$1"
	is "$(sha256sum <"$(image data)")" "$sum" "$1: not a byte is changed"
	rm -rf "${KSHIM_ROOT:?}/$TAG-1"
}
cp --sparse=always "$(image data)" "$T/image"
restore() { cp --sparse=always "$T/image" "$(image data)"; }

e2fsck -fy "$(image data)" >/dev/null 2>&1
tune2fs -f -U 11111111-2222-4333-8444-555555555555 "$(image data)" >/dev/null 2>&1
refused "another UUID" "*found file system \"ext4\" with UUID \"11111111-*, the record says ext4 with $(field data fsUuid)*"
restore
truncate -s 48M "$(image data)"
refused "another size" "*its image has 48Mi, the record says 32Mi*"
restore
dd if=/dev/zero of="$(image data)" bs=64k count=1 conv=notrunc status=none
refused "a lost superblock" '*found file system "" with UUID ""*'
restore
mv "$(image data)" "$(image data).away" && ln -s "$T/image" "$(image data)"
refused "an image that became a link" "*open the image*"
rm "$(image data)"
up "$TAG-1" --pod ns/web-0 --volume data:/d
like "$rc:$err" "1:*open the image: No such file*" "an image that is missing"
mv "$(image data).away" "$(image data)"
loop=$(losetup -f --show "$(image data)")
refused "an image that somebody attached" "*its image is still attached to $loop*"
losetup -d "$loop"
debugfs -w -R "sif <11> links_count 9" "$(image data)" >/dev/null 2>&1
debugfs -w -R "ssv state 2" "$(image data)" >/dev/null 2>&1
up "$TAG-1" --pod ns/web-0 --volume data:/d
is "$rc" 0 "what e2fsck -p repairs is repaired"
sh_in "$TAG-1" 'cat /d/test.txt'
is "$out" 123 "and the file is there"
"$K" delete --force "$TAG-1"
e2fsck -fn "$(image data)" >/dev/null 2>&1
ok $? "the file system is clean afterwards"
vol create -n ns strict --size 32Mi --fsck refuse
debugfs -w -R "sif <11> links_count 9" "$(image strict)" >/dev/null 2>&1
debugfs -w -R "ssv state 2" "$(image strict)" >/dev/null 2>&1
up "$TAG-1" --pod ns/web-0 --volume strict:/d
like "$rc:$err" '1:*volume "ns/strict": file system errors*e2fsck*' "policy refuse refuses it"
vol delete -n ns strict

# ---- a command at the same time ----------------------------------------------------------------

# Holds the claim's lock as a gc does that clears a mark: for a moment.
perl -MFcntl -e '
	open(my $f, "+<", $ARGV[0]) or die "$!";
	my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
	fcntl($f, F_SETLK, $lock) or die "$!";
	open(my $m, ">", $ARGV[1]) or die "$!";
	select(undef, undef, undef, 0.4)' "$KSHIM_STATE_DIR/locks/volume.ns.data" "$T/locked" &
until [ -e "$T/locked" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
[ -e "$T/locked" ]
ok $? "another command has the claim"
up "$TAG-1" --pod ns/web-0 --volume data:/d
is "$rc:$err" "0:" "a pod that starts then waits for it, and is not refused"
wait $!
"$K" delete --force "$TAG-1"

# ---- damaged and unknown things ----------------------------------------------------------------

cp "$KSHIM_STATE_DIR/volumes/ns/data/volume.json" "$T/volume.json"
echo '{' >"$KSHIM_STATE_DIR/volumes/ns/data/volume.json"
mkdir -p "$KSHIM_STATE_DIR/volumes/ns/strange" && echo hi >"$KSHIM_STATE_DIR/volumes/ns/strange/file"
vol list
like "$rc:$err" '0:*ns/data*damaged*' "a damaged record is reported"
vol delete -n ns data
like "$rc:$err" "1:*damaged*" "and leads to no deletion"
up "$TAG-1" --pod ns/web-0 --volume data:/d
like "$rc:$err" "1:*damaged*" "nor to a mount"
up "$TAG-1" --pod ns/web-0 --volume data:32Mi:/d
like "$rc:$err" "1:*" "nor to a format, with a size"
try "$K" gc
is "$rc" 0 "gc"
[ -f "$(image data)" ] && [ -f "$KSHIM_STATE_DIR/volumes/ns/strange/file" ]
ok $? "keeps what it does not know"
cp "$T/volume.json" "$KSHIM_STATE_DIR/volumes/ns/data/volume.json"
up "$TAG-1" --pod ns/web-0 --volume data:/d
sh_in "$TAG-1" 'cat /d/test.txt'
is "$out" 123 "with its record back the volume is whole"
"$K" delete --force "$TAG-1"
rm -r "$KSHIM_STATE_DIR/volumes/ns/strange"

# ---- user namespaces --------------------------------------------------------------------------

bundle "$T/b" '.process.args = ["sh", "-c", "id -u; stat -c %u /d/test.txt; echo x >/d/new && stat -c %u /d/new"]
	| .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings | .root.readonly = false | del(.mounts[] | select(.type == "cgroup"))
	| .annotations = {"dev.kshim.pod": "ns/web-0",
	"dev.kshim.volumes": "[{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]",
	"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"d\",\"mountPath\":\"/d\"}]}"} | .hostname = "web-0"'
try "$K" run -b "$T/b" "$TAG-u"
is "$rc:$out" $'0:0\n0\n0' "a pod in a user namespace sees its volume as its own"
is "$(debugfs -R 'stat /new' "$(image data)" 2>/dev/null | grep -o 'User: *0')" "User:     0" "on the disk root owns it"

no_leaks
vol delete -n ns data
is "$rc" 0 "the volume is deleted at the end"
