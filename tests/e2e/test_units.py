# SPDX-License-Identifier: BSD-2-Clause
"""The systemd units: they are sound, as closed as they can be, and rcxlb works inside of what they permit."""
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import agent as agent_of, settings
from harness.lab import BPFFS
from harness.manager import Manager
from harness.poll import wait_until
from harness.process import Process, python

UNITS = settings.ROOT / "scripts" / "systemd"
SERVICE = UNITS / "rcxlb.service"
EXAMPLE = settings.ROOT / "tests" / "monitoring" / "metrics.txt"
CONFINE = settings.ROOT / "tests" / "e2e" / "harness" / "confine.py"

# The most that systemd-analyze security may count, in tenths; what is left is what rcxlb needs.
EXPOSURE = {"rcxlb.service": 30, "rocketchat@.service": 15}


def run(*words, **more):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False,
        timeout=settings.COMMAND_SECONDS, **more,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `make install` puts under a PREFIX, with the program under test."""
    prefix = tmp_path_factory.mktemp("installed")
    build = os.path.relpath(settings.BINARY.parent, settings.ROOT)  # as it was built: make knows files by their names
    code, said = run("make", "-C", settings.ROOT, "install", f"PREFIX={prefix}", f"BUILD={build}")
    assert code == 0, said
    return prefix


@pytest.fixture(autouse=True)
def systemd():
    assert shutil.which("systemd-analyze"), "systemd-analyze is not installed; run scripts/deps test"


def test_everything_is_installed(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert names == {
        "sbin/rcxlb", "share/bash-completion/completions/rcxlb",
        "lib/systemd/system/rcxlb.service", "lib/systemd/system/rocketchat@.service", "lib/sysusers.d/rcxlb.conf",
        "share/man/man8/rcxlb.8", "share/man/man5/rcxlb.yaml.5",
        "share/rcxlb/rcxlb.rules.yml", "share/rcxlb/dashboard.json",
    }
    for name in names - {"sbin/rcxlb"}:
        assert (installed / name).stat().st_mode & 0o777 == 0o644, name
    unit = (installed / "lib/systemd/system/rcxlb.service").read_text()
    assert f"ExecStart={installed}/sbin/rcxlb load " in unit and "/usr/local" not in unit


@pytest.mark.parametrize("name, copy", [
    ("rcxlb.service", "rcxlb.service"), ("rocketchat@.service", "rocketchat@3001.service"),
])
def test_systemd_understands_the_unit(installed, tmp_path, name, copy):
    """Every setting, as this systemd knows them, with the programs in place."""
    text = (installed / "lib/systemd/system" / name).read_text()
    (tmp_path / copy).write_text(text.replace("/usr/bin/node ", f"{shutil.which('node') or '/bin/true'} "))
    code, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / copy)
    assert (code, said.strip()) == (0, ""), said


def test_a_wrong_setting_would_be_found(installed, tmp_path):
    text = (installed / "lib/systemd/system/rcxlb.service").read_text().replace("WatchdogSec=", "WatchdogSeconds=")
    (tmp_path / "rcxlb.service").write_text(text)
    _, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / "rcxlb.service")
    assert "WatchdogSeconds" in said


@pytest.mark.parametrize("name", EXPOSURE)
def test_the_unit_is_closed(name):
    code, said = run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE[name]}",
                     UNITS / name)
    assert code == 0, said


def test_the_user_can_be_made(tmp_path):
    (tmp_path / "etc").mkdir()
    code, said = run("systemd-sysusers", f"--root={tmp_path}", UNITS / "rcxlb.sysusers")
    assert code == 0, said
    assert "rcxlb:" in (tmp_path / "etc/passwd").read_text()


def test_rocketchat_takes_nobodys_word_for_an_address():
    text = (UNITS / "rocketchat@.service").read_text()
    for setting in ("PORT=%i", "BIND_IP=127.0.0.1", "HTTP_FORWARDED_COUNT=0"):
        assert f"\nEnvironment={setting}\n" in text
    assert re.search(r"^EnvironmentFile=/", text, re.MULTILINE)


@pytest.fixture
def unit(lab):
    """Words to put before a command to run it as the unit would."""
    lab.rcxlb.runs.mkdir(mode=0o700)
    return [*python(CONFINE), SERVICE, lab.rcxlb.runs, "--"]


def test_what_the_unit_forbids_is_forbidden(lab, unit):
    """Else the tests below would show nothing."""
    forbidden = {
        "write outside": "touch /etc/rcxlb-was-here",
        "change a tunable": "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "mount": "mount -t tmpfs none /mnt",
        "make a namespace": "unshare --net true",
        "change an owner": f"chown 1 {lab.rcxlb.runs}",
    }
    for what, words in forbidden.items():
        code, said = run(*lab.host.command(*unit, "sh", "-c", words))
        assert code != 0, f"could {what}: {said}"
    assert run(*lab.host.command(*unit, "touch", BPFFS / "."))[0] == 0
    assert run(*lab.host.command(*unit, "touch", lab.rcxlb.runs / "here"))[0] == 0


def test_rcxlb_works_as_the_unit(lab, unit):
    """It loads, pins where the host sees it, attaches the guard, steers, and sees event loops."""
    result = lab.rcxlb.attempt("load", "eth0", "--no-agent", before=unit)
    assert result.code == 0, str(result)
    lab.instance("i3001", 3001)
    result = lab.rcxlb.attempt("backends", "add", "127.0.0.1:3001", before=unit)
    assert result.code == 0, str(result)
    assert lab.who() == "i3001"
    status = lab.rcxlb.status()
    assert status["interfaces"][0]["xdp"] in ("native", "skb")
    inside = lab.rcxlb.attempt("doctor", "--json", before=unit)
    assert inside.code == 0, str(inside)
    assert inside.out == lab.rcxlb("doctor", "--json")
    assert lab.rcxlb.attempt("unload", before=unit).code == 0
    assert not lab.rcxlb.pins.exists()


@pytest.fixture(name="manager")
def _manager(lab):
    return Manager(lab)


CONFIGURATION = """interfaces: [eth0]
services:
  - {name: default, listen: ["*:3000"], backends: ["127.0.0.1:3001"]}
