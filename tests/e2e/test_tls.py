# SPDX-License-Identifier: BSD-2-Clause
"""TLS at a worker: versions and ciphers, resumption, what is refused, and who makes the records."""
import os
import resource
import shutil
import ssl
import subprocess
import threading

import pytest

from harness import settings, tls
from harness.answering import ANSWER, ask
from harness.poll import wait_equal
from harness.worker import ADDRESS, PORT, read_all

CIPHERS_13 = {
    "AES128-GCM-SHA256": "TLS_AES_128_GCM_SHA256",
    "AES256-GCM-SHA384": "TLS_AES_256_GCM_SHA384",
    "CHACHA20-POLY1305": "TLS_CHACHA20_POLY1305_SHA256",
}
KTLS_COMPLETE, KTLS_NO_KERNEL = 0, 1
each_version = pytest.mark.parametrize("version", ["1.2", "1.3"])


def expect_kernel(worker, connections):
    """Where the kernel has TLS it makes all records; where not, the reason says so."""
    counters = worker.counters()
    if counters["ktls"]:
        assert counters["ktls_reasons"][KTLS_COMPLETE] == connections, counters["ktls_reasons"]
        assert counters["kernel_sends"] == counters["kernel_receives"] == connections
    else:
        assert counters["ktls_reasons"][KTLS_NO_KERNEL] == connections
        assert counters["kernel_sends"] == counters["kernel_receives"] == 0


# --- Versions and ciphers ---


@each_version
@pytest.mark.parametrize("cipher", tls.CIPHERS_12)
@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_each_version_and_cipher(place, instance, version, cipher, kind):
    worker = place.worker(backends=[3001], identities=[tls.make_identity(place.folder, "it", "it.test", kind=kind)])
    words = ["curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--http1.1", "--tlsv1.2",
             "--tls-max", version, f"https://{ADDRESS}:{PORT}/"]
    if version == "1.2":
        words += ["--ciphers", f"ECDHE-{'ECDSA' if kind == 'ec' else 'RSA'}-{cipher}"]
    else:
        words += ["--tls13-ciphers", CIPHERS_13[cipher]]
    done = place.run(words)
    assert done.stdout == b"hello\n", done.stderr
    expect_kernel(worker, 1)


@each_version
@pytest.mark.parametrize("cipher", tls.CIPHERS_12)
def test_a_large_transfer_with_each_cipher(place, identity, version, cipher):
    listener = place.listening(3001)
    worker = place.worker(backends=[3001], identities=[identity])
    if version == "1.2":
        using = tls.context(version, f"ECDHE-ECDSA-{cipher}")
    else:
        using = tls.context(version)  # Python has no way to choose among these: one cipher is enough
        if cipher != tls.CIPHERS_12[1]:
            pytest.skip("Python cannot choose TLS 1.3's cipher; s_client and curl do, in other tests")
    client = place.tls(using)
    sock = place.accepted(listener)
    up, down = os.urandom(4 << 20), os.urandom(4 << 20)
    sender = threading.Thread(target=lambda: (client.sendall(up), client.shutdown()))
    sender.start()
    assert read_all(sock) == up
    sender.join()
    sender = threading.Thread(target=lambda: (sock.sendall(down), sock.close()))
    sender.start()
    assert read_all(client) == down
    sender.join()
    expect_kernel(worker, 1)


# What a client offers, in its order, and what it gets.
PREFERENCES = [
    ("-tls1_3", "-ciphersuites", ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256"),
    ("-tls1_3", "-ciphersuites", ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"],
     "TLS_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "-cipher", ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"],
     "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("-tls1_2", "-cipher", ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"],
     "ECDHE-ECDSA-CHACHA20-POLY1305"),
]


def test_the_cheapest_cipher_is_agreed_on_and_chacha20_with_who_wants_it_first(place, instance, identity):
    place.worker(backends=[3001], identities=[identity])
    for version, option, offered, wanted in PREFERENCES:
        done = place.run(["openssl", "s_client", "-connect", f"{ADDRESS}:{PORT}", version, option,
                          ":".join(offered)],
                         stdin=subprocess.DEVNULL)
        assert f"Cipher is {wanted}\n".encode() in done.stdout, (offered, done.stdout)


