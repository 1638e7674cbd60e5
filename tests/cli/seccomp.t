#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SCMP_ACT_NOTIFY: who listens gets the descriptor and the state, in every way
# that a process is started; also when the filter notifies of everything.
. "$(dirname "$0")/../lib/lib.sh"
requires_root
requires runc
requires jq
requires python3
case $(uname -m) in x86_64 | aarch64) ;; *) skip_all "the agent knows the calls of x86-64 and arm64" ;; esac

B=$T/b
S=$T/agent.sock
bundle "$B" '.root.readonly = false'
cp "$B/config.json" "$T/base.json"

# Takes COUNT listeners; writes the state that came with each to FILE.N, and answers every call:
# mkdir of a path with "fake" in it succeeds without being made, of one with "no" fails with ENOMEDIUM
# (123), and what else there is goes on.
cat >"$T/agent.py" <<'P2'
import array, fcntl, os, socket, struct, sys, threading
path, out, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
RECV, SEND, CONTINUE = 0xc0502100, 0xc0182101, 1
MKDIR = {"x86_64": (83, 258), "aarch64": (34,)}[os.uname().machine]

def answer(fd, log):
    while True:
        buf = bytearray(80)
        try:
            fcntl.ioctl(fd, RECV, buf)
        except OSError:
            return
        nid, pid, _, nr, _, _ = struct.unpack_from("=QIIiIQ", buf)
        args = struct.unpack_from("=6Q", buf, 32)
        resp = struct.pack("=QqiI", nid, 0, 0, CONTINUE)
        if nr in MKDIR:
            try:
                mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
                name = os.pread(mem, 64, args[0 if nr == 83 else 1]).split(b"\0")[0].decode()
                os.close(mem)
            except OSError:
                continue
            if "fake" in name:
                resp = struct.pack("=QqiI", nid, 0, 0, 0)
            elif "no" in name:
                resp = struct.pack("=QqiI", nid, 0, -123, 0)
        try:
            fcntl.ioctl(fd, SEND, resp)
        except OSError:
            pass

srv = socket.socket(socket.AF_UNIX)
srv.bind(path + ".new")
srv.listen(8)
os.rename(path + ".new", path)
for i in range(count):
    conn, _ = srv.accept()
    data, fds = b"", array.array("i")
    while True:
        part, anc, _, _ = conn.recvmsg(65536, socket.CMSG_LEN(64))
        assert not anc or not data, "a descriptor behind the first message"
        for level, kind, d in anc:
            fds.frombytes(d[:len(d) - len(d) % 4])
        if not part:
            break
        data += part
    with open(f"{out}.tmp", "wb") as f:
        f.write(data)
    os.rename(f"{out}.tmp", f"{out}.{i + 1}")
    assert len(fds) == 1, fds
    threading.Thread(target=answer, args=(fds[0], None), daemon=True).start()
threading.Event().wait()
P2
agent=
at_exit='stop_agent'
stop_agent() {
	[ -z "$agent" ] || { kill "$agent" && wait "$agent"; } 2>/dev/null
	agent=
	rm -f "$S" "$T"/state.*
}
start_agent() { # COUNT
	stop_agent
	python3 "$T/agent.py" "$S" "$T/state" "$1" &
	agent=$!
	wait_for 10 test -S "$S"
}
config() { # JQ-FILTER SCRIPT
	jq --arg s "$2" --arg S "$S" '.process.args = ["sh", "-c", $s] |
		.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $S, listenerMetadata: "m \"1\"",
			syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]} | '"$1" "$T/base.json" >"$B/config.json"
}
script='mkdir /tmp/fake && [ ! -d /tmp/fake ] && mkdir /tmp/real && [ -d /tmp/real ] && rmdir /tmp/real && mkdir /tmp/no 2>&1 | sed "s/.*: //"'

