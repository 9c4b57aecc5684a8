# SPDX-License-Identifier: BSD-2-Clause
"""The relay of a worker: the bytes, the ends and the bounds, on plain connections and on TLS."""
import hashlib
import os
import random
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import settings, tls
from harness.client import ABORT
from harness.poll import wait_equal, wait_until
from harness.worker import ADDRESS, PORT, read_all

MIB = 1 << 20
RELAY_DONE, CLIENT_BROKE, INSTANCE_BROKE, IDLE = range(4)
KINDS = ["plain", "1.2", "1.3"]
each_kind = pytest.mark.parametrize("kind", KINDS)


class Pair:
    """A worker with one instance on port 3001, and connections through it."""

    def __init__(self, place, identity, kind, *options, **more):
        self.place = place
        self.kind = kind
        self.listener = place.listening(3001)
        identities = [] if kind == "plain" else [identity]
        self.worker = place.worker(*options, backends=[3001], identities=identities, **more)

    def client(self):
        return self.place.connect() if self.kind == "plain" else self.place.tls(tls.context(self.kind))

    def pair(self):
        """A client and the instance's end of its connection."""
        client = self.client()
        return client, self.place.accepted(self.listener)


@pytest.fixture
def make(place, identity):
    return lambda kind, *options, **more: Pair(place, identity, kind, *options, **more)


def reset(peer):
    if hasattr(peer, "reset"):
        peer.reset()
    else:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        peer.close()


def was_reset(peer):
    """True when the next thing that comes is a RST."""
    try:
        return peer.recv(1) is None
    except ConnectionResetError:
        return True


def is_at_end(peer):
    return peer.recv(1) == b""


def send_in_pieces(peer, data, pause=0.0, largest=65536, seed=0):
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        size = chance.randint(1, largest)
        peer.sendall(data[at:at + size])
        at += size
        if pause:
            time.sleep(pause)


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- Bytes ---


class Duplex:
    """Both directions of a TLS client at once: one thread reads and writes, since the object is not for two."""

    def __init__(self, peer, data):
        self.peer, self.data = peer, data

    def run(self):
        """Sends all and reads to the end."""
        if isinstance(self.peer, socket.socket):
            return self._sockets()
        return self._tls()

    def _sockets(self):
        def send():
            self.peer.sendall(self.data)
            self.peer.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = read_all(self.peer)
        sender.join()
        return got

    def _tls(self):
        peer, sock, at, got, out, ended = self.peer, self.peer.sock, 0, [], b"", False
        sock.setblocking(False)
        finished = False
        while not (ended and finished):
            if not out:
                if at < len(self.data):
                    peer.tls.write(self.data[at:at + 16384])
                    at += 16384
                    out = peer.outgoing.read()
                elif not finished:
                    sock.setblocking(True)
                    peer.shutdown()
                    sock.setblocking(False)
                    finished = True
                    continue
            readable, writable, _ = select.select([] if ended else [sock], [sock] if out else [], [], 30)
            assert readable or writable, "nothing moves any more"
            if writable:
                out = out[sock.send(out):]
            if readable:
                data = sock.recv(65536)
                if data:
                    peer.incoming.write(data)
                else:
                    peer.incoming.write_eof()
                ended = self._take(got)
        return b"".join(got)

    def _take(self, got):
        while True:
            try:
                piece = self.peer.tls.read(65536)
            except tls.ssl.SSLWantReadError:
                return False
            except tls.ssl.SSLZeroReturnError:
                return True
            if not piece:
                return True
            got.append(piece)


@each_kind
@pytest.mark.parametrize("size", [1, 16384, 16385, 3 * MIB])
def test_bytes_go_both_ways_at_once(make, kind, size):
    pair = make(kind)
    client, instance = pair.pair()
    up, down = os.urandom(size), os.urandom(size)
    with ThreadPoolExecutor(2) as pool:
        at_client = pool.submit(Duplex(client, up).run)
        at_instance = pool.submit(Duplex(instance, down).run)
        assert digest(at_instance.result()) == digest(up)
        assert digest(at_client.result()) == digest(down)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][RELAY_DONE] == 1
    assert (pair.worker["bytes_up"], pair.worker["bytes_down"]) == (size, size)


