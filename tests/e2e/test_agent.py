# SPDX-License-Identifier: BSD-2-Clause
"""The agent's life: started, replaced, killed and ended; what it may do; and that no connection notices."""
import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from harness import agent, settings
from harness.agent import Follower
from harness.lab import CLIENTS4, HOST4, node_reason
from harness.manager import Manager
from harness.moods import Moody
from harness.poll import wait_equal, wait_until
from harness.rcxlb import Rcxlb
from harness.settings import COMMAND_SECONDS, scaled

ONE, TWO = "127.0.0.1:3001", "127.0.0.1:3002"
needs_other = pytest.mark.skipif(
    not settings.OTHER_BINARY, reason="RCXLB_OTHER does not name a binary of another version"
)


def other_build(lab):
    return Rcxlb(lab.host, lab.rcxlb.pins, lab.rcxlb.runs, settings.OTHER_BINARY)


def await_agents(lab, wanted):
    """What an agent started ends a moment after it."""
    wait_equal(lambda: agent.agents_of(lab), wanted, "agents")


def end(lab, number):
    lab.rcxlb("unload")
    assert not agent.is_alive(number)
    assert not lab.rcxlb.runs.exists(), list(lab.rcxlb.runs.iterdir())


def test_load_starts_it_and_unload_ends_it(lab):
    lab.rcxlb("load", "eth0")
    number = agent.pid(lab)
    assert lab.rcxlb.status()["agent"] == {"running": True, "pid": number}
    await_agents(lab, [number])
    assert os.getsid(number) == number
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/{number}/fd/{fd}") == "/dev/null"
    assert os.readlink(f"/proc/{number}/cwd") == "/"
    lab.rcxlb("load", "eth0")
    await_agents(lab, [number])
    assert "agent running" in lab.rcxlb("status")
    end(lab, number)


def test_without_an_agent(lab):
    lab.load()
    assert lab.rcxlb.status()["agent"] == {"running": False}
    await_agents(lab, [])
    assert "no agent" in lab.rcxlb("status")
    result = lab.rcxlb.attempt("events")
    assert result.code == 1 and "no agent is running" in result.err


def test_it_works_when_load_returns(lab):
    moody = Moody(lab, 3001, mood="503")
    lab.load()
    agent.set_check(lab)
    lab.rcxlb("backends", "add", ONE)
    agent.start(lab)
    wait_until(lambda: lab.rcxlb.state(ONE) == "down", "the backend is down")
    assert moody.checks()


def test_it_gives_up_what_it_does_not_need(lab):
    number = agent.load(lab, 3001)
    status = agent.status_of(number)
    assert all(int(uid) != 0 for uid in status["Uid"] + status["Gid"]), status["Uid"]
    assert not status["Groups"]
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind][0], 16) == 0, kind
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    assert status["Threads"] == ["1"]


def test_nothing_in_the_run_folder_is_for_others(lab):
    agent.load(lab)
    names = {path.name: path.stat() for path in lab.rcxlb.runs.iterdir()}
    assert set(names) == {"lock", "agent.lock", "events.sock"}
    assert all(entry.st_mode & 0o077 == 0 and entry.st_uid == 0 for entry in names.values())
    assert stat.S_IMODE(lab.rcxlb.runs.stat().st_mode) == 0o700


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_after_its_end_load_starts_another(lab, how):
    number = agent.load(lab)
    agent.kill(number, how)
    assert lab.rcxlb.status()["agent"] == {"running": False}
    other = agent.start(lab)
    assert other and other != number
    with Follower(lab):
        pass
    end(lab, other)


def test_a_hangup_does_not_end_it(lab):
    """In the background there is no terminal: whoever sends it means something else."""
    number = agent.load(lab)
    helper = agent.supervisor_of(lab)
    for process in (number, helper):
        os.kill(process, signal.SIGHUP)
    with Follower(lab) as follower:
        lab.rcxlb("backends", "add", ONE)
        follower.await_event(event="published")
        assert not follower.all(event="error")
    assert (agent.pid(lab), agent.supervisor_of(lab)) == (number, helper)


