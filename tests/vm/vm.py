#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The outside of a guest: boots it, sends it a script, does what the script asks of the host.

A script in the guest is bash, with the functions of tests/vm/guest/guest.sh. A line of its
output that begins with "#host " is a request:
    #host plug ID SIZE-MiB SERIAL     a virtio disk is hot-plugged
    #host pull ID                     it is asked to go, as a controller would
    #host cut                         the power is gone
    #host reset                       the reset button; the guest boots again
"""
import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class GuestError(Exception):
    """The guest did not do as it should; with the end of its console."""


class Deadline:
    """Seconds in which this process ran: when the whole machine stood still, the guest did, too."""

    STILL = 5  # seconds between two looks that are no longer a busy machine's

    def __init__(self, seconds):
        self.left, self.seen = seconds, time.monotonic()

    def over(self):
        """Looks at the clock; to be called several times in a second."""
        now = time.monotonic()
        if now - self.seen < self.STILL:
            self.left -= now - self.seen
        else:
            print(f"  # the machine stood still for {now - self.seen:.0f} s", flush=True)
        self.seen = now
        return self.left < 0


class Vm:
    """One boot of a guest. Use it as a context: leaving it ends qemu, by its own pid.

    Without KVM it has one processor: kernels patch their own text at a static branch, and qemu's
    emulation of several processors in parallel lets one of them execute the old text for ever. 6.1
    hangs then, 6.12 panics. Races between processors are left to the suite on the host.
    """

    def __init__(self, cache, kernel, payload, append="", disks=(), memory=1536):
        self.cache, self.kernel, self.payload = cache, kernel, payload
        self.append, self.disks, self.memory = append, list(disks), memory
        self.dir = tempfile.mkdtemp(prefix="kshim-vm.")
        self.proc = self.qmp = self.qmp_file = None
        self.buffer = b""

    def __enter__(self):
        console = os.path.join(self.dir, "console")
        accel, cpus = ("kvm", "2") if os.environ.get("VM_KVM") else ("tcg", "1")
        cmd = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
               "-machine", "q35", "-accel", accel, "-cpu", "max", "-smp", cpus,
               "-m", str(self.memory), "-no-reboot", "-nic", "none",
               "-kernel", f"{self.cache}/vmlinuz-{self.kernel}",
               "-initrd", f"{self.cache}/initrd-{self.kernel}",
               "-append", "console=ttyS0 quiet panic=-1 " + self.append,
               "-serial", f"file:{console}", "-serial", "stdio",
               "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
               "-device", "pcie-root-port,id=port0,chassis=1,slot=1",
               "-device", "pcie-root-port,id=port1,chassis=2,slot=2",
               # Each with its device: the order makes them vda, vdb, vdc.
               "-drive", f"file={self.cache}/root.img,format=raw,if=none,id=root,snapshot=on",
               "-device", "virtio-blk-pci,drive=root",
               "-drive", f"file={self.payload},format=raw,if=none,id=payload,readonly=on",
               "-device", "virtio-blk-pci,drive=payload"]
        for d in self.disks:
            cmd += d
        # Its temporary overlay of the root disk goes where there is room.
        env = dict(os.environ, TMPDIR=self.cache)
        self.proc = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        for f in (self.proc.stdin, self.proc.stdout, self.qmp_file, self.qmp):
            if f:
                f.close()
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        os.rmdir(self.dir)

    def console(self):
        with open(os.path.join(self.dir, "console"), errors="replace") as f:
            return "".join(f.readlines()[-25:])

    def fail(self, why):
        raise GuestError(f"{why}; the end of its console:\n{self.console()}")

    def line(self, deadline):
        """The next line of the guest, without its end."""
        os.set_blocking(self.proc.stdout.fileno(), False)
        while b"\n" not in self.buffer:
            if deadline.over():
                self.fail("the guest's time is over")
            data = self.proc.stdout.read(65536)
            if data == b"" and self.proc.poll() is not None:
                self.fail("the guest is gone")
            if data:
                self.buffer += data
            else:
                time.sleep(0.01)
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def command(self, execute, **arguments):
        """One QMP command; its answer, or an exception."""
        if not self.qmp:
            self.qmp = socket.socket(socket.AF_UNIX)
            self.qmp.connect(f"{self.dir}/qmp")
            self.qmp_file = self.qmp.makefile("rw")
            self.qmp_file.readline()
            self.command("qmp_capabilities")
        self.qmp_file.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            answer = json.loads(self.qmp_file.readline())
            if "error" in answer:
                raise GuestError(f"{execute}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def host(self, words):
        """What a script asks of the host."""
        if words[0] == "plug":
            name, size, serial = words[1:4]
            path = os.path.join(self.dir, f"disk-{name}")
            with open(path, "wb") as f:
                f.truncate(int(size) << 20)
            port = len([d for d in os.listdir(self.dir) if d.startswith("disk-")]) - 1
            self.command("blockdev-add", **{
                "node-name": name, "driver": "raw",
                "file": {"driver": "blkdebug", "node-name": name + "-dbg",
                         "image": {"driver": "file", "filename": path}}})
            self.command("device_add", driver="virtio-blk-pci", id="dev-" + name, drive=name,
                         serial=serial, bus=f"port{port}")
        elif words[0] == "pull":
            self.command("device_del", id="dev-" + words[1])
        elif words[0] == "cut":
            self.proc.kill()
        elif words[0] == "reset":
            self.command("set-action", reboot="reset")
            self.command("system_reset")
        else:
            raise GuestError(f"unknown request {words}")

    def send(self, script):
        """Waits until the guest is there, and gives it a script."""
        deadline = Deadline(120)
        while self.line(deadline) != "#ready":
            pass
        self.proc.stdin.write((script + "\n#end\n").encode())
        self.proc.stdin.flush()

    def run(self, script, timeout, out=print):
        """Runs a script to its end; its exit code, or what it had done to the machine."""
        self.send(script)
        deadline = Deadline(timeout)
        while True:
            line = self.line(deadline)
            if line.startswith("#exit "):
                return int(line[6:])
            if line.startswith("#host "):
                words = line.split()[1:]
                self.host(words)
                if words[0] in ("cut", "reset"):
                    return words[0]
                continue
            out(line)


def make_payload(build, path):
    """The build and the tests, as a tar that the guest unpacks."""
    names = ["tests", "oci", "volumes", "shim", f"{build}/kshim", f"{build}/crash/kshim",
             f"{build}/containerd-shim-kshim-v2", f"{build}/helper", f"{build}/unit"]
    # containerd 2.x, where it could be had.
    names += [n for n in (f"{build}/later/root", f"{build}/later/.have") if os.path.exists(os.path.join(TOP, n))]
    subprocess.run(["tar", "-C", TOP, "-cf", path, f"--transform=s,^{build},build,",
                    "--exclude=*.o", "--exclude=*.d", *names], check=True)


def suites():
    """name -> (kernel, command line, seconds, script; None: boots of its own)"""
    # Through a pipe: on a terminal, as the serial line is one, it would draw.
    tap = "export BUILD=/k/build; exec > >(cat) 2>&1; perl tests/lib/run.pl -j 2 "
    # errors.t is left to the host: it takes minutes here, and is about messages alone.
    cli = "tests/cli/{criu,demands,found,kill,peers,spec}.t"
    more = "tests/cli/{control,hooks,lifecycle,netdev,rootless,seccomp,security,v2}.t"
    short = "tests/cli/{lifecycle,peers,v2}.t tests/volumes/emptydir.t"
    # The longest first: the last of them are short, and no processor waits for long.
    return {
        "cli": ("6.1", "", 1200, tap + cli),
        "more": ("6.1", "", 1200, tap + more),
        "ctr": ("6.1", "", 1200, tap + "tests/shim/ctr-?.t"),
        "shim": ("6.1", "", 1200, tap + "tests/shim/{task,checkpoint,cri-?}.t"),
        "volumes": ("6.1", "", 1200, tap + "build/unit/test_* tests/volumes/{emptydir,claims,policy}.t"),
        "containerd": ("6.1", "", 600, tap + "tests/cli/engines.t tests/engines/containerd.t"),
        "v1": ("6.1", "kshim.cgroup=v1", 600, tap + short),
        "systemd": ("6.1", "kshim.init=/lib/systemd/systemd systemd.unified_cgroup_hierarchy=1",
                    600, tap + "tests/vm/guest/systemd.t tests/cli/lifecycle.t"),
        "newer": ("6.12", "", 600, tap + "tests/vm/guest/*.t tests/volumes/{emptydir,claims}.t"),
        "hybrid": ("6.1", "kshim.cgroup=hybrid", 600, tap + "tests/cli/{lifecycle,v2}.t"),
        "cgroup2": ("6.1", "", 900, tap + "tests/vm/guest/{cgroup2,resctrl}.t"),
        "storage": ("6.1", "", 300, tap + "tests/vm/guest/{storage,apparmor}.t"),
        "selinux": ("6.1", "security=selinux selinux=1", 300, tap + "tests/vm/guest/selinux.t"),
        "power": ("6.1", "", 300, None),
    }


def power(args, payload, out):
    """One disk through a power cut and a reset; the exit code of the last boot's tests."""
    disk = os.path.join(args.cache, f"power.{os.getpid()}.img")
    stage = "BUILD=/k/build bash tests/vm/guest/power.sh "
    options = [["-drive", f"file={disk},format=raw,if=none,id=state,cache=writeback",
                "-device", "virtio-blk-pci,drive=state"]]
    try:
        with open(disk, "wb") as f:
            f.truncate(512 << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", disk], check=True)
        with Vm(args.cache, args.kernel, payload, "", options) as vm:
            if vm.run(stage + "1", 120, out) != "cut":
                vm.fail("the power was not cut")
        with Vm(args.cache, args.kernel, payload, "", options) as vm:
            if vm.run(stage + "2", 120, out) != "reset":
                vm.fail("it was not reset")
            return vm.run("exec > >(cat) 2>&1; echo '#!/bin/bash' >/run/power.t; "
                          "echo 'exec bash /k/tests/vm/guest/power.sh 3' >>/run/power.t; "
                          "chmod 755 /run/power.t; BUILD=/k/build perl tests/lib/run.pl /run/power.t",
                          120, out)
    finally:
        os.unlink(disk)


def one(args, payload, name):
    """One suite; what it printed, its counts (None: it did not come to an end), whether it passed."""
    kernel, append, timeout, script = suites()[name]
    start, said, lines = time.monotonic(), [f"== {name} (kernel {kernel} {append})"], []

    def out(line):
        lines.append(line)
        if re.search(r"^not ok|^#|^skipped|not found|Failed|panic", line):
            said.append("  " + line)
        if args.verbose:
            print(f"{name}: {line}", flush=True)

    try:
        if script is None:
            code = power(args, payload, out)
        else:
            with Vm(args.cache, kernel, payload, append) as vm:
                code = vm.run(script, timeout, out)
    except (GuestError, OSError, ValueError, subprocess.SubprocessError) as e:
        said.append(f"  {e}")
        code = -1
    counts = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped", "\n".join(lines), re.M)
    said.append(f"   {counts.group(0) if counts else 'no result'} in {time.monotonic() - start:.0f} s")
    counts = counts and [int(c) for c in counts.groups()]
    # One that skips all of itself tests nothing.
    return "\n".join(said), counts, code == 0 and bool(counts) and counts[0] > 0


def at_a_time():
    """Guests for which there are processors and memory."""
    with open("/proc/meminfo") as f:
        free = int(re.search(r"MemAvailable:\s+(\d+)", f.read()).group(1))
    return max(1, min(len(os.sched_getaffinity(0)), free // (2 << 20)))


def check(args, payload):
    """The suites, as many at a time as there is room for; each result, and the sum as the last line."""
    total, bad, names = [0, 0, 0], [], []
    for name, (kernel, _, _, _) in suites().items():
        if args.suite and name not in args.suite:
            continue
        if os.path.exists(f"{args.cache}/vmlinuz-{kernel}"):
            names.append(name)
        else:
            print(f"== {name}: skipped: there is no kernel {kernel}")
            total[2] += 1
    with ThreadPoolExecutor(at_a_time()) as pool:
        jobs = {pool.submit(one, args, payload, name): name for name in names}
        try:
            for job in as_completed(jobs):
                said, counts, passed = job.result()
                print(said, flush=True)
                if counts:
                    total = [a + b for a, b in zip(total, counts)]
                if not passed:
                    bad.append(jobs[job])
                    total[1] += 0 if counts and counts[1] else 1
        except KeyboardInterrupt:
            # Those that run have got the signal themselves.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if bad:
        print("failed: " + ", ".join(bad))
    print("%d passed, %d failed, %d skipped" % tuple(total))
    return bool(bad)


def shell(args, payload):
    """A shell in the guest, with the build in /k; ends with the shell."""
    with Vm(args.cache, args.kernel, payload, args.append) as vm:
        vm.send("setsid bash -i </dev/ttyS1 >/dev/ttyS1 2>&1")
        os.set_blocking(vm.proc.stdout.fileno(), True)
        pid = os.fork()
        if pid == 0:
            for line in iter(sys.stdin.readline, ""):
                vm.proc.stdin.write(line.encode())
                vm.proc.stdin.flush()
            os._exit(0)
        while True:
            data = os.read(vm.proc.stdout.fileno(), 4096)
            if not data or b"#exit " in data:
                break
            os.write(1, data)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("verb", choices=["check", "shell", "list", "powercut"])
    p.add_argument("suite", nargs="*")
    p.add_argument("--cache", required=True)
    p.add_argument("--build", default="build")
    p.add_argument("--kernel", default="6.1")
    p.add_argument("--append", default="")
    p.add_argument("--cuts", type=int, default=20)
    p.add_argument("--seed", type=int)
    p.add_argument("-v", "--verbose", action="store_true")
    args = p.parse_args()
    args.cache = os.path.abspath(args.cache)
    if args.verb == "list":
        print("\n".join(suites()))
        return 0
    payload = os.path.join(args.cache, f"payload.{os.getpid()}.tar")
    try:
        make_payload(args.build, payload)
        if args.verb == "powercut":
            import powercut  # beside this file
            return powercut.main(args, payload, Vm)
        return check(args, payload) if args.verb == "check" else shell(args, payload)
    finally:
        os.unlink(payload)


if __name__ == "__main__":
    sys.exit(main())
