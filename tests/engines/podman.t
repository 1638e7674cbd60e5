#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# podman's everyday verbs with kshim as its runtime: an image, containers,
# exec, health checks, limits, a pod, a Kubernetes manifest, a build.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/criu.sh"
requires_root
requires podman
requires jq

pod_rootfs
# By that name podman trusts it with what it believes crun alone to do.
cat >"$T/crun" <<E2
#!/bin/sh
# Its own cleanup process gets no --runtime-flag: the directories come by the environment.
export KSHIM_ROOT=$KSHIM_ROOT KSHIM_STATE_DIR=$KSHIM_STATE_DIR
exec $K "\$@"
E2
chmod +x "$T/crun"
printf '[containers]\ndefault_ulimits = []\nlog_driver = "k8s-file"\n[engine]\nhelper_binaries_dir = ["/usr/libexec/podman", "/usr/lib/podman"]\n' >"$T/containers.conf"
printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$T/policy.json"
export CONTAINERS_CONF=$T/containers.conf
P="podman --runtime $T/crun --root $T/pod --runroot $T/podrun --tmpdir $T/podtmp --storage-driver vfs --cgroup-manager cgroupfs --events-backend file"
# The host may not let anybody raise limits; its network belongs to others.
O="--network host --security-opt label=disable --ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
at_exit="$P rm -af -t 0 >/dev/null 2>&1; $P pod rm -af -t 0 >/dev/null 2>&1; wait_for 5 eval '! pgrep -f $T/pod'"
state() { $P inspect "$1" | jq -r '.[0].State.Status'; }
why() { [ "$rc" = "$1" ] || sed 's/^/#   /' "$T/err"; }

# ---- an image ------------------------------------------------------------------------
printf '#!/bin/sh\nexec sleep 1000\n' >"$R/pause"
chmod +x "$R/pause"
tar -C "$R" -c . >"$T/rootfs.tar"
try $P import --change 'CMD ["sh"]' --change 'ENV FROM_IMAGE=yes' "$T/rootfs.tar" localhost/busybox
is "$rc" 0 "podman import"
why 0
I=localhost/busybox
try $P import --change 'CMD ["/pause"]' "$T/rootfs.tar" localhost/pause

# ---- run --------------------------------------------------------------------------------
try $P run --rm $O $I sh -c 'echo hello $FROM_IMAGE; exit 3'
is "$rc:$out" "3:hello yes" "run --rm: output and exit code"
why 3
try $P run --rm $O $I nosuchcommand
is "$rc" 127 "run of a command that is missing"
like "$err" '*nosuchcommand*' "and the message names it"
try $P run --rm $O $I /etc/passwd
is "$rc" 126 "run of a file that cannot be executed"
try $P run --rm $O -e A=b -w /tmp -u 1000:100 --hostname it --uts private $I sh -c 'echo $A $(pwd) $(id -u):$(id -g) $(hostname)'
is "$rc:$out" "0:b /tmp 1000:100 it" "environment, directory, user, host name"
why 0
try $P run --rm $O --read-only --tmpfs /scratch:rw,size=1m $I sh -c 'echo x >/scratch/f && cat /scratch/f; echo x >/f'
is "$rc:$out" "1:x" "--read-only with a --tmpfs"
mkdir "$T/data"
try $P run --rm $O -v "$T/data:/data" -v "$T/data:/ro:ro" $I sh -c 'echo from inside >/data/f; cat /ro/f; echo x >/ro/f'
is "$rc:$out:$(cat "$T/data/f")" "1:from inside:from inside" "bind mounts, one read-only"
try $P run --rm $O --cap-drop all --cap-add chown $I grep CapEff /proc/self/status
like "$out" '*0000000000000001' "--cap-drop, --cap-add"
try $P run --rm $O --memory 64m --pids-limit 33 --cpu-shares 300 $I sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:67108864 33 " "limits"
why 0
try $P run --rm $O --pids-limit -1 $I sh -c '(true); echo forked'
is "$rc:$out" 0:forked "--pids-limit -1 is no limit"
try $P run --rm $O --privileged $I sh -c 'ls /dev | wc -l; grep CapEff /proc/self/status'
[ "$rc" = 0 ] && [ "$(head -1 <<<"$out")" -gt 20 ]
ok $? "--privileged"
why 0
try $P run --rm $O --init $I true
case $rc:$err in
*"init"*"not found"* | 125:*) skip "--init" "podman has no init program here" ;;
*) is "$rc" 0 "--init" ;;
esac
try $P run --rm $O --security-opt seccomp=unconfined --security-opt no-new-privileges $I grep -E 'Seccomp:|NoNewPrivs' /proc/self/status
is "$(awk '{ print $2 }' <<<"$out" | sort | tr '\n' ' ')" "0 1 " "--security-opt"
try $P run --rm $O $I grep Seccomp: /proc/self/status
like "$out" '*2' "podman's own seccomp profile is in force"
try $P run --rm $O --cgroups=disabled $I true
is "$rc" 0 "--cgroups=disabled"
why 0
try $P run --rm $O --ipc host --pid host $I sh -c 'readlink /proc/self/ns/pid'
is "$rc:$out" "0:$(readlink /proc/self/ns/pid)" "--pid host"
try $P run --rm $O --sysctl net.ipv4.ip_forward=1 $I true
is "$([ "$rc" != 0 ] && echo refused)" refused "a sysctl of the host's network is refused"
try script -qec "$P run --rm $O -t $I sh -c 'tty; stty size'" /dev/null
like "$out" '*/dev/pts/0*' "run -t has a terminal"
echo from stdin | $P run --rm -i $O $I cat >"$T/out"
is "$(cat "$T/out")" "from stdin" "run -i reads standard input"

