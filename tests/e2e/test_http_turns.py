# SPDX-License-Identifier: BSD-2-Clause
"""Many clients of one worker: each has its turn."""
import json
import socket

import pytest

from harness.http import GET, HttpPair, Reader
from harness.worker import read_all

each_kind = pytest.mark.parametrize("kind", ["plain", "1.3"])


@pytest.fixture
def make(place, identity):
    return lambda kind, *options, **more: HttpPair(place, identity, kind, *options, **more)


# --- Turns ---


@each_kind
def test_who_pipelines_without_end_leaves_others_their_turn(make, kind):
    """Thousands of redirects, which ask nobody: whoever comes behind the first of them does not wait for the last."""
    count = 2000
    pair = make(kind, "--redirect")
    client = pair.client()
    client.sendall(GET)
    answers = Reader(client)
    assert answers.message().status == 301
    with socket.socket(socket.AF_UNIX) as other:
        pair.worker.process.stop()
        client.sendall(GET * count)
        other.connect(str(pair.worker.control))
        pair.worker.process.resume()
        assert json.loads(read_all(other))["requests"] < 100
    assert [answers.message().status for _ in range(count)] == [301] * count
    client.sendall(GET)
    assert answers.message().status == 301
    assert pair.worker["requests"] == count + 2


@each_kind
def test_requests_that_wait_for_their_turn_are_answered_though_their_client_has_ended(make, kind):
    pair = make(kind, "--redirect")
    client = pair.client()
    client.sendall(GET * 40)
    client.shutdown(socket.SHUT_WR)
    answers = Reader(client)
    assert [answers.message().status for _ in range(40)] == [301] * 40
    assert answers.at_end()
