# SPDX-License-Identifier: BSD-2-Clause
"""The port of the metrics: what it answers to which request, and that nobody can use it up."""
import contextlib
import os
import re
import select
import socket
import time

import pytest

from harness import agent
from harness.agent import METRICS_PORT, OFF, scrape
from harness.lab import Lab
from harness.moods import Moody
from harness.namespace import run
from harness.poll import wait_until
from harness.settings import PATIENCE, SLOW_MACHINE

pytestmark = pytest.mark.no_kernel

ROOM = 16  # connections
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(lab, receive=0, address="127.0.0.1", port=METRICS_PORT):
    sock = lab.host.socket()
    lab.sockets.append(sock)
    sock.settimeout(10 * PATIENCE)
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.connect((address, port))
    return sock


def read_answer(sock, head=False):
    """Status, fields and body of one answer; the body is as long as it says."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise EOFError(data)
        data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    length = 0 if head else int(fields["content-length"])
    while len(body) < length:
        piece = sock.recv(length - len(body))
        assert piece, "cut off"
        body += piece
    assert len(body) == length
    return int(first.split()[1]), fields, body


def is_closed(sock):
    """Nothing more comes. What the peer did not read makes its end a reset."""
    with contextlib.suppress(ConnectionResetError):
        return sock.recv(1) == b""
    return True


@pytest.fixture(scope="module", name="served")
def _served(bpffs):
    del bpffs
    made = Lab()
    agent.load(made, 3001, kind=OFF)
    yield made
    made.close()


# What is asked, the status, and whether another request may follow.
REQUESTS = {
    "the metrics": (GET, 200, True),
    "as Prometheus asks": (
        b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9465\r\nUser-Agent: Prometheus/2.42.0\r\n"
        b"Accept: text/plain;q=0.5\r\nAccept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n", 200, True),
    "with parameters": (b"GET /metrics?name=x HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    "only the head": (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
    "the last time": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", 200, False),
    "HTTP/1.0 without a host": (b"GET /metrics HTTP/1.0\r\n\r\n", 200, False),
    "HTTP/1.0 to be kept": (b"GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, True),
    "another path": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, True),
    "a longer path": (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404, True),
    "the head of another path": (b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", 404, True),
    "another method": (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, True),
    "a body": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, False),
    "a body in chunks": (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, False),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, False),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, False),
    "a field without end": (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20000, 431, False),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_each_request_has_its_answer(served, what):
    request, wanted, stays = REQUESTS[what]
    sock = connect(served)
    sock.sendall(request)
    status, fields, body = read_answer(sock, request.startswith(b"HEAD"))
    assert status == wanted
    assert (fields.get("connection") != "close") == stays, fields
    if status == 200:
        assert fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert request.startswith(b"HEAD") or b"\nrcxlb_build_info{" in body
        assert int(fields["content-length"]) > 1000
    if status == 405:
        assert fields["allow"] == "GET, HEAD"
    if stays:
        sock.sendall(GET)
        assert read_answer(sock)[0] == 200
    else:
        assert is_closed(sock)


def test_requests_in_pieces_and_many_at_once(served):
    sock = connect(served)
    for byte in GET:
        sock.sendall(bytes([byte]))
    assert read_answer(sock)[0] == 200
    sock.sendall(GET * 20)
    sock.shutdown(socket.SHUT_WR)  # as nc does: what was asked for is answered all the same
    data = b""
    while piece := sock.recv(65536):
        data += piece
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 20


def open_files(number):
    return len(os.listdir(f"/proc/{number}/fd"))


def test_those_who_only_connect_use_nothing_up(lab):
    """Who has been idle longest makes room; checks go on, and whoever asks is answered."""
    moody = Moody(lab, 3001)
    number = agent.load(lab, 3001)
    before = open_files(number)
    everybody = [connect(lab) for _ in range(150)]
    assert "rcxlb_build_info" in scrape(lab)
    wait_until(lambda: len(select.select(everybody, [], [], 0)[0]) > len(everybody) - ROOM, "the oldest are closed")
    closed = select.select(everybody, [], [], 0)[0]
    assert closed == everybody[:len(closed)] and len(closed) <= len(everybody) - ROOM + 2
    assert open_files(number) <= before + ROOM + 2  # a check may be under way
    everybody[-1].sendall(GET)
    assert read_answer(everybody[-1])[0] == 200
    checks = moody.totals()[3001]
    wait_until(lambda: moody.totals()[3001] > checks + 2, "checks go on")
    assert lab.rcxlb.state("127.0.0.1:3001") == "up"


def permit_files(number, count):
    """To an agent, as its user: nobody else may, unless he may everything."""
    user, group = (agent.status_of(number)[key][0] for key in ("Uid", "Gid"))
    run("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "prlimit", f"--pid={number}",
        f"--nofile={count}:")


def lowest_free(number):
    """The descriptor that it would get next."""
    taken = {int(name) for name in os.listdir(f"/proc/{number}/fd")}
    return next(fd for fd in range(len(taken) + 1) if fd not in taken)


def dial_events(lab):
    """A follower of events, who reads nothing yet."""
    sock = socket.socket(socket.AF_UNIX)
    lab.sockets.append(sock)
    sock.settimeout(10 * PATIENCE)
    sock.connect(str(lab.rcxlb.runs / "events.sock"))
    return sock


@pytest.mark.parametrize("dial", [connect, dial_events], ids=["metrics", "events"])
def test_without_a_descriptor_for_a_client_it_rests(lab, dial):
    """The client waits until there is one."""
    number = agent.load(lab, 3001, kind=OFF)
    permit_files(number, lowest_free(number))
    sock = dial(lab)
    before = agent.cpu_seconds(number)
    time.sleep(1)
    used = agent.cpu_seconds(number) - before
    assert used < 0.2 or SLOW_MACHINE, f"{used:.0%} of a core"
    permit_files(number, 1024)
    sock.sendall(GET if dial is connect else b"")
    assert sock.recv(9) == (b"HTTP/1.1 " if dial is connect else b'{"event":')


def test_who_asks_again_and_again_stays(lab):
    """A scraper that keeps its connection is not idle, however many come and say nothing."""
    agent.load(lab, 3001, kind=OFF)
    scraper = connect(lab)
    for _ in range(5):
        scraper.sendall(GET)
        assert read_answer(scraper)[0] == 200
        for _ in range(ROOM - 2):
            connect(lab)
    scraper.sendall(GET)
    assert read_answer(scraper)[0] == 200


def test_those_who_do_not_read_use_nothing_up(lab):
    """Each is owed half a megabyte; no more than there is room for are, and everybody else is answered."""
    moody = Moody(lab, 3001)
    number = agent.load(lab, 3001)
    lab.rcxlb("backends", "add", "127.0.0.1:5001-5400")
    wait_until(lambda: 'backend="127.0.0.1:5400"' in scrape(lab), "all backends are there")
    size, before = len(scrape(lab)), agent.memory_kib(number)
    assert size > 400000
    for _ in range(2 * ROOM):
        sock = connect(lab, receive=2048)
        sock.sendall(GET * 10)
        assert sock.recv(9) == b"HTTP/1.1 "
    grown = agent.memory_kib(number) - before
    assert grown * 1024 < (ROOM + 4) * size * 1.5, f"{grown} KiB"
    assert "rcxlb_build_info" in scrape(lab)
    checks = moody.totals()[3001]
    wait_until(lambda: moody.totals()[3001] > checks + 2, "checks go on")


def listens(lab, address, port=METRICS_PORT):
    """Who was still let in when the socket was closed gets no answer."""
    with contextlib.suppress(OSError, EOFError):
        sock = connect(lab, address=address, port=port)
        sock.sendall(GET)
        return read_answer(sock)[0] == 200
    return False


FILE = """interfaces: [eth0]
metrics: {{listen: "{}"}}
services:
  - {{name: default, listen: ["*:3000"], health: {{type: off}}, backends: ["127.0.0.1:3001"]}}