# ---- a container that stays --------------------------------------------------------------------
C=$TAG-c
try $P run -d $O --name "$C" --health-cmd 'test -e /healthy' --health-interval disable $I sh -c 'trap "echo bye; exit 5" TERM; echo started; while :; do sleep 0.1; done'
is "$rc:$(state "$C")" 0:running "run -d"
why 0
try $P exec "$C" sh -c 'echo in; exit 4'
is "$rc:$out" 4:in "exec"
try $P exec -u user -w /tmp -e X=1 "$C" sh -c 'echo $(id -un) $(pwd) $X'
is "$rc:$out" "0:user /tmp 1" "exec -u -w -e"
try $P exec "$C" nosuch
is "$rc" 127 "exec of a command that is missing"
echo hi | $P exec -i "$C" cat >"$T/out"
is "$(cat "$T/out")" hi "exec -i"
$P exec -d "$C" sh -c 'echo done >/detached' >/dev/null
wait_for 5 $P exec "$C" test -e /detached
ok $? "exec -d"
try $P healthcheck run "$C"
is "$rc" 1 "healthcheck: unhealthy"
$P exec "$C" touch /healthy
try $P healthcheck run "$C"
is "$rc" 0 "healthcheck: healthy"
try $P top "$C"
like "$rc:$out" '0:*USER*PID*sleep*' "top"
try $P stats --no-stream --format '{{.Name}} {{.PIDs}}' "$C"
like "$rc:$out" "0:$C [1-9]*" "stats"
why 0
try $P pause "$C"
is "$rc:$(state "$C")" 0:paused "pause"
try $P exec "$C" true
is "$([ "$rc" != 0 ] && echo refused)" refused "exec in a paused one"
try $P unpause "$C"
is "$rc:$(state "$C")" 0:running "unpause"
echo copied >"$T/file"
try $P cp "$T/file" "$C:/tmp/file"
is "$rc:$($P exec "$C" cat /tmp/file)" 0:copied "cp"
try $P logs "$C"
like "$rc:$out" '0:*started*' "logs"
try $P stop -t 5 "$C"
is "$rc:$(state "$C"):$($P inspect "$C" | jq '.[0].State.ExitCode')" 0:exited:5 "stop: the container ends by itself"
try $P start "$C"
is "$rc:$(state "$C")" 0:running "start again"
try $P restart -t 0 "$C"
is "$rc:$(state "$C")" 0:running "restart"
try $P kill -s KILL "$C"
is "$rc" 0 "kill -s KILL"
wait_for 5 eval '[ "$(state "$C")" = exited ]'
is "$(state "$C"):$($P inspect "$C" | jq '.[0].State.ExitCode')" exited:137 "which ends it with 128 and the signal"
try $P diff "$C"
like "$rc:$out" '0:*/detached*' "diff"
try $P commit -q "$C" localhost/committed
is "$rc" 0 "commit"
try $P run --rm $O localhost/committed cat /detached
is "$rc:$out" 0:done "a container of that image"
try $P rm -f -t 0 "$C"
is "$rc" 0 "rm -f"
try $P create $O --name "$C" $I sh -c 'echo created later'
is "$rc:$(state "$C")" 0:created "create"
try $P start -a "$C"
is "$rc:$out" "0:created later" "start --attach"
$P rm "$C" >/dev/null
try $P run -d $O --restart on-failure:1 --name "$C" $I false
try $P wait "$C"
is "$rc:$out" 0:1 "wait"
$P rm -f "$C" >/dev/null

