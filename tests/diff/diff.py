#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same bundle through kshim, crun and runc, and what the container and its caller see compared.

Bundles are made of random features from a seed. A value that kshim shows and neither peer does is a
difference: it is shrunk to the features that it needs, and counts unless known.txt explains it.
What a peer refuses altogether is not drawn, since with it there would be nothing to compare with: pids -1
and memory 0 (crun), cpu shares 1, a uid above 2^31, an unbindable root, an owner of /dev/null (runc).
Usage: diff.py [-n BUNDLES] [-s SEED] [-v] [--one SEED]
"""
import argparse, json, os, random, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", TOP + "/build")
KSHIM = os.environ.get("KSHIM", BUILD + "/kshim")
NAMES = ["kshim", "crun", "runc"]
CAPS = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_MKNOD",
        "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"]
CGROUP_FILES = ["memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.swappiness",
                "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpuset/cpuset.cpus",
                "cpuset/cpuset.mems", "pids/pids.max", "devices/devices.list", "freezer/freezer.state"]


def base():
    return {
        "ociVersion": "1.0.2", "hostname": "box",
        "process": {"args": ["/probe", "a", "b c"], "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0},
                    "capabilities": {k: CAPS[:6] for k in ("bounding", "effective", "permitted")}},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                   {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                    "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                   {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                    "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
                   {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                    "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
                   {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                    "options": ["nosuid", "noexec", "nodev", "ro"]}],
        "linux": {"namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount")],
                  "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
    }


# ---- features: each changes the config; random choices are made when it is drawn -----------------------------

def f_namespaces(r):
    drop = r.sample(["pid", "network", "ipc", "uts"], r.randint(1, 2))

    def do(c):
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] not in drop]
        if "uts" in drop:
            c.pop("hostname", None)
            c.pop("domainname", None)
    return "without " + ",".join(drop), do


def f_cgroupns(r):
    return "cgroup namespace", lambda c: c["linux"]["namespaces"].append({"type": "cgroup"})


def f_user(r):
    u = {"uid": r.choice([0, 1, 1000, 65534, 2000000000]), "gid": r.choice([0, 5, 1000, 65534])}
    if r.random() < .5:
        u["additionalGids"] = r.sample([0, 1, 10, 33, 100, 1000, 70000], r.randint(1, 4))
    if r.random() < .4:
        u["umask"] = r.choice([0, 0o22, 0o77, 0o777, 0o27])
    return f"user {u}", lambda c: c["process"].update(user=u)


def f_caps(r):
    sets = {k: r.sample(CAPS, r.randint(0, 8)) for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    # What is effective or ambient must be permitted, or the kernel refuses in ways of each runtime.
    sets["permitted"] = [x for x in sets["permitted"] if x in sets["bounding"]]
    sets["effective"] = [x for x in sets["effective"] if x in sets["permitted"]]
    sets["inheritable"] = [x for x in sets["inheritable"] if x in sets["permitted"]]
    sets["ambient"] = [x for x in sets["ambient"] if x in sets["inheritable"]]
    return f"caps {sets}", lambda c: c["process"].update(capabilities=sets)


def f_nocaps(r):
    return "no capabilities", lambda c: c["process"].pop("capabilities", None)


def f_nnp(r):
    return "noNewPrivileges", lambda c: c["process"].update(noNewPrivileges=True)


def f_rlimits(r):
    all_ = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 512, "RLIMIT_FSIZE": 1 << 30, "RLIMIT_STACK": 8 << 20, "RLIMIT_CPU": 100,
            "RLIMIT_MSGQUEUE": 1000, "RLIMIT_NPROC": 1000, "RLIMIT_DATA": 1 << 32}
    v = [{"type": t, "hard": all_[t], "soft": all_[t] // r.choice([1, 2])} for t in r.sample(sorted(all_), r.randint(1, 4))]
    return f"rlimits {v}", lambda c: c["process"].update(rlimits=v)


def f_oom(r):
    n = r.choice([0, 1, 500, 1000])
    return f"oomScoreAdj {n}", lambda c: c["process"].update(oomScoreAdj=n)


def f_env(r):
    v = r.choice([[], ["A=1"], ["HOME=/x", "PATH=/bin"], ["A=1", "A=2"], ["HOME="], ["TERM=xterm", "X=a=b", "Y="], ["PATH=", "Z= z "]])
    return f"env {v}", lambda c: c["process"].update(env=v)


def f_cwd(r):
    d = r.choice(["/tmp", "/new/dir", "/etc/", "/tmp/../etc", "/link", "/proc", "/dev/shm", "/file"])
    return f"cwd {d}", lambda c: c["process"].update(cwd=d)


def f_args(r):
    v = r.choice([["/bin/probe"], ["/probe", ""], ["/missing"], ["/etc/passwd"], ["/tmp"], ["./probe"], ["/link-to-probe", "x"], ["/bad-exec"]])
    return f"args {v}", lambda c: c["process"].update(args=v)


def f_readonly(r):
    return "readonly root", lambda c: c["root"].update(readonly=True)


def f_propagation(r):
    p = r.choice(["private", "slave", "shared", "rprivate", "rslave", "rshared"])
    return f"rootfsPropagation {p}", lambda c: c["linux"].update(rootfsPropagation=p)


def f_masked(r):
    v = r.sample(["/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware", "/nowhere", "/etc/passwd", "/dev/shm", "/tmp"], r.randint(1, 5))
    return f"maskedPaths {v}", lambda c: c["linux"].update(maskedPaths=v)


def f_readonlypaths(r):
    v = r.sample(["/proc/sys", "/proc/bus", "/nowhere", "/etc", "/tmp", "/dev/shm", "/proc/sysrq-trigger", "/etc/passwd"], r.randint(1, 5))
    return f"readonlyPaths {v}", lambda c: c["linux"].update(readonlyPaths=v)


def f_device(r):
    d = r.choice([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5}, {"path": "/dev/sub/dir", "type": "b", "major": 7, "minor": 0},
                  {"path": "/dev/null", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/fifo", "type": "p"},
                  {"path": "/etc/node", "type": "c", "major": 1, "minor": 3}, {"path": "/dev/mine", "type": "u", "major": 1, "minor": 9}])
    d = dict(d)
    if r.random() < .6:
        d["fileMode"] = r.choice([0o600, 0o666, 0o640])
    if r.random() < .4:
        d.update(uid=r.choice([0, 1000]), gid=r.choice([0, 6]))
    return f"device {d}", lambda c: c["linux"].setdefault("devices", []).append(d)


MOUNT_FLAGS = ["ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "relatime", "strictatime", "nodiratime", "sync"]


def f_tmpfs(r):
    d = r.choice(["/data", "/tmp", "/made/here", "/etc/sub", "/data/sub", "/link"])
    o = r.sample(MOUNT_FLAGS[:11], r.randint(0, 3)) + r.choice([[], ["mode=700"], ["size=1m"], ["mode=1777", "size=64k"], ["uid=5", "gid=6"]])
    m = {"destination": d, "type": "tmpfs", "source": "tmpfs", "options": o}
    return f"tmpfs {d} {o}", lambda c: c["mounts"].append(m)


def f_bind(r):
    src, dst = r.choice([("DIR", "/bind"), ("FILE", "/etc/made-file"), ("DIR", "/data"), ("FILE", "/etc/passwd"), ("DIR", "/a/b/c"), ("LINKDIR", "/bind")])
    o = [r.choice(["bind", "rbind"])] + r.sample(MOUNT_FLAGS, r.randint(0, 3)) + r.choice([[], [], ["private"], ["rslave"], ["rshared"], ["rprivate"]])
    m = {"destination": dst, "type": r.choice(["bind", "none"]), "source": src, "options": o}
    return f"bind {src} {dst} {o}", lambda c: c["mounts"].append(m)


def f_cgroupmount(r):
    o = r.choice([["ro", "nosuid", "noexec", "nodev", "relatime"], ["rw", "nosuid"], ["ro"]])
    return f"cgroup mount {o}", lambda c: c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": o})


def f_mqueue(r):
    return "mqueue", lambda c: c["mounts"].append({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]})


def f_nodev(r):
    def do(c):
        c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/dev")]
    return "no /dev mounts", do


def f_memory(r):
    m = r.choice([{"limit": 64 << 20}, {"limit": 64 << 20, "reservation": 32 << 20}, {"limit": -1}, {"limit": 64 << 20, "swap": 128 << 20},
                  {"limit": 64 << 20, "swappiness": 10}, {"reservation": 1 << 20}])
    return f"memory {m}", lambda c: c["linux"].setdefault("resources", {}).update(memory=m)


def f_cpu(r):
    m = r.choice([{"shares": 100}, {"quota": 50000, "period": 100000}, {"quota": -1}, {"cpus": "0"}, {"cpus": "0", "mems": "0"}, {"shares": 0}, {"period": 50000}, {"shares": 2}])
    return f"cpu {m}", lambda c: c["linux"].setdefault("resources", {}).update(cpu=m)


def f_pids(r):
    n = r.choice([5, 10, 100])
    return f"pids {n}", lambda c: c["linux"].setdefault("resources", {}).update(pids={"limit": n})


def f_rules(r):
    pool = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "r"}, {"allow": True, "type": "c", "major": 10, "access": "rw"},
            {"allow": True, "type": "b", "major": 7, "minor": 0, "access": "m"}, {"allow": False, "type": "c", "major": 1, "minor": 7, "access": "w"}]
    v = [pool[0]] + r.sample(pool[1:], r.randint(0, 3))
    return f"device rules {v}", lambda c: c["linux"].setdefault("resources", {}).update(devices=v)


def f_norules(r):
    return "no resources", lambda c: c["linux"].pop("resources", None)


def f_sysctl(r):
    v = r.choice([{"net.ipv4.ip_forward": "1"}, {"kernel.shmmax": "123456"}, {"net.ipv4.ip_forward": "0", "kernel.msgmax": "8000"}])
    return f"sysctl {v}", lambda c: c["linux"].update(sysctl=v)


def f_seccomp(r):
    names = r.sample(["getcpu", "chroot", "unshare", "sethostname", "personality", "mknod", "mknodat", "setresuid"], r.randint(1, 4))
    a = r.choice([{"action": "SCMP_ACT_ERRNO"}, {"action": "SCMP_ACT_ERRNO", "errnoRet": 38}, {"action": "SCMP_ACT_LOG"}])
    s = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [dict(a, names=names)]}
    if r.random() < .4:
        s["architectures"] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    return f"seccomp {s}", lambda c: c["linux"].update(seccomp=s)


def f_names(r):
    h, d = r.choice(["h", "a-long.host.name", ""]), r.choice([None, "dom.ain"])

    def do(c):
        if any(n["type"] == "uts" for n in c["linux"]["namespaces"]):
            c["hostname"] = h
    return f"names {h} {d}", do


def f_userns(r):
    def do(c):
        c["linux"]["namespaces"].append({"type": "user"})
        c["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    return "user namespace", do


FEATURES = [v for k, v in sorted(globals().items()) if k.startswith("f_")]


# ---- running -------------------------------------------------------------------------------------------------

class World:
    def __init__(self, where):
        self.dir = where
        self.master = where + "/master"
        for d in ("tmp", "etc/sub", "dev", "proc", "sys", "run", "bin", "data/sub"):
            os.makedirs(f"{self.master}/{d}")
        shutil.copy(BUILD + "/helper/diff-probe", self.master + "/probe")
        shutil.copy(BUILD + "/helper/diff-probe", self.master + "/bin/probe")
        for name, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/h:/bin/sh\n"), ("file", "x"),
                           ("etc/group", "root:x:0:\n")):
            open(f"{self.master}/{name}", "w").write(text)
        open(self.master + "/bad-exec", "w").write("no program")
        os.chmod(self.master + "/bad-exec", 0o755)
        os.symlink("tmp", self.master + "/link")
        os.symlink("/probe", self.master + "/link-to-probe")
        os.chmod(self.master + "/tmp", 0o1777)
        os.makedirs(where + "/src")
        open(where + "/src/file", "w").write("x")
        open(where + "/one", "w").write("x")
        os.symlink("src", where + "/ln")
        self.host_ns = {n: os.readlink("/proc/self/ns/" + n) for n in os.listdir("/proc/self/ns")}

    def bundle(self, name, config):
        b = f"{self.dir}/b-{name}"
        shutil.rmtree(b, ignore_errors=True)
        shutil.copytree(self.master, b + "/rootfs", symlinks=True)
        text = json.dumps(config)
        for word, path in (("DIR", "/src"), ("FILE", "/one"), ("LINKDIR", "/ln")):
            text = text.replace(f'"source": "{word}"', f'"source": "{self.dir}{path}"')
        open(b + "/config.json", "w").write(text)
        return b


def call(args, **kw):
    return subprocess.run(args, stdin=subprocess.DEVNULL, timeout=30, **kw)


def run(world, name, config):
    """What the caller and the container see, as a map of normalized values."""
    exe = KSHIM if name == "kshim" else name
    b = world.bundle(name, config)
    cid = f"kdiff-{os.getpid()}-{name}"
    rt = [exe, "--root", f"{world.dir}/r-{name}"]
    out = f"{world.dir}/out-{name}"
    seen = {}
    with open(out, "wb") as o, open(out + ".err", "wb") as e:
        created = call(rt + ["create", "--bundle", b, cid], stdout=o, stderr=e).returncode
    seen["create"] = "ok" if created == 0 else "fails"
    pid = 0
    if created == 0:
        st = json.loads(call(rt + ["state", cid], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
        seen["state"] = f"{st['status']} {st['pid'] > 0} {st['id'] == cid} {st['bundle'] == b}"
        pid = st["pid"]
        cgroup = dict(l.split(":", 2)[1:] for l in open(f"/proc/{pid}/cgroup").read().split("\n") if l)
        for f in CGROUP_FILES:
            ctl = f.split("/")[0]
            path = next((p for k, p in cgroup.items() if ctl in k.split(",")), None)
            try:
                seen["cg:" + f] = read_sorted(f"/sys/fs/cgroup/{ctl}{path}/{f.split('/')[1]}") if path else "-"
            except OSError as x:
                seen["cg:" + f] = x.strerror
        started = call(rt + ["start", cid], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        seen["start"] = "ok" if started == 0 else "fails"
        for _ in range(400):
            st = call(rt + ["state", cid], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if st.returncode or json.loads(st.stdout)["status"] == "stopped":
                break
        seen["end"] = json.loads(st.stdout)["status"] if st.returncode == 0 else "gone"
    seen["delete"] = str(call(rt + ["delete", "--force", cid], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode) if created == 0 else "-"
    seen["rootfs"] = " ".join(sorted(f"{os.path.relpath(d, b)}/{x}" for d, ds, fs in os.walk(b) for x in ds + fs if x != "core"))
    for line in open(out, errors="replace").read().split("\n"):
        if line:
            add(world, seen, line.replace(cid, "CID"), b)
    shutil.rmtree(b, ignore_errors=True)
    return seen


def read_sorted(path):
    # crun allows /dev/console to all, runc 1.1 /dev/net/tun; kshim neither, as runc since 1.2.
    return " ".join(sorted(l for l in open(path).read().split("\n") if l not in ("c 5:1 rwm", "c 10:200 rwm")))


def add(world, seen, line, bundle):
    key, _, value = line.partition(" ")
    if key == "mount":
        f = value.split(" ")
        dash = f.index("-")
        prop = " ".join(sorted(x.split(":")[0] for x in f[6:dash]))
        at = f"mount:{f[4]}"
        while at in seen:
            at += "'"
        # The options of the file system below are the host's; a tmpfs is the container's own.
        sup = ",".join(sorted(x for x in f[dash + 3].split(",") if not x.startswith(("inode64", "shared", "lowerdir")))) if f[dash + 1] in ("tmpfs", "devpts") else ""
        seen[at] = f"{','.join(sorted(f[5].split(',')))} {f[dash + 1]} {sup}"
        seen["propagation" + at[5:]] = prop
    elif key.startswith("ns:"):
        seen[key] = "host" if value == world.host_ns.get(key[3:]) else "own"
    elif key == "cgroup":
        n, ctl, path = value.split(":", 2)
        seen[f"cgroup:{ctl}"] = "own" if "CID" in path or path == "/" else "other"
    elif key == "keyring":
        seen[key] = value.split(";")[-1]
    elif key.startswith("status:"):
        k, _, v = line[7:].partition("\t")
        seen["status:" + k.rstrip(":")] = v
    else:
        seen[key] = value


def known():
    rules = []
    for line in open(HERE + "/known.txt"):
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = line.rstrip("\n").partition("\t")
            rules.append((re.compile(pattern), reason))
    return rules


def same_stack(key, a, b):
    """Mounts on one path are listed by their age, which is no order of theirs; what is on top shows elsewhere."""
    base = key.rstrip("'")
    return sorted(str(v) for k, v in a.items() if k.rstrip("'") == base) == sorted(str(v) for k, v in b.items() if k.rstrip("'") == base)


def compare(world, features, rules):
    config = base()
    for _, do in features:
        do(config)
    got = {n: run(world, n, json.loads(json.dumps(config))) for n in NAMES}
    k, peers = got["kshim"], [got["crun"], got["runc"]]
    bad = []
    for key in sorted(set(k) | set(peers[0]) | set(peers[1])):
        # A peer that did not get that far says nothing of what the container sees.
        values = [p.get(key) for p in peers if key in ("create", "start", "delete", "end", "state") or (p.get("create"), p.get("start")) == ("ok", "ok")]
        if k.get("create") != "ok" and key != "create" or not values or k.get(key) in values:
            continue
        if key.startswith(("mount:", "propagation:")) and any(same_stack(key, k, p) for p in peers):
            continue
        text = f"{key}: kshim {k.get(key)!r}, crun {got['crun'].get(key)!r}, runc {got['runc'].get(key)!r}"
        if not any(p.search(text) for p, _ in rules):
            bad.append(text)
    if bad and k["create"] != "ok":
        bad.append("kshim says: " + open(f"{world.dir}/out-kshim.err").read().strip())
    return bad


def shrink(world, features, rules):
    i = 0
    while i < len(features):
        less = features[:i] + features[i + 1:]
        if compare(world, less, rules):
            features = less
        else:
            i += 1
    return features, compare(world, features, rules)


def draw(seed):
    r = random.Random(seed)
    picked = [f(r) for f in r.sample(FEATURES, r.choice([1, 1, 2, 2, 3, 4, 5, 7]))]
    return picked


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=100)
    p.add_argument("-s", type=int, default=random.SystemRandom().randrange(1 << 30))
    p.add_argument("--one", type=int)
    p.add_argument("-v", action="store_true")
    a = p.parse_args()
    where = tempfile.mkdtemp(prefix="kshim-diff.")
    os.chmod(where, 0o755)
    os.environ["KSHIM_STATE_DIR"] = where + "/state"
    rules, failed, told = known(), 0, set()
    try:
        world = World(where)
        seeds = [a.one] if a.one is not None else range(a.s, a.s + a.n)
        for n, seed in enumerate(seeds):
            features = draw(seed)
            if a.v:
                print(f"# {seed}: {'; '.join(x for x, _ in features)}", flush=True)
            if not compare(world, features, rules):
                continue
            small, bad = shrink(world, features, rules)
            if not bad:
                continue  # not the same twice: not of the bundle
            failed += 1
            what = tuple(sorted(re.sub(r"[0-9]+", "N", b.split(":")[0]) for b in bad)), tuple(x.split(" ")[0] for x, _ in small)
            if what not in told:
                told.add(what)
                print(f"# seed {seed}: {'; '.join(x for x, _ in small) or 'the base alone'}", *[f"#    {b}" for b in bad], sep="\n", flush=True)
        print(f"# seed {a.s}: {len(seeds)} bundles, {failed} with an unexplained difference")
        print(f"{'ok' if not failed else 'not ok'} 1 - {len(seeds)} random bundles are the same under kshim as under crun or runc")
        print("1..1")
    finally:
        shutil.rmtree(where, ignore_errors=True)
    sys.exit(failed > 0)


main()
