# SPDX-License-Identifier: BSD-2-Clause
"""Crews of workers, one after another: who replaces whom, and what clients notice when something goes wrong meanwhile."""
import os
import shutil
import signal
import subprocess
import time
from contextlib import closing, contextmanager, suppress

import pytest

from harness import agent
from harness.client import Connection
from harness.lab import HOST4
from harness.poll import wait_equal, wait_until
from harness.tls import TlsClient, context, make_identity

CONFIG = """\
interfaces: [eth0]
agent: {{workers: {workers}}}
services:
- name: secure
  listen: ["*:443"]
  backends: ["127.0.0.1:3001"]
  health: {{type: "off"}}
  tls: {{certificate: {identity.certificate}, key: {identity.key}}}
- name: away
  listen: ["*:80"]
  redirect: https
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class Site:
    """An instance behind a service with TLS, and a service that redirects; so many workers."""

    def __init__(self, lab):
        self.lab = lab
        self.identity = make_identity(lab.folder, "first", "chat.test")
        self.path = lab.folder / "rcxlb.yaml"
        self.log = lab.folder / "log"
        self.log.touch()
        lab.instances(3001)

    def load(self, workers):
        self.path.write_text(CONFIG.format(workers=workers, identity=self.identity), encoding="utf-8")
        self.lab.rcxlb("load", "-c", self.path)
        self.await_workers(workers)

    @contextmanager
    def foreground(self, workers, stderr=None):
        """The same, and what agent and supervisor say is in the file `log`."""
        self.path.write_text(CONFIG.format(workers=workers, identity=self.identity), encoding="utf-8")
        with self.lab.host.entered(), open(self.log, "wb") as log:
            process = subprocess.Popen(
                self.lab.rcxlb.words("load", "-c", self.path, "--foreground"), env=self.lab.rcxlb.environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr or log,
            )
        try:
            self.await_workers(workers)
            yield process
        finally:
            process.terminate()
            process.wait()

    def await_workers(self, count):
        wait_equal(lambda: len(self.crew()), count, "workers in charge")
        wait_until(self.serves, "a worker takes connections")

    def await_log(self, words):
        wait_until(lambda: words in self.log.read_text(encoding="utf-8"), words, 10)

    def crew(self):
        """Pids of the workers in charge, as they say themselves."""
        return [entry["pid"] for entry in self.lab.rcxlb.status().get("workers", []) if not entry["former"]]

    def dial(self, port=443):
        return Connection(TlsClient(self.lab.connect(HOST4, port).sock, context())).read_greeting()

    def certificate(self, port=443):
        """The one that a client gets; None without a handshake."""
        try:
            with closing(self.dial(port)) as connection:
                return connection.sock.certificate
        except OSError:
            return None

    def serves(self):
        return self.certificate() is not None

    def redirects(self):
        with closing(self.lab.connect(HOST4, 80)) as client:
            client.sock.sendall(REQUEST)
            return client.sock.recv(4096).startswith(b"HTTP/1.1 301 ")

    def renew(self, name="renewed", of=None):
        """Another certificate in the files of the first; the key first, so that no look finds them unpaired for long."""
        made, of = make_identity(self.lab.folder, name, "chat.test"), of or self.identity
        der = made.der
        made.key.rename(of.key)
        made.certificate.rename(of.certificate)
        return der


@pytest.fixture(name="site")
def _site(lab):
    return Site(lab)


def for_seconds(seconds):
    """Turns until then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.01)


def test_a_worker_that_dies_while_a_key_cannot_be_used_is_replaced_and_its_service_goes_on(site):
    with site.foreground(2):
        site.identity.key.chmod(0o644)
        site.await_log("may be used by others")
        killed = site.crew()[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(set(site.crew()) - {killed}) == 2, "another worker in its place", 10)
        for _ in for_seconds(4):  # longer than workers linger to whom nobody comes any more
            assert site.serves() and site.redirects()
        assert len(site.crew()) == 2
        site.identity.key.chmod(0o600)
        renewed = site.renew()
        wait_until(lambda: site.certificate() == renewed, "the next certificate", 10)


def test_one_whose_key_cannot_be_used_goes_on_and_keeps_nobody_from_what_is_new(site):
    lab, other = site.lab, make_identity(site.lab.folder, "other", "chat.test")
    with site.foreground(1):
        lab.rcxlb("services", "add", "other", "--listen", "*:444", "--certificate", other.certificate, "--key", other.key)
        lab.rcxlb("backends", "add", "-s", "other", "127.0.0.1:3001")
        wait_until(lambda: site.certificate(444) == other.der, "the other's certificate", 10)
        other.key.chmod(0o644)
        site.await_log("may be used by others")
        renewed = site.renew()
        wait_until(lambda: site.certificate() == renewed, "the first one's next certificate", 10)
        lab.rcxlb("services", "add", "third", "--listen", "*:445", "--certificate", site.identity.certificate,
                  "--key", site.identity.key)
        lab.rcxlb("backends", "add", "-s", "third", "127.0.0.1:3001")
        wait_until(lambda: site.certificate(445) == renewed, "a new service", 10)
        present = agent.crew_number(lab)
        for _ in for_seconds(4):  # it is tried again every two
            assert site.certificate(444) == other.der
        assert agent.crew_number(lab) == present
        other.key.chmod(0o600)
        renewed = site.renew("renewed other", other)
        wait_until(lambda: site.certificate(444) == renewed, "the other's next certificate", 10)
    assert site.log.read_text(encoding="utf-8").count("may be used by others") == 1


