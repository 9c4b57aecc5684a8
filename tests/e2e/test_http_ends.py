# SPDX-License-Identifier: BSD-2-Clause
"""Instances that end, or break off, before the client has their answer."""
import os
import socket

import pytest

from harness.http import GET, HttpPair, Reader, answer
from harness.pairs import reset

PIECE = os.urandom(8192)
each_kind = pytest.mark.parametrize("kind", ["plain", "1.3"])


@pytest.fixture
def make(place, identity):
    return lambda kind, *options, **more: HttpPair(place, identity, kind, *options, **more)


@pytest.fixture
def little_room(place):
    """Sockets that hold little of what their peers do not read."""
    place.namespace.set_sysctl("net.ipv4.tcp_wmem", "4096 16384 65536")
    place.namespace.set_sysctl("net.ipv4.tcp_rmem", "4096 65536 65536")


def give_until_stuck(worker, instance, give):
    """Has give() send the client a PIECE so often that the last one is not taken. Returns how many there were."""
    for number in range(1, 10000):
        before = worker["bytes_down"]
        give()
        worker.await_read(instance)
        if worker["bytes_down"] - before < len(PIECE):
            return number
    raise AssertionError("there is room for everything")


def end_by(end, instance, worker):
    (reset if end == "RST" else socket.socket.close)(instance)
    worker.counters()  # it has seen that end


@pytest.mark.usefixtures("little_room")
@each_kind
@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_an_instance_may_end_before_the_client_has_read_its_chunks(make, kind, end):
    pair = make(kind)
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    count = give_until_stuck(pair.worker, instance, lambda: instance.sendall(b"2000\r\n" + PIECE + b"\r\n"))
    instance.sendall(b"0\r\n\r\n")
    pair.worker.await_read(instance)
    end_by(end, instance, pair.worker)
    assert Reader(client).message().body == PIECE * count


@pytest.mark.usefixtures("little_room")
@each_kind
@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_an_instance_may_end_before_the_client_has_read_a_small_answer(make, kind, end):
    pair = make(kind)
    client, instance = pair.asked()
    requests, answers = Reader(instance), Reader(client)

    def give():
        requests.message()
        instance.sendall(answer(PIECE))
        client.sendall(GET)

    count = give_until_stuck(pair.worker, instance, give)
    end_by(end, instance, pair.worker)
    assert all(answers.message().body == PIECE for _ in range(count))


def read_until_cut(peer):
    got = b""
    try:
        while piece := peer.recv(65536):
            got += piece
    except (ConnectionResetError, ConnectionAbortedError):
        pass
    return got


@each_kind
@pytest.mark.parametrize("version, begun", [(b"1.0", b"one"), (b"1.1", b"3\r\none\r\n")])
def test_an_answer_that_goes_wrong_behind_its_beginning_is_cut(make, kind, version, begun):
    """No other one is written into it."""
    pair = make(kind)
    client, instance = pair.asked(b"GET / HTTP/" + version + b"\r\nHost: h\r\n\r\n")
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    answers = Reader(client)
    assert answers.head().status == 200
    assert answers.take(len(begun)) == begun
    instance.sendall(b"3\r\ntwo\r\nnonsense\r\n")
    assert b"HTTP/" not in read_until_cut(client)
    counters = pair.worker.counters()
    assert (counters["answers"], counters["answers_cut"]) == ([0, 1, 0, 0, 0], 1)


def test_surplus_bytes_are_no_answer_to_a_request_that_waited(make):
    """An instance that sends the body of a HEAD's answer, a moment later: here, before the next request is parsed."""
    pair = make("plain")
    client, instance = pair.asked(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    answers = Reader(client)
    Reader(instance).message()
    surplus = answer(b"nobody asked")
    instance.sendall(answer(surplus)[:-len(surplus)])
    assert answers.message(head_only=True).status == 200
    pair.worker.process.stop()
    client.sendall(GET)
    instance.sendall(surplus)
    pair.worker.process.resume()
    instance = pair.place.accepted(pair.listener)
    Reader(instance).message()
    instance.sendall(answer(b"second"))
    assert answers.message().body == b"second"