@each_kind
def test_a_slow_reader_and_a_slow_writer_lose_nothing(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    data = os.urandom(MIB)
    sender = threading.Thread(target=send_in_pieces, args=(client, data, 0.0005, 20000, 1))
    sender.start()
    got = b""
    while len(got) < len(data):
        got += instance.recv(30000)
        time.sleep(0.001)
    sender.join()
    assert digest(got) == digest(data)

    sender = threading.Thread(target=send_in_pieces, args=(instance, data, 0.0005, 20000, 2))
    sender.start()
    got = b""
    while len(got) < len(data):
        got += client.recv(3000)
    sender.join()
    assert digest(got) == digest(data)


@each_kind
def test_a_burst_that_is_followed_by_the_end_arrives_before_it(make, kind):
    """Records that wait outside of TCP must not be overtaken by its FIN: the reader starts when all is sent."""
    pair = make(kind)
    for _ in range(settings.scaled(10, 3)):
        client, instance = pair.pair()
        sock = client if kind == "plain" else client.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131072)
        data = os.urandom(4 * MIB)

        def send():
            instance.sendall(data)
            instance.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(0.02)
        got = read_all(client)
        sender.join()
        assert digest(got) == digest(data)
        client.close()
    pair.worker.await_counter("open", 0)


# --- Ends ---


@each_kind
def test_a_client_that_has_sent_its_end_still_gets_the_answer(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert read_all(instance) == b"question"
    answer = os.urandom(MIB)
    threading.Thread(target=lambda: (instance.sendall(answer), instance.close())).start()
    assert digest(read_all(client)) == digest(answer)
    client.close()
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][RELAY_DONE] == 1


@each_kind
def test_an_instance_that_has_sent_its_end_still_gets_the_request(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    instance.sendall(b"done")
    instance.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"done"
    more = os.urandom(MIB)
    threading.Thread(target=lambda: (client.sendall(more), client.shutdown(socket.SHUT_WR))).start()
    assert digest(read_all(instance)) == digest(more)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][RELAY_DONE] == 1


@each_kind
def test_a_reset_by_the_client_is_one_for_the_instance(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    client.sendall(b"question")
    assert instance.recv(100) == b"question"
    reset(client)
    assert was_reset(instance)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][CLIENT_BROKE] == 1


@each_kind
def test_a_reset_by_the_instance_is_one_for_the_client(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    instance.sendall(b"answer")
    assert client.recv(100) == b"answer"
    reset(instance)
    assert was_reset(client)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][INSTANCE_BROKE] == 1


@each_kind
def test_an_answer_before_a_reset_is_delivered(make, kind):
    """An instance that answers and closes without reading the request: its kernel sends a RST behind the answer."""
    pair = make(kind)
    for _ in range(settings.scaled(20, 5)):
        client, instance = pair.pair()
        client.sendall(b"x" * 100000)
        answer = os.urandom(50000)
        wait_until(lambda: select.select([instance], [], [], 0)[0], "the request is there")
        instance.sendall(answer)
        instance.close()
        got = b""
        with pytest.raises(ConnectionResetError):
            while True:
                piece = client.recv(65536)
                assert piece, f"an end after {len(got)} bytes, and no RST"
                got += piece
        assert digest(got) == digest(answer)


@each_kind
@pytest.mark.parametrize("who", ["client", "instance"])
def test_a_reset_is_seen_while_nobody_reads(make, kind, who):
    """Both directions are full: the worker reads and writes nothing, and still sees that one side is gone."""
    pair = make(kind)
    client, instance = pair.pair()
    fill(client)
    fill(instance)
    reset(client if who == "client" else instance)
    pair.worker.await_counter("open", 0)
    assert pair.worker["relay_ends"][CLIENT_BROKE if who == "client" else INSTANCE_BROKE] == 1


def fill(peer):
    """Sends until nothing more is taken. Returns how much was."""
    sock = getattr(peer, "sock", peer)
    sock.setblocking(False)
    sent, idle = 0, 0
    out = b""
    while idle < 20:
        if not out:
            if sock is peer:
                out = b"f" * 65536
            else:
                peer.tls.write(b"f" * 16384)
                out = peer.outgoing.read()
        try:
            n = sock.send(out)
            out, sent, idle = out[n:], sent + n, 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.005)
    sock.settimeout(10 * settings.PATIENCE)
    return sent


