#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bugs that were found, each by its symptom.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
PROBE=$BUILD/helper/probe
[ -x "$PROBE" ] || skip_all "needs $PROBE (make check builds it)"

B=$T/b
fresh() { # JQ-FILTER
	rm -rf "${B:?}"
	bundle "$B" "$1"
}

# ---- namespaces that are the host's ----------------------------------------------------------

fresh '.hostname = "victim" | .process.args = ["true"] | .linux.namespaces = [.linux.namespaces[] | select(.type != "uts")] + [{type: "uts", path: "/proc/self/ns/uts"}]'
try unshare -u sh -c "hostname before; $K run -b $B $TAG-1; hostname"
like "$rc:$out:$err" "0:before:*hostname*is that of this host*" "a joined uts namespace: the host is not renamed"
fresh 'del(.hostname) | .process.args = ["true"] | .linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces = [.linux.namespaces[] | select(.type != "network")] + [{type: "network", path: "/proc/self/ns/net"}]'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" '1:*net.ipv4.ip_forward*not in a namespace*' "a joined network namespace that is the host's: no sysctl is set in it"

# ---- cgroups ---------------------------------------------------------------------------------

if [ -x "$BUILD/crash/kshim" ]; then
	fresh ".process.args = [\"sleep\", \"100\"] | .linux.cgroupsPath = \"/kshim-$TAG-shared\""
	try "$K" run -d -b "$B" "$TAG-1"
	KSHIM_CRASH_AT=claimed "$BUILD/crash/kshim" create -b "$B" "$TAG-2" >/dev/null 2>&1 </dev/null
	try "$K" delete --force "$TAG-2"
	is "$rc:$("$K" state "$TAG-1" | jq -r .status)" "0:running" "deleting a half-made container kills no other that has its cgroup"
	"$K" delete --force "$TAG-1"
	fresh '.process.args = ["sleep", "100"]'
	"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
	KSHIM_CRASH_AT=delete-storage "$BUILD/crash/kshim" delete --force "$TAG-1" 2>/dev/null
	rm "$KSHIM_ROOT/$TAG-1/config.json"
	like "$("$K" list -q)" "*$TAG-1*" "a container whose delete was cut off is listed still"
	try "$K" delete "$TAG-1"
	is "$rc" 0 "and can be deleted"
else
	skip "a half-made container" "needs the build with crash points"
fi
fresh '.process.args = ["true"] | .linux.resources.memory = {limit: 0, swap: 0, reservation: 0} | .linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 0}, {pageSize: "1GB", limit: 0}]'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$err" "0:" "limits of 0, as engines and kubelet write them, mean none"
fresh '.process.args = ["true"] | .linux.resources.hugepageLimits = [{pageSize: "../2MB", limit: 1}]'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*hugepageLimits\\[0\\]*" "a page size that is a path"

# ---- exec ---------------------------------------------------------------------------------------

fresh '.process.args = ["sleep", "100"] | .process.oomScoreAdj = 777 | .root.readonly = false'
cp "$PROBE" "$B/rootfs/probe"
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
is "$("$K" exec "$TAG-1" cat /proc/self/oom_score_adj)" 777 "exec has the container's oomScoreAdj"
like "$("$K" exec "$TAG-1" /probe keyring)" "keyring;*;_ses.$TAG-1" "exec has the container's session keyring, not its caller's"
try "$K" exec --preserve-fds 3 "$TAG-1" true
like "$rc:$err" "255:*descriptor * is not open*" "exec --preserve-fds of what is not open"
"$K" delete --force "$TAG-1"
"$K" run -d --no-new-keyring -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
[[ $("$K" exec "$TAG-1" /probe keyring) != *_ses.$TAG-1 ]]
ok $? "but not with --no-new-keyring"
"$K" delete --force "$TAG-1"

# ---- what the caller has set --------------------------------------------------------------------------

