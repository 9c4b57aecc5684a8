# SPDX-License-Identifier: BSD-2-Clause
"""A worker that parses HTTP in front of Node.js instances that restart, and of connections that end while idle."""
import random
import threading
from collections import Counter
from functools import partial

import pytest

from harness import settings
from harness.http import HttpPair, Reader, answer
from harness.lab import node_reason
from harness.poll import wait_until
from harness.process import Process

SERVERS = settings.ROOT / "tests" / "e2e" / "servers"
needs_node = pytest.mark.skipif(bool(node_reason()), reason=node_reason())


class Visitor(threading.Thread):
    """Requests one after the other, each with a target of its own; on a new connection where the last one ended."""

    def __init__(self, place, name, stop):
        super().__init__()
        self.place, self.name, self.stop = place, name, stop
        self.statuses = {}  # by request
        self.problem = None

    def run(self):
        try:
            self._run()
        except Exception as problem:  # pylint: disable=broad-exception-caught
            self.problem = problem

    def _run(self):
        chance = random.Random(self.name)
        reader, count = None, 0
        while not self.stop.is_set():
            method = chance.choice(["GET", "POST"])
            what = f"{method} /{self.name}/{count}"
            count += 1
            body = "hello" if method == "POST" else ""
            if not reader:
                reader = Reader(self.place.connect())
            head = f"{what} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            reader.peer.sendall(head.encode())
            got = reader.message()
            self.statuses[what] = got.status
            if got["Connection"] == "close":
                reader.peer.close()
                reader = None


def has_more(worker, requests):
    return worker["requests"] > requests


@needs_node
def test_restarts_under_load_double_no_request(place):
    """Two instances end and come back in turn. What may be repeated always succeeds; the rest never happens twice."""
    log = place.folder / "log"

    def start(port):
        return Process(place.namespace.command("node", SERVERS / "counting.js", port, log), ready="listening")

    log.touch()
    instances = {port: start(port) for port in (3001, 3002)}
    worker = place.worker("--http", backends=[3001, 3002])
    stop = threading.Event()
    visitors = [Visitor(place, str(v), stop) for v in range(8)]
    try:
        for visitor in visitors:
            visitor.start()
        for _ in range(settings.scaled(1)):
            for port, process in list(instances.items()):
                before = worker["requests"]
                wait_until(partial(has_more, worker, before + settings.scaled(300)), "requests go on")
                process.popen.terminate()
                process.popen.wait()
                instances[port] = start(port)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
        for process in instances.values():
            process.end()
    assert [visitor.problem for visitor in visitors if visitor.problem] == []
    done = Counter(log.read_text(encoding="ascii").splitlines())
    statuses = {what: status for visitor in visitors for what, status in visitor.statuses.items()}
    assert set(statuses.values()) <= {200, 502}
    for what, status in statuses.items():
        if what.startswith("GET"):
            assert status == 200, what
            assert 1 <= done[what] <= 2, what
        else:
            assert done[what] == 1 if status == 200 else done[what] <= 1, (what, status)
    assert len(statuses) > settings.scaled(500)


def test_idle_connections_that_an_instance_closes_are_no_error(place, identity):
    """It closes each after a moment without a request, which is when the next one comes."""
    pair = HttpPair(place, identity, "plain")
    pause = 0.002
    stop = threading.Event()

    def serve(sock):
        sock.settimeout(10 * settings.PATIENCE)  # for the first one, as servers do
        reader = Reader(sock)
        try:
            while reader.message() is not None:
                sock.sendall(answer(b"ok"))
                sock.settimeout(pause)
        except OSError:
            pass
        sock.close()

    def accept():
        while not stop.is_set():
            try:
                sock, _ = pair.listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    chance = random.Random(1)
    client = pair.client()
    reader = Reader(client)
    for _ in range(settings.scaled(100, 50)):
        stop.wait(chance.uniform(0.8, 1.2) * pause)
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert reader.message().status == 200
    stop.set()
    assert pair.worker["picked"] > 10
