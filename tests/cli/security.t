#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Attacks that runtimes fell to, one after the other. The rest of the list comes
# with the verbs and properties that it is about.
# It counts the mounts of its host, which is one whose mounts are shared.
. "$(dirname "$0")/../lib/own-mounts.sh"
. "$(dirname "$0")/../lib/lib.sh"
requires_root
mount --make-rshared /
requires runc
requires jq

B=$T/b
canary=$T/canary
mkdir "$canary" && echo safe >"$canary/file"
mode() { stat -c '%a %u' "$1"; }
# That an attack is one: it works on a peer that is known to be weak. A distribution mends its old versions.
peer_weak() { # CVE PEER RESULT, which is empty when it did not work
	if [ -n "$3" ]; then
		ok 0 "the attack works on this $2 ($1)"
	else
		skip "the attack works on this $2 ($1)" "$($2 --version | head -1) does not fall to it"
	fi
}

# CVE-2019-5736: the runtime's binary is written through /proc/PID/exe.
cp "$K" "$T/kshim-copy"
sum=$(sha256sum <"$T/kshim-copy")
bundle "$B" '.root.readonly = false | .process.args = ["sleep", "100"]'
# The image brings what the runtime's binary needs to run inside, and a log that never opens.
for lib in $(ldd "$K" | grep -oE '/[^ ]+\.so[^ ]*'); do
	mkdir -p "$B/rootfs$(dirname "$lib")" && cp -L "$lib" "$B/rootfs$lib"
