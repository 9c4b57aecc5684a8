# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces: making them, running commands in them, opening sockets in them."""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def _setns(fd):
    if hasattr(os, "setns"):
        os.setns(fd, CLONE_NEWNET)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _set_up(interface):
    """Of this thread's namespace. ip(8) does the same, and takes an emulated machine a fifth of a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", interface.encode(), IFF_UP))


def run(*words, text=None):
    """A command that must succeed; its output."""
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(map(str, words))}: {done.stderr.strip()}"
    return done.stdout


def _namespace_of(process):
    try:
        return (process / "ns" / "net").stat().st_ino
    except OSError:  # it has ended
        return None


class Namespace:
    """A named network namespace."""

    def __init__(self, name):
        self.name = name
        self.path = Path("/run/netns") / name

    def create(self):
        run("ip", "netns", "add", self.name)
        with self.entered():
            for which in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{which}/accept_dad").write_text("0", encoding="ascii")
            _set_up("lo")

    def delete(self):
        if self.path.exists():
            run("ip", "netns", "del", self.name)

    def command(self, *words):
        """The command that runs in this namespace, and in nothing else that is new."""
        return ["nsenter", f"--net={self.path}", *map(str, words)]

    def ip(self, *lines):
        """ip(8) commands, all in one process."""
        return run("ip", "-netns", self.name, "-batch", "-", text="\n".join(lines) + "\n")

    def set_sysctl(self, name, value):
        with self.entered():
            Path("/proc/sys", *name.split(".")).write_text(str(value), encoding="ascii")

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace until the block ends. A socket stays where it was made."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def listening(self, address, port, backlog=16, v6only=True, reuseport=False):
        """A listening socket of this process that nobody serves."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuseport))
        listener.bind((address, port))
        listener.listen(backlog)
        listener.settimeout(5)
        return listener

    def pids(self):
        """Processes that live here."""
        number = self.path.stat().st_ino
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _namespace_of(entry) == number]


def join(first, second, name="eth0", peer=None):
    """A veth pair: one end in each namespace."""
    run("ip", "link", "add", name, "netns", first.name, "type", "veth", "peer", "name", peer or name,
        "netns", second.name)
