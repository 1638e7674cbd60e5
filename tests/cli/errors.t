#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input gets a clear error, and nothing is left behind.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq

B=$T/b
bundle "$B" '.process.args = ["/bin/true"]'
cp "$B/config.json" "$T/good.json"

refuse() { # NAME GLOB [CODE]: runs the bundle
	try "$K" run -b "$B" "$TAG-x"
	like "$err" "$2" "$1: message"
	is "$rc" "${3:-1}" "$1: exit code"
}

good() { cp "$T/good.json" "$B/config.json"; }

rm "$B/config.json"
refuse "config.json missing" "*config.json*No such file or directory*"
: >"$B/config.json"
refuse "config.json empty" "*config.json*empty*"
head -c 300 "$T/good.json" >"$B/config.json"
refuse "config.json truncated" "*config.json*not valid JSON*"
{ printf '{"x":"'; head -c 5242880 /dev/zero | tr '\0' 'a'; printf '"}'; } >"$B/config.json"
refuse "config.json of 5 MiB" "*config.json*larger than 4 MiB*"
printf '[1]' >"$B/config.json"
refuse "config.json is no object" "*config.json*expected object, got array*"
printf '%0100d' 0 | tr 0 '[' >"$B/config.json"
refuse "config.json nested too deep" "*nested deeper than 64*"
jq -c '.hostname = "a\u0000b"' "$T/good.json" >"$B/config.json"
refuse "a string with a NUL byte" "*NUL byte*"
good

# A wrong type in each of 20 places: the JSON path is named.
n=0
while IFS='|' read -r filter path; do
	jq "$filter" "$T/good.json" >"$B/config.json"
	refuse "wrong type at $path" "*$path: *expected*"
	n=$((n + 1))
done <<'C'
.ociVersion = 1|ociVersion
.hostname = []|hostname
.root = "x"|root
.root.path = 5|root.path
.root.readonly = "yes"|root.readonly
.process.args = "sh"|process.args
.process.args = [1]|process.args\[0\]
.process.cwd = true|process.cwd
.process.env = {}|process.env
.process.terminal = 1|process.terminal
.process.user.uid = "0"|process.user.uid
.process.capabilities.bounding = "ALL"|process.capabilities.bounding
.process.rlimits = {}|process.rlimits
.process.noNewPrivileges = "true"|process.noNewPrivileges
.mounts = {}|mounts
.mounts[1].options = "ro"|mounts\[1\].options
.linux = []|linux
.linux.namespaces = "pid"|linux.namespaces
.linux.resources.memory.limit = "64M"|linux.resources.memory.limit
.linux.resources.devices[0].allow = "no"|linux.resources.devices\[0\].allow
.linux.maskedPaths = [{}]|linux.maskedPaths\[0\]
.linux.seccomp = {defaultAction: 1}|linux.seccomp.defaultAction
.annotations = {a: 1}|annotations.a
C
[ "$n" -ge 20 ]
ok $? "at least 20 places were tried"

while IFS=@ read -r name filter glob; do
	jq "$filter" "$T/good.json" >"$B/config.json"
	refuse "$name" "$glob"
done <<'C'
unknown namespace type@.linux.namespaces[0].type = "nope"@*linux.namespaces*type*unknown value "nope"*
a namespace twice@.linux.namespaces += [{type: "pid"}]@*pid stands twice*
a namespace path that is missing@.linux.namespaces[0].path = "/nope/ns"@*/nope/ns*No such file*
a namespace of the wrong type@del(.hostname) | .linux.namespaces = [{type: "mount"}, {type: "pid", path: "/proc/self/ns/net"}]@*is not a pid namespace*
a user namespace without mappings@.linux.namespaces += [{type: "user"}]@*needs uidMappings*
rootfs missing@.root.path = "nope"@*root.path*nope*No such file*
rootfs is the host@.root.path = "/"@*root.path*root of this host*
mount source missing@.mounts += [{destination: "/m", type: "bind", source: "/no/such", options: ["bind"]}]@*/no/such*No such file*
mount type unknown@.root.readonly = false | .mounts += [{destination: "/m", type: "nofs", source: "x"}]@*mount x on /m*nofs*
a bad option of tmpfs@.root.readonly = false | .mounts += [{destination: "/m", type: "tmpfs", source: "tmpfs", options: ["size=lots"]}]@*mount tmpfs on /m*size*
cwd is relative@.process.cwd = "tmp"@*process.cwd*not absolute*
args empty@.process.args = []@*process.args*empty*
uid too large@.process.user.uid = 4294967296@*process.user.uid*out of range*
uid negative@.process.user.uid = -1@*process.user.uid*out of range*
rlimit unknown@.process.rlimits = [{type: "RLIMIT_X", soft: 1, hard: 1}]@*rlimits*unknown value*
rlimit soft above hard@.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 2, hard: 1}]@*soft limit 2 is above hard limit 1*
a cgroup path with ..@.linux.cgroupsPath = "/a/../../b"@*cgroupsPath*..*
a sysctl of the host@.linux.sysctl = {"kernel.panic": "1"}@*kernel.panic*not in a namespace*
seccomp action unknown@.linux.seccomp = {defaultAction: "SCMP_ACT_X"}@*linux.seccomp.defaultAction*unknown value*
a class of service that is a path@.linux.intelRdt = {closID: "a/b"}@*linux.intelRdt.closID*no name of a class*
a hook that is relative@.hooks = {prestart: [{path: "x"}]}@*not absolute*
terminal without a socket@.process.terminal = true | .process.args = []@*process.args*empty*
C
good

