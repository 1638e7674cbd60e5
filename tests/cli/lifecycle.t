#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The verbs one after the other, as engines call them.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
TTY=$BUILD/helper/tty
[ -x "$TTY" ] || skip_all "needs $TTY (make check builds it)"

B=$T/b
status() { "$K" state "$1" 2>/dev/null | jq -r .status; }

# ---- create, start, kill, delete ----------------------------------------------------------

bundle "$B" '.process.args = ["sh", "-c", "trap \"exit 7\" TERM; echo up; while :; do sleep 0.05; done"]'
"$K" create -b "$B" --pid-file "$T/pid" "$TAG-1" >"$T/log" 2>&1 </dev/null
is "$?" 0 "create"
is "$(status "$TAG-1")" created "it is created"
is "$(cat "$T/pid")" "$("$K" state "$TAG-1" | jq .pid)" "--pid-file has the pid of state"
is "$(find "/proc/$(cat "$T/pid")/fd" -lname '*kshim-test*' | sort | tr '\n' ' ')" "/proc/$(cat "$T/pid")/fd/1 /proc/$(cat "$T/pid")/fd/2 " "init holds nothing of ours but its log"
is "$(cat "$T/log")" "" "the program has not started"
try "$K" delete "$TAG-none"
# An edit of the bundle after create has no effect.
edit "$B" '.process.args = ["false"]'
try "$K" start "$TAG-1"
is "$rc" 0 "start"
wait_for 5 grep -q up "$T/log"
is "$(status "$TAG-1")" running "it runs what config.json said at create"
try "$K" start "$TAG-1"
like "$rc:$err" '1:*cannot start container*it is running*' "start again is an error"
try "$K" delete "$TAG-1"
like "$rc:$err" '1:*cannot delete container*it is running*' "delete of a running one is an error"
is "$(status "$TAG-1")" running "and leaves it alone"
try "$K" kill "$TAG-1"
is "$rc" 0 "kill"
wait_for 5 eval '[ "$("$K" state '"$TAG"'-1 | jq -r .status)" = stopped ]'
ok $? "the default signal is TERM"
is "$("$K" state "$TAG-1" | jq .pid)" 0 "a stopped one has pid 0"
try "$K" kill "$TAG-1" KILL
like "$rc:$err" '1:*container not running*' "kill of a stopped one"
try "$K" exec "$TAG-1" true
like "$rc:$err" '255:*container not running*' "exec in a stopped one"
try "$K" delete "$TAG-1"
is "$rc" 0 "delete"
try "$K" state "$TAG-1"
like "$rc:$err" '1:*does not exist*' "it is gone"

# A created one can be deleted, as runc and crun do it.
bundle "$B" '.process.args = ["sleep", "100"]'
try "$K" create -b "$B" "$TAG-1"
try "$K" delete "$TAG-1"
is "$rc" 0 "delete of a created one"

# ---- run, exec, list ------------------------------------------------------------------------

try "$K" run --detach -b "$B" "$TAG-1"
is "$rc" 0 "run --detach"
(cd "$B" && "$K" run -d "$TAG-2") </dev/null >/dev/null 2>&1
is "$?" 0 "the bundle is the working directory by default"

# Whoever has the pid and start time of another boot's record is no process of the container.
record=$KSHIM_ROOT/$TAG-2/state.json
cp "$record" "$T/record"
jq '.bootId = "00000000-0000-4000-8000-000000000000"' "$T/record" >"$record"
is "$(status "$TAG-2")" stopped "a record of another boot: stopped"
for verb in "kill $TAG-2 KILL" "pause $TAG-2" "update --memory 20000000 $TAG-2" "exec --ignore-paused $TAG-2 true" "events --stats $TAG-2"; do
	# shellcheck disable=SC2086 # words
	try "$K" $verb
	[ "$rc" != 0 ]
	like "$?:$err" '0:*container not running*' "${verb%% *} of a record of another boot"
done
is "$("$K" ps -f json "$TAG-2")" "[]" "nor has it processes"
cp "$T/record" "$record"
# As a create makes them first, and one that is killed leaves them.
mkdir -m 700 "$KSHIM_ROOT/$TAG-h"
: >"$KSHIM_ROOT/$TAG-h/lock"
try "$K" ps -f json "$TAG-h"
is "$rc:$out" "0:[]" "ps of a container that has no record yet"
"$K" delete --force "$TAG-h"
is "$(status "$TAG-2")" running "and nothing was done to it"
try "$K" list
like "$out" "ID *PID *STATUS *BUNDLE *CREATED *OWNER*$TAG-*running*$B*" "list"
try "$K" list --quiet
is "$(grep -c "^$TAG-" <<<"$out")" 2 "list --quiet"
try "$K" list --format json
is "$(jq -r '.[].status' <<<"$out" | sort -u)" running "list --format json"
try "$K" --root "$T/other-root" list -f json
is "$rc:$out" "0:[]" "list of an empty root"

