# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Kubernetes pods through CRI on the native shim: a pod's containers, its
# emptyDir, its claim, its identity. V is containerd's version.
. "$(dirname "$0")/../lib/lib.sh"
. "$TOP/tests/lib/containerd.sh"
requires_root
requires jq
/usr/bin/python3 -c 'import grpc' 2>/dev/null || skip_all "needs python3-grpcio"
CRI=1
# shellcheck disable=SC2034 # for ctd_use
ctd_use "$V"
IMAGE=docker.io/library/kshim-test:latest
case $V in
1) plugin=io.containerd.grpc.v1.cri runtime=$plugin ;;
2) plugin=io.containerd.cri.v1.images runtime=io.containerd.cri.v1.runtime ;;
esac
{
	[ "$V" = 1 ] && echo "[plugins.\"$plugin\"]" && echo "sandbox_image = \"$IMAGE\"" && echo "restrict_oom_score_adj = true"
	[ "$V" = 2 ] && echo "[plugins.\"$plugin\".pinned_images]" && echo "sandbox = \"$IMAGE\"" &&
		echo "[plugins.\"$runtime\"]" && echo "restrict_oom_score_adj = true"
	echo "[plugins.\"$runtime\".containerd]"
	echo 'default_runtime_name = "kshim"'
	echo "[plugins.\"$runtime\".containerd.runtimes.kshim]"
	echo 'runtime_type = "io.containerd.kshim.v2"'
	echo 'pod_annotations = ["dev.kshim.*"]'
	echo "[plugins.\"$runtime\".containerd.runtimes.kshim.options]"
	echo "SystemdCgroup = false"
} >>"$CTD/config.toml"
ctd_start
cri() { timeout -k 1 60 /usr/bin/python3 "$TOP/tests/lib/cri.py" "$CONTAINERD_ADDRESS" "$@"; }
try cri status none
case $err in *"unknown service"*) skip_all "containerd's CRI does not run here: $(grep 'failed to load plugin.*cri' "$CTD/log" | tail -1)" ;; esac
pod_rootfs
python3 "$TOP/tests/lib/oci-image.py" "$R" "$IMAGE" "$T/image.tar" sleep 1000000
ctr -n k8s.io image import "$T/image.tar" >/dev/null 2>&1
ctr -n k8s.io image ls -q | grep -q kshim-test || skip_all "the image cannot be imported"

pods=
stop_all() {
	for p in $pods; do
		cri podstop "$p" >/dev/null 2>&1
		cri podrm "$p" >/dev/null 2>&1
	done
	ctd_stop
}
at_exit=stop_all

VOLUMES='dev.kshim.volumes=[{"name":"tmp","emptyDir":{}},{"name":"mem","emptyDir":{"medium":"Memory"}}]'
TEMPLATES='dev.kshim.volume-claim-templates=[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"16Mi"}}}}]'
MOUNTS='dev.kshim.volume-mounts={"*":[{"name":"tmp","mountPath":"/mnt/tmp"},{"name":"mem","mountPath":"/mnt/mem"},{"name":"data","mountPath":"/mnt/data"}]}'
A=("$VOLUMES" "$TEMPLATES" "$MOUNTS")
pod() { # NAME UID: sets P
	try cri podrun kshim catalog "$1" "$2" "${A[@]}"
	P=$out
	pods="$pods $P"
}
container() { # NAME UID CONTAINER COMMAND…: in $P; prints the id
	local name=$1 uid=$2 c=$3
	shift 3
	cri create "$P" catalog "$name" "$uid" "$c" "$IMAGE" "${A[@]}" -- "$@"
}

