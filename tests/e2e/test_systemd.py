# SPDX-License-Identifier: BSD-2-Clause
"""The units under a real systemd: tests/vm/boot-systemd makes it the first process of a machine of namespaces."""
import os
import re
import ssl
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness import machine, settings
from harness.client import Connection, dial
from harness.lab import HOST4, Lab
from harness.machine import Machine
from harness.poll import wait_until
from harness.tls import TlsClient, context, make_identity

pytestmark = [pytest.mark.no_kernel, pytest.mark.skipif(bool(machine.reason()), reason=machine.reason())]

ONE, TWO = "127.0.0.1:3001", "127.0.0.1:3002"
FILE = """interfaces: [eth0]
services:
  - {{name: default, listen: ["*:3000"], backends: [{}]}}
  - name: tls
    listen: ["*:3443"]
    backends_of: default
    tls: {{certificate: /etc/rcxlb/x.pem, key: /etc/rcxlb/x.key}}
"""
SERVICE = settings.ROOT / "scripts" / "systemd" / "rcxlb.service"
# Settings that say how the unit lives, and nothing of what it may do.
LIFE = ("Type=", "Exec", "Restart=", "RestartSec=", "WatchdogSec=", "TimeoutStartSec=", "KillMode=")
HARM = {
    "kill -9": "kill -KILL {}",
    "a hung agent": "kill -STOP {}",
    "no supervisor": "kill -KILL $(pgrep -x rcxlb-super)",
}
QUICK = "/run/systemd/system/rcxlb.service.d"
FORBIDDEN = {
    "write outside": "touch /etc/rcxlb-was-here",
    "change a tunable": "echo 1 >/proc/sys/net/ipv4/ip_forward",
    "change the system": "touch /sys/fs/cgroup/here || mkdir /sys/fs/cgroup/here",
    "mount": "mount -t tmpfs none /mnt",
    "make a namespace": "unshare --net true",
    "change an owner": "chown 1 /run/rcxlb",
    "reach a device": "test -e /dev/kmsg || dd if=/dev/mem count=1",
    "read somebody's home": "ls /root/.",
}
LOGGED = """  - {name: logged, listen: ["*:3080"], http: {access_log: /var/log/rcxlb/access.log}}
"""
INSTANCE = "[Service]\nExecStart=/opt/instance i%i %i\n"


def boot(lab):
    """A machine with two instances and a certificate."""
    identity = make_identity(lab.folder, "x", "x.test")
    made = Machine(lab, {
        "etc/rcxlb/x.pem": identity.certificate.read_text(), "etc/rcxlb/x.key": identity.key.read_text(),
        "etc/systemd/system/instance@.service": INSTANCE, "opt/instance": settings.INSTANCE,
        "opt/Rocket.Chat/main.js": settings.NODE_INSTANCE.read_text(), "etc/rocketchat/env": "ROOT_URL=http://x\n",
        "usr/lib/sysusers.d/rocketchat.conf": "u rocketchat -\n",
    })
    made("systemctl", "start", "instance@3001", "instance@3002")
    return made


@pytest.fixture(scope="module", name="booted")
def _booted(bpffs):
    """A lab, and its machine with two instances."""
    del bpffs
    lab = Lab()
    made = None
    try:
        made = boot(lab)
        yield lab, made
    finally:
        if made:
            made.close()
        lab.close()


def configure(made, *backends, more=""):
    text = FILE.format(", ".join(f'"{backend}"' for backend in backends)) + more
    made("sh", "-c", f"umask 077; echo '{text}' >/etc/rcxlb/rcxlb.yaml")


@pytest.fixture(name="site")
def _site(booted):
    """The service has started."""
    lab, made = booted
    configure(made, ONE, TWO)
    made("systemctl", "start", "rcxlb")
    wait_until(lambda: is_served(lab), "workers take connections")
    yield booted
    made("systemctl", "stop", "rcxlb")
    made.attempt("rcxlb", "unload")


def plain(lab):
    return dial(lab.clients, HOST4, 3000)


def secure(lab):
    return Connection(TlsClient(lab.connect(HOST4, 3443).sock, context())).read_greeting()


