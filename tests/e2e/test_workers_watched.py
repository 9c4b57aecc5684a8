# SPDX-License-Identifier: BSD-2-Clause
"""Workers under valgrind, with the supervisor that they are forks of: all paths that a connection can take through them,
certificates and crews that change, and their ends."""
import os
import signal
from contextlib import closing, suppress

from harness import agent, watched
from harness.http import Reader, Recorder
from harness.lab import HOST4, HOST6
from harness.poll import wait_until
from harness.settings import ROOT
from harness.tls import TlsClient, context, make_identity

pytestmark = watched.MARKS

UNFILTERED = ROOT / "build" / "tests" / "e2e" / "unfiltered.so"
RELAYED, PARSED, REDIRECTED, PLAIN = 443, 8443, 80, 3000
CONFIG = """\
interfaces: [eth0]
agent: {{workers: 2}}
services:
- name: relayed
  listen: ["*:443"]
  backends: ["127.0.0.1:3001"]
  health: {{type: "off"}}
  tls: [{{certificate: {ec.certificate}, key: {ec.key}}}, {{certificate: {rsa.certificate}, key: {rsa.key}}}]
- name: parsed
  listen: ["*:8443"]
  backends: ["127.0.0.1:3002"]
  health: {{type: "off"}}
  tls: {{certificate: {ec.certificate}, key: {ec.key}}}
  http: {{affinity: cookie}}
- name: plain
  listen: ["*:3000"]
  backends_of: relayed
- name: away
  listen: ["*:80"]
  redirect: https
"""
HEAD = b"Host: chat.test\r\n"
REQUESTS = [
    b"GET /one HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"HEAD /two HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"POST /three HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    b"POST /four HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    b"POST /five HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n" + bytes(70000),
]
MISTAKES = [b"GET /\n\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", bytes(100),
            b"GET /" + b"x" * 70000, b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"]


def tls(lab, port, using=None, address=HOST4, **more):
    sock = lab.connect(address, port).sock
    sock.settimeout(watched.SECONDS)
    return TlsClient(sock, using or context(), **more)


def serves(lab):
    with suppress(OSError), closing(tls(lab, RELAYED)) as client:
        return client.recv(100)
    return None


def relay(lab):
    """Both versions and kinds of certificates, resumption, a large echo, and ends of every kind."""
    for version, ciphers in (("1.2", "ECDHE-RSA-AES128-GCM-SHA256"), ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"), ("1.3", None)):
        using = context(version, ciphers)
        for session, end in ((None, TlsClient.shutdown), (True, TlsClient.close), (None, TlsClient.reset)):
            client = tls(lab, RELAYED, using, session=session and earlier.tls.session)
            greeting = client.recv(100)
            assert greeting.startswith(b"i3001")
            data = os.urandom(300000)
            client.sendall(data)
            got = b""
            while len(got) < len(data):
                got += client.recv(65536)
            assert got == data
            earlier = client
            end(client)
    for wrong in ("PSK", "ECDHE-RSA-AES256-SHA"):
        with suppress(OSError):
            tls(lab, RELAYED, context("1.2", wrong))
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00", b""):
        with closing(lab.connect(HOST4, RELAYED)) as client:
            client.sock.sendall(words)
    with closing(tls(lab, RELAYED, address=HOST6)) as client:  # the instance has IPv4 alone
        assert client.recv(100).startswith(b"i3001")


def answer_to(reader, request):
    """The final one."""
    message = reader.message(request.startswith(b"HEAD"))
    return message if message.status >= 200 else answer_to(reader, request)


def parse(lab):
    """Requests one after the other and all at once, mistakes, and clients that leave in the middle."""
    with closing(tls(lab, PARSED)) as client:
        reader = Reader(client)
        for request in REQUESTS:
            client.sendall(request)
            assert answer_to(reader, request).status == 200
        client.sendall(REQUESTS[0] * 20)
        assert {answer_to(reader, REQUESTS[0]).status for _ in range(20)} == {200}
    for mistake in MISTAKES:
        with closing(tls(lab, PARSED)) as client:
            with suppress(OSError):
                client.sendall(mistake)
                assert b" 4" in client.recv(100)[:12]
    for request in REQUESTS[2:]:
        tls(lab, PARSED).sendall(request[:-2])
    with closing(lab.connect(HOST4, REDIRECTED)) as client:
        client.sock.sendall(REQUESTS[0])
        assert client.sock.recv(100).startswith(b"HTTP/1.1 30")


def test_no_error_and_no_leak(lab):
    lab.instances(3001)
    Recorder(lab.listening("127.0.0.1", 3002))
    ec, rsa = (make_identity(lab.folder, kind, "chat.test", kind=kind) for kind in ("ec", "rsa"))
    path = lab.folder / "rcxlb.yaml"
    path.write_text(CONFIG.format(ec=ec, rsa=rsa), encoding="utf-8")
    with watched.watched(lab, "-c", path, environment={"LD_PRELOAD": UNFILTERED}):
        wait_until(lambda: serves(lab), "workers take connections", watched.SECONDS)
        relay(lab)
        parse(lab)
        first = agent.crew_number(lab)
        held = tls(lab, RELAYED)
        renewed = make_identity(lab.folder, "renewed", "chat.test")
        renewed.key.rename(ec.key)
        renewed.certificate.rename(ec.certificate)
        wait_until(lambda: agent.crew_number(lab) != first, "a crew with the next certificate", watched.SECONDS)
        assert held.recv(100).startswith(b"i3001")
        held.close()
        relay(lab)
        killed = agent.workers_of(lab)[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in agent.workers_of(lab) and len(agent.workers_of(lab)) >= 2, "another in its place",
                   watched.SECONDS)
        wait_until(lambda: serves(lab), "workers take connections", watched.SECONDS)
        parse(lab)
