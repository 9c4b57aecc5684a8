# SPDX-License-Identifier: BSD-2-Clause
"""Both ends of connections through a worker, in the hands of a test: plain ones and TLS."""
import hashlib
import socket
import time

from . import settings, tls
from .client import ABORT

RELAY_DONE, CLIENT_BROKE, INSTANCE_BROKE, IDLE = range(4)
KINDS = ["plain", "1.2", "1.3"]


class Pair:
    """A worker with one instance on port 3001, and connections through it."""

    def __init__(self, place, identity, kind, *options, **more):
        self.place = place
        self.kind = kind
        self.listener = place.listening(3001)
        identities = [] if kind == "plain" else [identity]
        self.worker = place.worker(*options, backends=[3001], identities=identities, **more)

    def client(self):
        return self.place.connect() if self.kind == "plain" else self.place.tls(tls.context(self.kind))

    def pair(self):
        """A client and the instance's end of its connection."""
        client = self.client()
        return client, self.place.accepted(self.listener)


def reset(peer):
    if hasattr(peer, "reset"):
        peer.reset()
    else:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        peer.close()


def was_reset(peer):
    """True when the next thing that comes is a RST."""
    try:
        return peer.recv(1) is None
    except ConnectionResetError:
        return True


def is_at_end(peer):
    return peer.recv(1) == b""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def fill(peer):
    """Sends until nothing more is taken. Returns how much was."""
    sock = getattr(peer, "sock", peer)
    sock.setblocking(False)
    sent, idle = 0, 0
    out = b""
    while idle < 20:
        if not out:
            if sock is peer:
                out = b"f" * 65536
            else:
                peer.tls.write(b"f" * 16384)
                out = peer.outgoing.read()
        try:
            n = sock.send(out)
            out, sent, idle = out[n:], sent + n, 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.005)
    sock.settimeout(10 * settings.PATIENCE)
    return sent
