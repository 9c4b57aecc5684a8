# SPDX-License-Identifier: BSD-2-Clause
"""A worker that parses HTTP, between a client and an instance whose every byte the test decides."""
import os
import select
import signal
import socket
import threading
import time

import pytest

from harness.client import ABORT
from harness.http import GET, HttpPair, Reader, Recorder, answer, closes
from harness.pairs import fill
from harness.poll import wait_until
from harness.worker import read_all

MIB = 1 << 20
each_kind = pytest.mark.parametrize("kind", ["plain", "1.3"])
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def make(place, identity):
    return lambda kind, *options, **more: HttpPair(place, identity, kind, *options, **more)


# --- Exchanges ---


@each_kind
def test_requests_of_a_client_share_a_connection(make, kind):
    pair = make(kind)
    client, instance = pair.asked()
    requests, answers = Reader(instance), Reader(client)
    for i in range(5):
        request = requests.message()
        assert request.start == "GET / HTTP/1.1"
        assert request["X-Forwarded-For"] == request["X-Real-IP"] == "127.0.0.1"
        assert request["X-Forwarded-Proto"] == ("http" if kind == "plain" else "https")
        assert request["X-Forwarded-Port"] == "8443"
        instance.sendall(answer(b"number %d" % i))
        assert answers.message().body == b"number %d" % i
        client.sendall(GET)
    assert requests.message()
    instance.sendall(answer())
    assert answers.message().body == b""
    counters = pair.worker.counters()
    assert counters["picked"] == 1
    assert counters["requests"] == 6
    assert counters["answers"] == [0, 6, 0, 0, 0]
    client.close()
    pair.worker.await_counter("open", 0)
    assert closes(instance)


@each_kind
@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_go_both_ways(make, kind, chunked):
    pair = make(kind)
    body = os.urandom(MIB)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = b"POST /up HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n"
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    client, instance = pair.asked(head)
    sender = threading.Thread(target=client.sendall, args=(sent,))
    sender.start()
    assert Reader(instance).message().body == body
    sender.join()
    back = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + sent
    sender = threading.Thread(target=instance.sendall, args=(back,))
    sender.start()
    assert Reader(client).message().body == body
    sender.join()


@each_kind
def test_pipelined_requests_are_answered_one_by_one(make, kind):
    pair = make(kind)
    client, instance = pair.asked(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % i for i in range(3)))
    requests, answers = Reader(instance), Reader(client)
    for i in range(3):
        assert requests.message().start == f"GET /{i} HTTP/1.1"
        assert not requests.rest  # the next one waits for the answer
        instance.sendall(answer(b"%d" % i))
        assert answers.message().body == b"%d" % i
    assert pair.worker["picked"] == 1


def test_a_request_byte_by_byte_is_one(make):
    pair = make("plain")
    client = pair.client()
    for at in range(len(POST)):
        client.sendall(POST[at:at + 1])
    instance = pair.place.accepted(pair.listener)
    assert Reader(instance).message().body == b"hello"
    for byte in answer(b"hello"):
        instance.sendall(bytes([byte]))
    assert Reader(client).message().body == b"hello"