@contextlib.contextmanager
def foreground(lab, rcxlb=None, **environment):
    rcxlb = rcxlb or lab.rcxlb
    with lab.host.entered():
        process = subprocess.Popen(
            rcxlb.words("load", "eth0", "--foreground"), env=rcxlb.environment(**environment),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_in_the_foreground_it_talks_to_a_service_manager(lab):
    manager = Manager(lab)
    with foreground(lab, NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="200000") as process:
        assert manager.hear() == "READY=1"
        assert lab.rcxlb.status()["agent"] == {"running": True, "pid": process.pid}
        assert [manager.hear() for _ in range(3)] == ["WATCHDOG=1"] * 3
        lab.rcxlb("load", "eth0")
        process.send_signal(signal.SIGHUP)
        assert [manager.hear() for _ in range(3)] == ["WATCHDOG=1"] * 3
        assert agent.pid(lab) == process.pid
        process.terminate()
        words = []
        while "STOPPING=1" not in words:
            words.append(manager.hear())
        assert process.wait(COMMAND_SECONDS) == 0
        log = process.stderr.read()
    assert f"started, process {process.pid}" in log and "ended" in log
    assert lab.rcxlb.status()["loaded"] is True


def test_without_a_watchdog_it_is_quiet_and_unload_ends_it(lab):
    manager = Manager(lab)
    with foreground(lab, NOTIFY_SOCKET=str(manager.path)) as process:
        assert manager.hear() == "READY=1"
        lab.rcxlb("unload")
        assert process.wait(COMMAND_SECONDS) == 0
        assert manager.hear() == "STOPPING=1"
    assert not lab.rcxlb.runs.exists()


def test_the_foreground_takes_the_place_of_the_background(lab):
    number = agent.load(lab)
    manager = Manager(lab)
    with foreground(lab, NOTIFY_SOCKET=str(manager.path)) as process:
        assert manager.hear() == "READY=1"
        assert not agent.is_alive(number)
        await_agents(lab, [process.pid])


def test_the_end_of_the_supervisor_is_told_and_checks_go_on(lab):
    moody = Moody(lab, 3001)
    number = agent.load(lab, 3001)
    with Follower(lab) as follower:
        os.kill(agent.supervisor_of(lab), signal.SIGKILL)
        assert "supervisor" in follower.await_event(event="error")["error"]
        checks = sum(moody.checks().values())
        wait_until(lambda: sum(moody.checks().values()) > checks + 1, "checks go on")
    assert agent.is_alive(number)
    end(lab, number)


def test_the_end_of_the_supervisor_is_the_foreground_s_too(lab):
    """So that a service manager starts both again."""
    manager = Manager(lab)
    with foreground(lab, NOTIFY_SOCKET=str(manager.path)) as process:
        assert manager.hear() == "READY=1"
        os.kill(agent.supervisor_of(lab), signal.SIGKILL)
        assert process.wait(COMMAND_SECONDS) == 1
        assert "supervisor" in process.stderr.read()


def test_in_the_foreground_without_a_manager_a_hangup_ends_it(lab):
    with foreground(lab) as process:
        wait_until(lambda: agent.pid(lab) == process.pid, "it works")
        process.send_signal(signal.SIGHUP)
        assert process.wait(COMMAND_SECONDS) == 0


@needs_other
def test_another_build_replaces_it(lab):
    moody = Moody(lab, 3001, mood="503")
    number = agent.load(lab, 3001, interval=300)
    wait_until(lambda: lab.rcxlb.state(ONE) == "down", "the backend is down")
    other = other_build(lab)
    other("load", "eth0")
    assert not agent.is_alive(number)
    present = agent.pid(lab)
    assert os.readlink(f"/proc/{present}/exe") == str(settings.OTHER_BINARY)
    assert other.state(ONE) == "down"
    before = sum(moody.checks().values())
    wait_until(lambda: sum(moody.checks().values()) > before + 1, "it checks")
    assert other.state(ONE) == "down"
    lab.rcxlb("load", "eth0")
    assert not agent.is_alive(present)
    end(lab, agent.pid(lab))


@needs_other
def test_another_build_replaces_it_also_after_a_load_that_failed(lab):
    """The first load replaces the programs, and fails afterwards; to the second one they are its own."""
    number = agent.load(lab, 3001)
    lab.rcxlb("services", "add", "web", "--listen", "*:3100")
    other = other_build(lab)
    assert "3100" in other.attempt("load", "eth0", "--listen", "*:3100").err
    other("load", "eth0")
    assert not agent.is_alive(number)
    present = agent.pid(lab)
    assert os.readlink(f"/proc/{present}/exe") == str(settings.OTHER_BINARY)
    other("load", "eth0")
    assert agent.pid(lab) == present


def test_of_many_loads_at_once_one_starts_it(lab):
    for _ in range(scaled(3)):
        running = [lab.rcxlb.popen("load", "eth0") for _ in range(10)]
        failures = [err for process in running for err in [process.communicate(timeout=COMMAND_SECONDS)[1]]
                    if process.returncode]
        assert failures == []
        number = agent.pid(lab)
        await_agents(lab, [number])
        agent.kill(number)
        await_agents(lab, [])


def test_loads_and_unloads_at_once_leave_one_or_none(lab):
    for _ in range(scaled(3)):
        running = [lab.rcxlb.popen(*words) for words in [("load", "eth0"), ("unload",)] * 5]
        for process in running:
            process.communicate(timeout=COMMAND_SECONDS)
        loaded = lab.rcxlb.status()["loaded"]
        wait_until(lambda: len(agent.agents_of(lab)) <= int(loaded), "no agent of what was unloaded")
        present = agent.pid(lab)
        await_agents(lab, [present] if present else [])
    lab.rcxlb("load", "eth0")
    end(lab, agent.pid(lab))


def test_an_agent_whose_state_is_taken_away_ends(lab):
    """By an unload that does not know of it: one with another run folder."""
    number = agent.load(lab)
    Rcxlb(lab.host, lab.rcxlb.pins, lab.folder / "elsewhere")("unload")
    wait_until(lambda: not agent.is_alive(number), "it ends by itself")


def steering_works(lab):
    lab.rcxlb("backends", "add", ONE)
    lab.instances(3001)
    return lab.who() == "i3001"


def test_a_run_folder_with_too_long_a_name(lab):
    lab.rcxlb.runs = lab.folder / ("x" * 100)
    result = lab.rcxlb.attempt("load", "eth0")
    assert result.code == 1 and "too long" in result.err and str(lab.rcxlb.runs) in result.err
    await_agents(lab, [])
    assert steering_works(lab)


def test_a_host_without_a_null_device_is_told_so(lab):
    """And not whoever reads the command's third descriptor, which is the caller's."""
    note = lab.folder / "note"
    bare = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none /dev && exec "$@" 3>{note}', "sh"]
    result = lab.rcxlb.attempt("load", "eth0", before=bare)
    assert result.code == 1 and "the agent did not start: No such file" in result.err, str(result)
    assert note.read_bytes() == b""


def test_a_run_folder_that_cannot_be_written(lab):
    """Something is in the way of the lock, and then of the socket."""
    lab.rcxlb.runs.mkdir(mode=0o700)
    for name in ("agent.lock", "events.sock"):
        (lab.rcxlb.runs / name).mkdir()
        result = lab.rcxlb.attempt("load", "eth0")
        assert result.code == 1 and name in result.err and len(result.err.splitlines()) == 1, str(result)
        await_agents(lab, [])
        (lab.rcxlb.runs / name).rmdir()
    assert steering_works(lab)
    assert agent.start(lab)


def test_the_port_of_metrics_is_taken(lab):
    """It says so once, does everything else, and serves metrics when the port is free."""
    thief = lab.listening("127.0.0.1", 9465)
    manager = Manager(lab)
    with foreground(lab, NOTIFY_SOCKET=str(manager.path)) as process:
        assert manager.hear() == "READY=1"
        assert steering_works(lab)
        thief.close()

        def served():
            with contextlib.suppress(OSError), lab.host.socket() as sock:
                sock.connect(("127.0.0.1", 9465))
                sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                return b"200 OK" in sock.recv(4096)
            return False

        wait_until(served, "metrics are served")
        process.terminate()
        lab.rcxlb("unload")  # its workers have its standard error, and stay until then
        log = process.stderr.read()
    lines = [line for line in log.splitlines() if "9465" in line]
    assert len(lines) == 1 and "Address already in use" in lines[0], log


def began(lab):
    return float(re.search(r"(?m)^rcxlb_agent_start_time_seconds (.*)$", agent.scrape(lab))[1])


@pytest.mark.skipif(not settings.OTHER_KERNEL, reason="sets the machine's clock: in a virtual machine alone")
def test_times_are_right_when_the_clock_has_been_set(lab):
    agent.load(lab)
    before = began(lab)
    time.clock_settime(time.CLOCK_REALTIME, time.time() + 3600)
    try:
        assert abs(began(lab) - before - 3600) < 5
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.time() - 3600)
    assert abs(began(lab) - before) < 5