fresh '.root.readonly = false | .process.user = {uid: 1000, gid: 1000} | .mounts += [{destination: "/new/deep/dir", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]}] | .process.args = ["touch", "/new/deep/dir/x"]'
try sh -c "umask 077; exec $K run -b $B $TAG-1"
is "$rc" 0 "mount points are passable also with a caller's umask of 077"
perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$K" run --rootfs "$T/rootfs" "$TAG-1" -- sh -c 'exit 9'
is "$?" 9 "the exit code is not lost when the caller ignores SIGCHLD"
perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$K" volume create -n ns chld --size 16Mi
is "$?" 0 "nor is that of mkfs"
"$K" volume delete -n ns chld
fresh '.process.args = ["echo", "linked"]'
mv "$B/config.json" "$T/elsewhere.json" && ln -s "$T/elsewhere.json" "$B/config.json"
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" "0:linked" "a config.json that is a link"
fresh '.process.args = ["sleep", "100"]'
"$K" run -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1 &
runner=$!
wait_for 5 eval '[ "$("$K" state '"$TAG"'-1 2>/dev/null | jq -r .status)" = running ]'
"$K" delete --force "$TAG-1"
wait $runner
is "$?" 137 "a run whose container somebody else deletes gives its exit code"
try "$K" --debug run --rootfs "$T/rootfs" "$TAG-1" -- true
like "$rc:$err" "0:*debug: run $TAG-1*" "--debug says what is called"

(cd "$T" && env -u KSHIM_ROOT -u KSHIM_STATE_DIR "$K" --root rel-run --state-dir rel-state run --rootfs "$T/rootfs" --pod ns/rel --empty-dir e:/e "$TAG-1" -- touch /e/x)
is "$?" 0 "relative directories are those of the caller"

# ---- the file tree ---------------------------------------------------------------------------------------

fresh '.process.cwd = "/not/there" | .process.args = ["pwd"]'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" "0:/not/there" "a missing cwd under a read-only root is made"
long=$(printf 'x%.0s' $(seq 4000))
fresh ".root.readonly = false | .mounts += [{destination: \"/t\", type: \"tmpfs\", source: \"tmpfs\", options: [\"mode=0700\", \"size=1m\", \"$long\"]}] | .process.args = [\"true\"]"
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*mount tmpfs on /t*" "an option list is never cut silently"
fresh '.process.user = {uid: 1234, gid: 1} | .process.args = ["sh", "-c", "echo $HOME"]'
{ for i in $(seq 400); do echo "user$i:x:$((2000 + i)):1:a long comment for this user:/home/user$i:/bin/sh"; done; echo 'app:x:1234:1::/srv/app:/bin/sh'; } >>"$B/rootfs/etc/passwd"
try "$K" run -b "$B" "$TAG-1"
is "$out" /srv/app "HOME is found behind the first 8 KiB of /etc/passwd"
fresh '.process.args = ["sleep", "100"] | .hooks = {poststart: [{path: "/bin/false"}]}'
try "$K" run -d -b "$B" "$TAG-1"
like "$rc:$err" "1:*poststart hook 0*" "a poststart hook that fails is an error"
is "$("$K" state "$TAG-1" 2>/dev/null | jq -r .status)" "" "and the container does not go on"

# ---- pods ------------------------------------------------------------------------------------------------------

pods='"dev.kshim.pod": "ns/p-0", "dev.kshim.volumes": "[{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"b\",\"emptyDir\":{}}]"'
fresh ".hostname = \"p-0\" | .root.readonly = false | .annotations = {$pods, \"dev.kshim.volume-mounts\": \"{\\\"*\\\":[{\\\"name\\\":\\\"b\\\",\\\"mountPath\\\":\\\"/data/sub\\\"},{\\\"name\\\":\\\"a\\\",\\\"mountPath\\\":\\\"/data\\\"}]}\"} | .process.args = [\"sh\", \"-c\", \"touch /data/sub/x; ls /data; grep -c /data /proc/mounts\"]"
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" $'0:sub\n2' "a volume below another is not hidden by it, in whatever order they are listed"
edit "$B" '.annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"b\",\"mountPath\":\"/data/\"},{\"name\":\"a\",\"mountPath\":\"/data\"}]}"'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" "1:*both mounted on /data*" "two volumes on one path are refused"
edit "$B" '.annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"a\",\"mountPath\":\"/data\",\"subPath\":\"x/y\"}]}" | .process.user = {uid: 999, gid: 999} | .process.args = ["touch", "/data/file"]'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$err" "0:" "a subPath has the permissions of the volume's root"

