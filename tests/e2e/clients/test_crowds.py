# SPDX-License-Identifier: BSD-2-Clause
"""Clients that want too much, beside others who are served: what those wait, and what the workers need of memory."""
import resource
import socket
import statistics

import fast
import pytest

from harness import settings
from harness.client import ABORT
from harness.lab import CLIENTS4, HOST4, Lab
from harness.poll import wait_until
from harness.tls import TlsClient, context

LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)
SECONDS, MEASURES = 1, 3  # handshakes are given up after 10
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00"
pytestmark = pytest.mark.seconds(200)


@pytest.fixture(name="service")
def _service(bpffs):
    """This process may open many files meanwhile."""
    del bpffs
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(20000, former[0]), max(20000, former[1])))
    lab = Lab()
    yield fast.start(lab)
    lab.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, former)


def work(service):
    return service.lab.rcxlb.service("secure")["work"]


def waits(service):
    """Microseconds within which 99 of 100 clients have their answer, of few who come at once: the median of some measures."""
    return statistics.median(fast.load(service, SECONDS, "--tls", "full", at_once=4)["p99_us"] for _ in range(MEASURES))


def judge(what, before, beside, kib, count):
    """Twice as long at most; where times say nothing, they are only told."""
    print(f"{count} {what}: p99 {before / 1000:.1f} ms before, {beside / 1000:.1f} ms beside them; {kib / count:.1f} KiB for each")
    assert settings.SLOW_MACHINE or beside <= 2 * before


def test_handshakes_that_never_finish(service):
    count = settings.scaled(5000, 500)
    waits(service)
    before, memory = waits(service), fast.heap_kib(service.lab)
    idle = [service.lab.connect(HOST4, 443, source=CLIENTS4[number % len(CLIENTS4)]) for number in range(count)]
    for each in idle[::2]:
        each.sock.sendall(HALF_HELLO)
    wait_until(lambda: work(service)["handshaking"] >= count * 0.95, "they are in their handshake")
    beside, grown = waits(service), fast.heap_kib(service.lab) - memory
    assert settings.SLOW_MACHINE or work(service)["handshaking"] > count / 2, "most were there all the time"
    judge("handshakes that never finish", before, beside, grown, count)
    assert grown / count < 64
    for each in idle:
        each.reset()
    wait_until(lambda: not work(service)["connections"], "they are gone", seconds=20)


def test_clients_that_do_not_read(service):
    """What a connection may hold is a buffer of 16 KiB; the kernel's are the kernel's."""
    count = settings.scaled(200, 20)
    waits(service)
    before, memory = waits(service), fast.heap_kib(service.lab)
    idle = [TlsClient(service.lab.connect(HOST4, 443).sock, context()) for _ in range(count)]
    for each in idle:
        each.sendall(b"GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: has_stopped(service), "what there is room for has come", seconds=20)
    beside, grown = waits(service), fast.heap_kib(service.lab) - memory
    judge("clients that do not read", before, beside, grown, count)
    assert grown / count < 128
    for each in idle:
        each.sock.setsockopt(*LINGER, ABORT)
        each.close()
    wait_until(lambda: not work(service)["connections"], "they are gone", seconds=20)


def has_stopped(service):
    """Workers tell what they did four times a second."""
    seen = work(service)["bytes"]["to_clients"]
    service.run(["sleep", "0.6"])
    return work(service)["bytes"]["to_clients"] == seen > 0
