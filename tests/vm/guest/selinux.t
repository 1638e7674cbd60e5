#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SELinux labels, by their effect inside a container, under a policy of a few lines; crun and runc
# are asked the same.
. "$(dirname "$0")/guest.sh"
requires_root
requires jq
requires secilc
requires python3
grep -qw selinux /sys/kernel/security/lsm 2>/dev/null || { mount -t securityfs securityfs /sys/kernel/security 2>/dev/null; grep -qw selinux /sys/kernel/security/lsm; } ||
	skip_all "needs a kernel started with security=selinux"
mountpoint -q /sys/fs/selinux || mount -t selinuxfs selinuxfs /sys/fs/selinux
secilc -o "$T/policy" -f "$T/contexts" "$(dirname "$0")/selinux.cil"
ok $? "the policy is compiled"
dd if="$T/policy" of=/sys/fs/selinux/load bs=1M status=none
ok $? "and loaded"
echo 1 >/sys/fs/selinux/enforce
is "$(cat /sys/fs/selinux/enforce):$(tr -d '\0' </proc/self/attr/current)" 1:system_u:system_r:kernel_t:s0-s0:c0.c3 "and enforced"

B=$T/b
LABEL=system_u:system_r:container_t:s0:c1,c2
OTHER=system_u:system_r:container_t:s0:c3
FILES=system_u:object_r:container_file_t:s0:c1,c2
label() { tr -d '\0' <"$1"; }

labelled() { # JQ-FILTER SCRIPT
	bundle "$B" ".process.selinuxLabel = \"$LABEL\" | .linux.mountLabel = \"$FILES\" | .process.noNewPrivileges = true | .process.args = [\"sh\", \"-c\", $(jq -Rn --arg s "$2" '$s')] | $1"
	mkdir -p "$B/rootfs/etc"
	echo open >"$B/rootfs/etc/open"
	echo hidden >"$B/rootfs/secret"
	cp "$BUILD/helper/probe" "$B/rootfs/probe"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "security.selinux", sys.argv[2].encode())' "$B/rootfs/secret" system_u:object_r:secret_t:s0
}
label_of() { python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], "security.selinux").decode().rstrip("\0"))' "$1"; }

# As an engine has it: through a pipe, since a file of the host's is closed to the container.
piped() { out=$(timeout 60 "$@" 2>&1 </dev/null | tr -d '\0'); }

# shellcheck disable=SC2016 # for the inner shell
look='cat /proc/self/attr/current; echo; cat /etc/open; cat /secret; /probe key-label
	for m in /dev /dev/shm /dev/pts; do grep " $m " /proc/self/mountinfo | grep -o "context=[^ ]*" | cut -d, -f1,2; done
	[ ! -e /proc/acpi ] || grep " /proc/acpi " /proc/self/mountinfo | grep -o "context=[^ ]*" | cut -d, -f1,2
	echo x >/dev/shm/f && cat /dev/shm/f; touch /dev/mqueue/q && echo queue; ls /sys/fs/cgroup >/dev/null && echo cgroup'
labelled . "$look"
for rt in crun runc "$K"; do
	command -v "$rt" >/dev/null || { skip "${rt##*/}" "not here"; continue; }
	piped "$rt" --root "$T/rt-${rt##*/}" run -b "$B" "$TAG-1"
	echo "$out" >"$T/out.${rt##*/}"
done
context="context=\"$FILES\""
out=$(cat "$T/out.kshim")
is "$(head -3 <<<"$out")" "$LABEL"$'\n'"open"$'\n'"cat: can't open '/secret': Permission denied" "the process is labelled, and may what its label may"
is "$(sed -n 4p <<<"$out")" "$LABEL" "its session keyring, too"
is "$(grep -c "^$context$" <<<"$out")" "$([ -e /proc/acpi ] && echo 4 || echo 3)" "file systems that are made for it have the mount label"
is "$(tail -3 <<<"$out")" $'x\nqueue\ncgroup' "it can use them, and message queues"
for rt in crun runc; do
	[ ! -e "$T/out.$rt" ] || is "$out" "$(cat "$T/out.$rt")" "as with $rt"
done

labelled '.process.selinuxLabel = "system_u:system_r:no_such_t:s0"' true
piped "$K" run -b "$B" "$TAG-1"
like "$out" '*process.selinuxLabel*no_such_t*Invalid argument*' "a label that the policy does not know"
labelled '.linux.mountLabel = "system_u:object_r:no_such_t:s0"' true
piped "$K" run -b "$B" "$TAG-1"
like "$out" '*context*no_such_t*' "a mount label that it does not know"
labelled '.mounts |= map(if .destination == "/dev/shm" then .options += ["context=\"'"${FILES/c1,c2/c1.c2}"'\""] else . end)' 'grep " /dev/shm " /proc/self/mountinfo | grep -o "context=[^ ]*"'
piped "$K" run -b "$B" "$TAG-1"
like "$out" "$context*" "a context of the mount's own, in quotes"
labelled '.process.noNewPrivileges = false | .process.user = {uid: 1000, gid: 1000}' 'cat /proc/self/attr/current'
piped "$K" run -b "$B" "$TAG-1"
is "$out" "$LABEL" "of a user, without noNewPrivileges"
labelled '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings' 'cat /proc/self/attr/current; echo; grep " /dev " /proc/self/mountinfo | grep -o "context=[^ ]*" | cut -d, -f1,2'
chmod 755 "$T"
piped "$K" run -b "$B" "$TAG-1"
is "$out" "$LABEL"$'\n'"$context" "in a user namespace, where not every file system takes a context"
labelled 'del(.process.selinuxLabel) | del(.linux.mountLabel)' 'cat /proc/self/attr/current; cat /secret'
piped "$K" run -b "$B" "$TAG-1"
is "$out" "$(label /proc/self/attr/current)hidden" "no label asked for, none given"