def test_it_rests_when_nothing_happens(lab):
    """Far below one percent of a core, with 16 backends checked as they are by default."""
    Moody(lab, 4001, 4016)
    number = agent.load(lab, "4001-4016", interval=2000, timeout=1000)
    seconds, before = scaled(5), agent.cpu_seconds(number)
    with contextlib.suppress(TimeoutError), lab.host.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nobody:
        nobody.settimeout(seconds)
        nobody.bind(str(lab.folder / "nobody"))
        nobody.recv(1)
    used = (agent.cpu_seconds(number) - before) / seconds
    print(f"{used:.2%} of a core, {agent.memory_kib(number)} KiB resident")
    assert used < 0.02 or settings.SLOW_MACHINE
    assert agent.memory_kib(number) < 24 * 1024


# A hundred WebSockets to two instances of Node.js.


class WebSockets:
    """Open WebSockets of this process: a handshake, and echoes of short text frames."""

    def __init__(self, lab, count):
        self.open = [self._open(lab, i) for i in range(count)]

    @staticmethod
    def _open(lab, number):
        connection = lab.connect(source=CLIENTS4[number % len(CLIENTS4)])
        connection.sock.sendall(
            f"GET /websocket HTTP/1.1\r\nHost: {HOST4}:3000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.sock.recv(4096)
            assert piece, head
            head += piece
        assert head.startswith(b"HTTP/1.1 101 "), head
        return connection

    def cut(self):
        """How many do not echo any more."""
        return sum(not self._echoes(connection.sock) for connection in self.open)

    @staticmethod
    def _echoes(sock):
        word = os.urandom(8).hex().encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(word))
        try:
            sock.sendall(bytes([0x81, 0x80 | len(word)]) + mask + masked)
            data = b""
            while word not in data:
                piece = sock.recv(4096)
                if not piece or piece[0] == 0x88:
                    return False
                data += piece
        except OSError:
            return False
        return True