"$K" volume create -n ns two --size 16Mi
edit "$B" '.annotations["dev.kshim.volumes"] = "[{\"name\":\"a\",\"persistentVolumeClaim\":{\"claimName\":\"two\"}},{\"name\":\"b\",\"persistentVolumeClaim\":{\"claimName\":\"two\",\"readOnly\":true}}]" | .annotations["dev.kshim.volume-mounts"] = "{\"*\":[{\"name\":\"a\",\"mountPath\":\"/a\"},{\"name\":\"b\",\"mountPath\":\"/b\"}]}" | .process.user = {uid: 0, gid: 0} | .process.args = ["sh", "-c", "echo 1 >/a/f; cat /b/f; touch /b/g 2>&1 | grep -c Read-only"]'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" $'0:1\n1' "one claim under two volume names is one disk"

# A disk that was cut off while it was written, then mounted read-only.
"$K" run -d --rootfs "$T/rootfs" --pod ns/p-0 --volume two:/d "$TAG-1" -- sh -c 'while :; do echo x >>/d/log; sync; done' </dev/null >/dev/null 2>&1
written() { "$K" exec "$TAG-1" sh -c '[ "$(wc -l </d/log)" -ge 3 ]'; }
wait_for 10 written
# A copy that takes its time is no power cut while blocks are written.
"$K" pause "$TAG-1"
cp --sparse=always "$KSHIM_STATE_DIR/volumes/ns/two/image" "$T/image"
"$K" resume "$TAG-1"
"$K" delete --force "$TAG-1"
cp --sparse=always "$T/image" "$KSHIM_STATE_DIR/volumes/ns/two/image"
try "$K" run --rootfs "$T/rootfs" --pod ns/p-0 --volume two:/d:ro "$TAG-1" -- sh -c 'test -s /d/log && echo there'
is "$rc:$out" "0:there" "a dirty disk can be mounted read-only"
"$K" volume delete -n ns two

# Several containers of one new pod, all at once.
for i in 1 2 3 4; do
	"$K" run -d --rootfs "$T/rootfs" --pod ns/p-1 --pod-uid u-many --empty-dir e:/e "$TAG-m$i" -- sleep 100 >"$T/m$i" 2>&1 </dev/null &
	pids[i]=$!
done
broken=0
for i in 1 2 3 4; do wait "${pids[i]}" || { broken=1; sed 's/^/#   /' "$T/m$i"; }; done
ok $broken "four containers that start one pod at the same time all get it"
"$K" exec "$TAG-m1" touch /e/f
is "$("$K" exec "$TAG-m4" ls /e)" f "and share its volume"
for i in 1 2 3 4; do "$K" delete --force "$TAG-m$i"; done
# Four pods of one name: one of them.
won=0
for i in 1 2 3 4; do
	"$K" run -d --rootfs "$T/rootfs" --pod ns/p-2 --volume-claim-template d:16Mi:/d "$TAG-n$i" -- sleep 100 >"$T/n$i" 2>&1 </dev/null &
	pids[i]=$!
done
for i in 1 2 3 4; do wait "${pids[i]}" && won=$((won + 1)); done
is "$won:$(losetup -n -O BACK-FILE -a | grep -c "$T/state")" "1:1" "of four pods of one name that start at once one gets it, with one disk"
for i in 1 2 3 4; do "$K" delete --force "$TAG-n$i"; done
"$K" volume delete -n ns d-p-2

