#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the operator's policy lets volumes be, and that it is no default when it is wrong.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
requires losetup
[ -e /dev/loop-control ] || skip_all "needs loop devices"
pod_rootfs

export KSHIM_POLICY=$T/policy/kshim.json
vol() { try "$K" volume "$@"; }
policy() { # JSON
	mkdir -p "$T/policy"
	printf '%s\n' "$1" >"$KSHIM_POLICY"
	chmod 644 "$KSHIM_POLICY"
}
volumes() { find "$KSHIM_STATE_DIR"/{volumes,journal} -type f 2>/dev/null | wc -l; }

vol create -n ns free --size 64Mi
like "$rc:$err" "1:*open the policy $KSHIM_POLICY: No such file*" "a file that is named must be there"
mkdir "$T/policy"
ln -s nowhere "$KSHIM_POLICY"
vol create -n ns free --size 64Mi
like "$rc:$err" "1:*open the policy*" "a link that leads nowhere is not no policy"
rm "$KSHIM_POLICY"
try env -u KSHIM_POLICY "$K" volume create -n ns free --size 64Mi
is "$rc:$err" 0: "without the file there is no limit"

# ---- what it bounds ------------------------------------------------------------------------
policy '{"volumes": {"maxSize": "64Mi", "fileSystems": ["ext4"], "fsck": "refuse"}}'
vol create -n ns a --size 65Mi
like "$rc:$err" "1:*volume \"ns/a\": 65Mi is more than a volume may have, 64Mi ($KSHIM_POLICY)*" "a volume that is too large"
vol create -n ns a --size 300Mi --fs xfs
like "$rc:$err" "1:*file system xfs is not among those that the policy allows*" "a file system that is not allowed"
vol create -n ns a --size 64Mi
is "$rc:$(field a fsck)" 0:refuse "what is left open is as the policy has it"
vol create -n ns b --size 64Mi --fsck repair
is "$rc:$(field b fsck)" 0:repair "what is said is as it is said"
policy '{"volumes": {"fileSystems": ["xfs"]}}'
vol create -n ns c --size 300Mi
is "$rc:$(field c fsType)" 0:xfs "the file system that is allowed is the default"
vol create -n ns d --size 64Mi
like "$rc:$err" "1:*xfs' least*" "with its own least size"
vol delete -n ns c

# ---- capacity --------------------------------------------------------------------------------
policy '{"volumes": {"capacity": "321Mi", "namespaceCapacity": "128Mi", "namespaces": {"ns": "200Mi", "none": "0"}}}'
vol create -n ns c --size 16Mi
like "$rc:$err" '1:*no room for 16Mi: the volumes of its namespace have 192Mi of 200Mi*' "a namespace that is full"
vol create -n other a --size 129Mi
like "$rc:$err" '1:*no room for 129Mi: the volumes of its namespace have 0 of 128Mi*' "one that is not listed"
vol create -n none a --size 16Mi
like "$rc:$err" '1:*no room for 16Mi: the volumes of its namespace have 0 of 0*' "one that may have none"
vol create -n other a --size 128Mi
is "$rc:$err" 0: "what fits, fits"
vol create -n third a --size 16Mi
like "$rc:$err" '1:*no room for 16Mi: the volumes of this node have 320Mi of 321Mi*' "a node that is full"
vol delete -n ns free
vol create -n third a --size 16Mi
is "$rc:$err" 0: "what is deleted makes room"
vol delete -n third a
vol delete -n other a

# Pods are bound by it, too: an annotation is not the operator's.
up "$TAG-1" --pod other/web-0 --volume-claim-template data:129Mi:/d
like "$rc:$err" '1:*no room for 129Mi*' "a pod's claim is bounded"
[ ! -e "$KSHIM_STATE_DIR/volumes/other/data-web-0" ]
ok $? "and not made"
up "$TAG-1" --pod other/web-0 --volume-claim-template data:64Mi:/d
is "$rc:$err" 0: "one that fits is made"
"$K" delete --force "$TAG-1"