try "$K" exec "$TAG-1" sh -c 'id -u; cat /proc/1/comm; exit 42'
is "$rc:$out" $'42:0\nsleep' "exec: in the same namespaces, with the exit code"
try "$K" exec --user 1000:1000 --cwd /tmp --env X=y "$TAG-1" sh -c 'id -u; id -g; pwd; echo $X'
is "$out" $'1000\n1000\n/tmp\ny' "exec --user --cwd --env"
try "$K" exec "$TAG-1" grep Cap /proc/self/status
cap_exec=$out
try "$K" exec "$TAG-1" grep Cap /proc/1/status
is "$cap_exec" "$out" "exec has the capabilities of init, none inheritable more"
try "$K" exec --cap CAP_SYS_TIME "$TAG-1" grep CapEff /proc/self/status
[ $((0x${out##*[[:space:]]} >> 25 & 1)) = 1 ]
ok $? "exec --cap adds one"
jq -n '{args: ["sh", "-c", "id -u; pwd"], cwd: "/etc", user: {uid: 5, gid: 6}}' >"$T/process.json"
try "$K" exec --process "$T/process.json" "$TAG-1"
is "$out" $'5\n/etc' "exec --process"
try "$K" exec --detach --pid-file "$T/pid" "$TAG-1" sleep 50
is "$(tr '\0' ' ' <"/proc/$(cat "$T/pid")/cmdline")" "sleep 50 " "exec --detach --pid-file"
try "$K" exec "$TAG-1" nosuch
is "$rc" 127 "exec of a command that is missing"
try "$K" exec "$TAG-1" /etc/passwd
is "$rc" 126 "exec of one that is not executable"
try "$K" exec --cwd /nope "$TAG-1" true
like "$rc:$err" '255:*/nope*' "exec in a directory that is missing"
try "$K" exec --user user "$TAG-1" id -u
is "$rc:$out" 0:1000 "exec of a user by its name in the container's /etc/passwd"
try "$K" exec --user nobody "$TAG-1" true
like "$rc:$err" '255:*"nobody" is not in the container*' "exec of a user that is not there"
try "$K" exec "$TAG-none" true
like "$rc:$err" '255:*does not exist*' "exec in nothing"
try "$K" exec "$TAG-1" sh -c 'kill -9 $$'
is "$rc" 137 "exec ended by a signal"
is "$(printf 'a\nb\n' | "$K" exec "$TAG-1" cat)" $'a\nb' "exec passes its input on"
try "$K" kill --all "$TAG-1" KILL
is "$rc" 0 "kill --all"
wait_for 5 eval '[ "$("$K" state '"$TAG"'-1 | jq -r .status)" = stopped ]'
try "$K" delete "$TAG-1"
is "$rc" 0 "delete after kill --all"
try "$K" delete --force "$TAG-2"
is "$rc" 0 "delete --force of a running one"

# The process has ended before it read all that it was told, now and then.
"$K" run -d --rootfs "$T/rootfs" "$TAG-1" -- sleep 1000 </dev/null >/dev/null 2>&1
is "$(for _ in $(seq 60); do "$K" exec "$TAG-1" nosuch 2>&1 </dev/null; done | sort | uniq -c | xargs)" \
	"60 kshim: exec: nosuch: executable file not found in \$PATH" "exec of what is not there says so each time"
"$K" delete --force "$TAG-1"

# Signals of the caller reach the container; its exit code comes back.
bundle "$B" '.process.args = ["sh", "-c", "trap \"echo usr1; exit 3\" USR1; echo ready; while :; do sleep 0.05; done"]'
"$K" run -b "$B" "$TAG-1" >"$T/log" 2>&1 </dev/null &
runner=$!
wait_for 20 grep -q ready "$T/log"
kill -USR1 $runner
wait $runner
is "$?:$(tail -1 "$T/log")" "3:usr1" "a signal of the caller is forwarded"
"$K" run --keep -b "$B" "$TAG-1" >"$T/log.keep" 2>&1 </dev/null &
wait_for 20 grep -q ready "$T/log.keep" && "$K" kill "$TAG-1" USR1 || "$K" delete --force "$TAG-1"
wait
is "$(status "$TAG-1")" stopped "run --keep leaves the container"
"$K" delete "$TAG-1"

# stdin, stdout and stderr are the caller's own.
bundle "$B" '.process.args = ["sh", "-c", "cat; echo err >&2"]'
is "$(echo in | "$K" run -b "$B" "$TAG-1" 2>"$T/err")$(cat "$T/err")" "inerr" "standard streams are passed on"
"$K" run -b "$B" "$TAG-1" <&- >"$T/log" 2>&1
is "$?" 0 "also when standard input is closed"

# Descriptors: only those asked for.
bundle "$B" '.process.args = ["sh", "-c", "ls /proc/self/fd | tr \"\\n\" \" \"; cat <&3"]'
echo three >"$T/three"
is "$("$K" run --preserve-fds 1 -b "$B" "$TAG-1" 3<"$T/three" 4<"$T/three")" "0 1 2 3 4 three" "--preserve-fds"
try "$K" run --preserve-fds 2 -b "$B" "$TAG-1"
like "$rc:$err" '1:*descriptor * is not open*' "--preserve-fds of what is not open"
is "$("$K" run -b "$B" "$TAG-1" 3<"$T/three" 2>/dev/null)" "0 1 2 3 " "none is inherited else"

# ---- terminals ----------------------------------------------------------------------------------

if grep -q . /proc/keys 2>/dev/null; then
	bundle "$B" '.process.args = ["sleep", "1000"] | .linux.maskedPaths = []'
	"$K" run -d -b "$B" "$TAG-1" >/dev/null 2>&1 </dev/null
	"$K" exec -d "$TAG-1" sleep 1000 >/dev/null 2>&1 </dev/null
	try "$K" exec "$TAG-1" cat /proc/keys
	is "$rc:$(grep -c "_ses.$TAG-1" <<<"$out")" 0:1 "processes of a container share its session keyring"
	"$K" delete --force "$TAG-1"
else
	skip "session keyring" "this kernel shows no keys"
fi

# shellcheck disable=SC2016 # for the container
# An open file of the host would stay one for as long as the container runs.
bundle "$B" '.process.args = ["sh", "-c", "for i in 0 1 2; do [ $(stat -L -c %d /proc/$$/fd/$i) = $(stat -c %d /dev) ] || exit 9; done"]'
try "$K" run -b "$B" "$TAG-1"
is "$rc" 9 "a file of the caller's stays one"
"$K" run -b "$B" "$TAG-1" >/dev/null 2>&1 </dev/null
is "$?" 0 "but its null device is the container's own"

bundle "$B" '.process.terminal = true | .process.consoleSize = {height: 11, width: 22} | .process.args = ["sh", "-c", "tty; test -c /dev/console && echo console; stty size; exit 4"]'
"$TTY" recv "$T/sock" >"$T/log" &
wait_for 5 test -S "$T/sock"
try "$K" create -b "$B" --console-socket "$T/sock" "$TAG-1"
is "$rc" 0 "create with --console-socket"
try "$K" start "$TAG-1"
wait
is "$(tr -d '\r' <"$T/log")" $'/dev/pts/0\nconsole\n11 22' "the terminal came over the socket"
"$K" delete --force "$TAG-1"
try "$K" create -b "$B" "$TAG-1"
like "$rc:$err" '1:*needs --console-socket*' "create with a terminal wants a socket"
try "$K" create -b "$B" --console-socket "$T/nosock" "$TAG-1"
like "$rc:$err" '1:*nosock*' "a socket that is missing"
"$TTY" run "$K" run -b "$B" "$TAG-1" </dev/null >"$T/log"
is "$?:$(tr -d '\r' <"$T/log")" $'4:/dev/pts/0\nconsole\n33 77' "a foreground terminal, of the caller's size"
bundle "$B" '.process.terminal = true | .process.args = ["sh"]'
out=$({ sleep 0.5; printf 'echo he""llo\nexit 9\n'; sleep 1; } | "$TTY" run "$K" run -b "$B" "$TAG-1")
like "$?:$out" '9:*hello*' "what is typed arrives"
bundle "$B" '.process.args = ["sleep", "100"]'
"$K" run -d -b "$B" "$TAG-1" </dev/null >/dev/null 2>&1
is "$("$TTY" run "$K" exec -t "$TAG-1" tty </dev/null | tr -d '\r')" "/dev/pts/0" "exec --tty"
"$K" delete --force "$TAG-1"

# ---- hooks -----------------------------------------------------------------------------------------

cat >"$T/hook" <<H
#!/bin/sh
echo "\$1 \$(jq -r '.status + " " + .id')" >>$T/hooks
[ "\$2" = fail ] && { echo "hook says no" >&2; exit 3; }
exit 0
H
chmod +x "$T/hook"
hook() { echo "{path: \"$T/hook\", args: [\"hook\", \"$1\", \"${2:-}\"], env: [\"PATH=/usr/bin:/bin\"]}"; }
hooks="prestart: [$(hook prestart)], createRuntime: [$(hook createRuntime)], createContainer: [$(hook createContainer)], poststart: [$(hook poststart)], poststop: [$(hook poststop)]"
bundle "$B" ".process.args = [\"true\"] | .hooks = {$hooks}"
try "$K" run -b "$B" "$TAG-1"
is "$rc:$(tr '\n' ',' <"$T/hooks")" "0:prestart creating $TAG-1,createRuntime creating $TAG-1,createContainer creating $TAG-1,poststart running $TAG-1,poststop stopped $TAG-1," "hooks in their order, with the state"
for h in prestart createRuntime createContainer; do
	bundle "$B" ".process.args = [\"true\"] | .hooks = {$h: [$(hook "$h" fail)]}"
	try "$K" create -b "$B" "$TAG-1"
	like "$rc:$err" "1:*$h hook 0*exit status 3*" "a $h hook that fails"
	[ ! -e "$KSHIM_ROOT/$TAG-1" ]
	ok $? "and nothing is left"
done
bundle "$B" ".process.args = [\"true\"] | .hooks = {poststop: [$(hook poststop fail)]}"
try "$K" run -b "$B" "$TAG-1"
is "$rc" 0 "a poststop hook that fails is no error"
bundle "$B" '.process.args = ["true"] | .hooks = {prestart: [{path: "/bin/sleep", args: ["sleep", "60"], timeout: 1}]}'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" '1:*did not end within 1 s*' "a hook that hangs is killed at its timeout"
bundle "$B" '.process.args = ["true"] | .hooks = {startContainer: [{path: "/bin/sh", args: ["sh", "-c", "exit 5"]}]}'
try "$K" run -b "$B" "$TAG-1"
like "$rc:$err" '1*startContainer hook 0*' "a startContainer hook runs inside"

# ---- spec ---------------------------------------------------------------------------------------------

mkdir "$T/spec" && (cd "$T/spec" && "$K" spec)
is "$?" 0 "spec"
mkdir "$T/spec-runc" && runc spec -b "$T/spec-runc"
facts='[.process.args, .process.terminal, .process.cwd, .process.capabilities.bounding, .root, [.mounts[].destination], ([.linux.namespaces[].type] - ["cgroup"] | sort), .linux.maskedPaths, .linux.readonlyPaths]'
is "$(jq -cS "$facts" "$T/spec/config.json")" "$(jq -cS "$facts" "$T/spec-runc/config.json")" "it says what that of runc spec says"
try "$K" spec -b "$T/spec"
is "$rc" 1 "a config.json that is there is not overwritten"
cp -a "$T/rootfs" "$T/spec/rootfs"
edit "$T/spec" '.process.terminal = false | .process.args = ["echo", "works"]'
try "$K" run -b "$T/spec" "$TAG-1"
is "$rc:$out" "0:works" "and it runs"

# ---- the quick form --------------------------------------------------------------------------------------

try "$K" run --rootfs "$T/rootfs" "$TAG-q" -- sh -c 'echo $0 hi; exit 6'
is "$rc:$out" "6:sh hi" "run --rootfs DIR ID -- COMMAND"
try "$K" run --rootfs "$T/rootfs" --hostname box --env A=b --cwd /tmp --user 7:8 --read-only "$TAG-q" -- sh -c 'hostname; echo $A; pwd; id -u; touch /x 2>&1 | grep -c Read-only'
is "$out" $'box\nb\n/tmp\n7\n1' "its options"
try "$K" run --env A=b "$TAG-q"
like "$rc:$err" '2:*need --rootfs*' "options of the quick form without it"
try "$K" run --rootfs "$T/rootfs" --volume 'x' "$TAG-q" -- true
like "$rc:$err" '2:*--volume: "x" is not CLAIM*' "a volume option that is no such"
try "$K" run --rootfs "$T/nope" "$TAG-q" -- true
like "$rc:$err" '1:*nope*No such file*' "a rootfs that is missing"

no_leaks
