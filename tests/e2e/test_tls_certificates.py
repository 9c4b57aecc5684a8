# SPDX-License-Identifier: BSD-2-Clause
"""A worker's certificates: which one is shown, which files are refused, and changing them under load."""
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import settings, tls
from harness.answering import ANSWER, ask, exchange
from harness.worker import ADDRESS, PORT, PROGRAM

each_version = pytest.mark.parametrize("version", ["1.2", "1.3"])

ASKED = [
    ("first.test", "first"),
    ("FIRST.test", "first"),
    ("a.wild.test", "wild"),
    ("exact.wild.test", "exact"),
    ("a.b.wild.test", "first"),
    ("wild.test", "first"),
    ("unknown.test", "first"),
    (None, "first"),
]


@each_version
def test_the_certificate_is_the_one_for_the_name(place, instance, several, version):
    place.worker(backends=[3001], identities=several.values())
    for host, expected in ASKED:
        client = ask(place, tls.context(version), host)
        assert client.certificate == several[expected].der, host


def test_rsa_and_ecdsa_stand_beside_each_other(place, instance, several):
    place.worker(backends=[3001], identities=several.values())
    for cipher, expected in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec")):
        client = ask(place, tls.context("1.2", cipher), "both.test")
        assert client.certificate == several[expected].der
    for algorithm, expected in (("rsa_pss_rsae_sha256", "rsa"), ("ecdsa_secp256r1_sha256", "ec")):
        done = place.run(["openssl", "s_client", "-connect", f"{ADDRESS}:{PORT}", "-servername", "both.test",
                          "-tls1_3", "-sigalgs", algorithm], stdin=subprocess.DEVNULL)
        pem = several[expected].certificate.read_bytes().strip()
        assert pem in done.stdout, (algorithm, done.stderr)


def test_an_ed25519_certificate(place, instance):
    it = tls.make_identity(place.folder, "ed", "ed.test", kind="ed25519")
    place.worker(backends=[3001], identities=[it])
    assert ask(place, host="ed.test").certificate == it.der


def failing_start(place, *options):
    """What a worker says that cannot start."""
    done = place.run([*settings.WRAPPER, PROGRAM, "--listen", f"{ADDRESS}:{PORT}", *options])
    assert done.returncode == 1
    return done.stderr.decode()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610])
def test_a_key_that_others_may_use_is_refused(place, identity, mode):
    key = place.folder / "open.key"
    shutil.copy(identity.key, key)
    key.chmod(mode)
    said = failing_start(place, "--certificate", identity.certificate, "--key", key)
    assert f"key {key} may be used by others" in said
    assert f"chmod 600 {key}" in said


def bad_pairs(folder, identity):
    other = tls.make_identity(folder, "other", "other.test")
    secret = folder / "secret.key"
    tls.openssl("pkey", "-in", identity.key, "-aes256", "-passout", "pass:secret", "-out", secret)
    weak = folder / "weak.key"
    tls.openssl("genrsa", "-out", weak, 1024)
    texts = {"empty": b"", "damaged": identity.certificate.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n"}
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    for path in (secret, weak, folder / "empty"):
        path.chmod(0o600)
    return [
        (identity.certificate, other.key, "does not belong to certificate"),
        (identity.certificate, secret, "protected by a passphrase"),
        (identity.certificate, weak, "2048 at least"),
        (identity.certificate, folder / "empty", "no private key"),
        (identity.certificate, folder / "missing", "cannot be opened: No such file"),
        (identity.certificate, folder, "not a regular file"),
        (folder / "empty", identity.key, "no CERTIFICATE block"),
        (folder / "damaged", identity.key, "is damaged"),
        (folder / "missing", identity.key, "cannot be opened: No such file"),
    ]


def test_files_that_cannot_be_used_are_named(place, identity):
    for certificate, key, expected in bad_pairs(place.folder, identity):
        said = failing_start(place, "--certificate", certificate, "--key", key)
        assert expected in said, (certificate, key)
        assert str(certificate) in said or str(key) in said
        assert said.count("\n") == 1


def test_an_expired_certificate_is_a_warning(place, instance):
    path = place.folder / "expired.pem"
    key = place.folder / "expired.key"
    request = place.folder / "expired.csr"
    tls.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                request, "-subj", "/CN=expired.test")
    key.chmod(0o600)
    tls.openssl("x509", "-req", "-in", request, "-signkey", key, "-out", path, "-days", "-1")
    errors = place.folder / "errors"
    place.worker(backends=[3001], identities=[tls.Identity(path, key)],
                 before=["sh", "-c", f'exec "$0" "$@" 2>{errors}'])
    assert f"certificate {path} expired at" in errors.read_text()
    ask(place)


def replace(identity, by):
    shutil.copy(by.certificate, identity.certificate)
    shutil.copy(by.key, identity.key)


def test_a_certificate_is_changed_under_load(place, instance):
    """No handshake fails, connections that are open go on, and new ones get the new certificate."""
    used = tls.make_identity(place.folder, "used", "it.test")
    kinds = [tls.make_identity(place.folder, f"n{i}", "it.test", kind=kind) for i, kind in enumerate(["ec", "rsa"])]
    worker = place.worker(backends=[3001], identities=[used])
    early = place.tls(host="it.test")
    stop = threading.Event()
    served = []

    def load():
        while not stop.is_set():
            served.append(ask(place, host="it.test"))

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        for turn in range(settings.scaled(20, 6)):
            replace(used, kinds[turn % 2])
            assert worker.reload()
            assert ask(place, host="it.test").certificate == kinds[turn % 2].der
        stop.set()
        for done in loads:
            done.result()
    assert exchange(early) == ANSWER
    assert worker["handshakes_failed"] == 0
    assert len(served) > 0


def test_a_reload_that_fails_changes_nothing(place, instance):
    used = tls.make_identity(place.folder, "used", "it.test")
    other = tls.make_identity(place.folder, "other", "it.test")
    der = used.der
    worker = place.worker(backends=[3001], identities=[used])
    shutil.copy(other.certificate, used.certificate)
    assert not worker.reload()
    assert ask(place, host="it.test").certificate == der
