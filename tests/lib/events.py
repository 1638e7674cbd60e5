#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""containerd's end of a shim's events: events.py SOCKET [DROP]

Prints "TOPIC ID" of each event that it takes. With DROP it hangs up on the
DROPth one without an answer, once: a shim has to send that again.
"""
import os
import socket
import struct
import sys

from pb import decode, dig, encode


def receive(conn, n):
    data = b""
    while len(data) < n:
        part = conn.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def main():
    path, drop = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path)
    listener.listen(5)
    count = 0
    while True:
        conn, _ = listener.accept()
        try:
            while True:
                length, stream, _, _ = struct.unpack(">IIBB", receive(conn, 10))
                request = receive(conn, length)
                assert dig(request, 1) == b"containerd.services.events.ttrpc.v1.Events"
                count += 1
                if count == drop:
                    conn.close()
                    break
                event = dig(request, 3, 1)
                topic, body = dig(event, 3).decode(), dig(event, 4, 2)
                # An exit names its process second, everything else its container first.
                name = dig(body, 2 if topic == "/tasks/exit" else 1)
                print(topic, name.decode(), flush=True)
                answer = encode({})
                conn.sendall(struct.pack(">IIBB", len(answer), stream, 2, 0) + answer)
        except EOFError:
            pass


main()
