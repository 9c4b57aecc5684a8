# SPDX-License-Identifier: BSD-2-Clause
"""Many clients of one worker: each has its turn, and when they are too many it is known who makes room."""
import json
import socket
import time

import pytest

from harness.http import GET, HttpPair, Reader, Recorder, answer
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


# --- Room ---

HALF = GET[:-5]
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def asking(pair, *requests):
    """A client for each of these, which has begun with it later than the one before."""
    clients = []
    for request in requests:
        clients.append(pair.client())
        clients[-1].sendall(request)
        pair.worker.await_read(getattr(clients[-1], "sock", clients[-1]))
        time.sleep(0.05)
    return clients


def is_served(pair, client):
    client.sendall(GET)
    return Reader(client).message().body == b"GET /"


def made_room(client):
    answers = Reader(client)
    got = answers.message()
    return (got.status, got["Connection"]) == (408, "close") and answers.at_end()


@each_kind
def test_a_head_that_takes_its_time_makes_room_for_others(make, kind):
    """The one that has begun first, though something of it comes now and then; and not before it has had a second."""
    pair = make(kind, "--connections", 3)
    Recorder(pair.listener)
    slow = asking(pair, HALF, HALF, HALF)
    for _ in range(12):
        slow[0].sendall(b"x")
        time.sleep(0.1)
    assert is_served(pair, pair.client())
    assert made_room(slow[0])
    for client in slow[1:]:
        client.sendall(GET[-5:])
        assert Reader(client).message().body == b"GET /"
    counters = pair.worker.counters()
    assert (counters["dismissed"], counters["own_answers"]) == (1, {"408": 1})


@each_kind
def test_heads_make_room_before_bodies(make, kind):
    pair = make(kind, "--connections", 2)
    Recorder(pair.listener)
    body, head = asking(pair, POST + b"h", HALF)
    assert is_served(pair, pair.client())
    assert made_room(head)
    body.sendall(b"ello")
    assert Reader(body).message().body == b"POST /"


@each_kind
def test_a_body_that_stops_makes_room_for_others(make, kind):
    """The one of which nothing has come for longest, and not before that are five seconds."""
    pair = make(kind, "--connections", 2)
    recorder = Recorder(pair.listener)
    stopped, slow = asking(pair, POST + b"h", POST + b"h")
    time.sleep(2)
    slow.sendall(b"e")
    assert is_served(pair, pair.client())
    assert made_room(stopped)
    slow.sendall(b"llo")
    assert Reader(slow).message().body == b"POST /"
    counters = pair.worker.counters()
    assert (counters["dismissed"], counters["own_answers"]) == (1, {"408": 1})
    assert sorted(len(record.messages) for record in recorder.records) == [0, 1, 1]


@each_kind
def test_who_has_had_the_last_answer_makes_room_for_others(make, kind):
    """A client that was refused and does not leave, for which the worker would wait some seconds more."""
    pair = make(kind, "--connections", 1)
    Recorder(pair.listener)
    refused = pair.client()
    refused.sendall(b"nonsense\r\n")
    assert Reader(refused).message().status == 400
    assert is_served(pair, pair.client())
    assert pair.worker["dismissed"] == 1


@each_kind
def test_who_waits_for_an_answer_or_reads_one_stays(make, kind):
    """And a WebSocket, however long nothing comes."""
    pair = make(kind, "--connections", 4)
    tunnel, above = pair.asked(UPGRADE)
    above.sendall(SWITCHED)
    assert Reader(tunnel).head().status == 101
    waiting, asked = pair.asked()
    reading, begun = pair.asked()
    begun.sendall(answer(b"onetwo")[:-3])
    (head,) = asking(pair, HALF)
    time.sleep(5)
    late, instance = pair.asked()
    assert made_room(head)
    for client, end in ((waiting, asked), (late, instance)):
        end.sendall(answer(b"late"))
        assert Reader(client).message().body == b"late"
    begun.sendall(b"two")
    assert Reader(reading).message().body == b"onetwo"
    above.sendall(b"\x81\x05hello")
    assert tunnel.recv(7) == b"\x81\x05hello"
    assert pair.worker["dismissed"] == 1
