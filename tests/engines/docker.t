#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Docker's everyday verbs with kshim as one of its runtimes.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires jq
requires docker
PATH=$PATH:/usr/sbin:/sbin
requires dockerd
requires containerd

pod_rootfs
export DOCKER_HOST=unix://$T/d.sock DOCKER_CONFIG=$T/docker
cat >"$T/kshim" <<E2
#!/bin/sh
export KSHIM_ROOT=$KSHIM_ROOT KSHIM_STATE_DIR=$KSHIM_STATE_DIR
exec $K "\$@"
E2
chmod +x "$T/kshim"
# No bridge and no rules: the host's network is left alone.
dockerd --data-root "$T/dd" --exec-root "$T/de" -p "$T/d.pid" -H "$DOCKER_HOST" --iptables=false \
	--ip6tables=false --bridge=none --storage-driver vfs --add-runtime "kshim=$T/kshim" \
	--default-runtime kshim >"$T/dockerd.log" 2>&1 &
daemon=$!
stop_daemon() {
	docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1
	kill "$daemon" 2>/dev/null
	wait "$daemon" 2>/dev/null
	umount "$T"/de/netns/* 2>/dev/null
}
at_exit="stop_daemon"
wait_for 20 docker version || {
	tail -3 "$T/dockerd.log" | sed 's/^/# /'
	skip_all "dockerd does not run here"
}
why() { [ "$rc" = "$1" ] || sed 's/^/#   /' "$T/err"; }
state() { docker inspect "$1" | jq -r '.[0].State.Status'; }
mkdir -p "$R/dev"
tar -C "$R" -c . | docker import - box >/dev/null
is "$(docker info -f '{{.DefaultRuntime}}')" kshim "kshim is the default runtime"

try docker run --rm box sh -c 'echo hello; exit 3'
is "$rc:$out" 3:hello "run --rm: output and exit code"
why 3
try docker run --rm --network host box readlink /proc/self/ns/net
is "$rc:$out" "0:$(readlink /proc/self/ns/net)" "--network host joins a namespace by its bind mount"
why 0
try docker run --rm box nosuchcommand
like "$rc:$err" '127:*nosuchcommand*not found*' "a command that is missing"
try docker run --rm box /etc/passwd
is "$rc" 126 "a file that cannot be executed"
try docker run --rm -e A=b -w /tmp -u 1000:100 --hostname it --group-add 33 box sh -c 'echo $A $(pwd) $(id -u):$(id -g) $(id -G) $(hostname)'
is "$rc:$out" "0:b /tmp 1000:100 100 33 it" "environment, directory, user, groups, host name"
try docker run --rm --read-only --tmpfs /scratch:size=1m box sh -c 'echo x >/scratch/f && cat /scratch/f; echo x >/f'
is "$rc:$out" 1:x "--read-only, --tmpfs"
mkdir "$T/data"
try docker run --rm -v "$T/data:/data" -v "$T/data:/ro:ro" box sh -c 'echo inside >/data/f; cat /ro/f; echo x >/ro/f'
is "$rc:$out:$(cat "$T/data/f")" 1:inside:inside "volumes, one read-only"
try docker run --rm --memory 64m --pids-limit 33 --cpus 0.5 --cpuset-cpus 0 box sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus 2>/dev/null || cat memory.max pids.max; true'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:67108864 33 50000 0 " "limits"
why 0
try docker run --rm --pids-limit 0 box sh -c '(true); echo forked'
is "$rc:$out" 0:forked "--pids-limit 0 is no limit"
try docker run --rm --cap-drop all --cap-add chown box grep CapEff /proc/self/status
like "$out" '*0000000000000001' "--cap-drop, --cap-add"
try docker run --rm box grep Seccomp: /proc/self/status
like "$out" '*2' "docker's seccomp profile is in force"
try docker run --rm --privileged box sh -c 'ls /dev | wc -l'
[ "$rc" = 0 ] && [ "$out" -gt 20 ]
ok $? "--privileged"
why 0
try docker run --rm --init box true
is "$rc" 0 "--init"
why 0
try docker run --rm --device /dev/loop-control:/dev/lc:r box sh -c 'ls -l /dev/lc | cut -c1; : >/dev/lc'
like "$rc:$out" '[12]:c' "--device, for reading alone"
try docker run --rm --ulimit nofile=512:512 --shm-size 1m --oom-score-adj 500 box sh -c 'ulimit -n; df /dev/shm | tail -1 | awk "{ print \$2 }"; cat /proc/self/oom_score_adj'
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:512 1024 500 " "--ulimit, --shm-size, --oom-score-adj"
why 0
try script -qec "docker run --rm -t box sh -c 'tty; exit 7'" /dev/null
like "$rc:$out" '7:*/dev/pts/0*' "-t has a terminal"
echo from stdin | docker run --rm -i box cat >"$T/out"
is "$(cat "$T/out")" "from stdin" "-i reads standard input"

C=$TAG-c
try docker run -d --name "$C" --health-cmd 'test -e /healthy' --health-interval 1s --health-retries 1 box sh -c 'trap "echo bye; exit 5" TERM; echo started; while :; do sleep 0.1; done'
is "$rc:$(state "$C")" 0:running "run -d"
why 0
try docker exec "$C" sh -c 'echo in; exit 4'
is "$rc:$out" 4:in "exec"
try docker exec -u user -w /tmp -e X=1 "$C" sh -c 'echo $(id -un) $(pwd) $X'
is "$rc:$out" "0:user /tmp 1" "exec -u -w -e"
try docker exec "$C" nosuch
like "$rc" '12[67]' "exec of a command that is missing"
echo hi | docker exec -i "$C" cat >"$T/out"
is "$(cat "$T/out")" hi "exec -i"
try docker exec --privileged "$C" grep CapEff /proc/self/status
like "$rc:$out" '0:*' "exec --privileged"
docker exec -d "$C" touch /healthy
wait_for 10 eval '[ "$(docker inspect "$C" | jq -r ".[0].State.Health.Status")" = healthy ]'
ok $? "health checks run"
try docker top "$C"
like "$rc:$out" '0:*PID*sh*' "top"
try docker stats --no-stream --format '{{.Name}} {{.PIDs}}' "$C"
like "$rc:$out" "0:$C [1-9]*" "stats"
try docker pause "$C"
is "$rc:$(state "$C")" 0:paused "pause"
try docker unpause "$C"
is "$rc:$(state "$C")" 0:running "unpause"
try docker update --memory 128m --memory-swap 256m --cpu-shares 200 --pids-limit 50 "$C"
is "$rc" 0 "update"
why 0
try docker exec "$C" sh -c 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max'
is "$out" 50 "and it is in force"
echo copied >"$T/file"
try docker cp "$T/file" "$C:/tmp/file"
is "$(docker exec "$C" cat /tmp/file)" copied "cp"
try docker logs "$C"
like "$rc:$out" '0:*started*' "logs"
try docker stop -t 5 "$C"
is "$rc:$(state "$C"):$(docker inspect "$C" | jq '.[0].State.ExitCode')" 0:exited:5 "stop"
try docker start "$C"
is "$rc:$(state "$C")" 0:running "start again"
try docker restart -t 0 "$C"
is "$rc:$(state "$C")" 0:running "restart"
try docker kill "$C"
wait_for 5 eval '[ "$(state "$C")" = exited ]'
is "$(docker inspect "$C" | jq '.[0].State.ExitCode')" 137 "kill"
try docker rm "$C"
is "$rc" 0 "rm"
try docker run --name "$C" --memory 16m --memory-swap 16m box tail /dev/zero
is "$rc:$(docker inspect "$C" | jq '.[0].State.OOMKilled')" 137:true "out of memory, and docker knows"
docker rm "$C" >/dev/null
# Two containers that share namespaces.
docker run -d --name "$C" --ipc shareable box sleep 1000 >/dev/null
try docker run --rm --network "container:$C" --ipc "container:$C" --pid "container:$C" box sh -c 'for n in net ipc pid; do readlink /proc/self/ns/$n; done'
is "$rc:$out" "0:$(docker exec "$C" sh -c 'for n in net ipc pid; do readlink /proc/self/ns/$n; done')" "namespaces of another container"
why 0
docker rm -f "$C" >/dev/null
printf 'FROM box\nRUN echo built >/built\nUSER 1000\nCMD ["sh", "-c", "cat /built; id -u"]\n' >"$T/data/Dockerfile"
DOCKER_BUILDKIT=0 try docker build -q -t built "$T/data"
is "$rc" 0 "build"
why 0
try docker run --rm built
is "$rc:$(tr '\n' ' ' <<<"$out")" "0:built 1000 " "and the image holds what it did"
stop_daemon
at_exit=
no_leaks
