#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hooks: when each kind runs, where, with which state on its input, and what
# a failing one ends. Source: runtime-spec 1.3, runtime.md "Lifecycle", config.md "POSIX-platform Hooks".
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq

B=$T/b
L=$T/log
bundle "$B" '.root.readonly = false | .process.args = ["sh", "-c", "echo program >>/log; sleep 1000"]'
cp "$B/config.json" "$T/base.json"
ID=$TAG-1

# host NAME [SCRIPT]: a hook of the host that notes its name, then runs a script with its state in $s.
host() {
	jq -n --arg n "$1" --arg s "s=\$(cat); echo $1 >>$L; ${2:-:}" '{path: "/bin/sh", args: [$n, "-c", $s], env: ["PATH=/usr/bin:/bin"]}'
}
fails() { host "$1" 'exit 3'; }
config() { # JQ-FILTER
	rm -f "$L" "$B/rootfs/log"
	jq "$1" "$T/base.json" >"$B/config.json"
}
log() { tr '\n' ' ' <"$L" 2>/dev/null; }
ns='for n in mnt net uts pid; do readlink /proc/self/ns/$n; done'
own=$(eval "$ns")

# ---- one list, in its order; every kind in its place ----------------------------------------------
all=
for h in prestart createRuntime createContainer poststart poststop; do
	all="$all${all:+, }$h: [$(host "$h-1"), $(host "$h-2")]"
done
config ".hooks = {$all} | .process.args = [\"true\"]"
try "$K" run -b "$B" "$ID"
is "$rc:$(log)" "0:prestart-1 prestart-2 createRuntime-1 createRuntime-2 createContainer-1 createContainer-2 poststart-1 poststart-2 poststop-1 poststop-2 " \
	"hooks of a kind run in the order of their list, kinds in that of the life"

