#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at random moments of create: the id can then be deleted with --force,
# and nothing is left. KSHIM_SEED repeats a run.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires perl

seed=${KSHIM_SEED:-$RANDOM}
RANDOM=$seed
echo "# seed $seed"
B=$T/b
bundle "$B" '.process.args = ["sleep", "100"] | .hostname = "p-0" | .annotations = {"dev.kshim.pod": "ns/p-0",
	"dev.kshim.volumes": "[{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]",
	"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"e\",\"mountPath\":\"/tmp\"},{\"name\":\"d\",\"mountPath\":\"/mnt\"}]}"} | .root.readonly = false'
"$K" volume create -n ns data --size 16Mi
uuid=$("$K" volume inspect -n ns data | jq -r .fsUuid)

# How long a create takes, in microseconds, so that the moments cover all of it.
t0=$(date +%s%N)
"$K" create -b "$B" "$TAG-x" </dev/null >/dev/null 2>&1
us=$((($(date +%s%N) - t0) / 1000))
"$K" delete --force "$TAG-x"
echo "# a create takes $us us"

killed=0
created=0
broken=0
for i in $(seq 50); do
	wait_us=$((RANDOM * RANDOM % (us * 11 / 10)))
	# A child of perl's, so that the moment is not the shell's to blur.
	perl -MTime::HiRes=usleep -e '
		my $us = shift;
		my $pid = fork // die;
		if (!$pid) { open STDIN, "</dev/null"; open STDOUT, ">/dev/null"; open STDERR, ">/dev/null"; exec @ARGV; }
		usleep($us); kill 9, $pid; waitpid $pid, 0; exit($? == 9 ? 9 : $? ? 1 : 0)' \
		"$wait_us" "$K" create -b "$B" "$TAG-k"
	case $? in 9) killed=$((killed + 1)) ;; 0) created=$((created + 1)) ;; esac
	"$K" delete --force "$TAG-k" >"$T/err" 2>&1 || { broken=1; echo "# after $wait_us us: $(cat "$T/err")"; }
	[ ! -e "$KSHIM_ROOT/$TAG-k" ] || { broken=1; echo "# after $wait_us us: $(ls "$KSHIM_ROOT/$TAG-k")"; }
done
ok $broken "after each of 50 kills, delete --force works ($killed killed, $created were faster)"
[ "$killed" -ge 20 ]
ok $? "most were killed in the middle"
sleep 0.5 # a keeper whose parent died gives up by itself
try "$K" gc
is "$rc" 0 "gc"
no_leaks "nothing is left after all of them"
try "$K" run --rootfs "$T/rootfs" --pod ns/p-0 --volume data:/mnt "$TAG-last" -- sh -c 'echo ok >/mnt/f && cat /mnt/f'
is "$rc:$out" "0:ok" "the name and its volume are free and whole"
is "$("$K" volume inspect -n ns data | jq -r .fsUuid)" "$uuid" "and the volume is the same"
"$K" volume delete -n ns data
no_leaks
