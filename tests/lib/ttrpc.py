#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A ttrpc client, and a command line for one call: ttrpc.py SOCKET [SERVICE/]METHOD [FIELD=VALUE...]

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


class Failure(Exception):
    """The server's answer is a status: .code, and its message as the text."""

    def __init__(self, status):
        super().__init__(status.get(2, [b""])[0].decode())
        self.code = status.get(1, [0])[0]


class Client:
    """One connection, one call at a time."""

    def __init__(self, path, timeout=60):
        self.stream = -1
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)

    def send(self, method, fields):
        """A request; METHOD of the task service, or SERVICE/METHOD."""
        service, _, method = method.rpartition("/")
        body = encode({1: service or TASK, 2: method, 3: encode(fields)})
        self.stream += 2
        self.sock.sendall(struct.pack(">IIBB", len(body), self.stream, 1, 0) + body)

    def _receive(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError("closed")
            data += part
        return data

    def call(self, method, fields):
        """The answer as {number: [values]}; Failure, or EOFError when the server is gone."""
        self.send(method, fields)
        length, stream, kind, _ = struct.unpack(">IIBB", self._receive(10))
        assert (kind, stream) == (2, self.stream)
        answer = decode(self._receive(length))
        if 1 in answer:
            raise Failure(decode(answer[1][0]))
        return decode(answer.get(2, [b""])[0])


def value(text):
    if text.startswith("@"):
        return text[1:]
    return int(text) if text.isdigit() else text


def main():
    args = sys.argv[1:]
    path, method, *words = [a for a in args if a != "--hang"]
    fields = {}
    for w in words:
        key, _, v = w.partition("=")
        at = fields
        *outer, last = map(int, key.split(":"))
        for n in outer:
            at = at.setdefault(n, {})
        at.setdefault(last, []).append(value(v))
    client = Client(path)
    if "--hang" in args:
        client.send(method, fields)
        return
    try:
        answer = client.call(method, fields)
    except EOFError:
        sys.exit("closed")
    except Failure as e:
        print(e.code, e)
        sys.exit(1)
    for number, values in answer.items():
        for v in values:
            print(f"{number}={v.decode(errors='replace').replace(chr(0), '') if isinstance(v, bytes) else v}")


if __name__ == "__main__":
    main()