def is_served(lab):
    try:
        with closing(secure(lab)):
            return True
    except (OSError, ssl.SSLError):
        return False


class Clients:
    """Some that stay, on both kinds of service."""

    def __init__(self, lab):
        self.lab = lab
        self.all = [make(lab) for make in [plain, secure] * 10]

    def are_well(self, what):
        """None was cut, and new ones are served."""
        cut = [connection for connection in self.all if not connection.echoes()]
        assert not cut, f"{what} cut {len(cut)} of {len(self.all)}"
        for make in (plain, secure):
            with closing(make(self.lab)) as connection:
                assert connection.echoes(), what

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.all:
            connection.close()


def main_pid(made):
    return int(made.show("rcxlb", "MainPID"))


def agent(made):
    """As the machine numbers it."""
    return made.status()["agent"].get("pid")


def test_the_unit_starts_and_is_what_it_says(site):
    _, made = site
    assert made("systemctl", "is-active", "rcxlb").strip() == "active"
    assert agent(made) == main_pid(made)
    user = made("ps", "-o", "user=", "-p", str(main_pid(made))).strip()
    assert user == "rcxlb"
    assert "the agent of rcxlb" in made("journalctl", "--unit=rcxlb", "--output=cat")
    assert int(made.show("rcxlb", "NRestarts")) == 0


def test_the_unit_takes_over_from_an_agent_that_was_started_by_hand(booted):
    lab, made = booted
    configure(made, ONE, TWO)
    made("rcxlb", "load", "-c", "/etc/rcxlb/rcxlb.yaml")
    former = agent(made)
    wait_until(lambda: is_served(lab), "workers take connections")
    with Clients(lab) as clients:
        made("systemctl", "start", "rcxlb")
        assert agent(made) == main_pid(made) != former
        clients.are_well("another agent")
    made("systemctl", "stop", "rcxlb")
    made("rcxlb", "unload")


def as_the_unit(made, *words, without=None):
    """A command with what the unit permits, less a capability: whether it ended well, and what it said."""
    service = SERVICE.read_text().split("[Service]")[1].split("[Install]")[0]
    settings_ = [setting for setting in re.findall(r"(?m)^\w+=.*$", service) if not setting.startswith(LIFE)]
    if without:
        settings_ = [setting.replace(f"{without} ", "").replace(f" {without}", "") for setting in settings_]
    options = [word for setting in settings_ for word in ("-p", setting)]
    done = made.attempt("systemd-run", "--quiet", "--wait", "--pipe", *options, "--", *words)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_the_unit_forbids_is_forbidden(booted, what):
    _, made = booted
    well, said = as_the_unit(made, "sh", "-c", FORBIDDEN[what])
    assert not well, f"could {what}: {said}"


@pytest.fixture(scope="module", name="able")
def _able(booted):
    """What root's `rcxlb doctor` says."""
    return booted[1]("rcxlb", "doctor", "--json")


def test_the_unit_permits_what_rcxlb_needs(booted, able):
    """It pins where the machine sees it, and learns as much of the kernel as root does."""
    _, made = booted
    assert as_the_unit(made, "touch", "/sys/fs/bpf/.", "/run/rcxlb/here")[0]
    assert as_the_unit(made, "rcxlb", "doctor", "--json") == (True, able)
    assert as_the_unit(made, "rcxlb", "load", "eth0", "--no-agent")[0]
    assert made.status()["interfaces"][0]["xdp"] in ("native", "skb")
    assert as_the_unit(made, "rcxlb", "unload")[0]
    assert not made.status()["loaded"]


