# SPDX-License-Identifier: BSD-2-Clause
"""The PROXY protocol on both sides of a worker: in front of it a proxy, behind it an instance that wants a header."""
import json
import shutil
import socket
import struct
import threading

import pytest

from harness import agent, settings, tls
from harness.client import Connection
from harness.lab import CLIENTS4, HOST4
from harness.pairs import was_reset
from harness.poll import wait_equal, wait_until
from harness.worker import ADDRESS, PORT

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT4, CLIENT6, DIALLED4, DIALLED6 = "192.0.2.1", "2001:db8::1", "198.51.100.7", "2001:db8::7"


def version_1(client=CLIENT4, dialled=DIALLED4):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {dialled} 40000 443\r\n".encode()


def version_2(client=CLIENT4, dialled=DIALLED4, more=b""):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    body = socket.inet_pton(family, client) + socket.inet_pton(family, dialled) + struct.pack(">HH", 40000, 443) + more
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x21 if ":" in client else 0x11, len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, data
        data += piece
    return data


def header_of(sock):
    """What an instance is told: the client's address and port."""
    fixed = exactly(sock, 16)
    assert fixed[:13] == SIGNATURE + b"\x21", fixed
    family, size = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}[fixed[13]]
    assert struct.unpack(">H", fixed[14:]) == (2 * size + 4,)
    body = exactly(sock, 2 * size + 4)
    return socket.inet_ntop(family, body[:size]), struct.unpack(">H", body[2 * size:2 * size + 2])[0]


@pytest.fixture(name="through", params=["plain", "tls"])
def _through(request, place, identity):
    """A worker that is spoken to by proxies on 127.0.0.0/9 and speaks to instances as one."""
    identities = [identity] if request.param == "tls" else []
    listener = place.listening(3001)
    limit = 10000 if settings.SLOW_MACHINE else 500  # ms: of handshakes too, which take long there
    options = ["--accept-proxy", "127.0.0.0/9", "--send-proxy", "--handshake-ms", str(limit)]
    worker = place.worker(*options, backends=[3001], identities=identities)
    return Through(place, worker, listener, request.param == "tls")


class Through:
    """Connections from a proxy through the worker to an instance."""

    def __init__(self, place, worker, listener, with_tls):
        self.place, self.worker, self.listener, self.with_tls = place, worker, listener, with_tls

    def dial(self, source="127.0.0.1"):
        sock = self.place.kept(self.place.namespace.socket())
        sock.bind((source, 0))
        sock.connect((ADDRESS, PORT))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def wrap(self, sock):
        return tls.TlsClient(sock, tls.context()) if self.with_tls else sock

    def exchange(self, client):
        """Of a connection that is through: what its instance was told, when bytes go both ways."""
        client.sendall(b"question")
        instance = self.place.accepted(self.listener)
        told = header_of(instance)
        assert exactly(instance, 8) == b"question"
        instance.sendall(b"answer")
        assert client.recv(100) == b"answer"
        return told


KNOWN = [
    ("version 1, IPv4", version_1(), (CLIENT4, 40000)),
    ("version 1, IPv6", version_1(CLIENT6, DIALLED6), (CLIENT6, 40000)),
    ("version 2, IPv4", version_2(), (CLIENT4, 40000)),
    ("version 2, IPv6", version_2(CLIENT6, DIALLED6), (CLIENT6, 40000)),
    ("version 2 with much behind the addresses", version_2(more=b"\x04\x0b\xb8" + bytes(3000)), (CLIENT4, 40000)),
    ("version 1 that knows nobody", UNKNOWN, None),
    ("version 2 of its own", LOCAL, None),
]


def test_the_instance_is_told_whom_the_proxy_says(through):
    for about, header, wanted in KNOWN:
        sock = through.dial()
        sock.sendall(header)
        own = sock.getsockname()
        assert through.exchange(through.wrap(sock)) == (wanted or own), about


def test_a_header_may_come_in_pieces(through):
    for header in (version_1(), version_2()):
        sock = through.dial()
        for byte in header:
            sock.sendall(bytes([byte]))
        assert through.exchange(through.wrap(sock)) == (CLIENT4, 40000)


def test_who_is_no_proxy_speaks_for_himself(through):
    """His header is what it looks like: bytes for the instance, or no TLS."""
    sock = through.dial("127.128.0.1")
    assert through.exchange(through.wrap(sock)) == sock.getsockname()
    liar = through.dial("127.128.0.1")
    liar.sendall(version_1())
    if through.with_tls:
        assert was_refused(liar)
    else:
        instance = through.place.accepted(through.listener)
        assert header_of(instance) == liar.getsockname()
        assert exactly(instance, len(version_1())) == version_1()
    assert through.worker["headers_refused"] == 0


def was_refused(sock):
    """By an alert; or by a RST, which overtakes that when bytes are left that nobody read."""
    try:
        return sock.recv(100)[:1] in (b"", b"\x15")
    except ConnectionResetError:
        return True


def test_a_proxy_without_a_header_is_refused(through):
    wrong = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01", version_1()[:-2] + b"\n",
             b"PROXY UNKNOWN" + bytes(100),
             SIGNATURE + b"\x21\x11\0\x04abcd"]
    for data in wrong:
        sock = through.dial()
        sock.sendall(data)
        assert was_reset(sock), data
    hanging = through.dial()
    hanging.sendall(version_2()[:-1])
    assert was_reset(hanging), "the end of the header did not come"
    through.worker.await_counter("headers_refused", len(wrong) + 1)
    through.dial().close()
    through.worker.await_counter("silent", 1)
    assert through.worker["picked"] == 0
    through.worker.await_counter("open", 0)