done
mkfifo "$B/rootfs/fifo"
cat >"$B/rootfs/attack" <<'A'
for p in /proc/[0-9]*; do
	case $(readlink $p/exe) in *busybox | '') continue ;; esac
	exec 9<$p/exe && echo "caught $(readlink $p/exe)" || continue
	kill -9 ${p#/proc/}
	sleep 0.3
	(printf '#!/bin/false\n' >/proc/self/fd/9) && echo OVERWRITTEN
done
A
"$T/kshim-copy" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
"$T/kshim-copy" exec -d "$TAG-1" /proc/self/exe --log /fifo frobnicate </dev/null >/dev/null 2>&1
sleep 0.3
"$T/kshim-copy" exec "$TAG-1" sh /attack </dev/null >"$T/attack" 2>&1
sed 's/^/#   /' "$T/attack"
grep -q caught "$T/attack"
ok $? "the attack gets hold of the runtime's binary, running inside"
is "$(sha256sum <"$T/kshim-copy")" "$sum" "but cannot overwrite it (2019-5736)"
grep -q OVERWRITTEN "$T/attack"
[ $? -ne 0 ]
ok $? "nor is it told so"
"$K" delete --force "$TAG-1"
# The same by a command that is the runtime itself.
bundle "$B" '.root.readonly = false | .process.args = ["/proc/self/exe", "--version"]'
try "$T/kshim-copy" run -b "$B" "$TAG-1"
is "$(sha256sum <"$T/kshim-copy")" "$sum" "nor by args [\"/proc/self/exe\"]"
exe=$(bundle "$B" '.process.args = ["sleep", "9"]'; "$K" create -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1; echo "/proc/$("$K" state "$TAG-1" | jq .pid)/exe")
like "$( (: >"$exe") 2>&1)" "*Read-only file system*" "even root of the host cannot write through the exe of a created init"
is "$(grep -cF "$(realpath "$K")" "${exe%exe}maps"):$(grep -c " rwxp " "${exe%exe}maps"):$(grep -c ' r-xp .* /\(kshim\)\?$' "${exe%exe}maps")" 0:0:1 "and what it executes is mapped from nowhere else"
"$K" delete --force "$TAG-1"
# A read-only file system protects nothing when it is made writable: on an update, with a handle kept.
mkdir "$T/ro"
mount -t tmpfs tmpfs "$T/ro"
cp "$K" "$T/ro/kshim"
mount -o remount,ro "$T/ro"
bundle "$B" '.process.args = ["sleep", "9"]'
"$T/ro/kshim" create -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
exec 9<"/proc/$("$K" state "$TAG-1" | jq .pid)/exe"
"$K" delete --force "$TAG-1"
mount -o remount,rw "$T/ro" && : >"$T/ro/x"
ok $? "a file system is made writable"
like "$( (: >/proc/self/fd/9) 2>&1)" "*Read-only file system*" "nor through one kept from a file system that was read-only"
exec 9<&-
umount "$T/ro"
# Without capabilities it is a copy in memory, which must be executable.
if [ -e /proc/sys/vm/memfd_noexec ]; then
	D=$(mktemp -d /tmp/kshim-test.XXXXXX)
	chmod 755 "$D"
	cp "$K" "$D/kshim"
	for n in 0 1 2; do
		if [ "$n" -lt "$(cat /proc/sys/vm/memfd_noexec)" ]; then
			skip "a copy in memory with vm.memfd_noexec $n" "this host has set more"
			continue
		fi
		try timeout 20 unshare -pf --mount-proc --propagation private sh -c "echo $n >/proc/sys/vm/memfd_noexec
			exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all $D/kshim --root /dev/null/x exec x true"
		[ $n = 2 ] && want='1:*copy this program to memory (is vm.memfd_noexec 2?)*' || want='255:*/dev/null/x*'
		like "$rc:$err" "$want" "a copy in memory with vm.memfd_noexec $n"
	done
	rm -r "$D"
else
	skip "a copy in memory with vm.memfd_noexec" "this kernel has none"
fi
# It becomes so without an exec, or, where the kernel does not let it, with one.
bundle "$B" '.process.args = ["true"]'
export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 # which cannot be under ptrace(2)
execs() { grep -c '^[0-9 ]*execve' "$T/strace"; }
if ! strace -o /dev/null true 2>/dev/null; then
	skip "run protects itself without an exec" "strace does not work here"
elif [ "$(uname -m)" != x86_64 ]; then
	skip "run protects itself without an exec" "it may not, with branch target identification"
elif ! zcat -f /proc/config.gz "/boot/config-$(uname -r)" 2>/dev/null | awk '/CONFIG_CHECKPOINT_RESTORE/ { n = $0 !~ /=y/ } END { exit n }'; then
	skip "run protects itself without an exec" "this kernel has no PR_SET_MM_MAP"
else
	try strace -f -qq -e trace=execve,execveat,prctl -o "$T/strace" "$K" run -b "$B" "$TAG-1"
	n=$(grep ' prctl(' "$T/strace" | grep -n PR_SET_MM | cut -d: -f1)
	is "$rc:$(execs)" 0:2 "run protects itself without an exec"
	try strace -qq -e trace=execve,execveat,prctl -e inject="prctl:error=EPERM:when=$n" -o "$T/strace" "$K" run -b "$B" "$TAG-1"
	is "$rc:$(execs):$(grep -c 'PR_SET_MM.*INJECTED' "$T/strace")" 0:2:1 "else by executing itself"
	try strace -qq -e trace=execve,execveat,mremap -e inject=mremap:error=ENOMEM:when=1 -o "$T/strace" "$K" run -b "$B" "$TAG-1"
	is "$rc:$(execs):$(grep -c 'mremap.*INJECTED' "$T/strace")" 0:2:1 "also when it had begun"
fi

# CVE-2019-19921, 2023-27561: /proc is a link, or below one.
for dir in proc sys; do
	rm -rf "${B:?}/rootfs"
	bundle "$B" '.process.args = ["true"] | .root.readonly = false'
	mv "$B/rootfs/$dir" "$B/rootfs/real" && ln -s real "$B/rootfs/$dir"
	try "$K" run -b "$B" "$TAG-1"
	like "$rc:$err" '1:*must be mounted on an ordinary directory*' "/$dir that is a link is refused (2019-19921)"
done
rm -rf "${B:?}/rootfs"

# CVE-2026-41579, 2021-30465: mount points and /dev are links to the host.
bundle "$B" "del(.mounts[] | select(.destination | startswith(\"/dev\"))) | .root.readonly = false | .process.args = [\"ls\", \"/dev/null\"]"
rm -r "$B/rootfs/dev" && ln -s "$canary" "$B/rootfs/dev"
try "$K" run -b "$B" "$TAG-1"
is "$(ls "$canary")" file "an image whose /dev is a link gets its devices inside itself"
for peer in runc crun; do
	command -v "$peer" >/dev/null || continue
	peer_view "$peer" run -b "$B" "$TAG-p" >/dev/null 2>&1
	peer_weak 2026-41579 "$peer" "$(find "$canary" -mindepth 1 ! -name file)"
	find "$canary" -mindepth 1 ! -name file -delete
done
rm -rf "${B:?}/rootfs"
bundle "$B" '.mounts += [{destination: "/link/sub", type: "tmpfs", source: "tmpfs"}, {destination: "/up/x", type: "tmpfs", source: "tmpfs"}] | .root.readonly = false | .process.args = ["true"]'
mkdir "$B/rootfs$canary" -p
ln -s "$canary" "$B/rootfs/link"
ln -s ../../../../../../.. "$B/rootfs/up"
try "$K" run -b "$B" "$TAG-1"
is "$rc:$(ls "$canary")" "0:file" "links at mount points lead inside the root (2021-30465)"
[ ! -e /x ]
ok $? "also when they go up"
rm -rf "${B:?}/rootfs"

# CVE-2021-30465 as a race: a directory and a link change places all the time.
bundle "$B" '.mounts += [{destination: "/race/data", type: "tmpfs", source: "tmpfs", options: ["size=1m"]}] | .root.readonly = false | .process.args = ["true"]'
mkdir -p "$B/rootfs/race" "$B/rootfs/other"
ln -s / "$B/rootfs/race-link"
cat >"$T/swap.pl" <<'P'
# renameat2(RENAME_EXCHANGE) as fast as it goes
chdir shift; my $end = time + 3;
my ($one, $two) = ("race", "race-link");
while (time < $end) { syscall(316, -100, $one, -100, $two, 2) for 1 .. 1000 }
P
perl "$T/swap.pl" "$B/rootfs" &
before=$(wc -l </proc/self/mounts)
for i in $(seq 40); do "$K" run -b "$B" "$TAG-1"; done >/dev/null 2>&1 </dev/null
wait
is "$(wc -l </proc/self/mounts):$(ls -d /data 2>/dev/null)" "$before:" "a racing link does not lead a mount out"
rm -rf "${B:?}/rootfs"

# CVE-2024-21626: a working directory behind a descriptor that leaked.
for fd in 3 4 5 6 7 8 9 10 11 12; do
	bundle "$B" ".process.cwd = \"/proc/self/fd/$fd\" | .process.args = [\"pwd\"]"
	try "$K" run -b "$B" "$TAG-1"
	[ "$rc" -ne 0 ] || { echo "#   fd $fd: $out"; break; }
done
[ "$rc" -ne 0 ]
ok $? "cwd /proc/self/fd/N leads nowhere (2024-21626)"
# That the attack is one: the old runc falls to it.
escaped=
for fd in 3 4 5 6 7 8 9 10 11 12; do
	bundle "$B" ".process.cwd = \"/proc/self/fd/$fd\" | .process.args = [\"cat\", \"../../../../../../../../..$canary/file\"]"
	try runc run -b "$B" "$TAG-p"
	[ "$rc:$out" != 0:safe ] || escaped=$fd
done
peer_weak 2024-21626 runc "$escaped"
bundle "$B" '.process.args = ["sleep", "100"]'
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
for fd in 3 4 5 6 7 8 9 10 11 12; do
	try "$K" exec --cwd "/proc/self/fd/$fd" "$TAG-1" ls
	[ "$rc" -ne 0 ] || break
done
[ "$rc" -ne 0 ]
ok $? "nor with exec"
"$K" delete --force "$TAG-1"

# CVE-2025-31133, -52565: /dev/null, /dev/console that the image placed.
bundle "$B" "del(.mounts[] | select(.destination == \"/dev\")) | .process.terminal = false | .root.readonly = false | .process.args = [\"sh\", \"-c\", \"cat /proc/timer_list | wc -c; ls -l /dev/null\"]"
ln -s "$canary/file" "$B/rootfs/dev/null"
try "$K" run -b "$B" "$TAG-1"
is "$(cat "$canary/file")" safe "is not what masked paths are bound to (2025-31133)"
rm -rf "${B:?}/rootfs"
# A masked file is bound to whatever the image calls /dev/null: here a file of procfs that can be written.
bundle "$B" 'del(.mounts[] | select(.destination | startswith("/dev"))) | .root.readonly = false | .process.args = ["awk", "$5 == \"/proc/timer_list\" { print $4 }", "/proc/self/mountinfo"]'
rm -f "$B/rootfs/dev/null"
ln -s /proc/sys/kernel/core_pattern "$B/rootfs/dev/null"
try "$K" run -b "$B" "$TAG-1"
[[ $out != *core_pattern* ]]
ok $? "a link to procfs is not either (2025-31133)"
rm -f "$B/rootfs/dev/null"
ln -s /proc/sys/kernel/core_pattern "$B/rootfs/dev/null"
try runc run -b "$B" "$TAG-p"
peer_weak 2025-31133 runc "$(grep core_pattern <<<"$out")"
rm -rf "${B:?}/rootfs"
bundle "$B" '.root.readonly = false | .linux.maskedPaths += ["/masked"] | .process.args = ["sh", "-c", "cat /masked/x /masked; echo x >/masked; ls -A / | grep -c canary"]'
ln -s "$canary/file" "$B/rootfs/masked"
try "$K" run -b "$B" "$TAG-1"
is "$(cat "$canary/file")" safe "a masked path that is a link"
rm -rf "${B:?}/rootfs"

# CVE-2022-29162: no capability is inheritable, of run and of exec.
bundle "$B" '.process.args = ["sleep", "100"]'
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
is "$("$K" exec "$TAG-1" grep -c -E 'Cap(Inh|Amb):.0000000000000000' /proc/self/status)" 2 "exec: nothing inheritable or ambient (2022-29162)"
is "$("$K" exec "$TAG-1" grep -c -E 'Cap(Inh|Amb):.0000000000000000' /proc/1/status)" 2 "run: neither"
is "$("$K" exec --user 1000:1000 "$TAG-1" grep -E 'Cap(Eff|Prm)' /proc/self/status | grep -c 0000000000000000)" 2 "another user has no capabilities"
is "$("$K" exec "$TAG-1" grep Groups /proc/self/status | tr -d ' \t')" "Groups:" "no group of the caller is left"

# CVE-2016-9962: what enters cannot be traced or read by what is inside.
bundle "$T/b2" '.process.args = ["sleep", "100"]'
is "$("$K" exec "$TAG-1" sh -c 'ls /proc/1/fd >/dev/null && for f in /proc/1/fd/*; do readlink $f; done | grep -c -E "run|state"')" 0 "init holds no descriptor of the host"
"$K" delete --force "$TAG-1"

# The same for what joins a user and a pid namespace, as in a pod whose containers share both.
map='.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
rm -rf "${B:?}/rootfs"
bundle "$B" "$map"' | (.process.capabilities.bounding, .process.capabilities.effective, .process.capabilities.permitted) += ["CAP_SYS_PTRACE"] | .process.args = ["probe", "seize", "60"]'
cp "$BUILD/helper/probe" "$B/rootfs/bin/probe"
chmod 755 "$T"
"$K" run -d -b "$B" "$TAG-1" </dev/null >"$T/caught" 2>&1
first=$("$K" state "$TAG-1" | jq .pid)
join="(.linux.namespaces[] | select(.type == \"pid\" or .type == \"user\")) |= (.path = \"/proc/$first/ns/\" + .type)"
for offsets in '.' '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 100}}'; do
	bundle "$T/b3" "$map | $join | $offsets"' | del(.linux.uidMappings, .linux.gidMappings) | .process.args = ["true"]'
	for i in $(seq 20); do timeout 20 "$K" run -b "$T/b3" "$TAG-2" </dev/null >/dev/null 2>"$T/joined"; done
done
for i in $(seq 20); do timeout 20 "$K" exec "$TAG-1" true </dev/null >/dev/null 2>&1; done
is "$(sort "$T/caught" | uniq | grep -c '^caught .*kshim')" 0 "a process that joins a user and a pid namespace is not traced from there"
grep -q '^caught true' "$T/caught" || grep -q '^caught' "$T/caught"
ok $? "programs of the container are: the attack is one"
"$K" delete --force "$TAG-1"
rm -rf "${B:?}/rootfs" "$T/b3"

# What the host lends: a link of the image, or a mount over another, leads a mount's or a device's path there.
cat >"$T/lent" <<'L'
mkdir -p "$T/host/shm" "$T/hostdev"
mount -t tmpfs -o size=8m lent "$T/host" && mkdir "$T/host/shm" && mount -t tmpfs -o size=8m lent "$T/host/shm"
mount -t tmpfs lent "$T/hostdev" && mknod -m 600 "$T/hostdev/full" c 1 7 && : >"$T/hostdev/ptmx"
before=$(find "$T/hostdev" -printf '%p %y %m %u %l\n' | sort)
cd "$B" || exit
run() { jq "$1 | .root.readonly = false | .process.args = [\"true\"] | .linux.maskedPaths = [] | .linux.readonlyPaths = []" base.json >config.json; "$K" run -b . "$TAG-l" </dev/null >"$T/lent.err" 2>&1; echo "rc $?"; }
ln -s a rootfs/b
run ".mounts += [{destination: \"/a\", type: \"tmpfs\", source: \"t\"}, {destination: \"/b\", type: \"bind\", source: \"$T/host\", options: [\"bind\"]}, {destination: \"/a\", type: \"tmpfs\", source: \"t\", options: [\"remount\", \"size=64k\"]}]"
run ".mounts += [{destination: \"/d/shm\", type: \"tmpfs\", source: \"t\"}, {destination: \"/d\", type: \"bind\", source: \"$T/host\", options: [\"rbind\"]}, {destination: \"/d/shm\", type: \"tmpfs\", source: \"t\", options: [\"remount\", \"size=64k\"]}]"
run ".mounts += [{destination: \"/sys\", type: \"sysfs\", source: \"s\", options: [\"remount\", \"sync\"]}]"
grep " $T/host" /proc/self/mounts | grep -c size=8192k
rm -rf rootfs/hostdev && ln -s /dev rootfs/hostdev
run "del(.mounts[] | select(.destination | startswith(\"/dev\"))) | .mounts += [{destination: \"/hostdev\", type: \"bind\", source: \"$T/hostdev\", options: [\"rbind\"]}] | .linux.devices = [{path: \"/dev/full\", type: \"c\", major: 1, minor: 7, fileMode: 438, uid: 1234}]"
[ "$(find "$T/hostdev" -printf '%p %y %m %u %l\n' | sort)" = "$before" ] && echo untouched
umount "$T/host/shm" "$T/host" "$T/hostdev"
L
bundle "$B" '.'
cp "$B/config.json" "$B/base.json"
export T B K TAG
is "$(unshare -m --propagation private bash "$T/lent" 2>&1 | tr '\n' ,)" "rc 1,rc 1,rc 1,2,rc 0,untouched," "a file system and a /dev of the host's stay as they are, wherever paths lead"
sed 's/^/#   /' "$T/lent.err"
rm -rf "${B:?}/rootfs"

# A record that somebody else could have written is not acted upon.
bundle "$B" '.process.args = ["sleep", "100"]'
"$K" --root "$T/theirs" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
chown 1000 "$T/theirs"
for v in "state $TAG-1" "delete --force $TAG-1" "exec $TAG-1 true" "kill $TAG-1"; do
	# shellcheck disable=SC2086 # a verb and its words
	try "$K" --root "$T/theirs" $v
	like "$rc:$err" '*the runtime root*must be of user 0*' "${v%% *} by a runtime root of another user's is refused"
done
chown 0 "$T/theirs" && chmod 777 "$T/theirs"
try "$K" --root "$T/theirs" list
like "$rc:$err" '1:*writable for nobody else*' "so is one that everybody may write to"
chmod 700 "$T/theirs"
mkdir -p "$T/fake/below"
r=$T/theirs/$TAG-1/state.json
cp "$r" "$T/record"
jq --arg p "/../../../..$T/fake" '.cgroupPath = $p' "$T/record" >"$r"
try "$K" --root "$T/theirs" delete --force "$TAG-1"
is "$rc:$(ls "$T/fake")" 1:below "a cgroup path that goes up is none, also in a record"
cp "$T/record" "$r"
"$K" --root "$T/theirs" delete --force "$TAG-1"
rm -rf "${B:?}/rootfs"

# CVE-2026-30892: users are read whole or not at all.
bundle "$B" '.process.args = ["sleep", "100"]'
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
for u in 1000x 1000: :5 -1 0x0 4294967295 4294967296 ' 0' 1000:5:6 18446744073709551616; do
	try "$K" exec --user "$u" "$TAG-1" id
	[ "$rc" = 255 ]
	ok $? "exec --user '$u' is refused (2026-30892, 2024-40635)"
done
"$K" delete --force "$TAG-1"

# A container that fills /etc/passwd, or makes it a FIFO, does not hang or break exec.
bundle "$B" '.process.env = ["PATH=/bin"] | .root.readonly = false | .process.args = ["sleep", "100"]'
rm "$B/rootfs/etc/passwd" && mkfifo "$B/rootfs/etc/passwd"
try timeout 10 "$K" run -d -b "$B" "$TAG-1"
is "$rc" 0 "an /etc/passwd that is a FIFO"
rm "$B/rootfs/etc/passwd"
head -c 3000000 /dev/zero | tr '\0' 'x' >"$B/rootfs/etc/passwd"
try timeout 10 "$K" exec "$TAG-1" sh -c 'echo $HOME'
is "$rc:$out" "0:/" "one of 3 MB without a line end"
"$K" delete --force "$TAG-1"
rm -rf "${B:?}/rootfs"

msgmax=$(cat /proc/sys/kernel/msgmax)
# CVE-2025-52881: sysctls go to a procfs that is the container's, whatever stands at /proc.
bundle "$B" '.linux.sysctl = {"kernel.msgmax": "4099"} | .mounts = [.mounts[] | select(.destination != "/proc")] + [{destination: "/proc", type: "tmpfs", source: "tmpfs"}] | .root.readonly = false | .process.args = ["sh", "-c", "ls /proc"] | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
try "$K" run -b "$B" "$TAG-1"
is "$rc:$out" "0:" "a sysctl is not written into a fake /proc (2025-52881)"
is "$(cat /proc/sys/kernel/msgmax)" "$msgmax" "and not to the host"

# A container that may trace looks at every process that comes into its pid namespace: an exec
# must not be there with the host's root, or with descriptors of its caller's.
cat >"$T/peek.c" <<'X'
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* Looks for a file of the host's below the root of each other process; prints when it finds one. */
int main(int argc, char **argv)
{
	char path[4096];
	(void)argc;
	puts("looking"), fflush(stdout);
	for (;;)
		for (int pid = 2; pid < 400; pid++) {
			snprintf(path, sizeof(path), "/proc/%d/root%s", pid, argv[1]);
			if (access(path, F_OK) == 0)
				puts("escaped"), fflush(stdout);
		}
}
X
if command -v gcc >/dev/null; then
	bundle "$B" '.process.capabilities |= map_values(["CAP_SYS_PTRACE"])'
	gcc -O1 -static -o "$B/rootfs/bin/peek" "$T/peek.c"
	edit "$B" ".process.args = [\"peek\", \"$T/peek.c\"]"
	"$K" run -b "$B" "$TAG-1" >"$T/peeked" 2>&1 </dev/null &
	peeker=$!
	wait_for 5 grep -q looking "$T/peeked"
	for i in $(seq 60); do "$K" exec "$TAG-1" true; done
	is "$(sort -u "$T/peeked")" looking "an exec shows nothing of the host to a container with CAP_SYS_PTRACE"
	"$K" kill "$TAG-1" KILL
	wait "$peeker" 2>/dev/null
	rm -rf "${B:?}/rootfs"
else
	skip "an exec shows nothing of the host to a container with CAP_SYS_PTRACE" "needs gcc"
fi

# The state directories are root's alone.
"$K" volume create -n ns v --size 16Mi && "$K" volume delete -n ns v
is "$(mode "$KSHIM_ROOT")" "700 0" "the runtime root is 0700 (2024-25621)"
is "$(mode "$KSHIM_STATE_DIR")" "700 0" "so is the state directory"

no_leaks