# Many at once: none is made that has no room.
policy '{"volumes": {"namespaceCapacity": "64Mi"}}'
for i in $(seq 12); do "$K" volume create -n race "c$i" --size 16Mi >/dev/null 2>"$T/race.$i" & done
wait
is "$("$K" volume list -n race -f json | jq length)" 4 "of twelve creates at once four have room"
is "$(grep -l 'no room for 16Mi' "$T"/race.* | wc -l)" 8 "and eight are told"
for c in $("$K" volume list -n race -f json | jq -r '.[].claim'); do vol delete -n race "$c"; done

# One that is finished while another counts is counted, and once.
stopped() { # POINT CLAIM SIZE: a create that stops there; sets pid
	mkdir -p "$T/stop.$2"
	rm -f "$T/stop.$2/mark"
	KSHIM_CRASH_STOPS=1 KSHIM_CRASH_AT=$1 KSHIM_CRASH_DIR=$T/stop.$2 "$BUILD/crash/kshim" volume create -n race "$2" --size "$3" >"$T/stop.$2/out" 2>&1 </dev/null &
	pid=$!
	wait_for 60 grep -q '^State:.T' "/proc/$pid/status" && return
	echo "# $2 does not stop at $1"
	kill -KILL $pid
}
go_on() { kill -CONT "$1" 2>/dev/null; wait "$1"; }
for room in 31Mi 32Mi; do
	for what in '"capacity"' '"namespaceCapacity"'; do
		policy "{\"volumes\": {$what: \"$([ "$what" = '"capacity"' ] && echo $((${room%Mi} + 192))Mi || echo $room)\"}}"
		stopped volume-formatted b 16Mi; b=$pid
		stopped policy-counting a 16Mi; a=$pid
		go_on "$b"
		go_on "$a"
		is "$?:$("$K" volume list -n race -f json | jq -c '[.[].claim]')" "$([ $room = 32Mi ] && echo '0:["a","b"]' || echo '1:["b"]')" "two of 16Mi at once in $room of $what"
		for c in a b; do "$K" volume delete -n race $c 2>/dev/null; done
	done
done

policy '{"volumes": {"namespaceCapacity": "64Mi"}}'

# A create that was killed holds no room for ever.
KSHIM_CRASH_AT=volume-journalled "$BUILD/crash/kshim" volume create -n race dead --size 64Mi 2>/dev/null
is $? 137 "a create is killed"
vol create -n race alive --size 64Mi
is "$rc:$err" 0: "what it wanted is free"
vol delete -n race alive
"$K" gc >/dev/null

before=$(volumes)
KSHIM_CRASH_AT=policy-counting "$BUILD/crash/kshim" volume create -n race dead --size 64Mi 2>/dev/null
is "$?:$(volumes)" "137:$before" "one that is killed while it counts leaves nothing"

# What is damaged has its room still: its data is there.
vol create -n race hurt --size 64Mi
echo x >"$KSHIM_STATE_DIR/volumes/race/hurt/volume.json"
vol create -n race next --size 16Mi
like "$rc:$err" '1:*have 64Mi of 64Mi*' "a volume whose record is damaged counts by its image"
rm -rf --one-file-system "$KSHIM_STATE_DIR/volumes/race"
: >"$KSHIM_STATE_DIR/volumes/notes"
vol create -n race next --size 16Mi
is "$rc:$err" 0: "what is no directory does not count"
vol delete -n race next
rm "$KSHIM_STATE_DIR/volumes/notes"
ln -s "$T" "$KSHIM_STATE_DIR/volumes/race"
vol create -n race next --size 16Mi
like "$rc:$err" '1:*symbolic link*' "a link in its place is not counted as nothing"
rm "$KSHIM_STATE_DIR/volumes/race"

# ---- what is there stays -----------------------------------------------------------------------
policy '{"volumes": {"capacity": "0", "maxSize": "16Mi", "fileSystems": ["xfs"]}}'
up "$TAG-1" --pod other/web-0 --volume-claim-template data:64Mi:/d
is "$rc:$err" 0: "a volume that is there is attached, whatever the policy says now"
"$K" delete --force "$TAG-1"

# ---- a wrong file --------------------------------------------------------------------------------
before=$(volumes)
while IFS='|' read -r json glob; do
	policy "$json"
	vol create -n ns wrong --size 16Mi
	like "$rc:$err" "1:*policy $KSHIM_POLICY*$glob" "wrong: $json"