# A first process that ended, and one that it left behind, while the keeper was killed.
fresh '.hostname = "p-3" | .root.readonly = false | .linux.namespaces = [.linux.namespaces[] | select(.type != "pid")] | .process.args = ["/probe", "clone", "60"] | .annotations = {"dev.kshim.pod": "ns/p-3", "dev.kshim.volumes": "[{\"name\":\"e\",\"emptyDir\":{}}]", "dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"e\",\"mountPath\":\"/e\"}]}"}'
cp "$PROBE" "$B/rootfs/probe"
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
wait_for 5 eval '[ "$("$K" state '"$TAG"'-1 | jq -r .status)" = stopped ]'
uid=$(jq -r .storage "$KSHIM_ROOT/$TAG-1/state.json")
for p in /proc/[0-9]*; do
	[ "$(cat "$p/comm" 2>/dev/null)" = kshim-keeper ] && grep -qzxF "KSHIM_ROOT=$T/run" "$p/environ" 2>/dev/null && kill -9 "${p#/proc/}" && wait_gone "${p#/proc/}"
done
"$K" gc >/dev/null 2>&1
[ -d "$KSHIM_STATE_DIR/pods/$uid/emptydir/e" ]
ok $? "gc leaves the emptyDir of a process that lives without its init and its keeper"
try "$K" run --rootfs "$T/rootfs" --pod ns/p-3 "$TAG-2" -- true
like "$rc:$err" "1:*lost its keeper*" "and its name is not free"
try "$K" delete --force "$TAG-1"
is "$rc" 0 "until it is deleted"
try "$K" run --rootfs "$T/rootfs" --pod ns/p-3 "$TAG-2" -- true
is "$rc" 0 "then it is"


# ---- found by an attack ---------------------------------------------------------------------------------

# The mount table of a host whose mounts are shared, before and after.
fresh '.linux.rootfsPropagation = "rshared" | .process.args = ["true"]'
try unshare -m --propagation private bash -c "mount --make-rshared / && cut -d' ' -f2 /proc/self/mounts | sort >$T/before
	$K run -b $B $TAG-1; echo rc \$?; cut -d' ' -f2 /proc/self/mounts | sort >$T/after"
is "$out:$(diff "$T/before" "$T/after")" "rc 0:" "rootfsPropagation rshared takes no mount off the host"

# The first thread of init ends, another one goes on.
cat >"$T/thread.c" <<'E'
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *go(void *x) { for (;;) pause(); return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, go, 0); syscall(SYS_exit, 0); }
E
if command -v gcc >/dev/null && gcc -static -pthread -o "$B/rootfs/bin/thread" "$T/thread.c" 2>/dev/null; then
	fresh '.process.args = ["/bin/thread"]'
	[ -e "$B/rootfs/bin/thread" ] || gcc -static -pthread -o "$B/rootfs/bin/thread" "$T/thread.c"
	"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
	sleep 0.3
	is "$("$K" state "$TAG-1" | jq -r .status)" running "an init whose first thread has ended runs while another does"
	try "$K" delete "$TAG-1"
	like "$rc:$err" '1:*it is running*' "and is not deleted without force"
	"$K" delete --force "$TAG-1"
fi

# A mkfs that outlives its kshim holds the claim until it is done.
cat >"$T/slow-mkfs" <<E
#!/bin/sh
sleep 1
exec $T/mkfs.ext4 "\$@"
E
chmod +x "$T/slow-mkfs"
cp "$(command -v mke2fs)" "$T/mkfs.ext4" # it goes by its name
cat >"$T/orphan" <<E
mount --bind $T/slow-mkfs $(realpath "$(command -v mkfs.ext4)") || exit 9
$K volume create -n ns slow --size 16Mi & pid=\$!
sleep 0.4
kill -9 \$pid
wait \$pid 2>/dev/null
$K volume create -n ns slow --size 16Mi || $K volume inspect -n ns slow
E
try unshare -m --propagation private bash "$T/orphan"
sleep 1.5
is "$rc:$("$K" volume inspect -n ns slow | jq -r .fsUuid)" "0:$(blkid -p -o value -s UUID "$KSHIM_STATE_DIR/volumes/ns/slow/image")" "a mkfs that outlives its kshim formats nothing that came later"
"$K" volume delete -n ns slow

