# SPDX-License-Identifier: BSD-2-Clause
"""What a worker's connections may cost: time, memory, descriptors, and instances that cannot be had."""
import contextlib
import os
import select
import socket
import threading
import time

import pytest

from harness import settings, tls
from harness.client import ABORT
from harness.pairs import IDLE, KINDS, digest, fill, is_at_end, reset, was_reset
from harness.poll import wait_until
from harness.worker import ADDRESS, PORT, read_all

each_kind = pytest.mark.parametrize("kind", KINDS)


# --- Bounds ---


@each_kind
def test_who_does_not_read_holds_no_memory(make, kind):
    pair = make(kind)
    pair.pair()[0].close()
    before = pair.worker["rss_anon_kib"]
    pairs = [pair.pair() for _ in range(20)]
    sent = sum(fill(instance) for _, instance in pairs[:10]) + sum(fill(client) for client, _ in pairs[10:])
    assert sent > 20 * 16384
    # One buffer of 16 KiB a connection, and what OpenSSL has for a record that waits.
    assert pair.worker["rss_anon_kib"] - before < 20 * 100 + 1000


@each_kind
def test_idle_connections_end(make, kind):
    pair = make(kind, "--idle-ms", 300)
    client, instance = pair.pair()
    client.sendall(b"x")
    assert instance.recv(10) == b"x"
    assert is_at_end(instance)
    assert is_at_end(client)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][IDLE] == 1


@each_kind
def test_bytes_either_way_keep_a_connection(make, kind):
    pair = make(kind, "--idle-ms", 1500)
    client, instance = pair.pair()
    for _ in range(8):
        time.sleep(0.3)
        instance.sendall(b"x")
        assert client.recv(10) == b"x"
    assert pair.worker["open"] == 1


def test_an_instance_that_ended_does_not_keep_a_silent_client_for_long(make):
    pair = make("plain", "--half-closed-ms", 300)
    client, instance = pair.pair()
    instance.close()
    assert is_at_end(client)
    pair.worker.await_counter("open", 0)  # the client has not closed
    assert pair.worker["relay_ends"][IDLE] == 1


def test_idle_connections_take_little_memory(make):
    pair = make("plain")
    pair.pair()
    count = settings.scaled(400, 200)
    before = pair.worker["rss_anon_kib"]
    pairs = [pair.pair() for _ in range(count)]
    for client, instance in pairs:
        client.sendall(b"ping")
        assert instance.recv(10) == b"ping"
        instance.sendall(b"pong")
        assert client.recv(10) == b"pong"
    assert (pair.worker["rss_anon_kib"] - before) / count < 4


def test_memory_does_not_grow_with_the_connections_that_were(make):
    pair = make("plain")
    served = 0
    resident = []
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            try:
                sock, _ = pair.listener.accept()
            except OSError:
                return
            sock.sendall(sock.recv(100))
            sock.close()

    threading.Thread(target=serve, daemon=True).start()
    for _ in range(3):
        for _ in range(settings.scaled(1000, 100)):
            with pair.place.namespace.socket() as client:
                client.connect((ADDRESS, PORT))
                client.sendall(b"hello")
                assert client.recv(100) == b"hello"
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            served += 1
        pair.worker.await_counter("open", 0)
        resident.append(pair.worker["rss_anon_kib"])
    stop.set()
    assert resident[-1] - resident[0] < 300, resident


# --- Clients that send half a record ---

each_tls = pytest.mark.parametrize("kind", ["1.2", "1.3"])
each_maker = pytest.mark.parametrize("maker", [[], ["--no-kernel"]], ids=["kernel", "openssl"])


@each_tls
@each_maker
@pytest.mark.parametrize("size", [1, 6])
def test_half_a_record_is_no_hindrance(make, kind, maker, size):
    pair = make(kind, *maker)
    client, instance = pair.pair()
    rest = client.send_part(b"x" * 100, size)
    other, others = pair.pair()
    for _ in range(20):
        other.sendall(b"question")
        assert others.recv(100) == b"question"
    client.sock.sendall(rest)
    assert read_all(instance, 100) == b"x" * 100


@each_tls
@each_maker
def test_who_waits_for_the_rest_of_a_record_costs_nothing(make, kind, maker):
    pair = make(kind, *maker, "--idle-ms", 1000)
    client, instance = pair.pair()
    client.send_part(b"part", 6, behind=b"whole")
    assert instance.recv(100) == b"whole"
    before = pair.worker["cpu_us"]
    assert is_at_end(client)
    assert pair.worker["cpu_us"] - before < 500000  # of the second that it waits; an emulated machine counts others' work
    assert pair.worker["relay_ends"][IDLE] == 1


# --- Instances that cannot be had ---


@each_kind
def test_an_instance_that_is_not_there_is_passed_over(place, identity, kind):
    listener = place.listening(3002)
    worker = place.worker(backends=[3001, 3002], identities=[] if kind == "plain" else [identity])
    for _ in range(4):
        client = place.connect() if kind == "plain" else place.tls(tls.context(kind))
        client.sendall(b"hello")
        instance = place.accepted(listener)
        assert instance.recv(10) == b"hello"
        reset(client)
    worker.await_counter("open", 0)
    counters = worker.counters()
    assert counters["connects_failed"] == counters["connects_retried"] == counters["connect_failed"] > 0
    assert counters["unserved"] == 0
    assert counters["picked"] == counters["ended"] == 4 + counters["connects_failed"]


def test_a_client_with_no_instance_at_all_is_reset(place):
    worker = place.worker(backends=[3001, 3002])
    with contextlib.suppress(ConnectionResetError):  # which may come before connect() has returned
        assert was_reset(place.connect())
    worker.await_counter("unserved", 1)
    worker.await_counter("open", 0)
    assert worker["connects_retried"] == 1
    assert worker["connects_failed"] == worker["ended"] == 2


