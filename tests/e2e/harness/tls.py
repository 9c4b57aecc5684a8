# SPDX-License-Identifier: BSD-2-Clause
"""Certificates for tests, and a TLS client whose every step the test decides."""
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .client import ABORT
from .settings import PATIENCE

CIPHERS_12 = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"], "ed25519": ["ed25519"]}

# Of a certificate like those that sites buy.
EXTENSIONS = ("basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth",
              "authorityInfoAccess=OCSP;URI:http://ocsp.test/")


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    @property
    def options(self):
        return ["--certificate", self.certificate, "--key", self.key]

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text(encoding="ascii"))


def openssl(*words, text=None):
    done = subprocess.run(
        ["openssl", *map(str, words)], input=text, capture_output=True, check=False, timeout=60 * PATIENCE
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make_identity(folder, name, *hosts, kind="ec", days=30, authority=None):
    """A certificate for some host names or IPv4 addresses: self-signed, or by an authority."""
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    kinds = (f"{'IP' if host.replace('.', '').isdigit() else 'DNS'}:{host}" for host in hosts)
    names = ["-addext", "subjectAltName=" + ",".join(kinds)] if hosts else []
    by = ["-CA", authority.certificate, "-CAkey", authority.key] if authority else []
    for extension in EXTENSIONS if authority else ():
        by += ["-addext", extension]
    openssl("req", "-x509", "-newkey", *KEYS[kind], "-nodes", "-keyout", made.key, "-out", made.certificate,
            "-days", days, "-subj", f"/CN={hosts[0] if authority else name}", *names, *by)
    made.key.chmod(0o600)
    return made


def make_authority(folder, name):
    """One that clients may be told to believe."""
    return make_identity(folder, name)


def context(version=None, ciphers=None, alpn=()):
    """A client's, which believes every certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = VERSIONS[version]
    if ciphers:
        made.set_ciphers(ciphers)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


class TlsClient:
    """TLS on a connected socket. Nothing is read or written that was not asked for."""

    def __init__(self, sock, using, host=None, session=None):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = using.wrap_bio(self.incoming, self.outgoing, server_hostname=host, session=session)
        self._step(self.tls.do_handshake)

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def _step(self, do):
        """Does it, and reads from the socket as often as it wants more."""
        while True:
            try:
                done = do()
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                self.flush()  # its alert
                raise
            else:
                self.flush()
                return done

    def sendall(self, data):
        self.tls.write(data)
        self.flush()

    def send_part(self, data, size, behind=b""):
        """Sends only the first bytes of its record, at once with a whole one before it; returns the others."""
        self.tls.write(behind)
        whole = self.outgoing.read()
        self.tls.write(data)
        record = self.outgoing.read()
        self.sock.sendall(whole + record[:size])
        return record[size:]

    def recv(self, size):
        """Nothing at close_notify; ConnectionAbortedError when the stream ends without."""
        try:
            return self._step(lambda: self.tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            raise ConnectionAbortedError("the stream ended without close_notify") from None

    def shutdown(self, _how=socket.SHUT_WR):
        """close_notify; reading goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:  # data that came before the peer's close_notify
            if "APPLICATION_DATA_AFTER_CLOSE_NOTIFY" not in str(problem):
                raise
        self.flush()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.sock.close()

    def close(self):
        """FIN without close_notify: what a program that just ends sends."""
        self.sock.close()

    def fileno(self):
        return self.sock.fileno()

    @property
    def certificate(self):
        return self.tls.getpeercert(binary_form=True)
