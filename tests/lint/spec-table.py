#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that docs/RUNTIME-SPEC.md names stands in the file that it names. Prints what does not."""
import re
import sys

doc = "docs/RUNTIME-SPEC.md"
section = ""
tests = 0
for no, line in enumerate(open(doc), 1):
    if line.startswith("## "):
        section = line
    if not line.startswith("| ") or line.startswith(("| demand", "| ---")):
        continue
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    if section.startswith("## Where kshim differs"):
        if len(cells) != 3 or not all(c.strip() for c in cells):
            print(f"{doc}:{no}: a deviation says what is demanded, what kshim does, and why")
        continue
    if len(cells) != 2:
        print(f"{doc}:{no}: not a demand and its tests")
        continue
    for part in cells[1].strip().split("<br>"):
        m = re.fullmatch(r"`(tests/[^`]+)`: `([^`]+)`", part)
        if not m:
            print(f"{doc}:{no}: not a test: {part}")
            continue
        tests += 1
        name = m[2].replace("\\|", "|")
        if m[1].endswith(".c"):
            name = f"CASE({name})"
        try:
            # As the last word of a case, or as a field of a table of cases.
            text = open(m[1]).read()
            forms = [name] if m[1].endswith(".c") else [
                f'"{name}"', f"{name}@", f"|{name}\n", f"\n{name}|", f"\n{name}\n", f"\n\t{name}|", f"-{name}}}\""]
            if not any(f in text for f in forms):
                print(f"{doc}:{no}: {m[1]} has no {name}")
        except OSError as e:
            print(f"{doc}:{no}: {e}")
if tests < 300:
    print(f"{doc}: only {tests} tests are named; is its form still the one that is read here?")
