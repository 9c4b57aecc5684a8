# SPDX-License-Identifier: BSD-2-Clause
"""Clients and instances that do whatever comes to their mind, all at once: nobody gets an answer that is another's, no
request happens twice that must not, and when all have left nothing is left."""
import os
import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import settings
from harness.answering import accepted
from harness.client import ABORT
from harness.http import HttpPair, Reader, answer

KINDS = ["plain", "1.3"]
GONE = (EOFError, OSError, ValueError)


def chunks(chance, data):
    """The chunked form, cut at random."""
    out = b""
    while data:
        size = chance.randint(1, len(data))
        out += b"%x\r\n%s\r\n" % (size, data[:size])
        data = data[size:]
    return out + b"0\r\n\r\n"


def send_in_pieces(chance, peer, data):
    while data:
        size = chance.choice([1, 10, 1000, 16384, 100000])
        peer.sendall(data[:size])
        data = data[size:]
        if chance.random() < 0.1:
            time.sleep(chance.random() * 0.003)


def end(chance, peer):
    """By FIN or by RST."""
    sock = getattr(peer, "sock", peer)
    if chance.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    sock.close()


class Instance:
    """Answers with the request's target and body, if it is in the mood."""

    def __init__(self, listener):
        self.listener = listener
        self.done = Counter()  # requests that were read to their end
        self.pool = ThreadPoolExecutor(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        for seed, sock in enumerate(accepted(self.listener), 1):
            sock.settimeout(10 * settings.PATIENCE)
            self.pool.submit(self._serve, sock, random.Random(seed))

    def _serve(self, sock, chance):
        reader = Reader(sock)
        try:
            while (head := reader.head()) is not None and self._answer(reader, head, chance):
                pass
        except GONE:
            pass
        end(chance, sock)

    def _answer(self, reader, head, chance):
        """False: that was the last one."""
        sock, (method, target, _) = reader.peer, head.start.split()
        mood = chance.random()
        if mood < 0.02:
            return False
        if mood < 0.04:  # before the body is read
            sock.sendall(answer(f"{method} {target} early".encode(), "413 Content Too Large"))
            return False
        message = reader.body(head)
        self.done[f"{method} {target}"] += 1
        if mood < 0.06:
            return False
        if mood < 0.08:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n")
            return False
        if mood < 0.2 and head.start.endswith("1.1"):
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n")
        body = f"{method} {target} ".encode() + message.body
        whole = answer(body)
        if mood < 0.4:
            whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(chance, body)
        elif mood < 0.5:
            whole = b"HTTP/1.0 200 OK\r\n\r\n" + body
        if method == "HEAD":
            whole = whole[:whole.index(b"\r\n\r\n") + 4]
        if 0.5 < mood < 0.53:
            whole = whole[:chance.randint(0, len(whole) - 1)]
            sock.sendall(whole)
            return False
        send_in_pieces(chance, sock, whole)
        return not 0.4 <= mood < 0.5 and chance.random() < 0.9


class Client:
    """Some connections, one after the other."""

    def __init__(self, pair, seed):
        self.pair, self.seed = pair, seed
        self.chance = random.Random(seed)
        self.statuses = Counter()
        self.count = 0

    def run(self, connections):
        for _ in range(connections):
            peer = self.pair.client()
            try:
                self._converse(peer)
            except (EOFError, ConnectionError):
                pass  # an instance that broke off; what came before was checked
            end(self.chance, peer)
        return self.statuses

    def _request(self):
        """What is asked, the body, and the bytes."""
        chance = self.chance
        method = chance.choice(["GET", "GET", "POST", "PUT", "HEAD"])
        target = f"/{self.seed}/{self.count}"
        self.count += 1
        body = b"" if method in ("GET", "HEAD") else os.urandom(chance.choice([0, 1, 1000, 20000, 200000]))
        head = f"{method} {target} HTTP/1.1\r\nHost: h\r\n"
        if body and chance.random() < 0.5:
            return (method, target, body), head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(chance, body)
        return (method, target, body), head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def _converse(self, peer):
        chance, reader = self.chance, Reader(peer)
        for _ in range(chance.randint(1, 6)):
            asked = [self._request() for _ in range(chance.choice([1, 1, 1, 2, 4]))]
            if not isinstance(peer, socket.socket):
                del asked[1:]  # which does not read while it writes
            data = b"".join(data for _, data in asked)
            if chance.random() < 0.05:
                send_in_pieces(chance, peer, data[:chance.randint(1, len(data))])
                return
            sender = threading.Thread(target=self._send, args=(peer, data))
            if isinstance(peer, socket.socket):
                sender.start()
            else:
                sender.run()
            try:
                for (method, target, body), _ in asked:
                    if not self._check(reader, method, target, body):
                        return
            finally:
                if isinstance(peer, socket.socket):
                    sender.join()

    def _send(self, peer, data):
        try:
            send_in_pieces(self.chance, peer, data)
        except (ConnectionError, OSError):
            pass  # the answer says why

    def _check(self, reader, method, target, body):
        """False: the connection ends here."""
        while True:
            got = reader.message(head_only=method == "HEAD")
            if got is None:
                return False
            if got.status != 103:
                break
        self.statuses[got.status] += 1
        if got.status == 200 and method != "HEAD":
            assert got.body == f"{method} {target} ".encode() + body
        elif got.status == 413 and method != "HEAD":
            assert got.body == f"{method} {target} early".encode()
        else:
            assert got.status in (200, 408, 413, 502, 504)
        return got["Connection"] != "close"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ms", [None, 5])
def test_a_crowd(place, identity, kind, ms):
    """Also with limits of time that strike at random."""
    limits = [word for name in ("head", "body", "answer", "half-closed") for word in (f"--{name}-ms", ms)]
    pair = HttpPair(place, identity, kind, *(limits if ms else ()))
    instance = Instance(pair.listener)
    clients = 6
    with ThreadPoolExecutor(clients) as pool:
        runs = [pool.submit(Client(pair, seed).run, settings.scaled(10, 10)) for seed in range(clients)]
        statuses = sum((run.result() for run in runs), Counter())
    pair.worker.await_counter("open", 0)
    counters = pair.worker.counters()
    assert counters["picked"] == counters["ended"]
    assert statuses[504] if ms else statuses[200] > 3 * statuses[502]
    for what, times in instance.done.items():
        assert times == 1 or (times == 2 and not what.startswith("POST")), what
