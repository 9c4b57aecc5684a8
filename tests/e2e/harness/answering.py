# SPDX-License-Identifier: BSD-2-Clause
"""Instances that answer everything alike, and the question to them."""
import threading
from concurrent.futures import ThreadPoolExecutor

from . import settings
from .worker import read_all

# curl, s_client and Node have no use for more.
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"


def accepted(listener):
    """Those who connect, one after the other, until it is closed."""
    while True:
        try:
            yield listener.accept()[0]
        except TimeoutError:
            continue
        except OSError:
            return


class Answering:
    """Instances on a port that answer every connection's first bytes, and end when the client does."""

    def __init__(self, place, port, answer=ANSWER):
        self.listener = place.listening(port, backlog=4096)
        self.answer = answer
        self.pool = ThreadPoolExecutor(32)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        for sock in accepted(self.listener):
            self.pool.submit(self._serve, sock)

    def _serve(self, sock):
        with sock:
            sock.settimeout(20 * settings.PATIENCE)
            if sock.recv(65536):
                sock.sendall(self.answer)


def exchange(client, question=b"GET / HTTP/1.1\r\nHost: any.test\r\n\r\n"):
    client.sendall(question)
    return read_all(client)


def ask(place, *arguments, **more):
    """One connection's answer; the client's object, closed."""
    client = place.tls(*arguments, **more)
    assert exchange(client) == ANSWER
    client.shutdown()
    client.close()
    return client