"""


def unit_words(lab, setting):
    """The arguments in a setting such as ExecStart=, with a configuration of the test's own."""
    words = re.search(rf"^{setting}=/usr/local/sbin/rcxlb (.*)$", SERVICE.read_text(), re.MULTILINE)[1].split()
    assert words[-2:] == ["-c", "/etc/rcxlb/rcxlb.yaml"]
    path = lab.folder / "rcxlb.yaml"
    if not path.exists():
        path.write_text(CONFIGURATION)
    path.chmod(0o600)
    return [*words[:-1], path]


def start_agent(lab, unit, manager):
    """What the unit starts."""
    environment = lab.rcxlb.environment(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000")
    with lab.host.entered():
        process = Process(lab.rcxlb.words(*unit_words(lab, "ExecStart"), before=unit), env=environment)
    lab.processes.append(process)
    manager.await_word("READY=1", process)
    return process


def test_the_agent_works_as_the_unit(lab, unit, manager):
    """It says that it is ready and alive, serves metrics that Prometheus likes, and its end ends no steering."""
    agent = start_agent(lab, unit, manager)
    manager.await_word("WATCHDOG=1", agent)  # nobody listens to it from here on, and that stops nothing
    lab.instance("i3001", 3001)
    assert lab.rcxlb.status()["agent"] == {"running": True, "pid": agent.pid}
    wait_until(lambda: 'rcxlb_backend_up{backend="127.0.0.1:3001"} 1\n' in agent_of.scrape(lab), "the backend's metrics")
    text = agent_of.scrape(lab)
    families = re.compile("^# TYPE .*", re.MULTILINE)
    assert families.findall(text) == families.findall(EXAMPLE.read_text())
    assert run("promtool", "check", "metrics", input=text) == (0, "")
    (lab.folder / "rcxlb.yaml").write_text(CONFIGURATION.replace("3001", "3001-3002"))
    result = lab.rcxlb.attempt(*unit_words(lab, "ExecReload"), before=unit)
    assert result.code == 0 and "127.0.0.1:3002" in result.out, str(result)
    agent.signal(signal.SIGTERM)
    assert agent.popen.wait() == 0
    assert not lab.rcxlb.status()["agent"]["running"]
    assert lab.who() == "i3001"


def test_the_unit_takes_over_from_an_agent_that_was_started_by_hand(lab, unit, manager):
    lab.rcxlb("load", "eth0")
    former = lab.rcxlb.status()["agent"]["pid"]
    agent = start_agent(lab, unit, manager)
    assert lab.rcxlb.status()["agent"] == {"running": True, "pid": agent.pid}
    assert agent.pid != former


@pytest.mark.parametrize("capability", ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYSLOG"])
def test_no_capability_can_be_spared(lab, unit, tmp_path, capability):
    """Of those that loading needs: without it something is missing that is there with it."""
    text = re.sub(rf"(CapabilityBoundingSet=.*){capability} ?", r"\1", SERVICE.read_text())
    (tmp_path / "rcxlb.service").write_text(text)
    less = [*unit[:-3], tmp_path / "rcxlb.service", *unit[-2:]]
    if capability == "CAP_SYSLOG":
        assert lab.rcxlb.attempt("doctor", "--json", before=less).out != lab.rcxlb("doctor", "--json")
    else:
        result = lab.rcxlb.attempt("load", "eth0", "--no-agent", before=less)
        assert result.code == 1 and "CAP_" in result.err, str(result)