for nnp in true false; do
	start_agent 2
	config ".process.noNewPrivileges = $nnp | .annotations = {a: \"b\"}" "$script; sleep 1000"
	try timeout 20 "$K" create -b "$B" "$TAG-c$nnp"
	is "$rc:$err" 0: "create with a listener, noNewPrivileges $nnp"
	try timeout 20 "$K" start "$TAG-c$nnp"
	is "$rc:$err" 0: "start"
	wait_for 10 test -e "$T/state.1"
	pid=$("$K" state "$TAG-c$nnp" | jq .pid)
	is "$(jq -c '[.ociVersion != null, .fds, .metadata, .pid, .state.pid, .state.id, .state.bundle, .state.annotations.a]' "$T/state.1")" \
		"[true,[\"seccompFd\"],\"m \\\"1\\\"\",$pid,$pid,\"$TAG-c$nnp\",\"$B\",\"b\"]" "the state that the listener is told"
	try timeout 20 "$K" exec "$TAG-c$nnp" sh -c "$script"
	is "$rc:$out" "0:No medium found" "exec has a listener of its own, whose answers it gets"
	is "$(jq -r "[.fds[0], .state.status, .state.pid == $pid, .pid == $pid] | @csv" "$T/state.2")" '"seccompFd","running",true,false' "and is told of its own process"
	is "$(ls /proc/"$pid"/task | wc -l)" 1 "no thread of the start is left"
	is "$(readlink "/proc/$pid"/fd/* | grep -c 'seccomp\|socket')" 0 "nor a descriptor of it in the container"
	"$K" delete --force "$TAG-c$nnp"
	start_agent 1
	config ".process.noNewPrivileges = $nnp" "$script"
	try timeout 20 "$K" run -b "$B" "$TAG-r$nnp"
	is "$rc:$out:$err" "0:No medium found:" "run"
	# Everything is notified, execve too: nothing that kshim does may wait for itself.
	start_agent 1
	config ".process.noNewPrivileges = $nnp | .linux.seccomp.defaultAction = \"SCMP_ACT_NOTIFY\" | .linux.seccomp.syscalls = [] |
		.linux.seccomp.flags = [\"SECCOMP_FILTER_FLAG_TSYNC\", \"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]" "$script"
	try timeout 60 "$K" run -b "$B" "$TAG-a$nnp"
	is "$rc:$out:$err" "0:No medium found:" "a filter that notifies of every call"
	stop_agent
	config ".process.noNewPrivileges = $nnp" true
	try timeout 20 "$K" run -b "$B" "$TAG-n$nnp"
	like "$rc:$err" "1:*seccomp listener socket $S*" "nobody listens: the program does not start"
	try timeout 20 "$K" state "$TAG-n$nnp"
	is "$rc" 1 "and nothing of it is left"
done

# ---- start: the program is running when the descriptor cannot be passed on -------------------
config '.process.noNewPrivileges = true' 'sleep 1000'
"$K" create -b "$B" "$TAG-s"
try timeout 20 "$K" start "$TAG-s"
like "$rc:$err" "1:*seccomp listener socket*" "start where nobody listens"
wait_for 5 eval '[ "$("$K" state "$TAG-s" | jq -r .status)" = stopped ]'
ok $? "ends the container: its calls would fail for no reason that it can know"
"$K" delete "$TAG-s"

# ---- those who listen and do no good --------------------------------------------------------------
# mute: takes descriptors and never answers; deaf: never accepts; rude: closes after one byte.
cat >"$T/bad.py" <<'P3'
import os, socket, sys, threading
path, how = sys.argv[1:3]
srv = socket.socket(socket.AF_UNIX)
srv.bind(path + ".new")
srv.listen(0 if how == "deaf" else 8)
full = []
while how == "deaf":
    c = socket.socket(socket.AF_UNIX)
    c.setblocking(False)
    try:
        c.connect(path + ".new")
    except BlockingIOError:
        break
    full.append(c)
os.rename(path + ".new", path)
keep = []
while how != "deaf":
    conn, _ = srv.accept()
    if how == "rude":
        conn.recv(1)
        conn.close()
    else:
        keep.append((conn, conn.recvmsg(1 << 20, socket.CMSG_LEN(64))))
threading.Event().wait()
P3
bad_agent() { # HOW
	stop_agent
	python3 "$T/bad.py" "$S" "$1" &
	agent=$!
	wait_for 10 test -S "$S"
}
procs() { cat /sys/fs/cgroup/{,pids/}"kshim-$1"/cgroup.procs 2>/dev/null | sort -u; }
for call in setgroups sendmsg; do
	for who in "kshim" "kshim and its listener" "the listener"; do
		bad_agent mute
		config ".process.noNewPrivileges = false | .linux.seccomp.syscalls[0].names = [\"$call\"]" 'sleep 1000'
		"$K" create -b "$B" "$TAG-m" </dev/null >/dev/null 2>&1 &
		maker=$!
		wait_for 5 eval '[ -n "$(procs "$TAG-m")" ]'
		sleep 0.3
		inside=$(procs "$TAG-m")
		case $who in
		kshim) kill -KILL "$maker" ;;
		kshim*) kill -KILL "$maker" "$agent" ;;
		*) kill -KILL "$agent" ;;
		esac
		try timeout 20 "$K" delete --force "$TAG-m"
		is "$rc:$err:$(procs "$TAG-m")" 0:: "$call waits for an answer, $who killed: delete ends all of it"
		alive=
		for pid in $inside; do wait_for 2 eval '! grep -q . "/proc/$pid/cmdline" 2>/dev/null' || alive="$alive $pid"; done
		is "$alive" "" "its process too"
		kill -KILL "$maker" 2>/dev/null
		wait "$maker" 2>/dev/null
	done
