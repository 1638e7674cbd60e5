#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bundles as podman and containerd make them, with the runtime called by them.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
pod_rootfs

# ---- containerd's spec, as its own shim would hand it over ------------------------------------

mkdir "$T/c" && cp "$TOP/tests/data/containerd-config.json" "$T/c/config.json"
edit "$T/c" ".root.path = \"$R\" | .process.args = [\"sh\", \"-c\", \"grep -E 'Seccomp:|NoNewPrivs' /proc/self/status | tr -d '\\\\t'; ulimit -n\"]"
try "$K" run -b "$T/c" "$TAG-1"
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:NoNewPrivs:1 Seccomp:2 1024 " "containerd's default spec with its seccomp profile"
is "$(ls "$KSHIM_ROOT/seccomp" | wc -l)" 1 "the compiled profile is kept"
: >"$KSHIM_ROOT/seccomp/$(ls "$KSHIM_ROOT/seccomp")"
try "$K" run -b "$T/c" "$TAG-1"
is "$rc" 0 "an empty one is made anew"
edit "$T/c" '.process.args = ["unshare", "-r", "true"]'
try "$K" run -b "$T/c" "$TAG-1"
[ "$rc" -ne 0 ]
ok $? "what the profile forbids fails"

# ---- containerd itself ---------------------------------------------------------------------------

if command -v containerd >/dev/null && command -v ctr >/dev/null; then
	cat >"$T/containerd.toml" <<-E
	version = 2
	root = "$T/ctd"
	state = "$T/ctd-state"
	disabled_plugins = ["io.containerd.grpc.v1.cri"]
	[grpc]
	address = "$T/ctd.sock"
	E
	containerd -c "$T/containerd.toml" >"$T/containerd.log" 2>&1 &
	ctd=$!
	at_exit="kill $ctd"
	ctr() { command ctr -a "$T/ctd.sock" "$@"; }
	wait_for 10 ctr version
	runtime="--runc-binary $K --runc-root $T/ctr-root"
	try ctr run --rm --seccomp $runtime --rootfs "$R" "$TAG-c" sh -c 'echo hello; exit 3'
	is "$rc:$out" "3:hello" "ctr run --rm with kshim as the binary of the runc shim"
	try ctr run --rm --memory-limit 33554432 $runtime --rootfs "$R" "$TAG-c" cat /proc/self/cgroup
	is "$rc" 0 "with a memory limit"
	try ctr run --rm $runtime --rootfs "$R" "$TAG-c" nosuch
	like "$rc:$err" '1:*"nosuch": executable file not found in $PATH*' "the error reaches the user"
	ctr run -d $runtime --rootfs "$R" "$TAG-c" sleep 100 >/dev/null 2>&1 </dev/null
	try ctr task exec --exec-id e1 "$TAG-c" echo from-exec
	is "$rc:$out" "0:from-exec" "ctr task exec"
	like "$(ctr task ls)" "*$TAG-c*RUNNING*" "ctr task ls"
	try ctr task kill -s KILL "$TAG-c"
	wait_for 5 eval 'ctr task ls | grep -q STOPPED'
	try ctr task rm "$TAG-c"
	ctr c rm "$TAG-c"
	# A pod's disk, by annotation.
	"$K" volume create -n ns data --size 16Mi
	for word in first second; do
		try ctr run --rm $runtime --annotation dev.kshim.pod=ns/p-0 \
			--annotation 'dev.kshim.volumes=[{"name":"d","persistentVolumeClaim":{"claimName":"data"}}]' \
			--annotation 'dev.kshim.volume-mounts={"*":[{"name":"d","mountPath":"/mnt"}]}' \
			--rootfs "$R" "$TAG-c" sh -c "cat /mnt/f 2>/dev/null; echo $word >/mnt/f"
	done
	is "$rc:$out" "0:first" "ctr run with a volume by annotation: the next one finds the file"
	"$K" volume delete -n ns data
	kill $ctd
	wait $ctd 2>/dev/null
	at_exit=
else
	skip "containerd" "containerd is not installed"
fi

# ---- podman ------------------------------------------------------------------------------------------

if command -v podman >/dev/null; then
	# Its own cleanup process gets no --runtime-flag: the directories come by the environment.
	cat >"$T/runtime" <<-E
	#!/bin/sh
	export KSHIM_ROOT=$KSHIM_ROOT KSHIM_STATE_DIR=$KSHIM_STATE_DIR
	exec $K "\$@"
	E
	chmod +x "$T/runtime"
	P="podman --runtime $T/runtime --root $T/pod --runroot $T/podrun --tmpdir $T/podtmp --storage-driver vfs --cgroup-manager cgroupfs --events-backend file"
	opts="--network host --security-opt label=disable --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --log-driver k8s-file"
	try $P run --rm $opts --rootfs "$R" sh -c 'echo hello; exit 3'
	is "$rc:$out" "3:hello" "podman run --rm"
	[ "$rc" = 3 ] || sed 's/^/#   /' "$T/err"
	try $P run -d $opts --name "$TAG-p" --rootfs "$R" sleep 100
	is "$rc" 0 "podman run -d"
	try $P exec "$TAG-p" sh -c 'echo in; exit 4'
	is "$rc:$out" "4:in" "podman exec"
	try $P inspect "$TAG-p"
	is "$(jq -r '.[0].State.Status' <<<"$out")" running "podman inspect"
	# podman 4 reads annotations as CSV: the whole in quotes, and inner quotes twice.
	try $P run --rm $opts --annotation dev.kshim.pod=ns/p-0 --hostname p-0 \
		--annotation '"dev.kshim.volumes=[{""name"":""e"",""emptyDir"":{""medium"":""Memory""}}]"' \
		--annotation '"dev.kshim.volume-mounts={""*"":[{""name"":""e"",""mountPath"":""/mnt""}]}"' \
		--rootfs "$R" sh -c 'hostname; grep -c " /mnt tmpfs" /proc/mounts'
	is "$rc:$out" $'0:p-0\n1' "podman run of a pod with an emptyDir by annotation"
	try $P rm -f -t 0 "$TAG-p"
	is "$rc" 0 "podman rm -f"
else
	skip "podman" "podman is not installed"
fi

no_leaks