# ---- memory that runs out ----------------------------------------------------------------------
try $P run $O --name "$C" --memory 16m --memory-swap 16m $I tail /dev/zero
is "$rc" 137 "out of memory"
$P rm -f "$C" >/dev/null

# ---- a pod ---------------------------------------------------------------------------------------
cat >"$T/Containerfile" <<'C2'
FROM localhost/busybox
RUN echo built >/built && id -u >/uid
COPY file /copied
USER 1000
CMD ["sh", "-c", "cat /built /uid /copied; id -u"]
C2
cp "$T/file" "$T/data/file"
try $P build -q --runtime "$T/crun" --isolation oci --network host --security-opt label=disable --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -t localhost/built -f "$T/Containerfile" "$T/data"
is "$rc" 0 "build: every RUN is a container"
why 0
try $P run --rm $O localhost/built
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:built 0 copied 1000 " "and the image holds what they did"

# The infra container is of the image: this host has no catatonit, and pulls nothing.
try $P pod create --name "$TAG-pod" --network host --infra-image $I --infra-command /pause --security-opt label=disable
if [ "$rc" = 0 ]; then
	try $P run -d --pod "$TAG-pod" --security-opt label=disable --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --name "$TAG-one" $I sleep 1000
	is "$rc" 0 "a container of a pod"
	why 0
	try $P run --rm --pod "$TAG-pod" --security-opt label=disable --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 $I readlink /proc/self/ns/ipc
	is "$rc:$out" "0:$($P exec "$TAG-one" readlink /proc/self/ns/ipc)" "another shares its namespaces"
	try $P pod stop -t 0 "$TAG-pod"
	is "$rc" 0 "pod stop"
	try $P pod rm -f "$TAG-pod"
	is "$rc" 0 "pod rm"
else
	ok 1 "pod create"
	why 0
fi
cat >"$T/pod.yaml" <<Y
apiVersion: v1
kind: Pod
metadata:
  name: $TAG-kube
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
  - name: main
    image: $I
    command: ["sh", "-c", "echo \$GREETING >/data/f; sleep 1000"]
    env: [{name: GREETING, value: from kube}]
    resources: {limits: {memory: 32Mi}}
    securityContext: {seLinuxOptions: {type: spc_t}}
    volumeMounts: [{name: d, mountPath: /data}]
  volumes:
  - name: d
    emptyDir: {}
Y
sed -i 's/default_ulimits = \[\]/default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nlabel = false/; s/\[engine\]/[engine]\ninfra_image = "localhost\/pause"\ninfra_command = "\/pause"/' "$T/containers.conf"
sed -i '/seLinuxOptions/d' "$T/pod.yaml"
try $P play kube "$T/pod.yaml"
is "$rc" 0 "kube play"
why 0
wait_for 5 eval '[ "$($P exec "$TAG-kube-main" cat /data/f 2>/dev/null)" = "from kube" ]'
ok $? "with an emptyDir and an environment"
try $P play kube --down "$T/pod.yaml"
is "$rc" 0 "kube down"
why 0

# ---- checkpoint and restore ---------------------------------------------------------------
if criu_use; then
	# shellcheck disable=SC2016 # for the container
	$P run -d --name "$TAG-c" $O $I sh -c 'i=0; while :; do i=$((i+1)); echo $i >>/n; sleep 0.05; done' >/dev/null 2>&1
	wait_for 5 $P exec "$TAG-c" test -s /n
	n=$($P exec "$TAG-c" tail -n 1 /n)
	try $P container checkpoint "$TAG-c"
	is "$rc:$(state "$TAG-c")" 0:exited "container checkpoint"
	why 0
	try $P container restore "$TAG-c"
	is "$rc:$(state "$TAG-c")" 0:running "container restore"
	why 0
	m=$($P exec "$TAG-c" tail -n 1 /n)
	[ "${m:-0}" -ge "${n:-9999}" ] && [ "${m:-0}" -lt $((n + 200)) ]
	ok $? "which goes on where it was ($n, $m)"
	try $P container checkpoint --leave-running --export "$T/c.tar" "$TAG-c"
	is "$rc:$(state "$TAG-c")" 0:running "container checkpoint --leave-running --export"
	why 0
	$P rm -f -t 0 "$TAG-c" >/dev/null 2>&1
	try $P container restore --import "$T/c.tar" --name "$TAG-d"
	is "$rc:$(state "$TAG-d")" 0:running "container restore --import"
	why 0
	$P rm -f -t 0 "$TAG-d" >/dev/null 2>&1
else
	skip "container checkpoint and restore" "$no_criu"
fi

$P volume rm -af >/dev/null 2>&1
no_leaks