"""


def test_the_address_changes_and_the_port_stays(lab):
    """The former socket is in the way of the new one, which is what is wished."""
    path = lab.folder / "rcxlb.yaml"
    path.touch(0o600)
    path.write_text(FILE.format("127.0.0.1:9465"))
    lab.rcxlb("load", "-c", path)
    assert listens(lab, "127.0.0.1") and not listens(lab, "192.0.2.1")
    for wished, there, gone in [("0.0.0.0:9465", "192.0.2.1", None), ("192.0.2.1:9465", "192.0.2.1", "127.0.0.1"),
                                ("127.0.0.1:9465", "127.0.0.1", "192.0.2.1")]:
        path.write_text(FILE.format(wished))
        lab.rcxlb("reload", "-c", path)
        wait_until(lambda: listens(lab, there), f"metrics at {wished}")
        wait_until(lambda: not gone or not listens(lab, gone), f"and not at {gone}")


def test_an_address_that_the_agent_may_not_take_leaves_the_former_one(lab):
    """It was root when it began, and is not any more; its own port must not be lost by trying."""
    path = lab.folder / "rcxlb.yaml"
    path.touch(0o600)
    path.write_text(FILE.format("127.0.0.1:80"))
    lab.rcxlb("load", "-c", path)
    with agent.Follower(lab) as follower:
        path.write_text(FILE.format("0.0.0.0:80"))
        lab.rcxlb("reload", "-c", path)
        assert "Permission denied" in follower.await_event(event="error")["error"]
    assert listens(lab, "127.0.0.1", 80)


def test_a_port_that_cannot_be_had_leaves_the_former_one(lab):
    path = lab.folder / "rcxlb.yaml"
    path.touch(0o600)
    path.write_text(FILE.format("127.0.0.1:9465"))
    lab.rcxlb("load", "-c", path)
    thief = lab.listening("127.0.0.1", 9466)
    path.write_text(FILE.format("127.0.0.1:9466"))
    lab.rcxlb("reload", "-c", path)
    with agent.Follower(lab):
        assert listens(lab, "127.0.0.1")
        thief.close()
        wait_until(lambda: listens(lab, "127.0.0.1", 9466), "metrics at the new port")
        wait_until(lambda: not listens(lab, "127.0.0.1"), "and not at the former one")
    assert re.search("rcxlb_build_info", scrape_at(lab, 9466))


def scrape_at(lab, port):
    sock = connect(lab, port=port)
    sock.sendall(GET)
    return read_answer(sock)[2].decode()


def test_a_time_does_not_tremble(served):
    """It would look like an event each time."""
    assert len({re.search("rcxlb_agent_start_time_seconds [0-9].*", scrape(served))[0] for _ in range(5)}) == 1
