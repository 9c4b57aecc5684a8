# SPDX-License-Identifier: BSD-2-Clause
"""Many commands at once: each takes effect, none half."""
import fcntl
import os
import signal
from pathlib import Path

import pytest

from harness.agent import status_of
from harness.lab import HOST4
from harness.poll import wait_equal, wait_until
from harness.rcxlb import configured
from harness.settings import COMMAND_SECONDS


def finish(running):
    """Waits for all; the errors of those that failed."""
    failures = []
    for process in running:
        _, err = process.communicate(timeout=COMMAND_SECONDS)
        if process.returncode != 0:
            failures.append((process.returncode, err))
    return failures


def test_fifty_adds_at_once(lab):
    lab.load()
    addresses = [f"127.0.0.1:{port}" for port in range(4001, 4051)]
    running = [lab.rcxlb.popen("backends", "add", address) for address in addresses]
    assert finish(running) == []
    assert {entry["address"] for entry in lab.rcxlb.json("backends")["backends"]} == set(addresses)
    instances = [lab.instance(f"i{port}", port) for port in (4001, 4025, 4050)]
    assert len(instances) == len(set(lab.tally(60)))


def test_adds_and_deletions_at_once(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:4001-4010")
    running = [lab.rcxlb.popen("backends", "del", f"127.0.0.1:{port}") for port in range(4001, 4011)]
    running += [lab.rcxlb.popen("backends", "add", f"127.0.0.1:{port}") for port in range(5001, 5011)]
    assert finish(running) == []
    found = {entry["address"] for entry in lab.rcxlb.json("backends")["backends"]}
    assert found == {f"127.0.0.1:{port}" for port in range(5001, 5011)}


def test_services_at_once(lab):
    lab.load()
    names = [f"service{i}" for i in range(10)]
    running = [lab.rcxlb.popen("services", "add", name, "--listen", f"*:{3100 + i}") for i, name in enumerate(names)]
    assert finish(running) == []
    assert set(configured(lab.rcxlb.status())) == {"default", *names}


def test_one_address_for_many_services_at_once_goes_to_one(lab):
    lab.load()
    running = [lab.rcxlb.popen("services", "add", f"service{i}", "--listen", "*:3100") for i in range(8)]
    failures = finish(running)
    assert [code for code, _ in failures] == [1] * 7, failures
    assert len(configured(lab.rcxlb.status())) == 2


def test_status_always_parses_while_others_change(lab):
    lab.load()
    add = ["backends", "add", "127.0.0.1:4001-4016"]
    delete = ["backends", "del", "127.0.0.1:4001-4016"]
    for words in [add, delete] * 5:
        writer = lab.rcxlb.popen(*words)
        while writer.poll() is None:
            assert len(lab.rcxlb.service()["backends"]) in (0, 16)
        assert finish([writer]) == []


def test_loads_at_once_make_one(lab):
    running = [lab.rcxlb.popen("load", "eth0", "--no-agent") for _ in range(8)]
    assert finish(running) == []
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.instances(3001)
    assert lab.who(HOST4) == "i3001"
    running = [lab.rcxlb.popen("unload") for _ in range(4)]
    for process in running:
        process.communicate(timeout=COMMAND_SECONDS)
    assert lab.pins_left() == []


def waits_for(path):
    """Does somebody wait for a lock on the file? In the kernel's list those have an arrow."""
    number = f":{path.stat().st_ino}"
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return any("->" in words and any(word.endswith(number) for word in words) for words in lines)


def test_who_only_looks_leaves_the_lock_to_others(lab):
    """It waits for an unload, and somebody else looks at the same time."""
    lab.load()
    path = lab.rcxlb.runs / "lock"
    with open(path, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looking = lab.rcxlb.popen("backends")
        wait_until(lambda: waits_for(path), "it waits")
        (lab.rcxlb.pins / "steer").unlink()
        fcntl.flock(lock, fcntl.LOCK_SH)
        _, err = looking.communicate(timeout=COMMAND_SECONDS)
        assert looking.returncode == 1 and "not loaded" in err
        assert os.path.samestat(os.fstat(lock.fileno()), path.stat())


FILE = "interfaces: [eth0]\nservices: [{{name: default, listen: ['*:3000'], backends: ['127.0.0.1:{}']}}]\n"


@pytest.mark.parametrize("words", [["reload"], ["load", "--no-agent"]], ids=" ".join)
def test_what_was_read_of_a_file_before_others_changed_it_does_not_count(lab, words):
    """Who read an older one has the lock last."""
    lab.load()
    path, lock = lab.folder / "rcxlb.yaml", lab.rcxlb.runs / "lock"
    path.write_text(FILE.format(3001), encoding="ascii")
    with open(lock, "rb") as others:
        fcntl.flock(others, fcntl.LOCK_SH)
        late = lab.rcxlb.popen(*words, "-c", path)
        wait_until(lambda: waits_for(lock), "it has read the file, and waits")
        late.send_signal(signal.SIGSTOP)
        wait_equal(lambda: status_of(late.pid)["State"][0], "T", "it is stopped")
        (lab.folder / "new").write_text(FILE.format(3002), encoding="ascii")
        (lab.folder / "new").rename(path)
    lab.rcxlb("reload", "-c", path)
    late.send_signal(signal.SIGCONT)
    out, err = late.communicate(timeout=COMMAND_SECONDS)
    assert late.returncode == 0, err
    assert "no difference" in out
    assert [backend["address"] for backend in lab.rcxlb.service()["backends"]] == ["127.0.0.1:3002"]


F_SETPIPE_SZ = 1031


@pytest.mark.parametrize("words", [["backends"], ["reload"]], ids=" ".join)
def test_who_does_not_read_the_output_holds_nobody_up(lab, words):
    """As a pager that somebody has left open: the output is longer than a pipe takes."""
    lab.load()
    lab.rcxlb("backends", "add", *(f"127.0.0.1:{port}" for port in range(4000, 4600, 2)))
    empty = lab.folder / "empty.yaml"
    empty.write_text("services: [{name: default, listen: ['*:3000'], backends: ['127.0.0.1:3001']}]", encoding="utf-8")
    process = lab.rcxlb.popen(*words, *(["-c", empty] if words[0] == "reload" else []))
    try:
        fcntl.fcntl(process.stdout, F_SETPIPE_SZ, 4096)
        assert process.stdout.read(1)
        wait_until(lambda: is_full(process), "it waits for its reader")
        lab.rcxlb("backends", "add", "127.0.0.1:3001")
        lab.rcxlb("backends", "drain", "127.0.0.1:3001")
    finally:
        process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 0
    assert lab.rcxlb.state("127.0.0.1:3001") == "draining"


def is_full(process):
    """It sleeps in write(), which has the number 1."""
    with open(f"/proc/{process.pid}/syscall", encoding="ascii") as file:
        return file.read().startswith("1 ")