@contextmanager
def caught_beginning(site, attempts=10):
    """
    A new worker that is not in charge yet, as its supervisor was stopped before, and the pid of that. Whoever stops it too
    late tries again.
    """
    for attempt in range(attempts):
        before, present = set(agent.workers_of(site.lab)), agent.crew_number(site.lab)
        helper = agent.supervisor_of(site.lab)
        site.renew(f"renewed{attempt}")
        wait_until(lambda: set(agent.workers_of(site.lab)) - before, "a new worker", 10)
        os.kill(helper, signal.SIGSTOP)
        try:
            began = set(agent.workers_of(site.lab)) - before
            if agent.crew_number(site.lab) == present:
                yield began.pop(), helper
                return
        finally:
            with suppress(ProcessLookupError):
                os.kill(helper, signal.SIGCONT)
        wait_until(lambda: not before & set(agent.workers_of(site.lab)), "the workers before have ended")
    raise AssertionError("no supervisor could be stopped while it started workers")


def test_a_worker_that_waits_for_the_others_of_its_crew_does_not_end(site):
    site.load(2)
    with caught_beginning(site) as (began, _):
        present = agent.crew_number(site.lab)
        time.sleep(3)  # longer than a worker lingers after others took over
        assert agent.is_alive(began) and agent.crew_number(site.lab) == present
    wait_until(lambda: began in site.crew(), "the new worker is in charge")
    for _ in for_seconds(1):
        assert site.serves()
    assert began in site.crew() and len(site.crew()) == 2


def test_a_supervisor_that_was_stopped_takes_nothing_from_the_next_one(site):
    site.load(1)
    with caught_beginning(site) as (began, helper):
        agent.kill(agent.pid(site.lab))
        site.lab.rcxlb("load", "eth0")
        wait_until(lambda: set(site.crew()) - {began} and site.serves(), "the crew of the next supervisor", 10)
        crew = site.crew()
        number = agent.crew_number(site.lab)
    wait_until(lambda: not agent.is_alive(helper) and not agent.is_alive(began), "the former supervisor and its worker are gone")
    for _ in for_seconds(1):
        assert site.serves()
    assert (site.crew(), agent.crew_number(site.lab)) == (crew, number)


def test_load_starts_a_supervisor_that_has_died(site):
    site.load(2)
    number = agent.pid(site.lab)
    agent.kill(agent.supervisor_of(site.lab))
    site.lab.rcxlb("load", "eth0", "--no-agent")
    assert agent.pid(site.lab) == number, "checks go on"
    before = set(site.crew())
    site.lab.rcxlb("load", "eth0")
    assert agent.pid(site.lab) != number and agent.supervisor_of(site.lab)
    wait_until(lambda: len(site.crew()) == 2 and not before & set(site.crew()), "the workers of the next supervisor")
    killed = site.crew()[0]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(set(site.crew()) - {killed}) == 2, "another worker in its place", 10)
    number = agent.pid(site.lab)
    site.lab.rcxlb("load", "eth0")
    assert agent.pid(site.lab) == number, "there is a supervisor"


def test_when_nobody_reads_what_it_says_a_supervisor_goes_on(site):
    reading, writing = os.pipe()
    with site.foreground(2, stderr=writing) as process:
        os.close(writing)
        os.close(reading)
        helper = agent.supervisor_of(site.lab)
        site.identity.key.chmod(0o644)
        for _ in for_seconds(5):  # files are looked at every two
            assert process.poll() is None and agent.is_alive(helper)
        renewed = site.renew()
        wait_until(lambda: site.certificate() == renewed, "the next certificate", 10)


def test_files_of_a_certificate_that_say_the_same_start_no_workers(site):
    """Another inode, another owner's time: what a renewal that renewed nothing leaves."""
    site.load(2)
    held, crew = site.dial(), site.crew()
    for file in (site.identity.certificate, site.identity.key):
        shutil.copy2(file, site.lab.folder / "copy")
        (site.lab.folder / "copy").rename(file)
        file.touch()
    site.identity.key.chmod(0o644)
    time.sleep(2.5)  # they are looked at every two seconds
    site.identity.key.chmod(0o600)
    for _ in for_seconds(4):
        assert site.crew() == crew
    renewed = site.renew()
    wait_until(lambda: site.certificate() == renewed, "the next certificate", 10)
    assert not set(site.crew()) & set(crew) and held.echoes()
