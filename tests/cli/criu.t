#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# checkpoint and restore: what runs goes on where it was, with all that it had;
# what cannot be is refused, and leaves things as they were.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/criu.sh"
requires_root
requires runc
requires jq
TTY=$BUILD/helper/tty
B=$T/b
IMG=$T/img
ID=$TAG-1
bundle "$B"

# ---- without criu, and in vain ----------------------------------------------------------

try env PATH=/nonexistent "$K" checkpoint --image-path "$IMG" "$TAG-none"
like "$rc:$err" "1:*container \"$TAG-none\" does not exist*" "checkpoint of nothing"
edit "$B" '.process.args = ["sleep", "1000"]'
"$K" run -d -b "$B" "$ID" >/dev/null 2>&1 </dev/null
try env PATH=/nonexistent "$K" checkpoint --image-path "$IMG" "$ID"
like "$rc:$err" "1:*criu is not installed*" "checkpoint without criu"
is "$("$K" state "$ID" | jq -r .status)" running "and it still runs"
while IFS='|' read -r args glob; do
	eval "try '$K' $args"
	like "$rc:$err" "$glob" "$args"
done <<'C'
checkpoint --image-path "" "$ID"|2:*--image-path is empty*
checkpoint --manage-cgroups-mode some "$ID"|2:*"some" is not one of soft, full, strict, ignore*
checkpoint --network-lock rope "$ID"|2:*"rope" is not one of iptables, nftables, skip*
checkpoint --page-server nowhere "$ID"|2:*"nowhere" is not ADDRESS:PORT*
checkpoint --page-server 127.0.0.1:0 "$ID"|2:*is not ADDRESS:PORT*
checkpoint --status-fd 77 "$ID"|2:*--status-fd: 77 is not an open descriptor*
checkpoint --empty-ns uts "$ID"|2:*"uts" is not network*
checkpoint --image-path "$IMG" --parent-path /abs "$ID"|1:*must be relative*
checkpoint --image-path "$IMG" --parent-path ../none "$ID"|1:*parent path ../none*No such file*
restore --image-path "$T/none" -b "$B" "$TAG-2"|1:*open the image directory*none*No such file*
restore --no-pivot --image-path "$T" -b "$B" "$TAG-2"|1:*--no-pivot is not supported by restore*
C
mkdir "$T/empty"
try "$K" restore --image-path "$T/empty" -b "$B" "$TAG-2"
like "$rc:$err" "1:*$T/empty is no checkpoint of a container*" "restore from an empty directory"
is "$("$K" list -q | grep -c "$TAG-2")" 0 "a restore that failed leaves no container"
"$K" delete --force "$ID"
"$K" create -b "$B" "$ID" >/dev/null 2>&1 </dev/null
try "$K" checkpoint --image-path "$IMG" "$ID"
like "$rc:$err" "1:*cannot checkpoint container \"$ID\": it is created*" "checkpoint of a created one"
"$K" delete --force "$ID"
for v in checkpoint restore; do
	try "$K" "$v" --help
	is "$rc" 0 "$v --help, by which engines know that it is there"
done

# ---- what criu is told: each option, and what is always so --------------------------------------

mkdir "$T/fake" "$T/parent"
cat >"$T/fake/criu" <<E
#!/usr/bin/python3 -B
import socket, sys
sys.path.insert(0, "$TOP/tests/lib")
import pb
s = socket.socket(fileno=int(sys.argv[2]))
opts = pb.decode(pb.decode(s.recv(1 << 20))[2][0])
with open("$T/told", "w") as f:
    for n, values in sorted(opts.items()):
        print(n, *(v.decode("latin1") if isinstance(v, bytes) else v for v in values), file=f)