# Two roots, one id: the same cgroup.
try "$K" --root "$T/ra" run --keep --rootfs "$T/rootfs" "$TAG-web" -- true
try "$K" --root "$T/rb" run -d --rootfs "$T/rootfs" "$TAG-web" -- sleep 100
try "$K" --root "$T/ra" delete "$TAG-web"
is "$rc:$("$K" --root "$T/rb" state "$TAG-web" | jq -r .status)" "0:running" "deleting a stopped container kills nothing of another root"
"$K" --root "$T/rb" delete --force "$TAG-web"
if mkdir "/sys/fs/cgroup/pids/kshim-$TAG-foreign" 2>/dev/null; then
	sleep 100 & foreign=$!
	echo $foreign >"/sys/fs/cgroup/pids/kshim-$TAG-foreign/tasks"
	fresh ".process.args = [\"true\"] | .linux.cgroupsPath = \"/kshim-$TAG-foreign\""
	try "$K" run -b "$B" "$TAG-1"
	like "$rc:$err" "1:*cgroup*in use*" "a cgroup with a foreign process in one hierarchy alone is refused"
	kill -0 $foreign
	ok $? "and that process lives"
	kill $foreign; wait $foreign 2>/dev/null
	wait_for 2 rmdir "/sys/fs/cgroup/pids/kshim-$TAG-foreign"
else
	skip "a foreign process in one hierarchy" "no cgroup v1 here"
fi

# An emptyDir that fills the state directory's file system.
truncate -s 96M "$T/small.img" && mkfs.ext4 -q -m0 "$T/small.img"
cat >"$T/full" <<E
export KSHIM_STATE_DIR=$T/small
mkdir -p $T/small && mount -o loop $T/small.img $T/small || exit 9
$K run -d --rootfs $T/rootfs --pod ns/p-f --volume-claim-template data:16Mi:/d --empty-dir e:/e $TAG-f -- sleep 100 </dev/null >/dev/null 2>&1 || exit 8
$K exec $TAG-f sh -c 'dd if=/dev/zero of=/e/big bs=1M; i=0; while : >/e/f\$i; do i=\$((i+1)); done' 2>/dev/null
dd if=/dev/zero of=$T/small/rest bs=4k 2>/dev/null
$K delete --force $TAG-f && echo deleted
rm -f $T/small/rest
$K volume list | grep -c Available
umount $T/small
E
try unshare -m --propagation private bash "$T/full"
is "$out" $'deleted\n1' "a pod whose emptyDir filled the disk can be taken down"

# gc, list and starts at the same time.
(while [ ! -e "$T/stop" ]; do "$K" gc; "$K" volume list; "$K" pod list; done) >/dev/null 2>&1 &
broken=0
for i in $(seq 40); do
	"$K" run --rootfs "$T/rootfs" --pod ns/p-gc --empty-dir e:/e "$TAG-gc" -- true >"$T/gc" 2>&1 </dev/null || { broken=1; sed 's/^/#   /' "$T/gc"; }
done
touch "$T/stop"; wait
ok $broken "gc and lists keep no pod from starting"
broken=0
for n in 1 2 3; do
	(for i in $(seq 20); do "$K" volume create -n many "c$n" --size 16Mi && "$K" volume delete -n many "c$n" || echo failed; done) >"$T/many$n" 2>&1 &
done
wait
for n in 1 2 3; do [ ! -s "$T/many$n" ] || { broken=1; sed 's/^/#   /' "$T/many$n"; }; done
ok $broken "volumes of one namespace are made and deleted at the same time"

# A file that cannot be deleted.
"$K" run -d --rootfs "$T/rootfs" --pod ns/p-i --empty-dir e:/e "$TAG-i" -- sleep 100 </dev/null >/dev/null 2>&1
stuck=$KSHIM_STATE_DIR/pods/$(jq -r .storage "$KSHIM_ROOT/$TAG-i/state.json")/emptydir/e/stuck
touch "$stuck"
if chattr +i "$stuck" 2>/dev/null; then
	try "$K" delete --force "$TAG-i"
	is "$rc" 0 "a pod with an immutable file is taken down"
	"$K" volume create -n ns other --size 16Mi
	try "$K" volume delete -n ns other
	is "$rc" 0 "and keeps no other volume from being deleted"
	try "$K" gc
	like "$rc:$out" "0:*empty the trash*Operation not permitted*" "gc tells of it"
	find "$KSHIM_STATE_DIR/trash" -name stuck -exec chattr -i {} +
	try "$K" gc
	like "$rc:$out" "0:*trash: removed*" "and deletes it when it can be"