@each_kind
def test_head_and_answers_without_a_body(make, kind):
    pair = make(kind)
    client, instance = pair.asked(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
    requests, answers = Reader(instance), Reader(client)
    requests.message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    assert answers.message(head_only=True)["Content-Length"] == "1000"
    for status in ("204 No Content", "304 Not Modified"):
        client.sendall(GET)
        requests.message()
        instance.sendall(f"HTTP/1.1 {status}\r\nX-A: b\r\n\r\n".encode())
        got = answers.message()
        assert (got.start, got["X-A"]) == (f"HTTP/1.1 {status}", "b")
    client.sendall(GET)
    requests.message()
    instance.sendall(answer(b"still the same"))
    assert answers.message().body == b"still the same"
    assert pair.worker["picked"] == 1


def test_a_client_of_http_1_0_gets_an_end_behind_what_has_no_length(make):
    pair = make("plain")
    client, instance = pair.asked(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    assert Reader(instance).message().start == "GET / HTTP/1.1"
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    got = Reader(client).message()
    assert (got["Connection"], got["Transfer-Encoding"], got.body) == ("close", None, b"abcde")


def test_what_ends_with_the_connection_becomes_chunks(make):
    pair = make("plain")
    client, instance = pair.asked()
    requests, answers = Reader(instance), Reader(client)
    requests.message()
    instance.sendall(b"HTTP/1.1 200 OK\r\n\r\nall that")
    instance.close()
    got = answers.message()
    assert (got["Transfer-Encoding"], got.body) == ("chunked", b"all that")
    client.sendall(GET)  # which goes to a new one
    instance = pair.place.accepted(pair.listener)
    assert Reader(instance).message()
    instance.sendall(answer(b"again"))
    assert answers.message().body == b"again"


@each_kind
def test_who_has_sent_the_end_still_gets_the_answer(make, kind):
    pair = make(kind)
    client, instance = pair.asked()
    client.shutdown(socket.SHUT_WR)
    Reader(instance).message()
    time.sleep(0.05)
    instance.sendall(answer(b"late"))
    answers = Reader(client)
    got = answers.message()
    assert (got["Connection"], got.body) == ("close", b"late")
    assert answers.at_end()


@each_kind
def test_who_has_left_without_an_answer_does_not_cost_one_for_long(make, kind):
    pair = make(kind, "--half-closed-ms", 300)
    client, instance = pair.asked()
    Reader(instance).message()
    client.close()
    assert closes(instance)
    pair.worker.await_counter("open", 0)


@each_kind
def test_a_silent_client_costs_no_instance(make, kind):
    pair = make(kind, "--first-ms", 300)
    client = pair.client()
    assert closes(client)
    pair.worker.await_counter("silent", 1)
    assert pair.worker["picked"] == 0


@each_kind
def test_100_continue_comes_from_the_instance(make, kind):
    pair = make(kind)
    client, instance = pair.asked(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    requests, answers = Reader(instance), Reader(client)
    request = requests.head()
    assert request["Expect"] == "100-continue"
    instance.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert answers.message().start == "HTTP/1.1 100 Continue"
    assert answers.message()["Link"] == "</a>"
    client.sendall(b"hello")
    assert requests.body(request).body == b"hello"
    instance.sendall(answer(b"ok"))
    assert answers.message().body == b"ok"
    client.sendall(GET)
    assert requests.message()


@each_kind
def test_an_answer_before_the_request_ends_is_delivered(make, kind):
    """An instance that does not want the upload: neither side reads it, and the client gets the answer all the same."""
    pair = make(kind)
    client, instance = pair.asked(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (4 * MIB))
    assert Reader(instance).head()
    instance.sendall(answer(b"too much for me", "413 Content Too Large"))
    answers = Reader(client)
    client.sendall(b"x" * (4 * MIB))
    got = answers.message()
    assert (got.status, got["Connection"], got.body) == (413, "close", b"too much for me")
    assert answers.at_end()
    client.close()
    pair.worker.await_counter("open", 0)


@each_kind
def test_an_answer_before_a_reset_is_delivered(make, kind):
    """An instance that answers and closes with the request unread: its kernel sends a RST behind the answer."""
    pair = make(kind)
    client, instance = pair.asked(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * 100000)
    wait_until(lambda: select.select([instance], [], [], 0)[0], "the request is there")
    instance.sendall(answer(b"no" * 10000, "403 Forbidden", "Connection: close"))
    instance.close()
    got = Reader(client).message()
    assert (got.status, got["Connection"], got.body) == (403, "close", b"no" * 10000)


@each_kind
def test_a_body_and_its_answer_may_overlap(make, kind):
    """An echo that answers while it still reads."""
    pair = make(kind)
    client, instance = pair.asked(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    requests, answers = Reader(instance), Reader(client)
    assert requests.head()
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert answers.head().status == 200
    for piece in (b"one", b"two"):
        client.sendall(b"3\r\n" + piece + b"\r\n")
        assert instance.recv(100) == b"3\r\n" + piece + b"\r\n"
        instance.sendall(b"3\r\n" + piece + b"\r\n")
        assert client.recv(100) == b"3\r\n" + piece + b"\r\n"
    client.sendall(b"0\r\n\r\n")
    assert instance.recv(100) == b"0\r\n\r\n"
    instance.sendall(b"0\r\n\r\n")
    assert read_all(client, 5) == b"0\r\n\r\n"


# --- WebSocket ---

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@each_kind
@pytest.mark.parametrize("early", [b"", b"client's first"])
def test_after_a_101_all_bytes_go_through(make, kind, early):
    pair = make(kind)
    client, instance = pair.asked(UPGRADE + early)
    requests, answers = Reader(instance), Reader(client)
    request = requests.message()
    assert (request["Connection"], request["Upgrade"], request["Sec-WebSocket-Key"]) == ("upgrade", "websocket", "k")
    assert not requests.rest
    instance.sendall(SWITCHED + b"\x81\x05hello")
    got = answers.message()
    assert (got.status, got["Upgrade"]) == (101, "websocket")
    data = os.urandom(MIB)
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    assert requests.take(len(early) + MIB) == early + data
    sender.join()
    sender = threading.Thread(target=instance.sendall, args=(data,))
    sender.start()
    assert answers.take(7 + MIB) == b"\x81\x05hello" + data
    sender.join()
    instance.close()
    assert answers.at_end()
    client.close()
    pair.worker.await_counter("open", 0)
    assert pair.worker["answers"] == [1, 0, 0, 0, 0]


def test_bytes_behind_an_upgrade_that_is_refused_are_the_next_request(make):
    pair = make("plain")
    client, instance = pair.asked(UPGRADE + GET)
    requests, answers = Reader(instance), Reader(client)
    assert requests.message()["Upgrade"] == "websocket"
    assert not requests.rest
    instance.sendall(answer(b"no", "400 Bad Request"))
    assert answers.message().body == b"no"
    assert requests.message().start == "GET / HTTP/1.1"
    instance.sendall(answer(b"yes"))
    assert answers.message().body == b"yes"


def test_a_101_that_nobody_asked_for_is_502(make):
    pair = make("plain")
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(SWITCHED)
    assert Reader(client).message().status == 502


# --- What is said of the client ---


def test_a_client_cannot_say_who_it_is(make):
    pair = make("plain", "--set", "X-Site: a b", "--set", "X-Site-2: c")
    client, instance = pair.asked(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX_Real_IP: 1.2.3.4\r\n"
                                  b"X.Forwarded.Host: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Site: mine\r\n"
                                  b"X-Mine: yes\r\n\r\n")
    request = Reader(instance).message()
    assert request["X-Forwarded-For"] == request["X-Real-IP"] == "127.0.0.1"
    assert request["Forwarded"] == "for=127.0.0.1;host=h;proto=http"
    assert (request["X-Site"], request["X-Site-2"], request["X-Mine"]) == ("a b", "c", "yes")
    assert b"1.2.3.4" not in request.raw
    client.close()


@pytest.mark.parametrize("prefix, believed", [("126.0.0.0/7", True), ("127.0.0.2/32", False)])
def test_a_trusted_peer_is_believed(make, prefix, believed):
    pair = make("plain", "--trust", "192.0.2.0/24", "--trust", prefix)
    _client, instance = pair.asked(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\n"
                                   b"X-Forwarded-Proto: https\r\n\r\n")
    request = Reader(instance).message()
    assert request["X-Forwarded-For"] == ("1.2.3.4, 127.0.0.1" if believed else "127.0.0.1")
    assert request["X-Forwarded-Proto"] == ("https" if believed else "http")


# --- The worker's own answers ---


@each_kind
def test_a_bad_request_is_answered_and_the_connection_ends(make, kind):
    pair = make(kind)
    client = pair.client()
    client.sendall(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n" + b"x" * 200000)
    answers = Reader(client)
    got = answers.message()
    assert (got.status, got["Connection"], got.body) == (400, "close", b"400 Bad Request\n")
    assert answers.at_end()
    client.close()
    pair.worker.await_counter("open", 0)
    assert pair.worker["own_answers"] == {"400": 1}
    assert pair.worker["picked"] == 0


@each_kind
@pytest.mark.parametrize("sent, status", [
    (b"HEAD / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    (b"HEAD / HTTP/1.2\r\n", 505),
    (b"HEAD / HTTP/1.1\r\nHo", 408),
    (b"HEAD / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n", 501),
])
def test_a_head_request_that_is_refused_has_no_body_in_its_answer(make, kind, sent, status):
    pair = make(kind, "--head-ms", 300)
    client = pair.client()
    client.sendall(sent)
    answers = Reader(client)
    got = answers.message(head_only=True)
    assert (got.status, got["Connection"], int(got["Content-Length"]) > 0) == (status, "close", True)
    assert answers.at_end()


@each_kind
def test_without_an_instance_it_is_503(place, identity, kind):
    pair = HttpPair(place, identity, kind)
    pair.listener.close()
    client = pair.client()
    answers = Reader(client)
    for _ in range(2):  # the connection stays
        client.sendall(POST)
        got = answers.message()
        assert (got.status, got["Retry-After"], got["Connection"]) == (503, "5", None)
    assert pair.worker["unserved"] == 2


def test_a_body_past_the_bound_is_413(make):
    pair = make("plain", "--body-bytes", 4)
    client = pair.client()
    client.sendall(POST)
    assert Reader(client).message().status == 413
    assert pair.worker["picked"] == 0


@pytest.mark.parametrize("limit, request_, status", [
    (("--head-bytes", 256), b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 256 + b"\r\n\r\n", 431),
    (("--head-bytes", 256), b"GET /" + b"x" * 256 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    (("--fields", 2), b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n", 431),
])
def test_a_head_past_the_bound_is_refused(make, limit, request_, status):
    pair = make("plain", *limit)
    client = pair.client()
    client.sendall(request_)
    assert Reader(client).message().status == status
    client = pair.client()
    client.sendall(GET)
    assert Reader(pair.place.accepted(pair.listener)).message()


def test_a_head_that_only_fits_without_ours_is_431(make):
    """With what the worker adds it would be more than Node takes."""
    more = [word for i in range(16) for word in ("--set", f"X-Set-{i}: " + "x" * 150)]
    pair = make("plain", *more)
    client = pair.client()
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 15000 + b"\r\n\r\n")
    assert Reader(client).message().status == 431
    assert pair.worker["picked"] == 0


def test_a_chunked_body_past_the_bound_is_413_too(make):
    pair = make("plain", "--body-bytes", 4)
    client, instance = pair.asked(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert Reader(instance).head()
    client.sendall(b"3\r\ndef\r\n0\r\n\r\n")
    assert Reader(client).message().status == 413


@pytest.mark.parametrize("sent, status", [(b"GET / HTTP/1.1\r\nHo", 408), (POST[:-2], 408), (GET, 504)])
def test_who_takes_too_long_gets_an_answer(make, sent, status):
    pair = make("plain", "--head-ms", 300, "--body-ms", 300, "--answer-ms", 300)
    client = pair.client()
    client.sendall(sent)
    got = Reader(client).message()
    assert (got.status, got["Connection"]) == (status, "close" if status == 408 else None)
    assert pair.worker["own_answers"] == {str(status): 1}


@each_kind
def test_an_answer_that_has_begun_may_pause_for_longer_than_its_head_may_take(make, kind):
    pair = make(kind, "--answer-ms", 300, "--body-ms", 60000)
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
    answers = Reader(client)
    assert answers.head().status == 200
    time.sleep(1)
    instance.sendall(b"two")
    assert answers.take(6) == b"onetwo"
    assert pair.worker["answers_cut"] == 0


@pytest.mark.parametrize("answer_ms, body_ms", [(300, 1000), (1000, 300)])
def test_it_is_cut_after_the_longer_time(make, answer_ms, body_ms):
    pair = make("plain", "--answer-ms", answer_ms, "--body-ms", body_ms)
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    began = time.monotonic()
    answers = Reader(client)
    with pytest.raises((EOFError, ConnectionResetError)):
        answers.message()
    assert time.monotonic() - began > 0.9
    assert pair.worker["answers_cut"] == 1


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", b""])
def test_an_instance_that_does_not_speak_http_is_502(make, said):
    pair = make("plain")
    client, instance = pair.asked(POST)
    Reader(instance).message()
    instance.sendall(said)
    instance.close()
    assert Reader(client).message().status == 502


@each_kind
def test_an_answer_that_is_cut_off_is_not_taken_for_complete(make, kind):
    pair = make(kind)
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
    instance.close()
    with pytest.raises((EOFError, ConnectionResetError, ConnectionAbortedError)):
        Reader(client).message()
    pair.worker.await_counter("answers_cut", 1)


def test_redirects_ask_nobody(make):
    pair = make("plain", "--redirect")
    client = pair.client()
    answers = Reader(client)
    client.sendall(b"GET /a?b HTTP/1.1\r\nHost: h.test:8080\r\n\r\n")
    got = answers.message()
    assert (got.status, got["Location"]) == (301, "https://h.test/a?b")
    client.sendall(b"HEAD http://h.test HTTP/1.1\r\nHost: h.test\r\n\r\n")
    got = answers.message(head_only=True)
    assert (got.status, got["Location"]) == (301, "https://h.test/")
    client.sendall(POST)
    got = answers.message()
    assert (got.status, got["Location"], got["Connection"]) == (308, "https://h/", "close")
    assert answers.at_end()
    assert pair.worker["picked"] == 0


# --- Bounds ---


@each_kind
def test_who_does_not_read_holds_little_memory(make, kind):
    pair = make(kind)
    pair.client().close()
    pair.worker.await_counter("open", 0)
    before = pair.worker["rss_anon_kib"]
    pairs = [pair.asked() for _ in range(8)]
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    for _, instance in pairs:
        instance.sendall(head)
        assert fill(instance) > 100000
    # Two buffers of 16 KiB, and what OpenSSL has for a record that waits.
    assert pair.worker["rss_anon_kib"] - before < 8 * 100 + 1000
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(answer(b"served"))
    assert Reader(client).message().body == b"served"


def test_heads_that_trickle_in_hold_little_memory_and_end(make):
    pair = make("plain", "--head-ms", 1000)
    slow = [pair.client() for _ in range(100)]
    pair.worker.await_counter("open", 100)
    before = pair.worker["rss_anon_kib"]
    for client in slow:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
    client, instance = pair.asked()
    Reader(instance).message()
    assert pair.worker["rss_anon_kib"] - before < 100 * 24 + 1000
    instance.sendall(answer(b"served"))
    assert Reader(client).message().body == b"served"
    assert [Reader(client).message().status for client in slow] == [408] * 100


@each_kind
def test_who_does_not_read_an_answer_is_given_up(make, kind):
    pair = make(kind, "--body-ms", 300)
    _client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            instance.sendall(b"x" * MIB)
    pair.worker.await_counter("open", 0)


@each_kind
def test_a_slow_reader_gets_all_of_an_answer_that_is_the_last(make, kind):
    """The end waits behind it for as long as the client reads."""
    pair = make(kind, "--body-ms", 2000)
    client = pair.client()
    sock = getattr(client, "sock", client)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    instance = pair.place.accepted(pair.listener)
    Reader(instance).message()
    body = os.urandom(3 * MIB)
    sender = threading.Thread(target=instance.sendall, args=(answer(body),))
    sender.start()
    time.sleep(0.5)
    answers = Reader(client)
    got = answers.head()
    received = [answers.rest]
    while sum(map(len, received)) < len(body):
        time.sleep(0.002)
        received.append(client.recv(65536))
        assert received[-1]
    assert b"".join(received) == body
    assert got["Connection"] == "close"
    assert client.recv(1) == b""
    sender.join()


@pytest.mark.parametrize("kind", ["1.2", "1.3"])
@pytest.mark.parametrize("begun", [b"", GET[:10]])
def test_half_a_record_is_no_hindrance(make, kind, begun):
    pair = make(kind, "--no-kernel")
    Recorder(pair.listener)
    client, other = pair.client(), pair.client()
    client.sendall(begun)
    rest = client.send_part(GET[len(begun):], 6)
    for _ in range(20):
        other.sendall(GET)
        assert Reader(other).message().body == b"GET /"
    client.sock.sendall(rest)
    assert Reader(client).message().body == b"GET /"


@pytest.mark.parametrize("kind", ["1.2", "1.3"])
def test_who_waits_for_the_rest_of_a_record_costs_nothing(make, kind):
    pair = make(kind, "--no-kernel", "--first-ms", 1000)
    client = pair.client()
    client.send_part(GET, 6)
    before = pair.worker["cpu_us"]
    assert read_all(client) == b""
    assert pair.worker["cpu_us"] - before < 200000
    assert pair.worker["silent"] == 1


def test_idle_clients_hold_no_buffers(make):
    pair = make("plain")
    recorder = Recorder(pair.listener)
    before = pair.worker["rss_anon_kib"]
    clients = [pair.client() for _ in range(200)]
    for client in clients:
        client.sendall(GET)
        assert Reader(client).message().body == b"GET /"
    assert (pair.worker["rss_anon_kib"] - before) / 200 < 5
    assert pair.worker["picked"] == recorder.accepted == 200


def test_clients_without_a_request_make_room_for_others(make):
    pair = make("plain", "--connections", 3)
    recorder = Recorder(pair.listener)
    idle = [pair.client() for _ in range(2)]
    for client in idle:
        client.sendall(GET)
        assert Reader(client).message().body == b"GET /"
    busy = pair.client()
    busy.sendall(b"GET / HTTP/1.1\r\nHost:")
    late = pair.client()
    late.sendall(GET)
    assert Reader(late).message().body == b"GET /"  # not before the others have been idle for a second
    assert closes(idle[0])
    busy.sendall(b" h\r\n\r\n")
    assert Reader(busy).message().body == b"GET /"
    assert pair.worker["dismissed"] == 1
    assert recorder.accepted == 4


@each_kind
def test_a_worker_that_drains_closes_behind_the_next_answer(make, kind):
    pair = make(kind)
    client, instance = pair.asked()
    requests, answers = Reader(instance), Reader(client)
    requests.message()
    pair.worker.process.popen.terminate()
    wait_until(pair.worker.refuses, "new clients are refused")
    instance.sendall(answer(b"last"))
    got = answers.message()
    assert (got["Connection"], got.body) == ("close", b"last")
    assert answers.at_end()
    client.close()
    assert pair.worker.await_end() == 0


@each_kind
def test_a_worker_that_is_cut_gives_back_what_it_has(make, kind):
    """In whatever state its connections are: nothing, half a head, half a body, no answer, half an answer, a tunnel,
    between requests, and an answer of its own that is not closed yet."""
    pair = make(kind)
    _silent, half = pair.client(), pair.client()
    half.sendall(GET[:-5])
    pairs = [pair.asked(request) for request in (POST[:-2], GET, GET, UPGRADE, GET)]
    for _, instance in pairs:
        Reader(instance).head()
    pairs[2][1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    pairs[3][1].sendall(SWITCHED)
    pairs[4][1].sendall(answer(b"ok"))
    for client, _ in pairs[2:]:
        assert Reader(client).head().status in (101, 200)
    refused = pair.client()
    refused.sendall(b"nonsense\r\n")
    assert Reader(refused).message().status == 400
    assert pair.worker["open"] == 8
    pair.worker.process.signal(signal.SIGINT)
    assert pair.worker.await_end() == 0
    assert all(closes(instance) for _, instance in pairs)


# --- The instance's connection ---


def test_a_kept_connection_that_the_instance_has_closed_is_made_anew(make):
    pair = make("plain")
    client, instance = pair.asked()
    answers = Reader(client)
    for request in (POST, GET, POST):
        Reader(instance).message()
        instance.sendall(answer(b"ok"))
        assert answers.message().body == b"ok"
        instance.close()
        client.sendall(request)
        instance = pair.place.accepted(pair.listener)
    assert Reader(instance).message()
    counters = pair.worker.counters()
    assert counters["picked"] == 4
    assert counters["own_answers"] == {}


@pytest.mark.parametrize("request_, retried", [(GET, True), (POST, False)])
def test_only_what_may_be_sent_twice_is(make, request_, retried):
    """The instance takes the request and dies without a word."""
    pair = make("plain")
    client, instance = pair.asked(request_)
    assert Reader(instance).message()
    instance.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    instance.close()
    if retried:
        instance = pair.place.accepted(pair.listener)
        assert Reader(instance).message()
        instance.close()  # and so does the second one
    assert Reader(client).message().status == 502
    assert pair.worker["request_retries"] == retried


def test_an_idle_kept_connection_is_closed_before_the_instance_would(make):
    pair = make("plain")
    client, instance = pair.asked()
    Reader(instance).message()
    instance.sendall(answer(b"ok", "200 OK", "Keep-Alive: timeout=2, max=100"))
    assert Reader(client).message().body == b"ok"
    began = time.monotonic()
    assert instance.recv(1) == b""
    assert 0.5 < time.monotonic() - began < 1.9
    assert pair.worker["open"] == 1  # the client stays


@pytest.mark.parametrize("pipelined", [False, True])
def test_surplus_bytes_end_a_kept_connection(make, pipelined):
    pair = make("plain")
    client, instance = pair.asked(GET * (1 + pipelined))
    Reader(instance).message()
    instance.sendall(answer(b"ok") + answer(b"nobody asked"))
    answers = Reader(client)
    assert answers.message().body == b"ok"
    assert closes(instance)
    if not pipelined:
        client.sendall(GET)
    instance = pair.place.accepted(pair.listener)
    Reader(instance).message()
    instance.sendall(answer(b"second"))
    assert answers.message().body == b"second"