s.send(bytes([8, 1, 16, 0]))
E
chmod 755 "$T/fake/criu"
"$K" run -d -b "$B" "$ID" >/dev/null 2>&1 </dev/null
echo '[]' >"$T/empty/descriptors.json"
while IFS='|' read -r verb option field want; do
	case $verb in
	checkpoint) words="checkpoint --image-path $IMG $option $ID" ;;
	restore) words="restore --image-path $T/empty -b $B $option $TAG-2" ;;
	esac
	rm -f "$T/told"
	# shellcheck disable=SC2086 # words
	PATH=$T/fake:$PATH try "$K" $words
	like "$rc:$err:$(sed -n "s/^$field //p" "$T/told")" "1:*criu could not *:$want" "$verb $option: criu is told"
done <<C
checkpoint||2|$("$K" state "$ID" | jq .pid)
checkpoint||3|0
checkpoint|--leave-running|3|1
checkpoint|--pre-dump|3|1
checkpoint|--pre-dump|15|1
checkpoint|--ext-unix-sk|4|1
checkpoint||5|0
checkpoint|--tcp-established|5|1
checkpoint|--shell-job|7|1
checkpoint|--file-locks|8|1
checkpoint||10|dump.log
checkpoint|--page-server ::1:77|11|$(printf '\n\003::1\020M')
checkpoint||13|$B/rootfs
checkpoint|--parent-path ../parent|14|../parent
checkpoint|--auto-dedup|16|1
checkpoint|--link-remap|18|1
checkpoint|--manage-cgroups-mode strict|34|5
checkpoint|--manage-cgroups-mode ignore|34|0
checkpoint||38|1073741824
checkpoint|--tcp-skip-in-flight|46|1
checkpoint|--lazy-pages|48|1
checkpoint|--lazy-pages --status-fd 2|49|2
checkpoint||50|1
checkpoint|--network-lock nftables|64|2
checkpoint|--network-lock skip|64|3
restore|--ext-unix-sk|4|1
restore|--tcp-established|5|1
restore|--shell-job|7|1
restore|--file-locks|8|1
restore||10|restore.log
restore||13|$KSHIM_ROOT/root
restore|--auto-dedup|16|1
restore||26|1
restore|--manage-cgroups-mode full|34|4
restore||38|1073741824
restore|--lazy-pages|48|1
restore|--lsm-profile apparmor:x|53|apparmor:x
restore|--lsm-mount-context x:y|63|x:y
restore|--network-lock iptables|64|1
C
PATH=$T/fake:$PATH try "$K" restore --image-path "$T/empty" -b "$B" "$TAG-2"
is "$("$K" list -q)" "$ID" "a restore that fails in criu leaves no container"
mkdir "$T/hostile"
for f in restore.log stats-restore; do
	echo '[]' >"$T/hostile/descriptors.json"
	ln -s "$T/precious" "$T/hostile/$f"
	echo precious >"$T/precious"
	PATH=$T/fake:$PATH try "$K" restore --image-path "$T/hostile" -b "$B" "$TAG-2"
	like "$rc:$err:$(cat "$T/precious")" "1:*$f is no regular file*:precious" "images with a link as their $f"
	rm "$T/hostile/$f"
done
rm "$T/hostile/descriptors.json"
mkfifo "$T/hostile/descriptors.json"
PATH=$T/fake:$PATH try timeout 10 "$K" restore --image-path "$T/hostile" -b "$B" "$TAG-2"
like "$rc:$err" "1:*descriptors.json*no file*" "images with a FIFO among them"
printf '#!/bin/sh\nexit 3\n' >"$T/fake/criu"
PATH=$T/fake:$PATH try "$K" checkpoint --image-path "$IMG" "$ID"
like "$rc:$err" "1:*criu ended without an answer*" "a criu that says nothing"
is "$("$K" state "$ID" | jq -r .status)" running "after all of that it still runs"
"$K" delete --force "$ID"

if ! criu_use; then
	skip "there and back" "$no_criu"
	no_leaks
	exit
fi