else
	skip "an immutable file" "chattr +i does not work here"
	"$K" delete --force "$TAG-i"
fi

# A terminal with much going both ways.
out=$(head -c 800000 /dev/zero | tr '\0' b | timeout 60 "$K" run -t --rootfs "$T/rootfs" "$TAG-t" -- sh -c 'stty raw -echo; head -c 1000000 /dev/zero | tr "\0" a; head -c 300000 | wc -c' | tr -d '\r' | tail -c 7 | tr -d a)
is "$out" 300000 "a terminal with much in and much out does not stand still"

# A damaged pod record.
"$K" run -d --rootfs "$T/rootfs" --pod ns/p-d --volume-claim-template data:16Mi:/d --empty-dir e:/e "$TAG-d" -- sleep 100 </dev/null >/dev/null 2>&1
uid=$(jq -r .storage "$KSHIM_ROOT/$TAG-d/state.json")
for p in /proc/[0-9]*; do
	[ "$(cat "$p/comm" 2>/dev/null)" = kshim-keeper ] && grep -qzxF "KSHIM_ROOT=$T/run" "$p/environ" 2>/dev/null && kill -9 "${p#/proc/}" && wait_gone "${p#/proc/}"
done
echo '{' >"$KSHIM_STATE_DIR/pods/$uid/pod.json"
try "$K" pod release ns/p-d
like "$rc:$err" "1:*container \"$TAG-d\" still runs*" "the name of a damaged pod whose container runs is not freed"
kill -9 "$("$K" state "$TAG-d" | jq .pid)"
wait_for 5 eval '[ "$("$K" state '"$TAG"'-d | jq -r .status)" = stopped ]'
try "$K" pod release ns/p-d
is "$rc" 0 "when it has ended, pod release frees it"
[ -d "$KSHIM_STATE_DIR/pods/$uid/emptydir/e" ] && [ -e "$KSHIM_STATE_DIR/pods/$uid/pod.json.corrupt.1" ]
ok $? "the damaged record is set aside, nothing of it deleted"
try "$K" delete --force "$TAG-d"
is "$rc" 0 "the container can be deleted"
try "$K" run --rootfs "$T/rootfs" --pod ns/p-d --volume-claim-template data:16Mi:/d "$TAG-d" -- true
is "$rc" 0 "and the pod started again"
rm -rf --one-file-system "${KSHIM_STATE_DIR:?}/pods/$uid"
"$K" volume delete -n ns data-p-d

# Hooks and signals.
fresh ".process.args = [\"true\"] | .hooks = {createRuntime: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"pwd >$T/hook-cwd\"]}]}"
"$K" run -b "$B" "$TAG-1"
is "$(cat "$T/hook-cwd")" "$B" "hooks run in the bundle"
fresh ".process.args = [\"touch\", \"/ran\"] | .root.readonly = false | .hooks = {createRuntime: [{path: \"/bin/sleep\", args: [\"sleep\", \"1\"]}]}"
"$K" run -b "$B" "$TAG-1" &
runner=$!
sleep 0.4
kill -TERM $runner
wait $runner
is "$?:$(ls "$B/rootfs/ran" 2>/dev/null)" "143:" "a SIGTERM during the hooks of run keeps the container from starting"
"$K" run -d --rootfs "$T/rootfs" "$TAG-1" -- sleep 100 </dev/null >/dev/null 2>&1
try "$K" kill "$TAG-1" 0
is "$rc" 0 "kill with signal 0"
"$K" delete --force "$TAG-1"

no_leaks
