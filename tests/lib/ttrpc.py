#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A ttrpc client for one call: ttrpc.py SOCKET [SERVICE/]METHOD [FIELD=VALUE...]

FIELD is a number, or 7:2 for field 2 of the message that is field 7; a value of digits is an integer,
"@x" is the text x. Prints
"CODE MESSAGE" of a failure, or the fields of the answer, one "FIELD=VALUE" in
a line; ends with 0 or 1. --hang sends and hangs up without waiting.
"""
import socket
import struct
import sys

from pb import decode, encode

TASK = "containerd.task.v2.Task"


def value(text):
    if text.startswith("@"):
        return text[1:]
    return int(text) if text.isdigit() else text


def receive(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            sys.exit("closed")
        data += part
    return data


def main():
    args = sys.argv[1:]
    hang = "--hang" in args
    path, method, *words = [a for a in args if a != "--hang"]
    service, _, method = method.rpartition("/")
    fields = {}
    for w in words:
        key, _, v = w.partition("=")
        at = fields
        *outer, last = map(int, key.split(":"))
        for n in outer:
            at = at.setdefault(n, {})
        at.setdefault(last, []).append(value(v))
    body = encode({1: service or TASK, 2: method, 3: encode(fields)})
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    sock.sendall(struct.pack(">IIBB", len(body), 1, 1, 0) + body)
    if hang:
        return
    (length, _, kind, _) = struct.unpack(">IIBB", receive(sock, 10))
    assert kind == 2
    answer = decode(receive(sock, length))
    if 1 in answer:
        status = decode(answer[1][0])
        print(status.get(1, [0])[0], status.get(2, [b""])[0].decode())
        sys.exit(1)
    for number, values in decode(answer.get(2, [b""])[0]).items():
        for v in values:
            print(f"{number}={v.decode(errors='replace').replace(chr(0), '') if isinstance(v, bytes) else v}")


main()
