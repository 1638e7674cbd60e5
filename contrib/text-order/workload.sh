#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container's everyday life, for text-order.sh. Usage: BUILD=DIR workload.sh small|run|verbs|pod|ctr
. "$(dirname "$0")/../../tests/lib/lib.sh"
. "$TOP/tests/lib/shim.sh"
. "$TOP/tests/lib/containerd.sh"
at_exit='ctd_stop; stop_shims'
R=$T/rootfs b=$T/b
rootfs "$R"
mkdir "$b"
spec() { jq --arg r "$R" --argjson args "$1" '.root.path = $r | .process.args = $args' "$TOP/tests/data/containerd-config.json" >"$b/config.json"; }
must() { "$@" >"$T/out" 2>"$T/err" </dev/null || { echo "$*: $(cat "$T/err")" >&2; _failed=1; exit; }; }
rpc() { must timeout -k 1 90 python3 "$TOP/tests/lib/ttrpc.py" "$SOCK" "$@"; }

case $1 in
small)
	spec '["/bin/sleep", "1000"]'
	cp "$K" "$T/unseen" # what starts the container and ends it is no small verb
	as_callers=(--root "$T/records" --log "$T/log" --log-format json)
	must "$T/unseen" "${as_callers[@]}" run --detach -b "$b" "$TAG-s"
	must "$K" "${as_callers[@]}" state "$TAG-s"
	must "$K" "${as_callers[@]}" list
	must "$K" "${as_callers[@]}" kill "$TAG-s" CONT
	must "$T/unseen" "${as_callers[@]}" delete --force "$TAG-s"
	;;
run)
	spec '["/bin/true"]'
	must "$K" run -b "$b" "$TAG-r"
	;;
verbs)
	spec '["/bin/sleep", "1000"]'
	must "$K" create -b "$b" "$TAG-v"
	must "$K" start "$TAG-v"
	must "$K" state "$TAG-v"
	must "$K" list
	must "$K" exec "$TAG-v" /bin/true
	must "$K" kill "$TAG-v" KILL
	must "$K" delete --force "$TAG-v"
	;;
pod)
	new "$TAG-c" . sleep 1000
	start "$TAG-c"
	rpc Create "1=$TAG-c" "2=$T/bundles/$TAG-c"
	rpc Start "1=$TAG-c"
	rpc State "1=$TAG-c"
	rpc Pids "1=$TAG-c"
	rpc Stats "1=$TAG-c"
	rpc Exec "1=$TAG-c" 2=e 7:1=Process '7:2=@{"cwd":"/","args":["/bin/true"],"user":{"uid":0,"gid":0}}'
	rpc Start "1=$TAG-c" 2=e
	rpc Wait "1=$TAG-c" 2=e
	rpc Delete "1=$TAG-c" 2=e
	sleep 2 # it becomes quiet, and gives memory back
	rpc Kill "1=$TAG-c" 3=9
	rpc Wait "1=$TAG-c"
	rpc Delete "1=$TAG-c"
	rpc Shutdown "1=$TAG-c"
	must shims_gone
	;;
ctr)
	ctd_use 1
	ctd_start
	must ctr run -d $RT --rootfs "$R" "$TAG-c" /bin/sleep 1000
	must ctr task exec --exec-id e "$TAG-c" /bin/true
	sleep 2
	must ctr task metrics "$TAG-c"
	must ctr task kill -s KILL "$TAG-c"
	must wait_for 10 eval 'ctr task ls | grep -q "$TAG-c .*STOPPED"'
	must ctr task rm "$TAG-c"
	must ctr c rm "$TAG-c"
	;;
*)
	echo "no workload \"$1\"" >&2
	exit 2
	;;
esac
