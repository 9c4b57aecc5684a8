# SPDX-License-Identifier: BSD-2-Clause
"""Who writes access logs: what becomes of him, and of the log, where descriptors or the disk do not suffice."""
import contextlib
import os
import signal
import time

import pytest

from harness.agent import recorders_of, supervisor_of
from harness.kinds import start
from harness.namespace import run
from harness.poll import wait_equal, wait_until
from harness.settings import COMMAND_SECONDS
from test_agent import foreground

pytestmark = pytest.mark.no_kernel

FILE = """\
interfaces: [eth0]
services:
- name: default
  listen: ["*:3000"]
  backends: ["127.0.0.1:3001"]
  health: {{type: "off"}}
  http: {{{}}}
"""
NONE = "body_bytes: 1000"


def configure(lab, http, *words):
    path = lab.folder / "rcxlb.yaml"
    path.write_text(FILE.format(http), encoding="utf-8")
    lab.rcxlb(*words, "-c", path)


@pytest.fixture(name="log")
def _log(lab):
    """Where an instance is behind a service."""
    start(lab, "asyncio", "one", 3001)
    return lab.folder / "access.log"


def ask(lab, path="/"):
    """A request; has it an answer?"""
    with contextlib.suppress(OSError), lab.connect().sock as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in b"".join(iter(lambda: sock.recv(65536), b""))
    return False


def await_workers(lab):
    wait_until(lambda: ask(lab), "a worker answers")


@contextlib.contextmanager
def told(lab):
    """An agent; what it and its supervisor have said is in the list when the context has ended."""
    lines = []
    with foreground(lab) as process:
        await_workers(lab)
        yield lines
        process.terminate()
        process.wait(COMMAND_SECONDS)
        lab.rcxlb("unload")  # its workers have its standard error, and stay until then
        lines += process.stderr.read().splitlines()


def permit_files(number, count):
    run("prlimit", f"--pid={number}", f"--nofile={count}:")


def test_one_that_cannot_be_looked_after_is_not_left_beside_the_next(lab, log):
    """The supervisor has no descriptor for its process."""
    configure(lab, f"access_log: {log}", "load", "--no-agent")
    with told(lab) as lines:
        wait_until(log.exists, "the first line is written")
        permit_files(supervisor_of(lab), 4)  # the standard ones, and the end of the agent
        os.kill(recorders_of(lab)[0], signal.SIGKILL)
        time.sleep(3.5)  # it tries each second
        permit_files(supervisor_of(lab), 1024)
        assert ask(lab, "/later")
        wait_until(lambda: "/later" in log.read_text("utf-8"), "the line is in the log")
        wait_equal(lambda: len(recorders_of(lab)), 1, "recorders")
    assert len([line for line in lines if "cannot start to write the access log" in line]) == 1, lines


def test_that_there_is_no_pipe_is_told_once(lab, log):
    configure(lab, NONE, "load", "--no-agent")
    with told(lab) as lines:
        permit_files(supervisor_of(lab), 4)
        configure(lab, f"access_log: {log}", "reload")
        time.sleep(2)  # it looks five times a second
        assert recorders_of(lab) == []
        permit_files(supervisor_of(lab), 1024)
        wait_until(lambda: recorders_of(lab), "a recorder")
    assert len([line for line in lines if "cannot make a pipe for the access log" in line]) == 1, lines


@pytest.fixture(name="small")
def _small(lab):
    """A file system of a few pages; all but one are taken."""
    folder = lab.folder / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    (folder / "filler").write_bytes(bytes(60 * 1024))
    yield folder
    lab.rcxlb.attempt("unload")
    wait_equal(lambda: recorders_of(lab), [], "recorders")
    run("umount", str(folder))


def test_a_full_disk_spoils_no_later_line(lab, log, small):
    """The line that was cut is lost; the next one that is written begins as a line."""
    log = small / "access.log"
    configure(lab, f"access_log: {log}", "load")
    await_workers(lab)
    wait_until(log.exists, "the first line is written")
    while log.stat().st_size < 4096:
        assert ask(lab, "/" + "x" * 100)
    (small / "filler").unlink()
    wait_until(lambda: ask(lab, "/after") and "/after" in log.read_text("ascii"), "lines are written again")
    lines = log.read_text("ascii").splitlines()
    assert not [line for line in lines if line.count(" - - [") > 1]
    assert next(line for line in lines if "/after" in line).startswith("192.0.2.")
