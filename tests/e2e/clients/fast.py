# SPDX-License-Identifier: BSD-2-Clause
"""A fast instance in C behind a service that ends TLS, the load generator of scripts/bench, and what workers need of memory."""
import json
import sys

from harness import agent, settings
from harness.client import connect
from harness.lab import CLIENTS4, HOST4
from harness.poll import wait_until
from harness.site import relaying

sys.path.insert(0, str(settings.ROOT / "tests" / "bench"))

import parts  # noqa: E402  # pylint: disable=wrong-import-position


def start(lab, *options):
    """The service."""
    parts.build()
    lab.start([parts.OUT / "backend", 3001])
    wait_until(lambda: _can_connect(lab, 3001), "the instance listens")
    return relaying(lab, "127.0.0.1:3001", options=options)


def _can_connect(lab, port):
    try:
        connect(lab.host, "127.0.0.1", port).reset()
    except OSError:
        return False
    return True


def load(service, seconds, *options, at_once=32):
    """New connections with a request each, so many at once; what the generator says of them."""
    said = service.succeed([
        parts.OUT / "loadgen", "--mode", "connect", "--connections", at_once, "--to", f"{HOST4}:443", "--from",
        ",".join(CLIENTS4), "--seconds", seconds, *options], seconds=seconds + 60)
    told = json.loads(said.splitlines()[-1])
    assert told["errors"] == 0, told
    return told


def heap_kib(lab):
    """Of all workers: the memory that is no file's. Not what is theirs alone: pages that a fork left to several become that
    of the last one when the others write."""
    return sum(int(agent.status_of(pid)["RssAnon"][0]) for pid in agent.workers_of(lab))
