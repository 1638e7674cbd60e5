# SPDX-License-Identifier: Apache-2.0
"""Power cuts.

One guest runs a workload on a disk whose every write and flush qemu logs (its blklogwrites
driver, in the format of dm-log-writes). Behind each operation that kshim has acknowledged the
guest writes a number to a sector behind the file system, so that the log tells what was
acknowledged before any moment. A cut at entry K is then a disk that is made of the log: every
write up to the last flush before K, and of those behind it a random part, in order: what was not
flushed may be there or not. A second guest boots with that disk, recovers with `kshim gc`, and
the promise is checked against the list of what was acknowledged.
"""
import os
import random
import re
import shutil
import struct
import subprocess
import time

SIZE = 768 << 20   # the disk
FS = 704 << 20     # the file system on it; the acknowledgements are behind
SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Log:
    """The entries of a log, in order: (flags, sector, sectors, offset of the data)."""

    def __init__(self, path):
        self.file = open(path, "rb")
        head = self.file.read(SECTOR)
        magic, _version, count, sectorsize = struct.unpack_from("<QQQI", head)
        if magic != MAGIC:
            raise ValueError("no log of writes")
        self.unit = sectorsize
        self.entries, self.acks = [], {}
        pos = sectorsize
        for _ in range(count):
            self.file.seek(pos)
            sector, n, flags, length = struct.unpack("<QQQQ", self.file.read(32))
            pos += sectorsize
            size = 0 if flags & DISCARD else n * sectorsize
            if flags & MARK:
                size = (length + sectorsize - 1) // sectorsize * sectorsize
            if size and not flags & MARK and sector * sectorsize == FS:
                self.file.seek(pos)
                text = self.file.read(64).split(b"\0")[0].decode()
                self.acks[len(self.entries)] = text
            self.entries.append((flags, sector, n, pos))
            pos += size

    def apply(self, index, disk):
        flags, sector, n, pos = self.entries[index]
        if flags & MARK or not n:
            return
        disk.seek(sector * self.unit)
        if flags & DISCARD:
            disk.write(bytes(n * self.unit))
            return
        self.file.seek(pos)
        disk.write(self.file.read(n * self.unit))

    def unflushed(self, at):
        """How many entries behind the last flush before @at."""
        n = 0
        while n < at and not self.entries[at - 1 - n][0] & FLUSH:
            n += 1
        return n

    def cut(self, at, rng, path, base):
        """Makes the disk of a cut before entry @at; what was lost, for the report."""
        flush = at - self.unflushed(at) - 1
        subprocess.run(["cp", "--sparse=always", base, path], check=True)
        lost = 0
        with open(path, "r+b") as disk:
            for i in range(at):
                if i > flush and not self.entries[i][0] & FUA and rng.random() < 0.5:
                    lost += 1
                    continue
                self.apply(i, disk)
        return lost, at - flush


def disk_options(path, log=None):
    if not log:
        return [["-drive", f"file={path},format=raw,if=none,id=state,cache=writeback",
                 "-device", "virtio-blk-pci,drive=state"]]
    return [["-blockdev", "driver=blklogwrites,node-name=cut,log-sector-size=512,"
             f"file.driver=file,file.filename={path},log.driver=file,log.filename={log}",
             "-device", "virtio-blk-pci,drive=cut"]]


def acknowledged(log, at):
    """What the workload had been told before the cut, as lines, and what was under way."""
    done = [log.acks[i] for i in sorted(log.acks) if i < at]
    rest = [log.acks[i] for i in sorted(log.acks) if i >= at]
    return done, rest[0] if rest else ""


def main(args, payload, vm_class):
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 31)
    rng = random.Random(seed)
    print(f"# seed {seed}: repeat with make vm-powercut SEED={seed} N={args.cuts}", flush=True)
    work = os.path.join(args.cache, f"powercut.{os.getpid()}")
    os.mkdir(work)
    try:
        return run(args, payload, vm_class, rng, work)
    finally:
        shutil.rmtree(work)


def run(args, payload, vm_class, rng, work):
    disk, base, logfile = (os.path.join(work, n) for n in ("disk", "base", "log"))
    for path, size in ((disk, SIZE), (logfile, 4 << 30)):
        with open(path, "wb") as f:
            f.truncate(size)
    # The file system is there before the log begins.
    subprocess.run(["mke2fs", "-q", "-t", "ext4", disk, str(FS // 1024)], check=True)
    subprocess.run(["cp", "--sparse=always", disk, base], check=True)
    lines = []
    with vm_class(args.cache, args.kernel, payload, "", disk_options(disk, logfile)) as vm:
        code = vm.run(f"SEED={rng.randrange(1 << 30)} bash tests/vm/guest/workload.sh work", 400,
                      lines.append)
        vm.proc.wait(30)
    if code != 0:
        print("\n".join(lines))
        print("not ok - the workload failed\n0 passed, 1 failed, 0 skipped")
        return 1
    log = Log(logfile)
    first = min(log.acks, default=0)
    print(f"# {len(log.acks)} operations acknowledged, {len(log.entries)} writes and flushes",
          flush=True)
    if len(log.acks) < 10:
        print("not ok - too few acknowledgements\n0 passed, 1 failed, 0 skipped")
        return 1
    failed = 0
    for n in range(1, args.cuts + 1):
        if n % 2:
            # Right behind an acknowledgement: what it promised must have been flushed before it.
            at = rng.choice(sorted(log.acks)) + 1
        else:
            # Of five moments the one with most that was not flushed: the order is put to the test.
            at = max((rng.randrange(first, len(log.entries)) for _ in range(5)), key=log.unflushed)
        lost, open_writes = log.cut(at, rng, disk, base)
        done, pending = acknowledged(log, at)
        start, out = time.monotonic(), []
        script = "\n".join(["cat >/run/acks <<'E'", *done, "E", f"export PENDING='{pending}'",
                            "bash tests/vm/guest/workload.sh check"])
        with vm_class(args.cache, args.kernel, payload, "", disk_options(disk)) as vm:
            code = vm.run(script, 200, out.append)
        what = (f"cut at {at} of {len(log.entries)}, {len(done)} acknowledged, "
                f"{lost} of {open_writes} unflushed writes lost")
        print(f"{'ok' if code == 0 else 'not ok'} {n} - {what} ({time.monotonic() - start:.0f} s)",
              flush=True)
        if code != 0:
            failed += 1
            print("\n".join("#   " + re.sub(r"^#? *", "", o) for o in out), flush=True)
    print(f"1..{args.cuts}\n{args.cuts - failed} passed, {failed} failed, 0 skipped")
    return bool(failed)
