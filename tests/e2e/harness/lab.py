# SPDX-License-Identifier: BSD-2-Clause
"""A host, its clients and an rcxlb between them, for one test."""
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import client, settings
from .namespace import Namespace, join
from .process import Process
from .poll import wait_equal, wait_until
from .rcxlb import Rcxlb

BPFFS = Path("/sys/fs/bpf")
HOST4, HOST6 = "192.0.2.1", "2001:db8::1"
CLIENTS4 = [f"192.0.2.{i}" for i in range(2, 34)]
CLIENTS6 = [f"2001:db8::{i:x}" for i in range(2, 34)]

_numbers = itertools.count()


class Lab:
    """eth0 of the host namespace is joined to eth0 of the clients namespace; nothing else is reachable."""

    def __init__(self):
        self.tag = f"rcxlb-test-{os.getpid()}-{next(_numbers)}"
        self.folder = Path(tempfile.mkdtemp(prefix="rcxlb-test-"))
        self.folder.chmod(0o755)
        self.processes = []
        self.sockets = []
        self.namespaces = []
        self.host = self.namespace("host")
        self.clients = self.namespace("clients")
        join(self.host, self.clients)
        self.host.ip(f"addr add {HOST4}/24 dev eth0", f"addr add {HOST6}/64 dev eth0 nodad", "link set eth0 up")
        self.clients.ip(
            *(f"addr add {address}/24 dev eth0" for address in CLIENTS4),
            *(f"addr add {address}/64 dev eth0 nodad" for address in CLIENTS6),
            "link set eth0 up",
        )
        self.rcxlb = Rcxlb(self.host, BPFFS / self.tag, self.folder / "run")

    def namespace(self, word):
        made = Namespace(f"{self.tag}-{word}")
        self.namespaces.append(made)
        made.create()
        return made

    # What a test starts.

    def load(self, *arguments):
        return self.rcxlb("load", "eth0", "--no-agent", *arguments)

    def load_with(self, *backends, rule=()):
        """Loaded, with these ports on 127.0.0.1 as backends. `rule`: options that say how the service chooses."""
        self.load()
        if rule:
            self.rcxlb("services", "add", "default", "--listen", "*:3000", *rule)
        self.rcxlb("backends", "add", *(f"127.0.0.1:{port}" for port in backends))

    def start(self, words, ready=None, namespace=None):
        with (namespace or self.host).entered():
            process = Process(words, ready=ready)
        self.processes.append(process)
        return process

    def instance(self, name, port, *options, namespace=None):
        """A running instance that listens."""
        return self.start([settings.INSTANCE, name, port, *options], "listening", namespace)

    def node_instance(self, name, port, bind="127.0.0.1", options=()):
        """A real server: scripts/demo/instance.js on Node.js."""
        words = ["env", "NODE_PATH=/usr/share/nodejs", f"INSTANCE={name}", f"PORT={port}", f"BIND_IP={bind}"]
        return self.start([*words, "node", *options, settings.NODE_INSTANCE], "listening")

    def instances(self, *ports):
        """Instances i3001, i3002, ... on 127.0.0.1."""
        return {port: self.instance(f"i{port}", port) for port in ports}

    def listening(self, *arguments, namespace=None, **more):
        """A listening socket of the test itself, closed when the test ends."""
        sock = (namespace or self.host).listening(*arguments, **more)
        self.sockets.append(sock)
        return sock

    # What a client does.

    def dial(self, address=HOST4, port=3000, **more):
        connection = client.dial(self.clients, address, port, **more)
        self.sockets.append(connection)
        return connection

    def connect(self, address=HOST4, port=3000, **more):
        connection = client.connect(self.clients, address, port, **more)
        self.sockets.append(connection)
        return connection

    def who(self, address=HOST4, port=3000, **more):
        return client.who(self.clients, address, port, **more)

    def tally(self, count, address=HOST4, port=3000, **more):
        return client.tally(self.clients, address, port, count, **more)

    def refused(self, address=HOST4, port=3000, **more):
        return client.refused(self.clients, address, port, **more)

    def await_active(self, address, count):
        wait_equal(lambda: self.rcxlb.active(address), count, f"active connections of {address}")

    # The end.

    def close(self):
        """Ends and removes everything, then says what was left although it should not have been."""
        left = self._unload()
        for sock in self.sockets:
            sock.close()
        for process in self.processes:
            process.end()
        left += self._strangers()
        for namespace in self.namespaces:
            namespace.delete()
        shutil.rmtree(self.folder)
        left += [str(path) for path in Path("/run/netns").glob(f"{self.tag}-*")]
        assert not left, f"left behind: {left}"

    def _unload(self):
        """What is wrong with unloading; the rest is removed by force."""
        wrong = []
        try:
            why = self.rcxlb.attempt("unload").err.strip()
            wrong = [f"{path} ({why})" for path in self.pins_left()]
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            wrong = [str(problem)]
        for path in self.pins_left():
            shutil.rmtree(path)
        return wrong

    def pins_left(self):
        return sorted(str(path) for path in BPFFS.glob(f"*{self.tag}*"))

    def _strangers(self):
        """Processes in our namespaces that no test ended."""
        try:
            wait_until(lambda: not any(namespace.pids() for namespace in self.namespaces), "no process left")
        except AssertionError:
            return [f"process {pid} in {each.name}" for each in self.namespaces for pid in each.pids()]
        return []


def node_reason():
    """Why instances of Node.js cannot be started here, or an empty string."""
    if not shutil.which("node"):
        return "Node.js is not installed"
    if not settings.NODE_INSTANCE.exists():
        return "scripts/demo/instance.js is not there"
    if not Path("/usr/share/nodejs/ws").exists():
        return "the WebSocket library of Debian's package node-ws is not installed"
    return ""