U1=11111111-1111-4111-8111-111111111111
U2=22222222-2222-4222-8222-222222222222
pod mysql-0 $U1
is "$rc:$err" "0:" "RunPodSandbox"
first=$P
is "$(pids_of_shims | wc -l)" 1 "has one shim"
try container mysql-0 $U1 db sleep 1000
is "$rc:$err" "0:" "CreateContainer"
db=$out
try cri start "$db"
is "$rc:$err" "0:" "StartContainer"
is "$(cri status "$db")" "running 0" "ContainerStatus"
side=$(container mysql-0 $U1 side sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done')
cri start "$side"
is "$(pids_of_shims | wc -l)" 1 "a second container is in the same shim"
try cri exec "$db" sh -c 'echo out; echo err >&2; exit 5'
is "$rc:$out:$err" "5:out:err" "ExecSync: output, errors, exit code"
try cri exec "$db" hostname
is "$out" "$(hostname)" "a pod of the host's network has its name"
try cri exec "$db" sh -c 'echo shared >/mnt/tmp/f; echo fast >/mnt/mem/f; echo kept >/mnt/data/f; sync'
is "$rc:$err" "0:" "three volumes can be written"
try cri exec "$side" cat /mnt/tmp/f /mnt/mem/f /mnt/data/f
is "$(tr '\n' ' ' <<<"$out")" "shared fast kept " "the pod's other container sees them"
read -r cpu memory <<<"$(cri stats "$db")"
[ "$cpu" -gt 0 ] && [ "$memory" -gt 0 ]
ok $? "ContainerStats"
grep -q "$T/state" /proc/self/mounts
is $? 1 "no volume stands in the host's mount table"

# A second pod of the name, while the first one lives.
try cri podrun kshim catalog mysql-0 $U2 "${A[@]}"
like "$rc:$err" "255:*pod catalog/mysql-0 is running already*$U1*" "a second pod of the name is refused, and the holder named"

# A container that restarts.
cri stop "$side"
is "$(cri status "$side")" "exited 7" "StopContainer sends SIGTERM; the exit code is kept"
cri rm "$side"
side=$(cri create "$first" catalog mysql-0 $U1 side "$IMAGE" "${A[@]}" -- sleep 1000)
cri start "$side"
try cri exec "$side" cat /mnt/tmp/f /mnt/data/f
is "$(tr '\n' ' ' <<<"$out")" "shared kept " "a restarted container finds its emptyDir again"

# containerd goes away and comes back.
ctd_kill
ctd_start
wait_for 10 cri status "$db"
is "$(cri status "$db")" "running 0" "containerd killed and started again: the container runs"
try cri exec "$db" cat /mnt/data/f
is "$rc:$out" "0:kept" "and can be worked with"

cri podstop "$first"
is "$(cri status "$db" | cut -d' ' -f1)" exited "StopPodSandbox"
cri podrm "$first"
wait_for 5 eval '[ -z "$(pids_of_shims)" ]'
ok $? "RemovePodSandbox; the shim has ended"

# The set makes the pod again: same name, another uid.
pod mysql-0 $U2
is "$rc:$err" "0:" "the pod of the same name comes back"
db=$(container mysql-0 $U2 db sleep 1000)
cri start "$db"
try cri exec "$db" cat /mnt/data/f
is "$rc:$out" "0:kept" "with the same disk"
try cri exec "$db" ls /mnt/tmp /mnt/mem
is "$(tr -d '\n' <<<"$out")" "/mnt/mem:/mnt/tmp:" "and empty emptyDirs"
kill -KILL "$(pids_of_shims)"
wait_for 10 eval '[ "$(cri status "$db" | cut -d" " -f1)" != running ]'
ok $? "its shim killed: Kubernetes is told"
cri podstop "$P"
cri podrm "$P"
# Until all of the dead one is gone it is refused, and kubelet tries again.
U3=33333333-3333-4333-8333-333333333333
again() { pod mysql-0 $U3 && [ "$rc" = 0 ]; }
wait_for 10 again
db=$(container mysql-0 $U3 db sleep 1000)
cri start "$db"
try cri exec "$db" cat /mnt/data/f
is "$rc:$out" "0:kept" "the next one has the disk, whole"
cri podstop "$P"
cri podrm "$P"
wait_for 5 eval '[ -z "$(pids_of_shims)" ]'
"$K" volume delete -n catalog data-mysql-0
stop_all
at_exit=
no_leaks
