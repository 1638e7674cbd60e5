#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On a host where systemd is the first process.
. "$(dirname "$0")/guest.sh"
requires_root
[ -d /run/systemd/system ] || skip_all "systemd is not the first process here"
pod_rootfs

like "$(systemctl --version | head -1)" "systemd *" "systemd runs"
bundle "$T/b" '.process.args = ["true"]'
try "$K" --systemd-cgroup run -b "$T/b" "$TAG-1"
like "$rc:$err" "1:*--systemd-cgroup is not supported yet*" "its cgroup driver says that it is not there yet"

# Its mount units never see a volume.
before=$(systemctl list-units --type=mount --all --no-legend | wc -l)
"$K" volume create -n ns data --size 16Mi
up "$TAG-1" --pod ns/p-0 --volume data:/d --empty-dir e:/e --empty-dir m:/m:medium=Memory
is "$rc" 0 "a pod with volumes"
sleep 1
is "$(systemctl list-units --type=mount --all --no-legend | wc -l)" "$before" "systemd sees no mount of it"

# A keeper and its containers outlive the session that started them.
systemd-run --quiet --wait --collect -p KillMode=process "$K" --root "$KSHIM_ROOT" --state-dir "$KSHIM_STATE_DIR" \
	run --detach --rootfs "$R" --pod ns/p-1 --empty-dir e:/e "$TAG-2" -- sleep 1000
is "$("$K" state "$TAG-2" | jq -r .status)" running "a pod outlives the unit that started it"
"$K" delete --force "$TAG-1"
"$K" delete --force "$TAG-2"
"$K" volume delete -n ns data
no_leaks
