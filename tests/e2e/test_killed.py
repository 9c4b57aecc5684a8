# SPDX-License-Identifier: BSD-2-Clause
"""The command line is killed at random moments: the state is the one before or the one after, and open connections
stay open."""
import random
import signal
import subprocess
import time

import pytest

from harness.kernel import Held, bpftool, dispatchers, held_by, still_there, xdp_attached
from harness.kinds import start
from harness.lab import HOST4
from harness.poll import wait_until
from harness.rcxlb import Rcxlb, configured
from harness.refusing import CAN_KILL_AT_REMOVAL, ITER_CREATE, PROG_LOAD, killing, killing_at
from harness.settings import BINARY, COMMAND_SECONDS, OTHER_BINARY, scaled

OPEN = 100
RANGE = "127.0.0.1:4001-4016"

# Words of a change, and the words that take it back.
CHANGES = {
    "a range of backends": (["backends", "add", RANGE], ["backends", "del", RANGE]),
    "a service": (["services", "add", "extra", "--listen", "*:3100", "--listen", "*:3101"], ["services", "del", "extra"]),
    "draining": (["backends", "drain", "127.0.0.1:3001"], ["backends", "undrain", "127.0.0.1:3001"]),
}


def run_and_kill(rcxlb, words, longest):
    """Starts the command and kills it at some moment between its start and a little after its usual end."""
    process = rcxlb.popen(*words)
    try:
        process.wait(timeout=random.uniform(0, longest))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate(timeout=COMMAND_SECONDS)


def timed(rcxlb, words):
    start = time.monotonic()
    rcxlb(*words)
    return time.monotonic() - start


def assert_all_echo(connections):
    assert all(connection.echoes() for connection in connections), "a connection was cut"


def state_of(rcxlb):
    return configured(rcxlb.status())


def learn(rcxlb, do, undo):
    """The states without and with a change, and how long it takes to make."""
    without = state_of(rcxlb)
    longest = max(timed(rcxlb, do), 0.02) * 1.2
    done = state_of(rcxlb)
    assert done != without
    rcxlb(*undo)
    assert state_of(rcxlb) == without
    return without, done, longest


@pytest.mark.parametrize("change", CHANGES)
def test_killed_while_changing(lab, change):
    do, undo = CHANGES[change]
    lab.load_with(3001)
    lab.instances(3001)
    connections = [lab.dial() for _ in range(OPEN)]
    without, done, longest = learn(lab.rcxlb, do, undo)
    seen = {"before": 0, "after": 0}
    for turn in range(2 * scaled(10, 3)):
        words, before, after = (do, without, done) if turn % 2 == 0 else (undo, done, without)
        run_and_kill(lab.rcxlb, words, longest)
        found = state_of(lab.rcxlb)
        assert found in (before, after), f"turn {turn}: neither before nor after `{' '.join(words)}`"
        seen["before" if found == before else "after"] += 1
        if found == before:
            lab.rcxlb(*words)
        assert state_of(lab.rcxlb) == after
    print(f"{change}: {seen}")
    assert_all_echo(connections)
    assert lab.who() == "i3001"


def test_counts_of_a_service_whose_deletion_was_killed_are_nobodys(lab):
    lab.load()
    extra = ["services", "add", "extra", "--listen", "*:3100"]
    lab.rcxlb(*extra)
    longest = timed(lab.rcxlb, ["services", "del", "extra"]) * 1.2
    for _ in range(scaled(15, 4)):
        lab.rcxlb(*extra)
        assert lab.rcxlb.service("extra")["refused"] == 0
        assert lab.refused(port=3100)
        run_and_kill(lab.rcxlb, ["services", "del", "extra"], longest)
        lab.rcxlb("services", "list")  # which completes what was begun
        if any(service["name"] == "extra" for service in lab.rcxlb.status()["services"]):
            lab.rcxlb("services", "del", "extra")


def test_killed_while_loading_again(lab):
    lab.load_with(3001)
    lab.instances(3001)
    connections = [lab.dial() for _ in range(OPEN)]
    words = ["load", "eth0", "--no-agent"]
    longest = timed(lab.rcxlb, words) * 1.2
    before, held = state_of(lab.rcxlb), held_by(lab.rcxlb.pins)
    for _ in range(scaled(12, 4)):
        run_and_kill(lab.rcxlb, words, longest)
        assert state_of(lab.rcxlb) == before
        assert lab.who() == "i3001"
    lab.rcxlb(*words)
    assert held_by(lab.rcxlb.pins) == held
    assert_all_echo(connections)


def guard_of(held):
    """The guard, with its link, and without the maps, which it shares."""
    programs = frozenset(entry["id"] for entry in bpftool("prog") if entry["id"] in held.programs and entry["type"] == "ext")
    links = frozenset(entry["id"] for entry in bpftool("link") if entry.get("prog_id") in programs)
    return Held(frozenset(), programs, links)