done
for nnp in true false; do
	bad_agent rude
	config ".process.noNewPrivileges = $nnp" 'sleep 1000'
	jq '.annotations = {a: ("x" * 3000000)}' "$B/config.json" >"$B/config.new" && mv "$B/config.new" "$B/config.json"
	try timeout 30 "$K" run -d -b "$B" "$TAG-z"
	like "$rc:$err" '1:*send the descriptor to seccomp listener socket*' "a listener that closes in the middle, noNewPrivileges $nnp"
	try "$K" state "$TAG-z"
	is "$rc" 1 "leaves no container"
done
bad_agent deaf
config '.process.noNewPrivileges = true' 'touch /ran; sleep 1000'
"$K" create -b "$B" "$TAG-d"
"$K" start "$TAG-d" 2>/dev/null &
starter=$!
sleep 0.5
pid=$("$K" state "$TAG-d" | jq .pid)
kill -KILL "$starter"
wait "$starter" 2>/dev/null
wait_for 5 eval '[ "$("$K" state "$TAG-d" | jq -r .status)" = stopped ]'
is "$?:$(ls "$B/rootfs/ran" 2>/dev/null)" 0: "start killed while nobody accepts: the program never ran"
"$K" delete --force "$TAG-d"
"$K" create -b "$B" "$TAG-d"
try timeout 30 "$K" start "$TAG-d"
like "$rc:$err" '1:*connect to seccomp listener socket*timed out*' "a start waits for a listener for so long only"
"$K" delete --force "$TAG-d"
stop_agent

