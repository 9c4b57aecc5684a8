# SPDX-License-Identifier: BSD-2-Clause
"""Clients that speak HTTP to a loaded rcxlb, by TLS or not, and an instance that says what it saw of them."""
import base64
import http.client
import json
import os
import struct
from pathlib import Path

from .lab import HOST4
from .tls import context

METEOR = Path(__file__).resolve().parents[1] / "servers" / "meteor.js"


def meteor(lab, name, port, **environment):
    """A running servers/meteor.js."""
    words = ["env", *(f"{key}={value}" for key, value in environment.items()), f"INSTANCE={name}", f"PORT={port}"]
    return lab.start([*words, "node", METEOR], "listening")


class Seen:
    """What the instance saw of a request."""

    def __init__(self, said):
        self.instance, self.url, self.method, self.body = said["instance"], said["url"], said["method"], said["body"]
        self.peer = (said["remoteAddress"].removeprefix("::ffff:"), said["remotePort"])
        self.fields = list(zip(said["headers"][::2], said["headers"][1::2]))

    def __getitem__(self, name):
        """The value of a field that is there once, or None."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, self.fields
        return values[0] if values else None


class Browser:
    """A kept connection."""

    def __init__(self, lab, port, tls=False, address=HOST4, host="chat.test", **more):
        self.host = host
        self.raw = lab.connect(address, port, **more)
        self.sock = context(alpn=["http/1.1"]).wrap_socket(self.raw.sock, server_hostname=host) if tls else self.raw.sock
        lab.sockets.append(self.sock)
        self.http = http.client.HTTPConnection(host)
        self.http.auto_open = 0  # when the other side has closed, it has
        self.http.sock = self.sock

    @property
    def own(self):
        return self.raw.own if self.sock is self.raw.sock else self.sock.getsockname()[:2]

    def begin(self, target="/", method="GET", body=None, **fields):
        """The answer as it is, its body not read: it may end early."""
        self.http.request(method, target, body, {key.replace("_", "-"): value for key, value in fields.items()})
        return self.http.getresponse()

    def answer(self, target="/", **more):
        """The answer as it is, read to its end into `body`."""
        answer = self.begin(target, **more)
        answer.body = answer.read()
        return answer

    def ask(self, target="/", **more):
        """What the instance saw."""
        answer = self.answer(target, **more)
        assert answer.status == 200, (answer.status, answer.body)
        return Seen(json.loads(answer.body))

    def close(self):
        self.sock.close()


class WebSocket:
    """By hand, texts below 126 bytes only: no library is wanted for three frames."""

    def __init__(self, browser, target="/websocket", greets=True):
        self.sock = browser.sock
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {browser.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.rest = b""
        head = self._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.greeting = self.receive() if greets else None

    def _until(self, end):
        while end not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(end)
        return head

    def _more(self):
        piece = self.sock.recv(4096)
        if not piece:
            raise ConnectionResetError("the end")
        self.rest += piece

    def send(self, text):
        mask, data = os.urandom(4), text.encode()
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.sock.sendall(struct.pack("BB", 0x81, 0x80 | len(data)) + mask + masked)

    def receive(self):
        while len(self.rest) < 2 or len(self.rest) < 2 + self.rest[1]:
            self._more()
        kind, size = self.rest[:2]
        assert kind == 0x81, self.rest
        text, self.rest = self.rest[2:2 + size], self.rest[2 + size:]
        return text.decode()

    def echoes(self, text="still here"):
        """True when the instance at the other end still answers."""
        try:
            self.send(text)
            return self.receive() == text
        except OSError:
            return False
