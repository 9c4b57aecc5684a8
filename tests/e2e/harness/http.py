# SPDX-License-Identifier: BSD-2-Clause
"""HTTP/1 spoken by hand: messages off a connection, and an instance that records every byte."""
import socket
import threading
from dataclasses import dataclass, field

from . import settings
from .answering import accepted
from .pairs import Pair
from .poll import wait_until

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclass
class Message:
    """A request or an answer."""

    start: str
    fields: list = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""  # of the head

    @property
    def is_answer(self):
        return self.start.startswith("HTTP/")

    @property
    def status(self):
        return int(self.start.split()[1])

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def __getitem__(self, name):
        """The value of a field that is there once, or None."""
        values = self.all(name)
        assert len(values) < 2, self.fields
        return values[0] if values else None


class Reader:
    """Messages out of a connection's bytes. What was read and belongs to none is in `rest`."""

    def __init__(self, peer):
        self.peer = peer
        self.rest = b""
        self.raw = b""  # of the message that is being read
        self.ended = False

    def _more(self):
        data = b"" if self.ended else self.peer.recv(65536)
        self.ended = not data
        self.rest += data
        return bool(data)

    def take(self, size):
        """So many bytes."""
        while len(self.rest) < size:
            if not self._more():
                raise EOFError(f"{len(self.rest)} of {size} bytes")
        taken, self.rest = self.rest[:size], self.rest[size:]
        self.raw += taken
        return taken

    def line(self):
        """The next line, without its end."""
        while b"\r\n" not in self.rest:
            if not self._more():
                raise EOFError(self.rest)
        return self.take(self.rest.index(b"\r\n") + 2)[:-2]

    def _chunks(self):
        pieces = []
        while size := int(self.line(), 16):
            pieces.append(self.take(size))
            assert self.line() == b""
        assert self.line() == b""
        return b"".join(pieces)

    def head(self):
        """The next message without its body; None at the end."""
        self.raw = b""
        if not self.rest and not self._more():
            return None
        made = Message(self.line().decode("latin-1"))
        while line := self.line():
            name, _, value = line.partition(b":")
            made.fields.append((name.decode("latin-1"), value.strip().decode("latin-1")))
        made.raw = self.raw
        return made

    def body(self, message):
        """Adds the body."""
        if message["Transfer-Encoding"] == "chunked":
            message.body = self._chunks()
        elif message["Content-Length"] is not None:
            message.body = self.take(int(message["Content-Length"]))
        elif message.is_answer:
            while self._more():
                pass
            message.body, self.rest = self.rest, b""
        return message

    def message(self, head_only=False):
        """The next message; None at the end."""
        message = self.head()
        if message is None or head_only or (message.is_answer and (message.status < 200 or message.status in (204, 304))):
            return message
        return self.body(message)

    def at_end(self):
        """True when nothing more comes, and the end does."""
        return not self.rest and not self._more()


def answer(body=b"", status="200 OK", *fields):
    """An answer as an instance writes it."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Record:
    """What an instance got over one connection."""

    messages: list = field(default_factory=list)
    rest: bytes = b""  # behind them: of a message that was cut off


class Recorder:
    """An instance that answers each request with its method and target, and keeps all that came, by connection."""

    def __init__(self, listener):
        self.listener = listener
        self.records = []
        self.open = self.accepted = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        for sock in accepted(self.listener):
            sock.settimeout(60 * settings.PATIENCE)
            with self._lock:
                self.open += 1
                self.accepted += 1
                self.records.append(Record())
            threading.Thread(target=self._serve, args=(sock, self.records[-1]), daemon=True).start()

    def _serve(self, sock, record):
        reader = Reader(sock)
        try:
            while (message := reader.message()) is not None:
                record.messages.append(message)
                method, target, _ = message.start.split()
                body = f"{method} {target}".encode()
                sock.sendall(answer(body)[:-len(body)] + (b"" if method == "HEAD" else body))
        except (EOFError, OSError, ValueError):
            record.rest = reader.raw + reader.rest
        sock.close()
        with self._lock:
            self.open -= 1

    def taken(self, worker):
        """What has come, once the worker's connections are over; and it is forgotten."""
        worker.await_counter("open", 0)
        wait_until(lambda: self.accepted == worker["picked"] and not self.open, "the instance's connections are over")
        with self._lock:
            taken, self.records = self.records, []
        return taken


class HttpPair(Pair):
    """A worker that parses HTTP, with one instance on port 3001."""

    def __init__(self, place, identity, kind, *options, **more):
        super().__init__(place, identity, kind, "--http", *options, **more)

    def asked(self, request=GET):
        """A client that has sent this, and the instance's end with it."""
        client = self.client()
        client.sendall(request)
        return client, self.place.accepted(self.listener)


def closes(peer):
    """True when it ends, by FIN or by RST."""
    try:
        return peer.recv(1) in (b"", None)
    except (ConnectionResetError, ConnectionAbortedError):
        return True
    except socket.timeout:
        return False
