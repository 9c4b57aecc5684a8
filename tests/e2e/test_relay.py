# SPDX-License-Identifier: BSD-2-Clause
"""The relay of a worker: all bytes arrive, and ends arrive as what they are; on plain connections and on TLS."""
import os
import random
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import settings, tls
from harness.pairs import (
    CLIENT_BROKE, INSTANCE_BROKE, KINDS, RELAY_DONE, digest, fill, is_at_end, reset, was_reset,
)
from harness.poll import wait_until
from harness.worker import read_all

MIB = 1 << 20
each_kind = pytest.mark.parametrize("kind", KINDS)


def send_in_pieces(peer, data, pause=0.0, largest=65536, seed=0):
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        size = chance.randint(1, largest)
        peer.sendall(data[at:at + size])
        at += size
        if pause:
            time.sleep(pause)


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
def test_who_ends_without_close_notify_still_gets_the_answer(make, kind):
    pair = make(kind)
    client, instance = pair.pair()
    client.sendall(b"question")
    client.sock.shutdown(socket.SHUT_WR)
    assert read_all(instance) == b"question"
    instance.sendall(b"answer")
    instance.close()
    assert read_all(client) == b"answer"
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
