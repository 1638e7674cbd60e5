#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small client of the Kubernetes Container Runtime Interface, v1.

cri.py SOCKET VERB ARGUMENT...; what has a result prints it. Messages are
written by their field numbers (cri-api, runtime/v1/api.proto).
  podrun HANDLER NAMESPACE NAME UID [KEY=VALUE...]    annotations; prints the id
  create POD-ID NAMESPACE NAME UID CONTAINER IMAGE [KEY=VALUE...] -- COMMAND...
  start|stop|rm CONTAINER-ID        podstop|podrm POD-ID
  exec CONTAINER-ID COMMAND...      prints its output, ends with its code
  status CONTAINER-ID               prints the state and the exit code
  stats CONTAINER-ID                prints the CPU time in ns and the memory in bytes
"""
import sys

import grpc
from pb import decode, dig, encode

CONTAINER, NODE = 1, 2  # NamespaceMode: its own; the host's
NAMESPACES = {1: NODE, 2: CONTAINER}


def annotations(words):
    return [{1: w.split("=", 1)[0], 2: w.split("=", 1)[1]} for w in words]


def pod_config(ns, name, uid, words):
    # Without a host name, as kubelet asks for pods of the host's network.
    return {
        1: {1: name, 2: uid, 3: ns},
        7: annotations(words),
        8: {2: {1: NAMESPACES}},
    }


class Client:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)

    def call(self, method, fields):
        stub = self.channel.unary_unary("/runtime.v1.RuntimeService/" + method)
        return stub(encode(fields), timeout=60, wait_for_ready=True)

    def podrun(self, handler, ns, name, uid, *words):
        config = pod_config(ns, name, uid, words)
        print(dig(self.call("RunPodSandbox", {1: config, 2: handler}), 1).decode())

    def create(self, pod, ns, name, uid, container, image, *words):
        at = words.index("--")
        config = {
            1: {1: container},
            2: {1: image},
            3: list(words[at + 1 :]),
            10: annotations(words[:at]),
            15: {2: {3: NAMESPACES}},
        }
        sandbox = pod_config(ns, name, uid, words[:at])
        print(dig(self.call("CreateContainer", {1: pod, 2: config, 3: sandbox}), 1).decode())

    def start(self, i):
        self.call("StartContainer", {1: i})

    def stop(self, i):
        self.call("StopContainer", {1: i, 2: 5})

    def rm(self, i):
        self.call("RemoveContainer", {1: i})

    def podstop(self, i):
        self.call("StopPodSandbox", {1: i})

    def podrm(self, i):
        self.call("RemovePodSandbox", {1: i})

    def exec(self, i, *command):
        r = decode(self.call("ExecSync", {1: i, 2: list(command), 3: 20}))
        sys.stdout.buffer.write(r.get(1, [b""])[0])
        sys.stderr.buffer.write(r.get(2, [b""])[0])
        sys.stdout.flush()
        sys.exit(r.get(3, [0])[0])

    def status(self, i):
        r = self.call("ContainerStatus", {1: i})
        print(["created", "running", "exited", "unknown"][dig(r, 1, 3)], dig(r, 1, 7))

    def stats(self, i):
        r = self.call("ContainerStats", {1: i})
        print(dig(r, 1, 2, 2, 1), dig(r, 1, 3, 2, 1))


def main():
    client = Client(sys.argv[1])
    verb = getattr(client, sys.argv[2])
    try:
        verb(*sys.argv[3:])
    except grpc.RpcError as e:
        print(e.details(), file=sys.stderr)
        sys.exit(255)


main()