# ---- the namespaces, and the state -----------------------------------------------------------------
note="echo \"\$s\" >$T/state.\$0; { $ns; } >$T/ns.\$0"
# The program is in the root file system alone.
printf '#!/bin/sh\ncat >/st; for n in mnt net uts pid; do readlink /proc/self/ns/$n; done >/ns; echo hook >>/log\n' >"$B/rootfs/inside"
chmod +x "$B/rootfs/inside"
config ".annotations = {a: \"b\"} | .hooks = {prestart: [$(host prestart "$note")], createRuntime: [$(host createRuntime "$note; cat /proc/\$(echo \"\$s\" | jq .pid)/mountinfo >$T/mounts; ls -di / /proc/\$(echo \"\$s\" | jq .pid)/root/ | cut -d' ' -f1 | uniq | wc -l >$T/roots")],
	createContainer: [$(host createContainer "$note")], startContainer: [{path: \"/inside\"}], poststart: [$(host poststart "$note")], poststop: [$(host poststop "$note")]}"
try "$K" create -b "$B" "$ID"
is "$rc:$err" 0: "create with hooks of all kinds"
pid=$("$K" state "$ID" | jq .pid)
is "$(ls "$B/rootfs/log" "$B/rootfs/st" 2>/dev/null)" "" "a startContainer hook does not run at create"
try "$K" start "$ID"
wait_for 5 grep -q program "$B/rootfs/log"
is "$rc:$(tr '\n' ' ' <"$B/rootfs/log")" "0:hook program " "but at start, before the program"
theirs=$(for n in mnt net uts pid; do readlink "/proc/$pid/ns/$n"; done)
"$K" delete --force "$ID"
for h in prestart createRuntime poststart poststop; do
	is "$(cat "$T/ns.$h")" "$own" "$h runs in the runtime's namespaces"
done
is "$(cat "$T/ns.createContainer")" "$theirs" "createContainer runs in the container's"
is "$(cat "$B/rootfs/ns")" "$theirs" "startContainer runs in the container's, by a program that only it has"
want() { jq -c '[.status, .pid, .id, .bundle, .annotations.a, (.ociVersion | length > 0)]' "$1"; }
rest="\"$ID\",\"$B\",\"b\",true]"
is "$(want "$T/state.prestart")" "[\"creating\",$pid,$rest" "prestart: creating, with the host's pid"
is "$(want "$T/state.createRuntime")" "[\"creating\",$pid,$rest" "createRuntime: the same"
is "$(want "$T/state.createContainer")" "[\"creating\",1,$rest" "createContainer: the pid as the container sees it"
is "$(want "$B/rootfs/st")" "[\"created\",1,$rest" "startContainer: created"
is "$(want "$T/state.poststart")" "[\"running\",$pid,$rest" "poststart: running"
is "$(jq -c '[.status, .id]' "$T/state.poststop")" "[\"stopped\",\"$ID\"]" "poststop: stopped"
mqueues() { cut -d" " -f5 "$1" | grep -c '^/dev/mqueue$'; }
is "$(($(mqueues "$T/mounts") - $(mqueues /proc/self/mountinfo)))" 1 "the container's mounts are there when createRuntime runs"
is "$(cat "$T/roots")" 1 "and its root is still the host's: pivot_root comes after"

# ---- start and delete wait for their hooks ---------------------------------------------------------
config ".hooks = {poststart: [$(host poststart "$K --root $KSHIM_ROOT state $ID >/dev/null 2>&1 && touch $T/there; sleep 0.5; touch $T/after-start")], poststop: [$(host poststop "$K --root $KSHIM_ROOT state $ID >/dev/null 2>&1 && touch $T/early; sleep 0.5; touch $T/after-stop")]}"
"$K" create -b "$B" "$ID"
"$K" start "$ID"
[ -e "$T/after-start" ]
ok $? "poststart is done when start returns"
"$K" delete --force "$ID"
[ -e "$T/after-stop" ]
ok $? "poststop is done when delete returns"
[ ! -e "$T/early" ] && [ -e "$T/there" ]
ok $? "and ran when the container was gone"

# ---- what fails ---------------------------------------------------------------------------------------
for h in prestart createRuntime createContainer; do
	config ".hooks = {$h: [$(fails bad), $(host never)], poststop: [$(host poststop)]}"
	try "$K" create -b "$B" "$ID"
	like "$rc:$err" "1:*$h hook 0*exit status 3*" "a $h hook that fails is the error of create"
	is "$(log)" "bad poststop " "the next one does not run, those of poststop do"
	try "$K" state "$ID"
	like "$err" '*does not exist*' "the container is gone"
done
config ".hooks = {startContainer: [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"exit 5\"]}], poststop: [$(host poststop)]}"
"$K" create -b "$B" "$ID"
try "$K" start "$ID"
like "$rc:$err" '1:*startContainer hook 0*exit status 5*' "a startContainer hook that fails is the error of start"
is "$(log)$(cat "$B/rootfs/log" 2>/dev/null)" "poststop " "the program never ran, poststop did"
try "$K" state "$ID"
like "$err" '*does not exist*' "and the container is gone"
config ".hooks = {poststart: [$(fails bad), $(host never)], poststop: [$(host poststop)]}"
"$K" create -b "$B" "$ID"
pid=$("$K" state "$ID" | jq .pid)
try "$K" start "$ID"
like "$rc:$err" '1:*poststart hook 0*exit status 3*' "a poststart hook that fails is the error of start"
is "$(log)$(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline")" "bad poststop " "its process is ended, poststop runs"
try "$K" delete "$ID"
like "$rc:$err" '1:*does not exist*' "a delete that comes later says what engines look for"
config '.process.args = ["/no/such"] | .hooks = {poststart: [{path: "/bin/true"}]}'
try "$K" create -b "$B" "$ID"
like "$rc:$err" '127:*no such file*' "a command that is not there is no failure of hooks"

config ".process.args = [\"true\"] | .hooks = {poststop: [$(fails bad), $(host second), {path: \"/no/such\"}]}"
try "$K" --log "$T/kshim.log" run -b "$B" "$ID"
is "$rc:$(log)" "0:bad second " "all poststop hooks run, whatever the first gives, and it is no error"
is "$(grep -c 'level=warning.*poststop hook [02]' "$T/kshim.log")" 2 "each that fails is a warning"
config ".hooks = {poststop: [$(fails bad)]}"
"$K" run -d -b "$B" "$ID" </dev/null
try "$K" delete --force "$ID"
like "$rc:$err" '0:*poststop hook 0*exit status 3*' "the same with delete"

# ---- every kind is checked when it is read --------------------------------------------------------
for h in prestart createRuntime createContainer startContainer poststart poststop; do
	config ".hooks = {$h: [{path: \"bin/true\"}]}"
	try "$K" create -b "$B" "$ID"
	like "$rc:$err" '1:*hooks*not absolute*' "a $h hook with a relative path is refused"
	for t in 0 -1; do
		config ".hooks = {$h: [{path: \"/bin/true\", timeout: $t}]}"
		try "$K" create -b "$B" "$ID"
		like "$rc:$err" '1:*hooks*timeout*' "a $h hook with a timeout of $t is refused"
	done
done
no_leaks
