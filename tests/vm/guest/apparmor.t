#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# AppArmor profiles, by their effect inside a container; crun and runc are asked the same.
. "$(dirname "$0")/guest.sh"
requires_root
requires jq
requires apparmor_parser
[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || skip_all "needs AppArmor in the kernel"
mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
cat >"$T/profile" <<E
abi <abi/3.0>,
profile $TAG-a flags=(attach_disconnected,mediate_deleted) {
	file,
	capability,
	network,
	mount,
	signal,
	deny /secret rw,
}
profile $TAG-b flags=(attach_disconnected,mediate_deleted) {
	file,
	signal,
}
E
apparmor_parser -Ka "$T/profile"
ok $? "the profiles are loaded"
at_exit='apparmor_parser -R "$T/profile"'
B=$T/b
look='cat /proc/self/attr/current; cat /secret; cat /etc/open'

confined() { # JQ-FILTER SCRIPT
	bundle "$B" ".process.apparmorProfile = \"$TAG-a\" | .process.noNewPrivileges = true | .process.args = [\"sh\", \"-c\", $(jq -Rn --arg s "$2" '$s')] | $1"
	mkdir -p "$B/rootfs/etc"
	echo hidden >"$B/rootfs/secret"
	echo open >"$B/rootfs/etc/open"
}

confined . "$look"
for rt in "$K" crun runc; do
	command -v "$rt" >/dev/null || { skip "${rt##*/}" "not here"; continue; }
	try timeout 60 "$rt" --root "$T/rt-${rt##*/}" run -b "$B" "$TAG-1"
	is "$out" "$TAG-a (enforce)"$'\n'"open" "${rt##*/}: the profile, and what it allows"
	like "$err" '*/secret*Permission denied*' "${rt##*/}: what it denies, to root too"
done
confined '.process.noNewPrivileges = false' "$look"
try timeout 60 "$K" run -b "$B" "$TAG-1"
is "$out" "$TAG-a (enforce)"$'\n'"open" "without noNewPrivileges"
confined '.process.user = {uid: 1000, gid: 1000}' 'cat /proc/self/attr/current'
try timeout 60 "$K" run -b "$B" "$TAG-1"
is "$out" "$TAG-a (enforce)" "of a user"
confined '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings' 'cat /proc/self/attr/current'
chmod 755 "$T"
try timeout 60 "$K" run -b "$B" "$TAG-1"
is "$out" "$TAG-a (enforce)" "in a user namespace"
confined '.process.apparmorProfile = "no-such-profile"' true
try timeout 60 "$K" run -b "$B" "$TAG-1"
like "$rc:$err" '1:*process.apparmorProfile*no-such-profile*No such file*' "a profile that is not loaded"
confined '.process.apparmorProfile = ""' 'cat /proc/self/attr/current'
try timeout 60 "$K" run -b "$B" "$TAG-1"
is "$out" unconfined "no profile asked for, none given"
confined '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "cat /proc/self/attr/current /secret >/tmp/hook 2>&1; true"]}] | .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"}]' 'cat /tmp/hook'
try timeout 60 "$K" run -b "$B" "$TAG-1"
like "$out" "$TAG-a (enforce)*Permission denied*" "a hook that runs in the container is confined as it is"

# An image's own "attr" files, where the label would be written to: they get nothing.
confined '.mounts |= map(select(.destination != "/proc"))' 'echo ran'
mkdir -p "$B/rootfs/proc/self/attr/apparmor"
for f in current exec apparmor/current apparmor/exec; do : >"$B/rootfs/proc/self/attr/$f"; done
try timeout 60 "$K" run -b "$B" "$TAG-1"
is "$rc:$out" 0:ran "a /proc that is the image's: it runs"
is "$(cat "$B"/rootfs/proc/self/attr/exec "$B"/rootfs/proc/self/attr/apparmor/exec)" "" "and no label is written there"
rm -r "$B/rootfs/proc/self"

# ---- exec -----------------------------------------------------------------------------------

confined '.process.args = ["sleep", "1000"]' ''
"$K" run --detach -b "$B" "$TAG-2" </dev/null >"$T/log" 2>&1
is "$?:$(cat "$T/log")" "0:" "a container stays"
try "$K" exec "$TAG-2" cat /proc/self/attr/current
is "$out" "$TAG-a (enforce)" "exec gets the profile of config.json"
try "$K" exec --apparmor "$TAG-b" "$TAG-2" cat /proc/self/attr/current
is "$out" "$TAG-b (enforce)" "exec --apparmor"
try "$K" exec --apparmor unconfined "$TAG-2" cat /proc/self/attr/current
is "$out" unconfined "exec --apparmor unconfined"
try "$K" exec --apparmor no-such-profile "$TAG-2" true
like "$rc:$err" '255:*no-such-profile*No such file*' "exec with a profile that is not loaded"
try "$K" exec "$TAG-2" cat /secret
like "$rc:$err" '1:*Permission denied*' "exec is denied what the container is"
"$K" delete --force "$TAG-2"

# ---- checkpoint and restore -------------------------------------------------------------------

if command -v criu >/dev/null; then
	confined '.process.noNewPrivileges = false | .process.args = ["sleep", "1000"]' ''
	"$K" run --detach -b "$B" "$TAG-4" </dev/null >/dev/null 2>&1
	try "$K" checkpoint --image-path "$T/images" "$TAG-4"
	is "$rc:$err" 0: "a checkpoint"
	try "$K" restore --detach --image-path "$T/images" -b "$B" "$TAG-4"
	if [ "$rc" != 0 ]; then
		like "$err" "*restored process*AppArmor profile*$TAG-a is demanded" "a restore that loses the profile is refused"
	else
		is "$(cat "/proc/$("$K" state "$TAG-4" | jq .pid)/attr/current")" "$TAG-a (enforce)" "a restored container has its profile"
		"$K" delete --force "$TAG-4"
	fi
	edit "$B" ".process.apparmorProfile = \"$TAG-b\""
	try "$K" restore --detach --image-path "$T/images" -b "$B" "$TAG-4"
	like "$rc:$err" "1:*restored process*AppArmor profile*$TAG-b is demanded" "another profile than config.json's is refused"
	try "$K" restore --detach --image-path "$T/images" --lsm-profile "apparmor:$TAG-b" -b "$B" "$TAG-4"
	[ "$rc" != 0 ] || is "$(cat "/proc/$("$K" state "$TAG-4" | jq .pid)/attr/current")" "$TAG-b (enforce)" "--lsm-profile"
	[ "$rc" = 0 ] || like "$err" "*$TAG-b is demanded" "--lsm-profile: refused where it is lost"
	[ ! -e "$KSHIM_ROOT/$TAG-4" ] || "$K" delete --force "$TAG-4"
else
	skip "a restored container has its profile" "needs criu"
fi
no_leaks
