# SPDX-License-Identifier: BSD-2-Clause
"""Many clients that connect again and again while something happens, and what became of each connection."""
import asyncio
import contextlib
import errno
import socket
import threading
from collections import Counter

from .client import ABORT
from .poll import wait_until
from .settings import PATIENCE

REFUSED = "refused"  # connect() failed: nobody took the connection
LOST = "lost"  # connect() succeeded, then the instance's end went away before it answered
TIMED_OUT = "timed out"


class Crowd:
    """`count` clients in a namespace. Each connects, waits for the greeting, resets, and begins again."""

    def __init__(self, namespace, address, port, count, sources):
        self.namespace = namespace
        self.target = (address, port)
        self.count = count
        self.sources = sources
        self.outcomes = Counter()  # REFUSED, LOST, TIMED_OUT, or the name of the instance
        self.unexpected = []
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def connecting(self):
        """The crowd is at it until the block ends."""
        self.thread.start()
        try:
            self.await_more(self.count)
            yield self
        finally:
            self.stopping = True
            self.thread.join()
        assert not self.unexpected, self.unexpected[:3]

    def done(self):
        return sum(self.outcomes.values())

    def await_more(self, connections):
        """Returns when that many more connections have ended."""
        target = self.done() + connections
        wait_until(lambda: self.unexpected or self.done() >= target, f"{connections} more connections",
                   20 + connections / 200)
        assert not self.unexpected, self.unexpected[:3]

    def _run(self):
        with self.namespace.entered():
            asyncio.run(self._all())

    async def _all(self):
        sources = [self.sources[i % len(self.sources)] for i in range(self.count)]
        await asyncio.gather(*(self._client(source) for source in sources))

    async def _client(self, source):
        while not self.stopping:
            try:
                self.outcomes[await self._once(source)] += 1
            except OSError as problem:
                self.unexpected.append(repr(problem))
                return

    async def _once(self, source):
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            sock.bind((source, 0))
            return await asyncio.wait_for(self._talk(loop, sock), 10 * PATIENCE)
        except asyncio.TimeoutError:
            return TIMED_OUT
        finally:
            sock.close()

    async def _talk(self, loop, sock):
        try:
            await loop.sock_connect(sock, self.target)
        except ConnectionRefusedError:
            return REFUSED
        except ConnectionResetError:  # connected, and reset before this program looked
            return LOST
        try:
            greeting = await loop.sock_recv(sock, 200)
        except OSError as problem:
            if problem.errno not in (errno.ECONNRESET, errno.EPIPE):
                raise
            return LOST
        return greeting.split()[0].decode() if greeting else LOST
