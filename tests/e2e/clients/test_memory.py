# SPDX-License-Identifier: BSD-2-Clause
"""A worker's memory does not grow with the connections that were: RCXLB_TEST_CONNECTIONS (20000) through TLS."""
import os

import fast
import pytest

from harness import agent
from harness.lab import Lab
from harness.poll import wait_equal

CONNECTIONS = int(os.environ.get("RCXLB_TEST_CONNECTIONS", "20000"))
TURNS = 6  # looks at the memory
GROWTH_KIB = 512  # what comes on top of the first parts: pages of heap that are touched for the first time
# How connections begin and end: with a full handshake or a resumed one, with RST or close_notify and FIN.
KINDS = [("full", "rst"), ("resume", "fin")]
pytestmark = pytest.mark.seconds(600 + CONNECTIONS // 100)


@pytest.fixture(name="service", params=[(), ("--http",)], ids=["relayed", "parsed"])
def _service(request, bpffs):
    del bpffs
    lab = Lab()
    yield fast.start(lab, *request.param)
    lab.close()


def come_and_go(service, count, turn):
    """At least so many connections, of each kind in turn."""
    done = 0
    while done < count:
        how, close = KINDS[turn % len(KINDS)]
        seconds = min(20, max(1, (count - done) / 1000))
        done += fast.load(service, seconds, "--warm-up", 0, "--tls", how, "--close", close)["requests"]
        turn += 1
    return done


def test_memory_is_flat(service):
    before = service.lab.rcxlb.service("secure")["work"]
    workers = sorted(agent.workers_of(service.lab))
    seen, done = [], 0
    for turn in range(TURNS):
        done += come_and_go(service, CONNECTIONS // TURNS, turn)
        wait_equal(lambda: service.lab.rcxlb.service("secure")["work"]["connections"], 0, "open connections", seconds=20)
        seen.append(fast.heap_kib(service.lab))
    print(f"{done} connections; KiB of all workers' heaps after each part: {seen}")
    work = service.lab.rcxlb.service("secure")["work"]
    assert work["accepted"] - before["accepted"] >= done
    assert work["handshakes"]["resumed"] > before["handshakes"]["resumed"]
    assert sorted(agent.workers_of(service.lab)) == workers, "the same ones all the time"
    assert max(seen[2:]) - max(seen[:2]) <= GROWTH_KIB, seen