@pytest.mark.parametrize("capability", ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYSLOG"])
def test_no_capability_can_be_spared(booted, able, capability):
    """Of those that loading needs: without it something is missing that is there with it."""
    _, made = booted
    if capability == "CAP_SYSLOG":
        assert as_the_unit(made, "rcxlb", "doctor", "--json", without=capability)[1] != able
    else:
        well, said = as_the_unit(made, "rcxlb", "load", "eth0", "--no-agent", without=capability)
        assert not well and "CAP_" in said, said


def test_systemd_finds_nothing_to_complain_about(booted):
    _, made = booted
    done = made.attempt("systemd-analyze", "verify", "--man=no", "rcxlb.service", "rocketchat@3001.service")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    made("systemd-analyze", "security", "--no-pager", "--threshold=30", "rcxlb.service")


def test_reload_stop_start_and_restart_cut_nobody(site):
    lab, made = site
    with Clients(lab) as clients:
        configure(made, ONE, TWO, "127.0.0.1:3003")
        made("systemctl", "reload", "rcxlb")
        assert len(made.status()["services"][0]["backends"]) == 3
        clients.are_well("reload")
        former = main_pid(made)
        made("systemctl", "restart", "rcxlb")
        assert main_pid(made) == agent(made) != former
        clients.are_well("restart")
        made("systemctl", "stop", "rcxlb")
        assert made.status()["agent"] == {"running": False}
        clients.are_well("stop")
        made("systemctl", "start", "rcxlb")
        clients.are_well("start")
        configure(made, ONE, "nonsense")
        assert made.attempt("systemctl", "reload", "rcxlb").returncode != 0
        assert made("systemctl", "is-active", "rcxlb").strip() == "active"
        clients.are_well("a reload that failed")


def test_an_agent_that_dies_or_hangs_is_replaced(site):
    """Killed; stopped, so that the watchdog finds it; and without its supervisor."""
    lab, made = site
    made("sh", "-c", f"mkdir {QUICK}; printf '[Service]\\nWatchdogSec=1\\nRestartSec=100ms\\n' >{QUICK}/quick.conf")
    made("systemctl", "daemon-reload")
    made("systemctl", "restart", "rcxlb")
    with Clients(lab) as clients:
        for what, words in HARM.items():
            former = main_pid(made)
            made("sh", "-c", words.format(former))
            wait_until(lambda was=former: main_pid(made) not in (0, was) and agent(made) == main_pid(made), what, 10)
            clients.are_well(what)
    assert "Watchdog timeout" in made("journalctl", "--unit=rcxlb", "--output=cat")
    made("rm", "-r", QUICK)
    made("systemctl", "daemon-reload")


def test_a_signal_by_hand_ends_no_worker(site):
    lab, made = site
    with Clients(lab) as clients:
        made("pkill", "-TERM", "-x", "rcxlb-worker")
        clients.are_well("SIGTERM")


def test_a_machine_with_connections_goes_down_at_once(lab):
    """Nobody waits for its workers, nor for who writes their access log; and what is logged is written."""
    made = boot(lab)
    try:
        configure(made, ONE, TWO, more=LOGGED)
        made("systemctl", "start", "rcxlb")
        wait_until(lambda: is_served(lab), "workers take connections")
        with Clients(lab), closing(lab.connect(HOST4, 3080)) as client:
            client.sock.sendall(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 503 " in client.sock.recv(4096)
            began = time.monotonic()
            made.attempt("systemctl", "poweroff")
            wait_until(lambda: made.process.popen.poll() is not None, "the machine is off", 40)
            took = time.monotonic() - began
            print(f"it took {took:.1f} s")
            assert took < 60, "systemd has waited for somebody: ninety seconds"
            assert "/last" in (made.upper / "var/log/rcxlb/access.log").read_text(encoding="utf-8")
    finally:
        made.close()


@pytest.mark.skipif(not Path("/usr/bin/node").exists(), reason="the unit names /usr/bin/node, which is not installed")
@pytest.mark.skipif(not os.path.exists("/usr/share/nodejs/ws"), reason="Debian's package node-ws is not installed")
def test_the_example_of_an_instance_runs_and_is_steered_to(site):
    """rocketchat@.service as it is, with a small server in the place of Rocket.Chat."""
    lab, made = site
    made("systemctl", "start", "rocketchat@3005")
    configure(made, "127.0.0.1:3005")
    made("systemctl", "reload", "rcxlb")
    wait_until(lambda: made.status()["services"][0]["backends"][0]["state"] == "up", "the instance is up")
    with closing(lab.connect(HOST4, 3000)) as client:
        client.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b'"instance":"3005"' in b"".join(iter(lambda: client.sock.recv(4096), b""))
    made("systemctl", "stop", "rocketchat@3005")
    assert made.status()["services"][0]["backends"][0]["state"] == "absent"