def killed_by_the_kernel(lab, before, *words):
    with lab.host.entered():
        done = subprocess.run(lab.rcxlb.words(*words, before=before), env=lab.rcxlb.environment(), check=False,
                              stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGSYS


can_kill_at_removal = pytest.mark.skipif(not CAN_KILL_AT_REMOVAL, reason="unlink() and rmdir() are no system calls here")


@can_kill_at_removal
@pytest.mark.parametrize("again", ["load", "unload"])
def test_an_unload_that_was_killed_at_its_very_end_is_completed(lab, again):
    """Everything was taken away but the folder, which is empty then."""
    lab.load()
    lab.rcxlb("unload", "eth0")  # the first folder to be removed is then that of the pins
    killed_by_the_kernel(lab, killing_at("rmdir"), "unload")
    assert len(lab.pins_left()) == 1
    if again == "load":
        lab.load()
        assert lab.pins_left() == [str(lab.rcxlb.pins)]
    else:
        assert "not loaded" in lab.rcxlb.attempt("unload").err
        assert lab.pins_left() == []


@can_kill_at_removal
@pytest.mark.parametrize("again", [["unload"], ["load", "eth0", "--no-agent"]], ids=" ".join)
def test_a_guard_whose_dispatcher_was_not_removed_is_freed_by_the_next(lab, again):
    """Killed when the guard was detached, and what libxdp keeps of it was not taken away."""
    lab.load()
    held = guard_of(held_by(lab.rcxlb.pins))
    if not held:
        pytest.skip("this kernel lets no program be replaced: libxdp attaches the guard without a dispatcher")
    killed_by_the_kernel(lab, killing_at("unlink"), "unload", "eth0")
    assert still_there(held) == held
    lab.rcxlb(*again)
    wait_until(lambda: not still_there(held), "the guard is freed")
    assert len(dispatchers(lab.host)) == (again[0] == "load")


@pytest.mark.parametrize("again", [["load", "eth0", "--no-agent"], ["reload"]], ids=" ".join)
def test_a_guard_that_was_begun_is_attached_by_the_next(lab, again):
    """Killed when it was noted, and before anything was attached."""
    lab.load()
    config = lab.folder / "rcxlb.yaml"
    config.write_text(lab.rcxlb("config"), encoding="ascii")
    lab.rcxlb("reload", "-c", config)
    lab.rcxlb("unload", "eth0")
    killed_by_the_kernel(lab, killing(PROG_LOAD), "load", "eth0", "--no-agent")
    assert not xdp_attached(lab.host)
    lab.rcxlb(*again)
    assert xdp_attached(lab.host)
    assert lab.rcxlb.status()["interfaces"][0]["xdp"] != "off"


def answer_on(lab, port):
    """What an instance says there by HTTP; None: nobody took the client."""
    try:
        with lab.connect(port=port).sock as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: sock.recv(65536), b""))
    except OSError:
        return None


def test_a_change_that_was_begun_is_completed_without_another_command(lab):
    """By the supervisor: else steer may know of a service that nobody serves until somebody gives a command."""
    lab.rcxlb("load", "eth0")
    start(lab, "asyncio", "one", 3001)
    add = ["services", "add", "web", "--listen", "*:3100", "--check", "off"]
    lab.rcxlb(*add)
    lab.rcxlb("backends", "add", "-s", "web", "127.0.0.1:3001")
    assert b"Date: " not in answer_on(lab, 3100)
    killed_by_the_kernel(lab, killing(ITER_CREATE), *add, "--http")
    wait_until(lambda: b"Date: " in (answer_on(lab, 3100) or b""), "a worker answers")
    wait_until(lambda: not list(lab.rcxlb.runs.glob("pending*")), "nothing is left to be done")
    assert lab.rcxlb.service("web")["http"]


def test_killed_while_loading(lab):
    """Loaded and steering, or not loaded; then the next load works, and unload leaves nothing."""
    lab.instances(3001)
    words = ["load", "eth0", "--no-agent"]
    longest = timed(lab.rcxlb, words) * 1.2
    lab.rcxlb("unload")
    for _ in range(scaled(9, 4)):
        run_and_kill(lab.rcxlb, words, longest)
        status = lab.rcxlb.status()
        if status["loaded"]:
            assert configured(status) == {"default": (["*:3000"], [])}
        else:
            assert not status["services"]
            lab.rcxlb(*words)
        lab.rcxlb("backends", "add", "127.0.0.1:3001")
        assert lab.who() == "i3001"
        lab.rcxlb("unload")
        assert lab.pins_left() == [] and dispatchers(lab.host) == []


def test_killed_while_unloading(lab):
    lab.load_with(3001)
    lab.instances(3001)
    connections = [lab.dial() for _ in range(OPEN)]
    longest = timed(lab.rcxlb, ["unload"]) * 1.2
    held = []
    for _ in range(scaled(9, 4)):
        lab.load_with(3001)
        held.append(held_by(lab.rcxlb.pins))
        run_and_kill(lab.rcxlb, ["unload"], longest)
        status = lab.rcxlb.status()
        if status["loaded"]:
            assert list(configured(status)["default"][1]) == [("127.0.0.1:3001", 1, False)]
            assert lab.who(HOST4) == "i3001"
            lab.rcxlb("unload")
        assert lab.rcxlb.status()["loaded"] is False
    assert_all_echo(connections)
    lab.rcxlb.attempt("unload")
    assert lab.pins_left() == []
    wait_until(lambda: not any(still_there(each) for each in held), "all of it is freed")


@pytest.mark.skipif(not OTHER_BINARY, reason="RCXLB_OTHER does not name a binary of another version")
def test_killed_while_replacing(lab):
    """Two builds replace each other's programs in turn; the one that is killed is completed by the next load."""
    lab.load_with(3001)
    lab.instances(3001)
    connections = [lab.dial() for _ in range(OPEN)]
    builds = [Rcxlb(lab.host, lab.rcxlb.pins, lab.rcxlb.runs, binary) for binary in (OTHER_BINARY, BINARY)]
    words = ["load", "eth0", "--no-agent"]
    before = state_of(lab.rcxlb)
    longest = max(timed(build, words) for build in builds) * 1.2
    for turn in range(scaled(6, 2)):
        build = builds[turn % 2]
        run_and_kill(build, words, longest)
        assert state_of(build) == before
        assert lab.who() == "i3001"
        build(*words)
        assert lab.who() == "i3001"
        assert lab.rcxlb.active("127.0.0.1:3001") >= OPEN
    assert_all_echo(connections)
    lab.load()