@pytest.mark.parametrize("options", [["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
                                     ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]])
def test_what_is_too_old_is_refused(place, instance, identity, options):
    worker = place.worker(backends=[3001], identities=[identity])
    words = ["openssl", "s_client", "-connect", f"{ADDRESS}:{PORT}", *options]
    if options[0] in ("-tls1", "-tls1_1"):
        words += ["-cipher", "DEFAULT@SECLEVEL=0"]
    done = place.run(words, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert b"alert" in done.stderr, done.stderr
    worker.await_counter("handshakes_failed", 1)
    ask(place)


@each_version
def test_http_1_1_is_what_is_spoken(place, instance, identity, version):
    place.worker(backends=[3001], identities=[identity])
    assert ask(place, tls.context(version, alpn=["h2", "http/1.1"])).tls.selected_alpn_protocol() == "http/1.1"
    assert ask(place, tls.context(version, alpn=["http/1.0"])).tls.selected_alpn_protocol() == "http/1.0"
    assert ask(place, tls.context(version)).tls.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        place.tls(tls.context(version, alpn=["h2"]))


def test_what_is_no_tls_is_refused(place, instance, identity):
    worker = place.worker(backends=[3001], identities=[identity])
    client = place.connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost: any.test\r\n\r\n")
    read_to_the_end(client)
    worker.await_counter("handshakes_failed", 1)
    assert worker["picked"] == 0
    ask(place)


def read_to_the_end(sock):
    try:
        return read_all(sock)
    except ConnectionResetError:
        return b""


# --- Other people's clients ---


def test_a_node_client(place, instance, identity):
    if not shutil.which("node"):
        pytest.skip("Node.js is not installed")
    place.worker(backends=[3001], identities=[identity])
    script = (
        "const https = require('https');"
        f"https.get({{host: '{ADDRESS}', port: {PORT}, rejectUnauthorized: false}}, (res) => {{"
        "let body = ''; res.on('data', (d) => body += d); res.on('end', () => console.log(res.statusCode, body)); })"
    )
    done = place.run(["node", "-e", script])
    assert done.stdout == b"200 hello\n\n", done.stderr


@each_version
def test_python_s_own_sockets(place, instance, identity, version):
    place.worker(backends=[3001], identities=[identity])
    with tls.context(version).wrap_socket(place.connect()) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(client) == ANSWER
        client.unwrap()  # raises when close_notify did not come


# --- Resumption ---


def write_tickets(place, *keys):
    path = place.folder / "tickets"
    path.write_bytes(b"".join(keys))
    return path


def ticket_of(client):
    return client.tls.session


@each_version
def test_sessions_are_resumed_at_every_worker_and_after_a_rotation(place, instance, identity, version):
    keys = [os.urandom(80) for _ in range(4)]
    options = ["--tickets", write_tickets(place, keys[0])]
    workers = [place.worker(*options, backends=[3001], identities=[identity], port=port) for port in (PORT, PORT + 1)]
    using = tls.context(version)
    first = ask(place, using, "any.test")
    assert not first.tls.session_reused
    assert ask(place, using, "any.test", ticket_of(first)).tls.session_reused
    assert ask(place, using, "any.test", ticket_of(first), port=PORT + 1).tls.session_reused, "the other worker"

    write_tickets(place, keys[1], keys[0])
    assert all(worker.reload() for worker in workers)
    renewed = ask(place, using, "any.test", ticket_of(first))
    assert renewed.tls.session_reused, "an older key still decrypts"

    write_tickets(place, keys[2], keys[1])
    assert all(worker.reload() for worker in workers)
    assert ask(place, using, "any.test", ticket_of(renewed), port=PORT + 1).tls.session_reused, "was renewed"
    assert not ask(place, using, "any.test", ticket_of(first)).tls.session_reused, "its key is gone"
    assert workers[0]["handshakes_failed"] == 0
    assert workers[0]["handshakes_resumed"] == 2


@each_version
def test_without_ticket_keys_nothing_is_resumed(place, instance, identity, version):
    place.worker(backends=[3001], identities=[identity])
    using = tls.context(version)
    first = ask(place, using, "any.test")
    assert not ask(place, using, "any.test", ticket_of(first)).tls.session_reused


@each_version
def test_a_session_of_one_name_is_not_resumed_for_another(place, instance, several, version):
    place.worker("--tickets", write_tickets(place, os.urandom(80)), backends=[3001], identities=several.values())
    using = tls.context(version)
    first = ask(place, using, "first.test")
    other = ask(place, using, "a.wild.test", ticket_of(first))
    assert not other.tls.session_reused
    assert other.certificate == several["wild"].der


# --- Who wants too much ---


def test_handshakes_that_never_finish_are_no_hindrance(place, instance, identity):
    """Many that send nothing or half a greeting; others are served meanwhile, and the many end."""
    count = settings.scaled(2000, 200)
    worker = place.worker("--handshake-ms", 10000, backends=[3001], identities=[identity],
                          before=["prlimit", f"--nofile={4 * count + 1000}"])
    with raised_nofile(2 * count + 500):
        idle = []
        for i in range(count):
            sock = place.connect()
            if i % 2:
                sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            idle.append(sock)
        worker.await_counter("handshaking", count)
        for _ in range(20):
            ask(place)
        wait_equal(lambda: worker["handshakes_timed_out"], count, "all timed out", seconds=60)
        for sock in idle:
            assert read_to_the_end(sock) == b""
            sock.close()
    assert worker["handshakes_ok"] == 20


class raised_nofile:
    """This process may open so many files meanwhile."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.former = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft = max(self.count, self.former[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(soft, self.former[1])))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_NOFILE, self.former)


def test_past_the_bound_the_oldest_handshake_makes_room(place, instance, identity):
    worker = place.worker("--handshakes", 5, backends=[3001], identities=[identity])
    idle = [place.connect() for _ in range(5)]
    worker.await_counter("handshaking", 5)
    ask(place)  # waits until the oldest has had its second
    assert worker["handshakes_evicted"] == 1
    assert read_to_the_end(idle[0]) == b""
    assert worker["handshaking"] == 4


def test_in_a_full_worker_the_oldest_handshake_makes_room(place, instance, identity):
    worker = place.worker("--connections", 5, backends=[3001], identities=[identity])
    idle = [place.connect() for _ in range(5)]
    worker.await_counter("handshaking", 5)
    ask(place)
    assert worker["handshakes_evicted"] == 1
    assert read_to_the_end(idle[0]) == b""


def s_client(place, *options, texts):
    """openssl s_client with some lines typed in, each when the answer to the one before was seen; all that it says."""
    process = subprocess.Popen(
        place.namespace.command("openssl", "s_client", "-connect", f"{ADDRESS}:{PORT}", *options),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    try:
        said = b""
        for awaited, text in texts:
            while awaited not in said:
                piece = process.stdout.read1(4096)
                assert piece, said
                said += piece
            process.stdin.write(text)
            process.stdin.flush()
        while True:
            piece = process.stdout.read1(4096)
            said += piece
            if not piece or b"hello" in piece:
                return said
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_renegotiation_is_refused(place, instance, identity):
    worker = place.worker(backends=[3001], identities=[identity])
    said = s_client(place, "-tls1_2", texts=[(b"Verify return code", b"R\n")])
    assert b"no renegotiation" in said, said
    expect_kernel(worker, 1)
    ask(place)


REKEYS = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 14)


@pytest.mark.parametrize("command", [b"k", b"K"], ids=["without", "with an answer"])
def test_new_keys(place, instance, identity, command):
    """A KeyUpdate: the kernel takes the new keys, if it can; if not, the connection ends."""
    worker = place.worker(backends=[3001], identities=[identity])
    said = s_client(place, "-tls1_3", texts=[(b"Verify return code", command + b"\n"),
                                             (b"KEYUPDATE", b"GET / HTTP/1.1\r\n\r\n")])
    if REKEYS or not worker["ktls"]:
        assert b"hello" in said, said
    else:
        assert b"alert internal error" in said, said
        worker.await_counter("open", 0)
    expect_kernel(worker, 1)


def test_without_kernel_tls_all_is_the_same(place, instance, identity):
    worker = place.worker("--no-kernel", backends=[3001], identities=[identity])
    for version in ("1.2", "1.3"):
        ask(place, tls.context(version))
    assert worker["ktls_reasons"][KTLS_NO_KERNEL] == 2
