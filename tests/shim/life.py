#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The calls of one container's life, as containerd makes them: life.py SOCKET ID BUNDLE ROOTFS COMMAND

COMMAND is run in it by an exec. After a call that failed, the life is ended as containerd ends one:
kill, wait, delete, each once more if it fails. Prints the failed calls, and "exec STATUS".
Ends with 0, 1 (something failed) or 2 (the shim is gone).
"""
import json
import sys

from ttrpc import Client, Failure

ALREADY = (5, 9)  # NotFound, FailedPrecondition: nothing to end


def life(client, name, bundle, rootfs, command):
    me, sub = {1: name}, {1: name, 2: "e"}
    process = json.dumps({"cwd": "/", "args": ["sh", "-c", command], "env": ["PATH=/bin"],
                          "user": {"uid": 0, "gid": 0}})
    client.call("Create", {1: name, 2: bundle, 3: {1: "bind", 2: rootfs, 4: ["rbind", "rw"]}})
    client.call("Start", me)
    client.call("Exec", {**sub, 7: {1: "Process", 2: process}})
    client.call("Start", sub)
    print("exec", client.call("Wait", sub).get(1, [0])[0])
    client.call("Delete", sub)
    client.call("Kill", {**me, 3: 9})
    client.call("Wait", me)
    client.call("Delete", me)


def end(client, name):
    me = {1: name}
    for method, fields in (("Kill", {**me, 3: 9, 4: 1}), ("Wait", me), ("Delete", me)):
        for attempt in (1, 2):
            try:
                client.call(method, fields)
                break
            except Failure as e:
                if e.code in ALREADY:
                    break
                print(f"{method}, attempt {attempt}: {e.code} {e}")


def main():
    path, name, bundle, rootfs, command = sys.argv[1:]
    client, code = Client(path, 30), 0
    try:
        try:
            life(client, name, bundle, rootfs, command)
        except Failure as e:
            print(f"failed: {e.code} {e}")
            code = 1
            end(client, name)
        client.call("Shutdown", {1: name})
    except (EOFError, ConnectionError):
        print("the shim is gone")
        code = 2
    sys.exit(code)


main()
