# SPDX-License-Identifier: BSD-2-Clause
"""A worker by itself (tests/proxy/worker.c) in a network namespace of its own, between clients and instances that are
sockets of the test."""
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from . import settings, tls
from .client import ABORT
from .namespace import Namespace
from .poll import wait_equal, wait_until
from .process import Process

PROGRAM = Path(os.environ.get("RCXLB_BUILD", settings.ROOT / "build")).resolve() / "tests" / "proxy" / "worker"
ADDRESS, PORT = "127.0.0.1", 8443

_numbers = itertools.count()


def read_all(peer, limit=None):
    """Everything until its end (or so many bytes)."""
    pieces, have = [], 0
    while limit is None or have < limit:
        piece = peer.recv(65536)
        if not piece:
            break
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


class Worker:
    """A running worker."""

    def __init__(self, place, *options, port=PORT, backends=(), identities=(), before=()):
        self.place = place
        self.port = port
        self.control = place.folder / f"control-{next(_numbers)}"
        words = [PROGRAM, "--listen", f"{ADDRESS}:{port}", "--control", self.control, *options]
        for backend in backends:
            words += ["--backend", f"{ADDRESS}:{backend}"]
        for identity in identities:
            words += identity.options
        with place.namespace.entered():
            self.process = Process([*before, *settings.WRAPPER, *words], ready="listening")

    def counters(self):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10 * settings.PATIENCE)
            control.connect(str(self.control))
            return json.loads(read_all(control))

    def __getitem__(self, name):
        return self.counters()[name]

    def await_counter(self, name, wanted):
        wait_equal(lambda: self[name], wanted, f"the worker's {name}", seconds=20)

    def await_read(self, peer):
        """It has read all that the test has sent it over this connection."""
        wait_equal(lambda: self._unread(peer), 0, "bytes that the worker has not read")

    def _unread(self, peer):
        ports = [peer.getsockname()[1], peer.getpeername()[1]]
        unread = 0
        for row in Path(f"/proc/{self.process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            ends = [int(address.split(":")[1], 16) for address in row.split()[1:3]]
            sends, receives = (int(size, 16) for size in row.split()[4].split(":"))
            unread += sends if ends == ports else receives if ends == ports[::-1] else 0
        return unread

    def reload(self):
        """Certificates and ticket keys are read again. False: the worker refused them."""
        before = self.counters()
        self.process.signal(signal.SIGHUP)
        after = wait_until(lambda: self._reloaded(before), "read again")
        return after["reloads"] > before["reloads"]

    def _reloaded(self, before):
        now = self.counters()
        done = now["reloads"] + now["reload_errors"] > before["reloads"] + before["reload_errors"]
        return now if done else None

    def refuses(self):
        """True when it does not listen any more."""
        with self.place.namespace.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            return sock.connect_ex((ADDRESS, self.port)) != 0

    def await_end(self):
        """Its exit status."""
        return self.process.popen.wait(timeout=10 * settings.PATIENCE)


class Place:
    """The namespace, and what the test has in it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rcxlb-test-"))
        self.namespace = Namespace(f"rcxlb-test-{os.getpid()}-worker-{next(_numbers)}")
        self.namespace.create()
        self.workers = []
        self.open = []

    def worker(self, *options, **more):
        made = Worker(self, *options, **more)
        self.workers.append(made)
        return made

    def listening(self, port, backlog=128):
        made = self.namespace.listening(ADDRESS, port, backlog=backlog)
        made.settimeout(5 * settings.PATIENCE)
        self.open.append(made)
        return made

    def kept(self, sock):
        sock.settimeout(10 * settings.PATIENCE)
        self.open.append(sock)
        return sock

    def accepted(self, listener):
        """The instance's end of the next connection."""
        sock, _ = listener.accept()
        return self.kept(sock)

    def connect(self, port=PORT):
        sock = self.kept(self.namespace.socket())
        sock.connect((ADDRESS, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def tls(self, using=None, host=None, session=None, port=PORT):
        return tls.TlsClient(self.connect(port), using or tls.context(), host, session)

    def run(self, words, timeout=30, **more):
        """A command in the namespace, finished."""
        return subprocess.run(self.namespace.command(*words), capture_output=True, check=False,
                              timeout=timeout * settings.PATIENCE, **more)

    def close(self):
        for sock in self.open:
            sock.close()
        for worker in self.workers:
            worker.process.end()
        self.namespace.delete()
        shutil.rmtree(self.folder)
