# SPDX-License-Identifier: BSD-2-Clause
"""Clients: a connection to a service and what its instance said of it."""
import ipaddress
import socket
import struct
from collections import Counter

from .settings import PATIENCE

ABORT = struct.pack("ii", 1, 0)


def plain(address):
    """An IPv4 address that an IPv6 socket shows as ::ffff:a.b.c.d, as IPv4."""
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


class Connection:
    """An open connection. `peer` and `local` are what the instance sees."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.name = None
        self.peer = None
        self.local = None

    def read_greeting(self):
        name, peer, peer_port, local, local_port = self._line().split()
        self.name = name
        self.peer = (plain(peer), int(peer_port))
        self.local = (plain(local), int(local_port))
        return self

    def _line(self):
        while b"\n" not in self.buffer:
            piece = self.sock.recv(4096)
            if not piece:
                raise ConnectionResetError("closed before the end of a line")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def echoes(self, word="still here"):
        """True when the instance at the other end still answers."""
        try:
            self.sock.sendall(word.encode() + b"\n")
            return self._line() == word
        except OSError:
            return False

    @property
    def own(self):
        address, port = self.sock.getsockname()[:2]
        return plain(address), port

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends at once with a RST: nothing waits, the port is free."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reset()


def connect(namespace, address, port, source=None, source_port=0):
    """A connection that may be to anybody: nothing is read. A RST raises ConnectionRefusedError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = namespace.socket(family)
    sock.settimeout(5 * PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if source or source_port:
            sock.bind((source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), source_port))
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return Connection(sock)


def dial(namespace, address, port, source=None, source_port=0):
    """A connection whose instance has said its name."""
    connection = connect(namespace, address, port, source, source_port)
    try:
        return connection.read_greeting()
    except OSError:
        connection.reset()
        raise


def refused(namespace, address, port, **more):
    """True when the client gets a RST at once."""
    try:
        connect(namespace, address, port, **more).reset()
    except ConnectionRefusedError:
        return True
    return False


def who(namespace, address, port, **more):
    """The name of the instance that one connection reaches."""
    with dial(namespace, address, port, **more) as connection:
        return connection.name


def tally(namespace, address, port, count, **more):
    """How many of `count` connections each instance got."""
    return Counter(who(namespace, address, port, **more) for _ in range(count))