def reload_often(lab):
    """A file that says what is, and by turns one instance, a rule and a check more or less."""
    is_now = lab.rcxlb("config")
    address = 'address: "127.0.0.1:3004"'
    assert address not in is_now and "balance: least" in is_now
    other = is_now.replace("balance: least", "balance: bounded").replace(
        "    backends:\n", f"    backends:\n      - {{{address}}}\n", 1)
    path = lab.folder / "rcxlb.yaml"
    for turn in range(scaled(100, least=4)):
        path.write_text(is_now if turn % 2 else other, encoding="utf-8")
        assert lab.rcxlb("reload", "-c", path) != "no difference"


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
def test_no_websocket_notices_anything(lab):
    number = agent.load(lab, 3001, 3002, kind=agent.AUTO, path="/", timeout=agent.INTERVAL)
    for port in (3001, 3002):
        lab.node_instance(f"i{port}", port)
    sockets = WebSockets(lab, 100)
    assert lab.rcxlb.active(ONE) and lab.rcxlb.active(TWO)

    def after(what):
        assert sockets.cut() == 0, what

    agent.kill(number)
    after("kill -9 of the agent")
    number = agent.start(lab)
    after("its restart")
    lab.rcxlb("backends", "add", "127.0.0.1:3003", "127.0.0.1:3004")
    lab.rcxlb("backends", "drain", "127.0.0.1:3003")
    lab.rcxlb("backends", "del", "127.0.0.1:3004")
    after("draining and deleting others")
    reload_often(lab)
    after("reloads of a changed file")
    os.kill(number, signal.SIGSTOP)
    after("a stopped agent")
    os.kill(number, signal.SIGCONT)
    if settings.OTHER_BINARY:
        other_build(lab)("load", "eth0")
        after("an upgrade")
        lab.rcxlb("load", "eth0")
        after("a downgrade")
    lab.rcxlb("unload")
    after("unload")
