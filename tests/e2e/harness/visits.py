# SPDX-License-Identifier: BSD-2-Clause
"""Clients that come in bursts or at a pace: which instance answers each of them, and how long that takes."""
import asyncio
import json
import socket
from collections import Counter
from dataclasses import dataclass

from .client import ABORT
from .crowd import LOST, REFUSED, TIMED_OUT
from .lab import CLIENTS4, HOST4
from .settings import SLOW_MACHINE

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STUCK_SECONDS = 20.0 if SLOW_MACHINE else 2.0


@dataclass(frozen=True)
class Visit:
    name: str  # of the instance; or REFUSED, LOST, TIMED_OUT
    seconds: float  # until the first byte


class Visits:
    """What became of them all."""

    def __init__(self, visits):
        self.all = visits
        self.names = Counter(visit.name for visit in visits)

    def __add__(self, others):
        return Visits(self.all + others.all)

    def __str__(self):
        return f"{len(self.all)} connections: {dict(self.names)}, p99 {self.quantile(0.99) * 1000:.1f} ms"

    @property
    def stuck(self):
        return self.names[TIMED_OUT]

    @property
    def failed(self):
        return self.names[REFUSED] + self.names[LOST]

    def share(self, name):
        return self.names[name] / len(self.all)

    def later_than(self, seconds):
        return sum(visit.seconds > seconds for visit in self.all) / len(self.all)

    def quantile(self, part):
        times = sorted(visit.seconds for visit in self.all)
        return times[int((len(times) - 1) * part)]


def bursts(namespace, count, size=40):
    """So many at once; the next of them when all of these have ended."""

    async def come():
        ended = []
        while len(ended) < count:
            ended += await asyncio.gather(*(_visit(i) for i in range(min(size, count - len(ended)))))
        return ended

    return _run(namespace, come())


def paced(namespace, count, rate):
    """So many per second, whatever becomes of those before."""

    async def come():
        return await asyncio.gather(*(_visit(i, i / rate) for i in range(count)))

    return _run(namespace, come())


def ask(connection, last=False):
    """Asks over an open connection, and returns who answered. `last`: the client says that nothing more will come."""
    connection.sock.sendall(REQUEST)
    if last:
        connection.sock.shutdown(socket.SHUT_WR)
    answer = b""
    while piece := connection.sock.recv(65536):
        answer += piece
    return _name_in(answer)


def _run(namespace, coming):
    with namespace.entered():
        return Visits(asyncio.run(coming))


async def _visit(number, delay=0.0):
    await asyncio.sleep(delay)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        sock.bind((CLIENTS4[number % len(CLIENTS4)], 0))
        try:
            return await asyncio.wait_for(_talk(loop, sock, start), STUCK_SECONDS)
        except asyncio.TimeoutError:
            return Visit(TIMED_OUT, STUCK_SECONDS)
        except ConnectionRefusedError:
            return Visit(REFUSED, loop.time() - start)
        except (ConnectionError, ValueError):
            return Visit(LOST, loop.time() - start)


async def _talk(loop, sock, start):
    await loop.sock_connect(sock, (HOST4, 3000))
    await loop.sock_sendall(sock, REQUEST)
    answer = await loop.sock_recv(sock, 65536)
    seconds = loop.time() - start
    while piece := await loop.sock_recv(sock, 65536):
        answer += piece
    return Visit(_name_in(answer), seconds)


def _name_in(answer):
    """Of the instance: all of the body, or what its JSON says."""
    head, body = answer.decode().split("\r\n\r\n", 1)
    return json.loads(body)["instance"] if "application/json" in head else body