@pytest.mark.parametrize("kind", ["1.2", "1.3"])
def test_an_end_without_close_notify_is_an_end(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    client.sendall(b"question")
    client.close()
    assert read_all(instance) == b"question"
    instance.close()
    pair.worker.await_counter("open", 0)


@pytest.mark.parametrize("kind", ["1.2", "1.3"])
def test_the_client_gets_close_notify(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    instance.close()
    assert is_at_end(client)  # raises when the stream is only cut
    client.shutdown()
    client.close()
    pair.worker.await_counter("open", 0)


# --- Bounds ---


@each_kind
def test_who_does_not_read_holds_no_memory(make, kind):
    pair = make(kind)
    pair.pair()[0].close()
    before = pair.worker["rss_kib"]
    pairs = [pair.pair() for _ in range(20)]
    sent = sum(fill(instance) for _, instance in pairs[:10]) + sum(fill(client) for client, _ in pairs[10:])
    assert sent > 20 * 16384
    # One buffer of 16 KiB a connection, and what OpenSSL has for a record that waits.
    assert pair.worker["rss_kib"] - before < 20 * 100 + 1000


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
    before = pair.worker["rss_kib"]
    pairs = [pair.pair() for _ in range(count)]
    for client, instance in pairs:
        client.sendall(b"ping")
        assert instance.recv(10) == b"ping"
        instance.sendall(b"pong")
        assert client.recv(10) == b"pong"
    assert (pair.worker["rss_kib"] - before) / count < 4


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
        resident.append(pair.worker["rss_kib"])
    stop.set()
    assert resident[-1] - resident[0] < 300, resident


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
    client = place.connect()
    assert was_reset(client)
    worker.await_counter("open", 0)
    assert worker["unserved"] == 1
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
    pair = make("plain", before=["prlimit", "--nofile=80:80"])
    pairs = [pair.pair() for _ in range(8)]
    late = pair.client()
    late.sendall(b"late")
    wait_until(lambda: pair.worker["accept_pauses"], "accepting pauses")
    for client, instance in pairs:
        client.sendall(b"still served")
        assert instance.recv(100) == b"still served"
    reset(pairs[3][0])
    assert pair.place.accepted(pair.listener).recv(10) == b"late"


@each_kind
def test_a_worker_ends_with_its_last_connection(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    pair.worker.process.popen.terminate()
    wait_until(lambda: refuses(pair.place), "new clients are refused")
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


def refuses(place):
    try:
        sock = place.connect()
    except ConnectionRefusedError:
        return True
    reset(sock)
    return False


def test_a_worker_without_connections_ends_at_once(make):
    pair = make("plain")
    pair.worker.process.popen.terminate()
    assert pair.worker.await_end() == 0


# --- Everything at once ---


@each_kind
def test_many_connections_of_all_sorts(make, kind):
    """Sizes, pauses and ends drawn at random; every byte that was promised is checked at both ends."""
    pair = make(kind)
    chance = random.Random(7)
    stop = threading.Event()

    def serve(sock):
        """Reads a length and a number, that many bytes, and answers with as many of its own."""
        with sock:
            sock.settimeout(30 * settings.PATIENCE)
            size, pause = (int(word) for word in read_line(sock).split())
            got = read_exactly(sock, size)
            time.sleep(pause / 1000)
            sock.sendall(digest(got).encode() + got[::-1])
            sock.shutdown(socket.SHUT_WR)
            read_all(sock)

    def accept(pool):
        while not stop.is_set():
            try:
                sock, _ = pair.listener.accept()
            except OSError:
                return
            pool.submit(serve, sock)

    def one(seed):
        mine = random.Random(seed)
        client = pair.client()
        data = os.urandom(mine.choice([1, 100, 16384, 16385, 100000, 300000]))
        client.sendall(f"{len(data)} {mine.randint(0, 5)}\n".encode())
        if mine.random() < 0.2:
            reset(client)
            return
        send_in_pieces(client, data, 0.0, 50000, seed)
        if mine.random() < 0.5:
            client.shutdown(socket.SHUT_WR)
        answer = read_all(client)
        assert answer[:64].decode() == digest(data), "what the instance got"
        assert answer[64:] == data[::-1], "what the client got"
        client.close()

    with ThreadPoolExecutor(32) as servers, ThreadPoolExecutor(8) as clients:
        threading.Thread(target=accept, args=(servers,), daemon=True).start()
        seeds = [chance.random() for _ in range(settings.scaled(200, 40))]
        for done in [clients.submit(one, seed) for seed in seeds]:
            done.result()
        stop.set()
    pair.worker.await_counter("open", 0)
    assert pair.worker["picked"] == pair.worker["ended"]


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        piece = sock.recv(1)
        if not piece:
            raise ConnectionError("no line")
        line += piece
    return line


def read_exactly(sock, size):
    got = b""
    while len(got) < size:
        piece = sock.recv(min(65536, size - len(got)))
        if not piece:
            raise ConnectionError("cut")
        got += piece
    return got