# ---- what cannot be meant ----------------------------------------------------------------------
refuses() { # JQ-FILTER GLOB NAME
	config "$1" true
	try timeout 20 "$K" run -b "$B" "$TAG-e"
	like "$rc:$err" "1:$2" "$3"
}
refuses 'del(.linux.seccomp.listenerPath, .linux.seccomp.listenerMetadata)' '*linux.seccomp.listenerPath: is missing*' "NOTIFY without a listenerPath"
refuses '.linux.seccomp.listenerPath = "a"' '*linux.seccomp.listenerPath: must be absolute*' "a relative one"
refuses 'del(.linux.seccomp.listenerPath) | .linux.seccomp.syscalls[0].action = "SCMP_ACT_LOG"' '*listenerMetadata*' "metadata without it"
refuses '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] | .linux.seccomp.syscalls[0].action = "SCMP_ACT_LOG"' '*WAIT_KILLABLE_RECV*' "a flag for listeners without one"
start_agent 1
refuses '.process.scheduler = {policy: "SCHED_FIFO", priority: 1} | .linux.resources.cpu.cpus = "0"' '*process.scheduler*' "a real-time policy, under which the start would wait for itself, or that the host refuses"
if chrt -f 1 true 2>/dev/null; then
	config '.process.noNewPrivileges = true' true
	try timeout 20 chrt -f 1 "$K" --cgroup-manager=disabled run -b "$B" "$TAG-e"
	like "$rc:$err" '1:*real-time policy*not supported*' "nor by the caller's policy"
fi
config '.process.scheduler = {policy: "SCHED_BATCH"} | .linux.resources.cpu.cpus = "0"' "$script"
try timeout 20 "$K" run -b "$B" "$TAG-b"
is "$rc:$out" "0:No medium found" "another policy, on one CPU"
stop_agent
refuses '.linux.seccomp.syscalls[0].errnoRet = 1' '*errnoRet*' "a number for an action that takes none"
config '.linux.seccomp.syscalls[0].action = "SCMP_ACT_ERRNO"' 'mkdir /tmp/a 2>&1'
try timeout 20 "$K" run -b "$B" "$TAG-u"
like "$rc:$out" '1:*not permitted*' "a listenerPath that nothing needs is not connected to"

# ---- calls that the profile cannot know ---------------------------------------------------------
cp "$BUILD/helper/probe" "$B/rootfs/bin/probe"
# One that is named and allowed, one that is not, two of the future; of x32 one that is not allowed
# and one of the future: Debian's kernel has no x32, what it is not asked for it cannot refuse.
profile='.process.args = ["probe", "call", "3", "165", "9999", "500", "0x400000a5", "0x4000270f"] | .process.noNewPrivileges = true
	| .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
		syscalls: [{names: ["execve", "write", "close", "exit_group", "brk", "mmap", "arch_prctl", "fstat", "newfstatat", "uname",
		"readlink", "rt_sigaction", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "mprotect", "getrandom", "nosuchcall", "futex", "open_tree", "pidfd_open"], action: "SCMP_ACT_ALLOW"}]}'
calls() { # JQ-FILTER
	jq "$profile | $1" "$T/base.json" >"$B/config.json"
	try timeout 20 "$K" run -b "$B" "$TAG-o"
}
if [ "$(uname -m)" = x86_64 ]; then
	calls 'del(.process.args[-2:])'
	is "$rc:$out" "0:9 1 38 38 " "a number above all that the profile names is ENOSYS, others are refused as it says"
	calls 'del(.process.args[-2:]) | .linux.seccomp.defaultErrnoRet = 13'
	is "$rc:$out" "0:9 13 38 38 " "the profile's own number for the known"
	calls 'del(.process.args[-2:]) | .linux.seccomp.architectures = []'
	is "$rc:$out" "0:9 1 38 38 " "also without a list of architectures"
	calls '.linux.seccomp.architectures += ["SCMP_ARCH_X32"]'
	is "$rc:$out" "0:9 1 38 38 1 38 " "x32 is judged by its own numbers"
	calls 'del(.process.args[-2:]) | .linux.seccomp.defaultAction = "SCMP_ACT_LOG"'
	is "$rc:$out" "0:9 14 38 38 " "a permissive profile is left as it is"
	jq "$profile | del(.process.args[-2:]) | .linux.seccomp = \$d[0].linux.seccomp" --slurpfile d "$TOP/tests/data/containerd-config.json" "$T/base.json" >"$B/config.json"
	try runc run -b "$B" "$TAG-p"
	theirs=$out
	try "$K" run -b "$B" "$TAG-p"
	is "$rc:$out" "0:$theirs" "with containerd's profile, what runc gives"
fi
no_leaks