def test_an_instance_that_takes_no_connection_is_given_up(place):
    full = place.listening(3001, backlog=0)
    waiting = []
    for _ in range(8):  # its queue is full then: a SYN is dropped
        sock = place.kept(place.namespace.socket())
        sock.setblocking(False)
        sock.connect_ex((ADDRESS, 3001))
        waiting.append(sock)
    other = place.listening(3002)
    worker = place.worker("--connect-ms", 300, backends=[3001, 3002])
    client = place.connect()
    client.sendall(b"hello")
    instance = place.accepted(other)
    assert instance.recv(10) == b"hello"
    assert worker["connects_failed"] == 1
    del full


# --- Clients that speak first ---


@each_kind
def test_a_client_that_says_nothing_reaches_no_instance(make, kind):
    pair = make(kind, "--client-first")
    silent, leaving = pair.client(), pair.client()
    pair.worker.await_counter("open", 2)
    leaving.close()
    pair.worker.await_counter("silent", 1)
    assert pair.worker["picked"] == 0
    silent.sendall(b"at last")
    instance = pair.place.accepted(pair.listener)
    assert instance.recv(100) == b"at last"
    instance.sendall(b"yes")
    assert silent.recv(100) == b"yes"
    assert pair.worker["picked"] == 1


@each_kind
def test_what_a_client_says_first_is_not_lost_when_an_instance_is_not_there(place, identity, kind):
    listener = place.listening(3002)
    place.worker("--client-first", backends=[3001, 3002], identities=[] if kind == "plain" else [identity])
    for size in (1, 16384, 100000):
        client = place.connect() if kind == "plain" else place.tls(tls.context(kind))
        data = os.urandom(size)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        instance = place.accepted(listener)
        assert digest(read_all(instance)) == digest(data)
        instance.sendall(data)
        instance.close()
        assert digest(read_all(client)) == digest(data)


@each_kind
def test_a_client_that_stays_silent_is_dismissed(make, kind):
    pair = make(kind, "--client-first", "--first-ms", 300)
    client = pair.client()
    assert is_at_end(client)
    pair.worker.await_counter("silent", 1)
    assert pair.worker["picked"] == 0


# --- How many at once ---


def test_clients_beyond_the_bound_wait(make):
    pair = make("plain", "--connections", 3)
    pairs = [pair.pair() for _ in range(3)]
    late = pair.client()
    late.sendall(b"late")
    wait_until(lambda: pair.worker["accept_pauses"], "accepting pauses")
    assert pair.worker["open"] == 3
    assert not select.select([pair.listener], [], [], 0.2)[0]
    reset(pairs[0][0])
    instance = pair.place.accepted(pair.listener)
    assert instance.recv(10) == b"late"


def test_descriptors_that_run_out_are_waited_for(make):
    """The bound follows RLIMIT_NOFILE: nobody is accepted whom no instance could be given."""
    pair = make("plain", before=["prlimit", "--nofile=81:81"])
    pairs = [pair.pair() for _ in range(8)]
    late = pair.client()
    late.sendall(b"late")
    wait_until(lambda: pair.worker["accept_pauses"], "accepting pauses")
    for client, instance in pairs:
        client.sendall(b"still served")
        assert instance.recv(100) == b"still served"
    reset(pairs[3][0])
    assert pair.place.accepted(pair.listener).recv(10) == b"late"


def test_listening_sockets_are_descriptors_too(make):
    """Of many services: whom an instance is chosen for there is a descriptor for as well."""
    listeners, wanted = 100, 8
    more = [word for port in range(9001, 9000 + listeners) for word in ("--listen", f"127.0.0.1:{port}")]
    limit = 64 + listeners + 2 * wanted
    pair = make("plain", *more, before=["prlimit", f"--nofile={limit}:{limit}"])
    pairs = [pair.pair() for _ in range(wanted)]
    late = [pair.client() for _ in range(wanted * 4)]
    wait_until(lambda: pair.worker["accept_pauses"], "accepting pauses")
    assert pair.worker["open"] == wanted
    for client, instance in pairs:
        reset(client)
        instance.close()
    late[0].sendall(b"late")
    assert pair.place.accepted(pair.listener).recv(10) == b"late"


@each_kind
def test_a_worker_ends_with_its_last_connection(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    pair.worker.process.popen.terminate()
    wait_until(pair.worker.refuses, "new clients are refused")
    client.sendall(b"still here")
    assert instance.recv(100) == b"still here"
    instance.sendall(b"me too")
    assert client.recv(100) == b"me too"
    assert pair.worker.process.popen.poll() is None
    instance.close()
    assert is_at_end(client)
    client.shutdown(socket.SHUT_WR)
    client.close()
    assert pair.worker.await_end() == 0


@pytest.mark.parametrize("waiting", [0, 2])
def test_a_worker_that_is_full_drains_its_queue_before_it_stops_listening(make, waiting):
    pair = make("plain", "--connections", 2)
    pairs = [pair.pair() for _ in range(2)]
    late = [pair.client() for _ in range(waiting)]
    for client in late:
        client.sendall(b"late")
    wait_until(lambda: pair.worker["accept_pauses"] or not waiting, "accepting pauses")
    pair.worker.process.popen.terminate()
    pair.worker.counters()  # it has seen the signal
    for client, _ in pairs:
        reset(client)
    for client in late:
        instance = pair.place.accepted(pair.listener)
        assert instance.recv(10) == b"late"
        reset(instance)
        assert was_reset(client)
    assert pair.worker.await_end() == 0


def test_a_worker_without_connections_ends_at_once(make):
    pair = make("plain")
    pair.worker.process.popen.terminate()
    assert pair.worker.await_end() == 0
