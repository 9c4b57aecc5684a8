# SPDX-License-Identifier: BSD-2-Clause
"""Large bodies through a worker that parses HTTP: uploads of 100 MB as Rocket.Chat allows them, checksummed, and answers
that come before their end; and clients that hardly read, beside whom others are served."""
import hashlib
import random
import threading

import pytest

from harness import settings
from harness.http import GET, HttpPair, Reader, answer
from harness.pairs import fill

KINDS = ["plain", "1.3"]
SIZE = settings.scaled(100, least=2) << 20
PIECE = 1 << 16


def pieces(seed, size):
    """The same bytes for a seed, in pieces of all sizes up to 64 KiB."""
    chance = random.Random(seed)
    while size:
        length = min(size, chance.choice([1, 2, 100, 5000, 16384, 16385, PIECE, PIECE, PIECE, PIECE]))
        yield chance.randbytes(length)
        size -= length


def framed(chunked, body):
    for piece in body:
        yield b"%x;a=b\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    if chunked:
        yield b"0\r\nX-Trailer: dropped\r\n\r\n"


def head_of(chunked, size):
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    return f"POST /upload HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode()


class Upload(threading.Thread):
    """Sends a request with such a body."""

    def __init__(self, client, chunked, size):
        super().__init__(daemon=True)
        self.client, self.chunked, self.size = client, chunked, size
        self.digest = hashlib.sha256()
        self.sent, self.problem = 0, None
        self.start()

    def _counted(self):
        for piece in pieces(1, self.size):
            self.digest.update(piece)
            yield piece
            self.sent += len(piece)

    def run(self):
        try:
            self.client.sendall(head_of(self.chunked, self.size))
            for data in framed(self.chunked, self._counted()):
                self.client.sendall(data)
        except OSError as problem:
            self.problem = problem


def parts(reader, message):
    """The lengths of the parts that a body comes in, each of which is to be taken before the next."""
    if message["Transfer-Encoding"] != "chunked":
        yield int(message["Content-Length"])
        return
    while length := int(reader.line(), 16):
        yield length
        assert reader.line() == b""
    assert reader.line() == b"", "no trailer reaches an instance"


def received(reader, message):
    """The digest and the size of a body that is not kept."""
    digest, size = hashlib.sha256(), 0
    for length in parts(reader, message):
        size += length
        while length:
            piece = reader.take(min(length, PIECE))
            digest.update(piece)
            length -= len(piece)
            reader.raw = b""
    return digest.hexdigest(), size


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_arrives_as_it_was_sent(place, identity, kind, chunked):
    """Then the connection is used again: not a byte too many was taken for the body."""
    pair = HttpPair(place, identity, kind)
    client = pair.client()
    upload = Upload(client, chunked, SIZE)
    instance = pair.place.accepted(pair.listener)
    reader, answers = Reader(instance), Reader(client)
    digest, size = received(reader, reader.head())
    upload.join()
    assert (digest, size, upload.problem) == (upload.digest.hexdigest(), SIZE, None)
    instance.sendall(answer(digest.encode()))
    assert answers.message().body == digest.encode()
    client.sendall(GET)
    assert reader.message().start == "GET / HTTP/1.1"
    assert pair.worker["rss_anon_kib"] < 64 << 10, "it is passed on, and not kept"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_uploads_gets_an_answer_that_comes_before_the_end(place, identity, kind, chunked):
    """It goes on sending, to a worker that drops what nobody wants; the answer is not overtaken by a RST. What is too
    much to be dropped is cut off behind it."""
    pair = HttpPair(place, identity, kind)
    client = pair.client()
    upload = Upload(client, chunked, 8 << 20)
    instance = pair.place.accepted(pair.listener)
    reader = Reader(instance)
    reader.head()
    reader.take(1 << 20)
    instance.sendall(answer(b"n" * 100000, "413 Content Too Large"))
    upload.join()
    assert upload.problem is None
    answers = Reader(client)
    got = answers.message()
    assert (got.status, got["Connection"], got.body) == (413, "close", b"n" * 100000)
    assert answers.at_end()
    client.close()
    pair.worker.await_counter("open", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_begins_before_the_upload_ends_takes_nothing_from_it(place, identity, kind):
    """An instance that answers at once and reads on. That the connection ends behind it was to be said before."""
    pair = HttpPair(place, identity, kind)
    client = pair.client()
    client.sendall(head_of(False, 3 << 20))
    instance = pair.place.accepted(pair.listener)
    reader, answers = Reader(instance), Reader(client)
    reader.head()
    instance.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
    got = answers.head()
    assert (got.status, got["Connection"]) == (200, "close")
    for piece in pieces(2, 3 << 20):
        client.sendall(piece)
        assert reader.take(len(piece)) == piece
        reader.raw = b""
    instance.sendall(b"6\r\n, late\r\n0\r\n\r\n")
    assert answers.body(got).body == b"early, late"
    assert answers.at_end()


@pytest.mark.parametrize("kind", KINDS)
def test_who_hardly_reads_holds_up_nobody(place, identity, kind):
    """As slowhttptest -X does it: many clients each of whom takes a few bytes from time to time of an answer that waits.
    What others' requests cost the worker meanwhile is what they cost without: nothing is tried again and again."""
    pair = HttpPair(place, identity, kind)
    slow = [pair.asked() for _ in range(16)]
    other, instance = pair.asked()
    reader, answers = Reader(instance), Reader(other)
    assert reader.message()

    def exchange():
        instance.sendall(answer(b"served"))
        assert answers.message().body == b"served"
        other.sendall(GET)
        assert reader.message()

    def cost(rounds, between):
        before = pair.worker["cpu_us"]
        for _ in range(rounds):
            between()
            exchange()
        return pair.worker["cpu_us"] - before

    rounds = settings.scaled(200, least=50)
    usual = cost(rounds, lambda: None)
    for _, end in slow:
        end.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        fill(end)
    beside = cost(rounds, lambda: [getattr(client, "sock", client).recv(3) for client, _ in slow])
    print(f"{kind}: {usual / rounds:.0f} µs an exchange, {beside / rounds:.0f} beside clients that hardly read")
    assert beside < 4 * usual + 200 * rounds
    assert pair.worker["open"] == 17