# Images of a user namespace want idmapped mounts, which a tmpfs has since Linux 6.3.
U=$(mktemp -d /var/tmp/kshim-test.XXXXXX)
at_exit='rm -rf --one-file-system "$U"'

# ---- there and back ---------------------------------------------------------------------------

# Before 3.18 criu loses no_new_privs: see below.
# shellcheck disable=SC2016 # for the container
COUNT='.process.noNewPrivileges = false | .process.args = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i >>/tmp/n; sleep 0.05; done"]
	| .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"}]'
start() { "$K" run -d -b "$B" "$ID" >/dev/null 2>&1 </dev/null; }
goes_on() { [ "$(number)" -gt "${m:-999999}" ]; } # it counts on from $m
number() { "$K" exec "$ID" tail -n 1 /tmp/n; }
save() { try timeout 60 "$K" checkpoint --image-path "$IMG" "$@" "$ID"; }
back() { try "$K" restore -d --image-path "$IMG" -b "$B" "$@" "$ID"; }
# What criu says of a failure; and what was not checkpointed ends, so that nobody waits for it.
said() {
	[ "$rc" = 0 ] && return
	echo "#   $err"
	grep -h 'Error (' "$IMG"/*.log | sed 's/^/#   /'
	"$K" kill "$ID" KILL 2>/dev/null
}

mkdir "$T/ro" "$T/rw"
echo lent >"$T/ro/f"
bundle "$B" "$COUNT"' | .root.readonly = true | .mounts += [{destination: "/mnt/ro", source: "'"$T/ro"'", options: ["rbind", "ro"]},
	{destination: "/mnt/rw", source: "'"$T/rw"'", options: ["bind", "nosuid", "nodev"]}]'
mkdir -p "$B/rootfs/mnt/ro" "$B/rootfs/mnt/real"
ln -s real "$B/rootfs/mnt/rw" # a link of the image
view() { "$K" exec "$ID" sh -c "awk '{ print \$5, \$6 }' /proc/1/mountinfo | sort"; }
start
wait_for 5 number
before=$(view)
caps=$("$K" exec "$ID" grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid)' /proc/1/status)
env_=$("$K" exec "$ID" sha256sum /proc/1/environ)
was=$("$K" state "$ID" | jq -r .pid)
n=$(number)
save
is "$rc:$err" "0:" "checkpoint"
said
is "$(find "$IMG" -type f -perm /077 | wc -l)" 0 "its files are for root alone"
! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$was/status"
ok $? "its processes are gone"
is "$("$K" list -q | grep -c "$ID")" 0 "the container is deleted, as with the peers"
back --pid-file "$T/pid"
is "$rc:$err" "0:" "restore"
said
m=$(number)
[ "${m:-0}" -ge "${n:-999999}" ] && [ "${m:-0}" -lt $((${n:-0} + 100)) ]
ok $? "it goes on where it was ($n, $m)"
wait_for 10 goes_on
ok $? "and goes on"
is "$("$K" state "$ID" | jq -r '.status, .pid')" "running
$(cat "$T/pid")" "it is running, and --pid-file has its pid"
is "$(view)" "$before" "the same mounts with the same options"
is "$("$K" exec "$ID" grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid)' /proc/1/status)" "$caps" "the same capabilities and filters"
is "$("$K" exec "$ID" sha256sum /proc/1/environ)" "$env_" "the same environment"
like "$("$K" exec "$ID" cat /mnt/ro/f)" lent "what it was lent is there"
"$K" exec "$ID" sh -c 'echo x >/mnt/ro/f' 2>/dev/null
is "$?" 1 "and is read-only where it was"
"$K" exec "$ID" touch /f 2>/dev/null
is "$?" 1 "so is its root"
is "$("$K" exec "$ID" sh -c 'cat /proc/keys /proc/timer_list | wc -c')" 0 "masked files are masked"
is "$(sed 's/.*://' "/proc/$(cat "$T/pid")/cgroup" | grep -vc "kshim-$ID")" 0 "it is in its cgroup"
grep -q "$T/run" /proc/self/mountinfo
is "$?" 1 "nothing is mounted on the host for it"
"$K" pause "$ID"
save --leave-running
is "$rc:$("$K" state "$ID" | jq -r .status)" "0:paused" "checkpoint --leave-running of a paused one leaves it paused"
said
"$K" resume "$ID"
back
like "$rc:$err" "1:*container \"$ID\" already exists*" "restore of an id that is there"
save --leave-running
m=$(number)
[ "$rc" = 0 ] && wait_for 10 goes_on
ok $? "checkpoint --leave-running, and it goes on"
"$K" kill "$ID" KILL
wait_for 5 sh -c "\"$K\" state $ID | grep -q stopped"
save
like "$rc:$err" "1:*cannot checkpoint container \"$ID\": it is stopped*" "checkpoint of a stopped one"
"$K" delete "$ID"

# Its id is one thing, its cgroup and its root may be others.
cp -a "$B" "$T/b2"
ID=$TAG-2
try "$K" restore -d --image-path "$IMG" -b "$T/b2" "$ID"
is "$rc:$err" "0:" "restore under another id, with another root"
is "$(sed 's/.*://' "/proc/$("$K" state "$ID" | jq .pid)/cgroup" | grep -vc "kshim-$ID")" 0 "it is in the cgroup of that id"
wait_for 5 number
ok $? "and runs"
"$K" delete --force "$ID"
rm -rf --one-file-system "$T/b2/rootfs/"{mnt/ro,tmp,dev,proc,sys}
try "$K" restore -d --image-path "$IMG" -b "$T/b2" "$ID"
is "$rc:$err" "0:" "restore in a root without places for its mounts"
"$K" delete --force "$ID"
ID=$TAG-1
for mode in soft full ignore; do
	start
	save --manage-cgroups-mode $mode && back --manage-cgroups-mode $mode
	is "$rc:$(sed 's/.*://' "/proc/$("$K" state "$ID" | jq .pid)/cgroup" | grep -vc "kshim-$ID")" "0:0" "cgroups mode $mode"
	said
	"$K" delete --force "$ID"
done

# Its session keyring is not that of whoever restores it; nor has criu descriptors of the caller's.
bundle "$B" "$COUNT"' | .linux.maskedPaths = [] | .process.args[2] = "while :; do cat /proc/keys >/tmp/keys; echo 1 >/tmp/n; sleep 0.05; done"'
start
wait_for 5 number
save
sed -i 's/^exec /ls -l \/proc\/self\/fd >>"$0.fds"; exec /' "$T/bin/criu" 2>/dev/null
try "$K" restore -d --image-path "$IMG" -b "$B" "$ID" 9<"$T/ro/f"
is "$rc" 0 "restore by a caller with a descriptor more"
said
if [ -e "$T/bin/criu.fds" ]; then
	is "$(grep -c "$T/ro/f" "$T/bin/criu.fds")" 0 "which criu does not get"
else
	skip "which criu does not get" "this criu is the system's"
fi
sleep 0.3
if grep -q . /proc/keys 2>/dev/null; then
	wait_for 10 "$K" exec "$ID" grep -q "_ses.$ID" /tmp/keys
	ok $? "a session keyring of its own"
else
	skip "a session keyring of its own" "this kernel shows no keys"
fi
"$K" delete --force "$ID"

# ---- in the foreground: streams, signals, exit code ---------------------------------------------

# shellcheck disable=SC2016 # for the container
bundle "$B" '.process.noNewPrivileges = false | .process.args = ["sh", "-c", "trap \"echo got it; exit 7\" USR1; echo up; while :; do sleep 0.05; done"]'
"$K" run -b "$B" "$ID" 2>/dev/null </dev/null | cat >"$T/log" &
wait_for 5 grep -q up "$T/log"
save
is "$rc" 0 "checkpoint of a foreground run"
said
wait
(
	"$K" restore --image-path "$IMG" -b "$B" "$ID" 2>"$T/err2" </dev/null
	echo $? >"$T/code"
) | cat >"$T/log" &
wait_for 5 sh -c "\"$K\" state $ID | grep -q running"
"$K" kill "$ID" USR1
wait
is "$(cat "$T/log" "$T/code" "$T/err2")" $'got it\n7' "restore in the foreground: its pipe, signals and exit code"
is "$("$K" list -q | wc -l)" 0 "and it is deleted at its end"

# Files of the host, as an engine's FIFOs.
mkfifo "$T/fifo"
cat "$T/fifo" >"$T/log" &
"$K" run -d -b "$B" "$ID" >"$T/fifo" 2>"$T/err2" </dev/null
wait_for 5 grep -q up "$T/log"
save
is "$rc:$err" "0:" "checkpoint of one that writes into a FIFO of the host, and a file"
said
wait
cat "$T/fifo" >"$T/log" &
"$K" restore -d --image-path "$IMG" -b "$B" "$ID" >"$T/fifo" 2>"$T/err2" </dev/null
"$K" kill "$ID" USR1
wait
is "$(cat "$T/log" "$T/err2")" "got it" "restored, it writes into that of the caller"
"$K" delete --force "$ID"

bundle "$B" '.process.noNewPrivileges = false | .process.terminal = true | .process.args = ["sh", "-c", "while read l; do echo \"$l $(tty)\"; done; exit 3"]'
"$TTY" recv "$T/sock" >/dev/null 2>&1 &
tty=$!
wait_for 5 test -S "$T/sock"
"$K" run -d -b "$B" --console-socket "$T/sock" "$ID" 2>"$T/err2" </dev/null
save
is "$rc:$err" "0:" "checkpoint of one with a terminal"
said
wait "$tty"
back
like "$rc:$err" "1:*needs --console-socket*" "a terminal wants a socket again"
# Typed when it is there: before, an end of input is that of a terminal that is not raw yet.
(wait_for 30 sh -c "\"$K\" state $ID | grep -q running"; sleep 0.5; echo hello; sleep 0.5; printf '\004') |
	timeout 60 "$TTY" run "$K" restore --image-path "$IMG" -b "$B" "$ID" >"$T/log" 2>"$T/err2"
is "$?" 3 "its terminal is the caller's: the end of input ends it"
like "$(tr -d '\r' <"$T/log")" "*hello /dev/pts/0*" "and it answers there"

# ---- the pod's: identity, claim, emptyDir --------------------------------------------------------

if [ -e /dev/loop-control ]; then
	"$K" volume create -n ns data --size 16Mi >/dev/null
	bundle "$B" "$COUNT"' | .process.args[2] = "exec 5>>/d/log; " + .process.args[2] | .annotations = {"dev.kshim.pod": "ns/p-0",
		"dev.kshim.volumes": "[{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}},{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"m\",\"emptyDir\":{\"medium\":\"Memory\"}}]",
		"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"d\",\"mountPath\":\"/d\"},{\"name\":\"e\",\"mountPath\":\"/e\"},{\"name\":\"m\",\"mountPath\":\"/m\"}]}"}'
	img=$KSHIM_STATE_DIR/volumes/ns/data/image
	start
	"$K" exec "$ID" sh -c 'echo 123 >/d/f; touch /e/x /m/x; sync'
	uuid=$(blkid -p -o value -s UUID "$img")
	save
	is "$rc:$err" "0:" "checkpoint of a pod with volumes"
	said
	is "$("$K" pod inspect ns/p-0 | jq .running):$(losetup -n -O BACK-FILE -a | grep -c "$img")" "false:0" "its name and disk are free"
	back
	is "$rc:$err" "0:" "restore of it"
	said
	is "$("$K" exec "$ID" sh -c 'cat /d/f; ls /e /m | grep -c x; readlink /proc/1/fd/5'):$(losetup -n -O BACK-FILE -a | grep -c "$img")" \
		$'123\n0\n/d/log:1' "the disk is there, attached once, and open; emptyDirs are of the new pod"
	is "$(blkid -p -o value -s UUID "$img")" "$uuid" "it was not formatted again"
	try "$K" restore -d --image-path "$IMG" -b "$B" "$TAG-2"
	like "$rc:$err" "1:*ns/p-0*" "a second restore cannot have the pod's name"
	is "$("$K" list -q)" "$ID" "and leaves nothing"
	"$K" exec "$ID" cat /d/f >/dev/null
	ok $? "nor does it hurt the first"
	"$K" delete --force "$ID"

	bundle "$T/u" "$COUNT"' | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings | .annotations = {"dev.kshim.pod": "ns/p-1", "dev.kshim.volumes": "[{\"name\":\"e\",\"emptyDir\":{}}]",
		"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"e\",\"mountPath\":\"/e\"}]}"}'
	chown -R 100000:100000 "$T/u/rootfs"
	chmod 711 "$T"
	"$K" run -d -b "$T/u" "$TAG-u" >/dev/null 2>&1 </dev/null
	wait_for 5 "$K" exec "$TAG-u" cat /tmp/n
	own=$("$K" exec "$TAG-u" stat -c %u:%g /e)
	try "$K" checkpoint --image-path "$U/2" "$TAG-u"
	is "$rc:$err" "0:" "checkpoint with a volume in a user namespace"
	try "$K" restore -d --image-path "$U/2" -b "$T/u" "$TAG-u"
	is "$rc:$err:$("$K" exec "$TAG-u" stat -c %u:%g /e)" "0::$own" "restore of it: the volume has the container's ids"
	"$K" delete --force "$TAG-u"
	"$K" pod forget ns/p-1

	# As SIGKILL would, at points of the way.
	C=$BUILD/crash/kshim
	if [ -x "$C" ]; then
		for p in claimed storage-up cgroup-recorded restored recorded; do
			{ KSHIM_CRASH_AT=$p:1 KSHIM_CRASH_DIR=$T timeout 60 "$C" restore -d --image-path "$IMG" -b "$B" "$ID" </dev/null; } >/dev/null 2>&1
			[ -e "$T/mark" ]
			ok $? "restore stops at $p"
			rm -f "$T/mark"
			"$K" delete --force "$ID"
			back
			is "$rc:$("$K" exec "$ID" cat /d/f)" "0:123" "and can be done again"
			"$K" delete --force "$ID"
			is "$(blkid -p -o value -s UUID "$img")" "$uuid" "on the same disk"
		done
		start
		{ KSHIM_CRASH_AT=checkpoint:1 KSHIM_CRASH_DIR=$T timeout 60 "$C" checkpoint --image-path "$IMG" "$ID" </dev/null; } >/dev/null 2>&1
		rm "$T/mark"
		is "$("$K" state "$ID" | jq -r .status)" running "a checkpoint that is killed leaves it running"
		"$K" delete --force "$ID"
	else
		skip "killed on the way" "needs $C (make check builds it)"
	fi
	"$K" pod forget ns/p-0
	"$K" volume delete -n ns data
else
	skip "volumes" "needs loop devices"
fi

# ---- namespaces -------------------------------------------------------------------------------------

unshare -n -u -i sleep 1000 &
pod=$!
wait_for 5 sh -c "[ \"\$(readlink /proc/$pod/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
bundle "$B" "$COUNT"' | del(.hostname) | .linux.namespaces = [.linux.namespaces[] | select(.type != "network" and .type != "uts" and .type != "ipc")] +
	[{type: "network", path: "/proc/'$pod'/ns/net"}, {type: "uts", path: "/proc/'$pod'/ns/uts"}, {type: "ipc", path: "/proc/'$pod'/ns/ipc"}]'
start
save
is "$rc:$err" "0:" "checkpoint of one that shares namespaces"
said
back
is "$rc:$err" "0:" "restore of it"
said
init=$("$K" state "$ID" | jq .pid)
for ns in net uts ipc; do
	is "$(readlink "/proc/$init/ns/$ns")" "$(readlink "/proc/$pod/ns/$ns")" "it shares the $ns namespace again"
done
"$K" delete --force "$ID"
bundle "$B" "$COUNT"' | .linux.namespaces = [.linux.namespaces[] | select(.type != "cgroup")] + [{type: "cgroup", path: "/proc/'$pod'/ns/cgroup"}]'
start
save
like "$rc:$err" "1:*a cgroup namespace that was joined by its path is not supported*" "a cgroup namespace that is shared"
"$K" delete --force "$ID"
kill "$pod"
wait "$pod" 2>/dev/null

bundle "$B" "$COUNT"' | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'
chown -R 100000:100000 "$B/rootfs"
IMG=$U/1
chmod 711 "$T"
start
wait_for 5 number
save
is "$rc:$err:$(stat -c %a "$IMG")" "0::750" "checkpoint in a user namespace, into a directory of root and its group"
said
for i in 1 2 3 4 5; do # what it may read changes on the way
	back
	[ "$rc" = 0 ] || break
	[ "$i" = 5 ] || "$K" delete --force "$ID"
done
is "$rc:$err" "0:" "restore in a user namespace, five times"
said
is "$("$K" exec "$ID" sh -c 'tr -s " " </proc/1/uid_map; head -c 3 /dev/zero | wc -c'):$("$K" state "$ID" | jq -r .status)" " 0 100000 65536
3:running" "with its mapping and devices"
"$K" delete --force "$ID"
edit "$B" '.linux.gidMappings[0].size = 60000'
back
like "$rc:$err" "1:*with another gid_map than config.json demands*" "images of another mapping"
is "$("$K" list -q | wc -l)" 0 "and nothing is left"

mkdir "$T/small"
mount -t ramfs ramfs "$T/small"
cp "$IMG"/* "$T/small/"
chmod 700 "$T/small"
IMG=$T/small
back
like "$rc:$err" "1:*the file system of $T/small does not know idmapped mounts*" "where that cannot be it is said"
umount "$T/small"
IMG=$T/img

# ---- in steps, and over the network ------------------------------------------------------------------

rm -rf "$B/rootfs"
bundle "$B" "$COUNT"
start
wait_for 5 number
if criu check --feature mem_dirty_track >/dev/null 2>&1; then
	try "$K" checkpoint --image-path "$T/pre" --pre-dump "$ID"
	is "$rc:$("$K" state "$ID" | jq -r .status)" "0:running" "checkpoint --pre-dump leaves it running"
	save --parent-path ../pre
	is "$rc:$err" "0:" "checkpoint on top of it"
	said
	is "$(readlink "$IMG/parent")" ../pre "it names its parent"
	back
	is "$rc:$err" "0:" "restore of both"
	said
	wait_for 5 number
	ok $? "and it runs"
else
	skip "pre-dump" "this kernel does not track memory"
fi
mkdir "$T/pages"
criu page-server --images-dir "$T/pages" --address 127.0.0.1 --port 27811 >/dev/null 2>&1 &
server=$!
wait_for 5 sh -c "ss -ltn | grep -q :27811"
save --page-server 127.0.0.1:27811
is "$rc:$err" "0:" "checkpoint with a page server"
said
wait "$server"
[ -n "$(find "$T/pages" -name 'pages-*.img' -size +0)" ]
ok $? "which has the memory"
cp "$T"/pages/*.img "$IMG/"
back
is "$rc:$err" "0:" "restore with it"
said
"$K" delete --force "$ID"

# ---- confined as config.json demands, whatever the images say -------------------------------------------

confined() { # NAME GLOB FILTER: a restore with a config.json that gives less than the images
	bundle "$B" "$COUNT | $3"
	back
	like "$rc:$err" "1:*criu has restored process *$2*" "$1"
	is "$("$K" list -q | wc -l)" 0 "$1: and nothing is left"
}
IMG=$U/3
bundle "$B" "$COUNT"
start
save
confined "more capabilities than it may have" "with capabilities that config.json does not give it" \
	'.process.capabilities |= map_values(["CAP_KILL"])'
confined "no seccomp filter" "without a seccomp filter" \
	'.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["uselib"], action: "SCMP_ACT_ERRNO"}]}'
confined "no no_new_privs" "without no_new_privs" '.process.noNewPrivileges = true'
confined "no user namespace" "in another user namespace" '.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
bundle "$B" "$COUNT"' | .process.noNewPrivileges = true
	| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["uselib"], action: "SCMP_ACT_ERRNO"}]}'
start
save
back
case $(criu --version | sed -n 's/^Version: //p') in
[12].* | 3.[0-9] | 3.[0-9].* | 3.1[0-7] | 3.1[0-7].*)
	like "$rc:$err" "1:*without no_new_privs*criu before 3.18*" "no_new_privs: lost by this criu, and refused"
	;;
*)
	is "$rc:$("$K" exec "$ID" grep -E '^(NoNewPrivs|Seccomp):' /proc/1/status)" $'0:NoNewPrivs:\t1\nSeccomp:\t2' \
		"no_new_privs and the filter are there again"
	"$K" delete --force "$ID"
	;;
esac

# Killed before it was compared, what criu makes is no container that anybody could use.
if [ -x "$BUILD/crash/kshim" ]; then
	bundle "$B" "$COUNT"
	start
	save
	edit "$B" '.process.capabilities |= map_values(["CAP_KILL"])'
	{ KSHIM_CRASH_AT=restored:1 KSHIM_CRASH_DIR=$T timeout 60 "$BUILD/crash/kshim" restore -d --image-path "$IMG" -b "$B" "$ID" </dev/null; } >/dev/null 2>&1
	rm -f "$T/mark"
	sleep 0.5
	try "$K" exec "$ID" true
	is "$("$K" list | awk -v id="$ID" '$1 == id { print $3 }'):$rc" "creating:255" "killed before it was compared: half-made"
	"$K" delete --force "$ID"
else
	skip "killed before it was compared" "needs $BUILD/crash/kshim (make check builds it)"
fi

# ---- hooks, and what fails late ------------------------------------------------------------------------

printf '#!/bin/sh\ncat >>%q\necho >>%q\n' "$T/hooks" "$T/hooks" >"$T/hook"
printf '#!/bin/sh\nexit 5\n' >"$T/bad"
chmod 755 "$T/hook" "$T/bad"
bundle "$B" "$COUNT"' | .hooks = {createRuntime: [{path: "'"$T/hook"'"}], poststop: [{path: "'"$T/hook"'"}]}'
start
: >"$T/hooks"
save
is "$(jq -r .status "$T/hooks" | paste -sd,)" stopped "a checkpoint ends with the poststop hooks"
: >"$T/hooks"
back
is "$rc:$(jq -r '.status + " " + (.pid | tostring)' "$T/hooks")" "0:creating $("$K" state "$ID" | jq .pid)" "a restore runs the createRuntime hooks, with the pid"
"$K" delete --force "$ID"
edit "$B" '.hooks.createRuntime[0].path = "'"$T/bad"'"'
back
like "$rc:$err" "1:*createRuntime*exit status 5*" "a hook that fails ends the restore, and is what is told"
is "$("$K" list -q | wc -l)" 0 "which leaves nothing"
rm "$IMG"/inventory.img
edit "$B" 'del(.hooks)'
back
like "$rc:$err" "1:*criu could not restore the container: *restore.log)" "images that are not whole: the cause is told"

no_leaks
