# SPDX-License-Identifier: Apache-2.0
"""Protobuf messages by their field numbers, for the tests' clients."""


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def encode(fields):
    """{number: int, str, bytes, dict (a message), or a list of these}"""
    out = b""
    for number, value in fields.items():
        for v in value if isinstance(value, list) else [value]:
            if isinstance(v, int):
                out += varint(number << 3) + varint(v)
                continue
            if isinstance(v, dict):
                v = encode(v)
            elif isinstance(v, str):
                v = v.encode()
            out += varint(number << 3 | 2) + varint(len(v)) + v
    return out


def decode(data):
    """{number: [int or bytes, ...]}"""
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return n

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            v = number()
        elif kind == 2:
            n = number()
            v = data[at : at + n]
            at += n
        else:
            n = {1: 8, 5: 4}[kind]
            v = data[at : at + n]
            at += n
        fields.setdefault(key >> 3, []).append(v)
    return fields


def dig(data, *path):
    """The value at a path of field numbers; 0 where it is absent."""
    for n in path:
        data = decode(data).get(n, [b""])[0] if data else b""
    return data or 0