# Through a loaded rcxlb.

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ }}
http {{
	access_log off;
	server {{ listen 127.0.0.1:3001 proxy_protocol; location / {{ return 200 "$proxy_protocol_addr\\n"; }} }}
}}
"""


def greet(lab, header, source=CLIENTS4[0], port=3000):
    sock = lab.connect(HOST4, port, source=source).sock
    sock.sendall(header)
    return sock


def named_by_proxy(lab):
    """What an instance takes for its peer when a proxy names another client; None while nobody is there."""
    try:
        return Connection(greet(lab, version_2())).read_greeting().peer
    except OSError:
        return None


def test_the_named_client_is_the_instances_peer(lab):
    lab.rcxlb("load", "eth0")
    lab.instances(3001)
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--accept-proxy", CLIENTS4[0])
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    assert wait_until(lambda: named_by_proxy(lab), "workers") == (CLIENT4, 40000)
    own = lab.dial(source=CLIENTS4[1])
    assert own.peer == own.sock.getsockname()[:2]
    backend = lab.rcxlb.backend("127.0.0.1:3001")
    assert (backend["path"], backend["reason"]) == ("proxied", "a worker speaks the PROXY protocol")
    said = json.loads(lab.rcxlb("config", "--json"))["services"][0]
    assert said["accept_proxy"] == [f"{CLIENTS4[0]}/32"] and "send_proxy" not in said
    file = lab.folder / "printed.yaml"
    file.write_text(lab.rcxlb("config").replace(f"{CLIENTS4[0]}/32", "2001:db8::/32"), encoding="utf-8")
    assert lab.rcxlb("reload", "-c", file).splitlines() == [
        f"- accept_proxy {CLIENTS4[0]}/32 of default", "+ accept_proxy 2001:db8::/32 of default"
    ]


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_an_instance_that_wants_a_header_gets_one_and_passes_its_checks(lab):
    """nginx, which refuses connections without."""
    (lab.folder / "nginx.conf").write_text(NGINX.format(folder=lab.folder))
    lab.start(["nginx", "-e", "stderr", "-c", lab.folder / "nginx.conf", "-p", lab.folder])
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--accept-proxy", CLIENTS4[0], "--send-proxy", "v2",
              "--check", "http", "--check-interval-ms", "100", "--check-timeout-ms", "90", "--rise", "1", "--fall", "1")
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    wait_equal(lambda: asked(lab, version_1(CLIENT6, DIALLED6)), CLIENT6, "the client that nginx is told")
    assert asked(lab, b"", CLIENTS4[1]) == CLIENTS4[1]
    wait_equal(lambda: lab.rcxlb.state("127.0.0.1:3001"), "up", "nginx by its checks")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--accept-proxy", CLIENTS4[0], "--check", "http",
              "--check-interval-ms", "100", "--check-timeout-ms", "90", "--rise", "1", "--fall", "1")
    wait_equal(lambda: lab.rcxlb.state("127.0.0.1:3001"), "down", "nginx by checks without a header")


BACKEND = "127.0.0.1:3001"
OFTEN = ["--check-interval-ms", "100", "--check-timeout-ms", "90", "--rise", "1", "--fall", "1"]


def all_of(sock):
    """What comes until its end."""
    return b"".join(iter(lambda: sock.recv(4096), b""))


def test_a_check_that_only_connects_brings_a_header_too(lab):
    """And nothing else: an instance that wants one logs a broken connection otherwise, for each check."""
    listener = lab.listening("127.0.0.1", 3001)
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--send-proxy", "v2", "--check", "tcp", *OFTEN)
    lab.rcxlb("backends", "add", BACKEND)
    for _ in range(5):
        with listener.accept()[0] as sock:
            sock.settimeout(5)
            assert all_of(sock) == LOCAL
    assert lab.rcxlb.state(BACKEND) == "up"


class Choosy:
    """An instance that answers 503 to requests behind a header, and closes without an answer when there is none."""

    def __init__(self, lab):
        self.listener = lab.listening("127.0.0.1", 3001)
        self.listener.settimeout(None)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                with self.listener.accept()[0] as sock:
                    if sock.recv(4096).startswith(LOCAL):
                        sock.sendall(b"HTTP/1.1 503 Not Ready\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)


def test_what_a_check_learned_without_a_header_does_not_count_with_one(lab):
    """Of the type auto: who is no HTTP server without a header only has to accept, and is one with it."""
    choosy = Choosy(lab)
    plain = ["services", "add", "default", "--listen", "*:3000", *OFTEN]
    lab.rcxlb("load", "eth0")
    lab.rcxlb(*plain)
    lab.rcxlb("backends", "add", BACKEND)
    wait_equal(lambda: agent.health_entry(lab, 0)["state"], 1, "it was checked without a header")
    for _ in range(2):
        lab.rcxlb(*plain, "--send-proxy", "v2")
        wait_equal(lambda: lab.rcxlb.state(BACKEND), "down", "by its answers with a header")
        assert lab.rcxlb.backend(BACKEND)["reason"] == "/readyz answered 503"
        agent.kill(agent.pid(lab))  # the next one takes over what this one learned
        lab.rcxlb(*plain)
        agent.start(lab)
        wait_equal(lambda: agent.health_entry(lab, 0)["state"], 1, "it was checked without a header")
    choosy.close()


def asked(lab, header, source=CLIENTS4[0]):
    """What nginx answers; None when it does not."""
    try:
        sock = greet(lab, header + b"GET / HTTP/1.0\r\n\r\n", source)
        answer = all_of(sock)
    except OSError:
        return None
    return answer.rpartition(b"\r\n\r\n")[2].decode().strip() or None