done <<'C'
{|*
[]|*
{"volume": {}}|*volume: is not known*
{"volumes": {"maxsize": "1Gi"}}|*volumes.maxsize: is not known*
{"volumes": {"maxSize": "lots"}}|*volumes.maxSize: "lots" is not a size*
{"volumes": {"maxSize": 5}}|*volumes.maxSize*string*
{"volumes": {"maxSize": ""}}|*volumes.maxSize*empty*
{"volumes": {"capacity": "-1"}}|*volumes.capacity: "-1" is not a size*
{"volumes": {"capacity": "100Ei"}}|*volumes.capacity*
{"volumes": {"namespaces": {"a/b": "1Gi"}}}|*volumes.namespaces.a/b: is no name*
{"volumes": {"namespaces": {"a": "x"}}}|*volumes.namespaces.a: "x" is not a size*
{"volumes": {"fileSystems": ["ntfs"]}}|*volumes.fileSystems: "ntfs" is not supported*
{"volumes": {"fileSystems": []}}|*volumes.fileSystems*empty*
{"volumes": {"fsck": "maybe"}}|*volumes.fsck: "maybe" is not repair or refuse*
{"volumes": []}|*volumes: expected object*
{"volumes": ["a", null]}|*volumes: expected object*
{"volumes": null}|*volumes: must not be null*
{"volumes": {"maxSize": null}}|*volumes.maxSize: must not be null*
{"volumes": {"maxSize": "16Mi", "maxSize": "1Gi"}}|*volumes.maxSize: stands there twice*
{"volumes": {"maxSize": "16Mi"}, "volumes": {}}|*volumes: stands there twice*
{"volumes": {"namespaces": {"ns": "0", "ns": "1Gi"}}}|*volumes.namespaces.ns: stands there twice*
{"volumes": {"namespaces": {"ns": null}}}|*volumes.namespaces.ns: must not be null*
C
policy "{\"volumes\": {\"namespaces\": {$(for i in $(seq 5000); do printf '"n%d":"1Gi",' "$i"; done)\"x\":\"1Gi\"}}}"
vol create -n ns wrong --size 16Mi
like "$rc:$err" '1:*volumes.namespaces: has more than 4096 members*' "wrong: too many namespaces"
is "$(volumes)" "$before" "none of them let one be made"
try "$K" gc
like "$out" "*policy $KSHIM_POLICY*" "gc tells of a wrong policy"
up "$TAG-1" --pod other/web-0 --volume-claim-template data:64Mi:/d
is "$rc:$err" 0: "a volume that is there is attached under a wrong policy"
"$K" delete --force "$TAG-1"
policy '{"volumes": {}}'
chmod 666 "$KSHIM_POLICY"
vol create -n ns wrong --size 16Mi
like "$rc:$err" "1:*the policy $KSHIM_POLICY must be a file of root's*writable for nobody else*" "one that others can write"
chmod 644 "$KSHIM_POLICY"
chown 1000 "$KSHIM_POLICY"
vol create -n ns wrong --size 16Mi
like "$rc:$err" "1:*must be a file of root's*" "one of somebody else's"
chown 0 "$KSHIM_POLICY"
chmod 777 "$T/policy"
vol create -n ns wrong --size 16Mi
like "$rc:$err" "1:*in a directory of root's*" "one that others can replace"
chmod 755 "$T/policy"
try env KSHIM_POLICY=kshim.json "$K" volume create -n ns wrong --size 16Mi
like "$rc:$err" '1:*"kshim.json" is no absolute path*' "one that is named from here"
rm "$KSHIM_POLICY"
mkfifo "$KSHIM_POLICY"
vol create -n ns wrong --size 16Mi
like "$rc:$err" "1:*must be a file of root's*" "one that is no file"
rm "$KSHIM_POLICY"
mkdir "$KSHIM_POLICY"
vol create -n ns wrong --size 16Mi
is "$rc" 1 "nor a directory"
rmdir "$KSHIM_POLICY"
policy '{}'
vol create -n ns right --size 16Mi
is "$rc:$err" 0: "an empty policy is none"
no_leaks
