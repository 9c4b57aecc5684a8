# SPDX-License-Identifier: BSD-2-Clause
"""A worker's memory does not grow with the connections that were: RCXLB_TEST_CONNECTIONS (20000) through TLS."""
import json
import os
import sys
from pathlib import Path

import pytest

from harness import agent, settings
from harness.client import connect
from harness.lab import CLIENTS4, HOST4, Lab
from harness.poll import wait_equal, wait_until
from harness.site import relaying

sys.path.insert(0, str(settings.ROOT / "tests" / "bench"))

import parts  # noqa: E402  # pylint: disable=wrong-import-position

CONNECTIONS = int(os.environ.get("RCXLB_TEST_CONNECTIONS", "20000"))
TURNS = 6  # looks at the memory
GROWTH_KIB = 256  # what may come on top of the most that was needed at first: a page here and there
AT_ONCE = 32
# How connections begin and end: with a full handshake or a resumed one, with RST or close_notify and FIN.
KINDS = [("full", "rst"), ("resume", "fin")]
SECONDS = 600 + CONNECTIONS // 100
pytestmark = pytest.mark.seconds(SECONDS)


@pytest.fixture(name="service", params=[(), ("--http",)], ids=["relayed", "parsed"])
def _service(request, bpffs):
    """A fast instance in C behind it."""
    del bpffs
    parts.build()
    lab = Lab()
    lab.start([parts.OUT / "backend", 3001])
    wait_until(lambda: can_connect(lab, 3001), "the instance listens")
    yield relaying(lab, "127.0.0.1:3001", options=request.param)
    lab.close()


def can_connect(lab, port):
    try:
        connect(lab.host, "127.0.0.1", port).reset()
    except OSError:
        return False
    return True


def private_kib(lab):
    """Of all workers: what is theirs alone and in memory."""
    total = 0
    for pid in agent.workers_of(lab):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return total


def come_and_go(service, count):
    """At least so many connections with a request each, one after the other ends."""
    done, turn = 0, 0
    while done < count:
        how, close = KINDS[turn % len(KINDS)]
        seconds = min(20, max(1, (count - done) / 1000))
        said = service.succeed([
            parts.OUT / "loadgen", "--mode", "connect", "--connections", AT_ONCE, "--to", f"{HOST4}:443", "--from",
            ",".join(CLIENTS4), "--seconds", seconds, "--warm-up", 0, "--tls", how, "--close", close], seconds=seconds + 60)
        told = json.loads(said.splitlines()[-1])
        assert told["errors"] == 0, told
        done += told["requests"]
        turn += 1
    return done


def test_memory_is_flat(service):
    before = service.lab.rcxlb.service("secure")["work"]
    workers = sorted(agent.workers_of(service.lab))
    seen, done = [], 0
    for _ in range(TURNS):
        done += come_and_go(service, CONNECTIONS // TURNS)
        wait_equal(lambda: service.lab.rcxlb.service("secure")["work"]["connections"], 0, "open connections", seconds=20)
        seen.append(private_kib(service.lab))
    print(f"{done} connections; private KiB of all workers after each part: {seen}")
    work = service.lab.rcxlb.service("secure")["work"]
    assert work["accepted"] - before["accepted"] >= done
    assert work["handshakes"]["resumed"] > before["handshakes"]["resumed"]
    assert sorted(agent.workers_of(service.lab)) == workers, "the same ones all the time"
    assert max(seen[2:]) - max(seen[:2]) <= GROWTH_KIB, seen