edit "$B" '.process.args = ["/no/such"]'
refuse "command missing" '*exec: "/no/such"*no such file*' 127
edit "$B" '.process.args = ["nosuch"]'
refuse "command not in PATH" '*exec: "nosuch"*not found in $PATH*' 127
edit "$B" '.process.args = ["/etc/passwd"]'
refuse "command not executable" '*exec: "/etc/passwd"*permission denied*' 126
edit "$B" '.process.args = ["/etc"]'
refuse "command is a directory" '*exec: "/etc"*permission denied*' 126
printf 'no program' >"$B/rootfs/bin/garbage" && chmod +x "$B/rootfs/bin/garbage"
edit "$B" '.process.args = ["/bin/garbage"]'
refuse "command has no known format" '*exec: "/bin/garbage"*exec format error*' 126
good

for id in a/b ../x . .. '' 'a b' $'a\nb'; do
	try "$K" run -b "$B" -- "$id"
	[ "$rc" -ne 0 ]
	ok $? "id $(printf %q "$id") is refused"
done

try "$K" run -b "$T/nobundle" "$TAG-x"
like "$err" "*bundle*nobundle*No such file*" "bundle missing"
try "$K" state "$TAG-none"
like "$err" "*container \"$TAG-none\" does not exist*" "state of nothing"
try "$K" frobnicate
is "$rc" 2 "unknown verb is a usage error"
try "$K" run --frob x
is "$rc" 2 "unknown option is a usage error"
try "$K" kill "$TAG-none" NOSIG
like "$err" "*unknown signal*" "unknown signal"
try "$K" delete "$TAG-none"
is "$rc" 1 "delete of nothing fails"
try "$K" delete --force "$TAG-none"
is "$rc" 0 "delete --force of nothing is fine"
if [ ! -d /run/systemd/system ]; then
	try "$K" --systemd-cgroup run -b "$B" "$TAG-x"
	like "$rc:$err" "1:*systemd is not the first process of this host*" "the systemd cgroup driver where there is no systemd"
fi
try "$K" --systemd-cgroup --cgroup-manager=cgroupfs run -b "$B" "$TAG-x"
is "$rc" 2 "two cgroup drivers"
for p in a.slice:-Hroot@x:b a.slice:--help:b a.slice::-b /a/b a:b a.slice:b a:b:c:d /x.slice:b:c x:b:c -x.slice:b:c x--y.slice:b:c x-.slice:b:c .slice:b:c 'a.slice:b/c:d' 'a.slice:b:' "a.slice:b:$(printf '%0260d' 1)" ../x.slice:b:c; do
	jq --arg p "$p" '.linux.cgroupsPath = $p' "$T/good.json" >"$B/config.json"
	try "$K" --systemd-cgroup run -b "$B" "$TAG-x"
	like "$rc:$err" "1:*cgroupsPath*" "the systemd driver refuses cgroupsPath ${p:0:20}"
done
good

# The id is in use.
edit "$B" '.process.args = ["/bin/sleep", "100"]'
try "$K" create -b "$B" "$TAG-one"
is "$rc" 0 "create"
try "$K" create -b "$B" "$TAG-one"
like "$err" "*\"$TAG-one\" already exists*" "id in use"
try "$K" delete --force "$TAG-one"
is "$rc" 0 "delete of the first one"

# Messages go to the log as callers of runc read them.
jq '.linux.namespaces[0].type = "nope"' "$T/good.json" >"$B/config.json"
try "$K" --log "$T/log.json" --log-format json run -b "$B" "$TAG-x"
is "$(tail -1 "$T/log.json" | jq -r .level)" error "the log has a JSON line"
like "$(tail -1 "$T/log.json" | jq -r .msg)" "*unknown value*" "with the message"

no_leaks
