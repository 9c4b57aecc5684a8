# SPDX-License-Identifier: BSD-2-Clause
"""A loaded rcxlb whose services end TLS, with servers/site.js behind them and a certificate that clients can believe."""
import subprocess

from . import settings
from .lab import HOST4
from .poll import wait_until
from .tls import TlsClient, context, make_authority, make_identity

SCRIPT = settings.ROOT / "tests" / "e2e" / "servers" / "site.js"
NODE_PATH = "NODE_PATH=/usr/share/nodejs"  # where Debian's packages of libraries put them
HOST = "chat.test"
# Services on the same instances: bytes are relayed, each connection by itself or each client to its own instance; or HTTP is
# parsed, and a cookie leads each client to its own.
SECURE, BY_CLIENT, PARSED = 443, 444, 8443
CONFIG = """\
interfaces: [eth0]
services:
- name: secure
  listen: ["*:443"]
  balance: consistent
  backends: ["127.0.0.1:3001-{last}"]
  health: {{type: "off"}}
  tls: {tls}
  {more}
- name: by-client
  listen: ["*:444"]
  hash: client
  balance: consistent
  backends_of: secure
  tls: {tls}
- name: parsed
  listen: ["*:8443"]
  backends_of: secure
  tls: {tls}
  http: {{affinity: cookie}}
"""


class Service:
    """A loaded rcxlb as a client sees it, and what it tells of its connections."""

    def __init__(self, lab, authority, identity):
        self.lab, self.authority, self.identity = lab, authority, identity

    def run(self, words, seconds=60, **environment):
        """A command of a client, finished."""
        env = [f"{key}={value}" for key, value in environment.items()]
        words = self.lab.clients.command("env", NODE_PATH, f"NODE_EXTRA_CA_CERTS={self.authority.certificate}", *env, *words)
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=seconds * settings.PATIENCE)

    def succeed(self, words, **more):
        """One that must: what it printed."""
        done = self.run(words, **more)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def kernel(self):
        """Connections by which of their directions the kernel has, of all services."""
        work = [service["work"] for service in self.lab.rcxlb.status()["services"] if "work" in service]
        return {key: sum(entry["kernel"][key] for entry in work) for key in work[0]["kernel"]}

    def expect_kernel(self):
        """Where the kernel has TLS it has all connections, both ways."""
        features = self.lab.rcxlb.json("doctor")["features"]
        counts = self.kernel()
        print(f"directions that the kernel has, of so many connections: {counts}")
        if all(entry["have"] for entry in features if entry["name"].startswith("kTLS")):
            assert counts["both"] == sum(counts.values()) > 0, counts
        else:
            assert counts["both"] == 0, counts


def certified(lab):
    """An authority, and what it has made for the site."""
    authority = make_authority(lab.folder, "authority")
    return authority, make_identity(lab.folder, "site", HOST, HOST4, days=90, authority=authority)


def relaying(lab, backends, options=()):
    """A service that ends TLS before these backends, with workers that run."""
    authority, identity = certified(lab)
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "secure", "--listen", f"*:{SECURE}", "--check", "off", *identity.options, *options)
    lab.rcxlb("backends", "add", "-s", "secure", backends)
    wait_until(lambda: _takes(lab), "workers take connections")
    made = Service(lab, authority, identity)
    wait_until(lambda: sum(made.kernel().values()), "that connection is told of")
    return made


def _takes(lab):
    try:
        TlsClient(lab.connect(HOST4, SECURE).sock, context()).close()
    except OSError:
        return False
    return True


class Site(Service):
    """So many instances, one, two, ..., and workers that take connections."""

    def __init__(self, lab, instances, *environment):
        super().__init__(lab, *certified(lab))
        self.names = ["one", "two", "three"][:instances]
        for number, name in enumerate(self.names, 1):
            words = ["env", NODE_PATH, *environment, f"INSTANCE={name}", f"PORT={3000 + number}", "node", SCRIPT]
            lab.start(words, "listening")
        self.path = lab.folder / "rcxlb.yaml"
        self._write("")
        lab.rcxlb("load", "-c", self.path)
        for port in (SECURE, BY_CLIENT, PARSED):
            wait_until(lambda port=port: self.curl(f"https://{HOST}:{port}/").returncode == 0, "workers take connections")

    def _write(self, more):
        tls = f"{{certificate: {self.identity.certificate}, key: {self.identity.key}}}"
        text = CONFIG.format(last=3000 + len(self.names), tls=tls, more=more)
        self.path.write_text(text, encoding="utf-8")

    def reload(self, more):
        """With these keys of the first service."""
        self._write(more)
        assert self.lab.rcxlb("reload") != "no difference\n"

    def curl(self, *words):
        """It believes nobody but our authority."""
        resolved = [word for port in (SECURE, BY_CLIENT, PARSED) for word in ("--resolve", f"{HOST}:{port}:{HOST4}")]
        return self.run(["curl", "--silent", "--show-error", "--max-time", "60", "--cacert", self.authority.certificate,
                         *resolved, *words])