# ---- volumes --------------------------------------------------------------------------------

pod() { # LABEL-LEVEL SCRIPT
	labelled '.process.selinuxLabel = "'"${LABEL%:s0*}:$1"'" | .linux.mountLabel = "'"${FILES%:s0*}:$1"'" | .root.readonly = false | .annotations = {"dev.kshim.pod": "ns/p-0",
		"dev.kshim.volumes": "[{\"name\":\"m\",\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Mi\"}},{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]",
		"dev.kshim.volume-mounts": "{\"*\":[{\"name\":\"m\",\"mountPath\":\"/m\"},{\"name\":\"e\",\"mountPath\":\"/e\"},{\"name\":\"d\",\"mountPath\":\"/d\"}]}"}' "$2"
	piped "$K" run -b "$B" "$TAG-3"
}
"$K" volume create -n ns data --size 16Mi
pod s0:c1,c2 'cat /proc/self/attr/current; echo; for d in m e d; do echo mine >/$d/f && mkdir /$d/sub && cat /$d/f; done'
is "$out" "$LABEL"$'\n'$'mine\nmine\nmine' "a pod uses its volumes, in memory, on the node and on a disk"
known=$FILES
FILES=system_u:object_r:no_such_t:s0
pod s0:c1,c2 true
like "$out" '*emptyDir "m"*context*no_such_t*' "a label that is not known: its pod does not start, and lets go of all"
like "$("$K" pod list)" '*ns *p-0 *Free *' "its name, too"
FILES=$known
pod s0:c3 'ls /m /e; cat /d/f && echo other >>/d/f && cat /d/f'
is "$out" $'/e:\n\n/m:\nmine\nmine\nother' "its next incarnation, of other categories, has the retained one"
pod s0:c1,c2 'ls -d /d/sub; cat /d/f'
is "$out" $'/d/sub\nmine\nother' "and the one after it"
labelled "$(jq -n --argjson a "$(jq .annotations "$B/config.json")" '".annotations = \($a | tojson) | .process.selinuxLabel = \"'"$LABEL"'\" | .linux.mountLabel = \"system_u:object_r:secret_t:s0\" | .process.args = [\"cat\", \"/d/f\"]"' -r)" ''
piped "$K" run -b "$B" "$TAG-3"
is "$out" "cat: can't open '/d/f': Permission denied" "the label is what closes it to others"
"$K" volume delete -n ns data
is "$?" 0 "the volume is deleted"

# ---- exec -----------------------------------------------------------------------------------

labelled '.process.args = ["sleep", "1000"]' ''
"$K" run --detach -b "$B" "$TAG-2" </dev/null >"$T/log" 2>&1
is "$?:$(cat "$T/log")" "0:" "a container stays"
pid=$("$K" state "$TAG-2" | jq .pid)
is "$(label_of "/proc/$pid/root/dev/mqueue")" "$FILES" "the root of its message queues is labelled"
piped "$K" exec "$TAG-2" sh -c 'cat /proc/self/attr/current; echo; /probe key-label; cat /secret'
is "$out" "$LABEL"$'\n'"$LABEL"$'\n'"cat: can't open '/secret': Permission denied" "exec gets the label of config.json"
piped "$K" exec --process-label "$OTHER" "$TAG-2" sh -c 'cat /proc/self/attr/current; echo; cat /dev/shm/none'
is "$out" "$OTHER"$'\n'"cat: can't open '/dev/shm/none': Permission denied" "exec --process-label, with other categories"
piped "$K" exec --process-label system_u:system_r:no_such_t:s0 "$TAG-2" true
like "$out" '*no_such_t*Invalid argument*' "exec with a label that is not known"
"$K" delete --force "$TAG-2"
if command -v criu >/dev/null; then
	edit "$B" '.process.noNewPrivileges = false' # this criu loses it
	"$K" run --detach -b "$B" "$TAG-4" </dev/null >/dev/null 2>&1
	# criu's own code in the container would write to its log, which is the host's.
	echo 0 >/sys/fs/selinux/enforce
	piped "$K" checkpoint --image-path "$T/images" "$TAG-4"
	is "$out" "" "a checkpoint"
	"$K" delete --force "$TAG-4" 2>/dev/null
	# A criu that was built without libselinux forgets the label.
	piped "$K" restore --detach --image-path "$T/images" -b "$B" "$TAG-4"
	if [ -n "$out" ]; then
		like "$out" "*restored process*SELinux label*kernel_t*$LABEL is demanded" "a restore that loses the label is refused"
		[ ! -e "$KSHIM_ROOT/$TAG-4" ]
		ok $? "and nothing is left of it"
		labelled 'del(.process.selinuxLabel) | .process.noNewPrivileges = false | .process.args = ["sleep", "1000"]' ''
		piped "$K" restore --detach --image-path "$T/images" --lsm-profile "selinux:$OTHER" -b "$B" "$TAG-4"
		like "$out" "*criu*selinux*" "nor does it take one by --lsm-profile"
	else
		is "$(label "/proc/$("$K" state "$TAG-4" | jq .pid)/attr/current")" "$LABEL" "a restored container has its label"
		piped "$K" exec "$TAG-4" /probe key-label
		is "$out" "$LABEL" "and its session keyring"
	fi
	echo 1 >/sys/fs/selinux/enforce
	[ ! -e "$KSHIM_ROOT/$TAG-4" ] || "$K" delete --force "$TAG-4"
else
	skip "a restored container has its label" "needs criu"
fi
no_leaks
