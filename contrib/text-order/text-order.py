#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the linker's order from what touched.c saw.

    text-order.py MAP SMALL HITS...    # each of one workload

What the small verbs execute comes first, for it is most of what they cost; a shim's process executes
much of it too, and what else it does follows, since a pod has it for its whole life; then what most
workloads execute. An input section is what the linker can move: a function of kshim, a
file of a library. The constants of the same files lie together, too.
"""
import bisect
import collections
import re
import sys

# What each protected start executes where the tracer, which does not survive it, has it fail.
ALWAYS = ("/seal-exe.o", "(dl-iteratephdr.o)")
SHIM = ("containerd-shim", "kshim-shim")  # before and after it has a name of its own


def input_sections(path):
    """[(address, size, name, file)] of what holds code or constants, from the linker's map."""
    found, name = [], None
    for line in open(path):
        long_name = re.match(r"^ (\.(?:text|rodata)\S*)$", line)
        rest = re.match(r"^ (\.(?:text|rodata)\S*)?\s+(0x[0-9a-f]{16})\s+(0x[0-9a-f]+)\s+(\S+)$", line)
        if rest and (rest.group(1) or name):
            address, size = int(rest.group(2), 16), int(rest.group(3), 16)
            if address and size:  # else it was left out
                found.append((address, size, rest.group(1) or name, rest.group(4)))
        name = long_name and long_name.group(1)
    return sorted(found)


def pattern(path):
    """A file as a linker script names it, wherever it is: an object, or one in an archive."""
    archive = re.search(r"([^/]+\.a)\((\S+)\)$", path)
    return "*" + ":".join(archive.groups()) if archive else "*/" + path.split("/")[-1]


def section(name):
    """The compiler's variants of a function come and go."""
    base = re.sub(r"(\.(isra|part|constprop|cold)\.?\d*)+$", "", name)
    return base if base in (".text", ".text.unlikely", ".text.startup") else f"{base} {base}.*"


def order(path, hits):
    """The sections of code that were executed, the ones that matter most first; @hits: the small
    verbs' first."""
    sections = [s for s in input_sections(path) if s[2].startswith(".text")]
    starts = [s[0] for s in sections]
    workloads, shim, small = collections.Counter(), set(), None
    for name in hits:
        seen = set()
        for line in open(name):
            address, comm = line.rstrip("\n").split(" ", 1)
            i = bisect.bisect_right(starts, int(address, 16)) - 1
            if i >= 0 and int(address, 16) < sum(sections[i][:2]):
                seen.add(i)
                if comm[:15] in SHIM:
                    shim.add(i)
        workloads.update(seen)
        small = seen if small is None else small
    workloads.update(i for i, s in enumerate(sections) if s[3].endswith(ALWAYS))
    return [sections[i] for i in sorted(workloads, key=lambda i: (i not in small, i not in shim, -workloads[i], i))]


def main():
    path, hits = sys.argv[1], sys.argv[2:]
    text = order(path, hits)
    with_constants = {s[3] for s in input_sections(path) if s[2].startswith(".rodata")}
    files = [f for f in dict.fromkeys(s[3] for s in text) if f in with_constants]
    print("/* Made by `make text-order`; docs/adr/0007. What is not there is passed over. */")
    # The linker's own place for it is behind all that is never executed.
    print("SECTIONS\n{\n\t.fini :\n\t{\n\t\tKEEP(*(SORT_NONE(.fini)))\n\t}\n}\nINSERT AFTER .init;")
    print("SECTIONS\n{\n\t.text.often :\n\t{")
    print("\n".join(f"\t\t{pattern(s[3])}({section(s[2])})" for s in text))
    print("\t}\n}\nINSERT BEFORE .text;\nSECTIONS\n{\n\t.rodata.often :\n\t{")
    print("\n".join(f"\t\t{pattern(f)}(.rodata .rodata.*)" for f in files))
    print("\t}\n}\nINSERT AFTER .rodata;")


if __name__ == "__main__":
    main()
