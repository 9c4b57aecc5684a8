# SPDX-License-Identifier: BSD-2-Clause
"""Somebody hangs with the lock of changes, as a command that was stopped: the agent and its supervisor do not."""
import contextlib
import fcntl
import os
import signal

import pytest

from harness import agent
from harness.agent import workers_of
from harness.poll import wait_equal, wait_until
from harness.settings import COMMAND_SECONDS
from test_agent import foreground
from test_concurrent import waits_for

pytestmark = pytest.mark.no_kernel

NOWHERE = "198.51.100.2"
BYTE_STARTING = 1  # of the agent's lock


@contextlib.contextmanager
def held(lab):
    """The lock is somebody else's."""
    with open(lab.rcxlb.runs / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kill_one_worker(lab):
    """And see another one in its place."""
    before = workers_of(lab)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: before[0] not in workers_of(lab) and len(workers_of(lab)) == len(before), "another worker")


def test_workers_that_die_are_replaced_meanwhile(lab):
    """Also when the supervisor has something to change itself: an address came here."""
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "off")
    lab.rcxlb("backends", "add", f"{NOWHERE}:3001")
    wait_until(lambda: workers_of(lab), "workers")
    assert lab.rcxlb.backend(f"{NOWHERE}:3001")["path"] == "proxied"
    with held(lab):
        lab.host.ip(f"addr add {NOWHERE}/32 dev lo")
        for _ in range(4):  # a worker each second, and it looks where addresses are every other one
            kill_one_worker(lab)
    wait_equal(lambda: lab.rcxlb.state(f"{NOWHERE}:3001"), "absent", "the backend is here, and nobody listens")


def has_supervisor(lab):
    return any(agent.name_of(number) == "rcxlb-super" for number in lab.host.pids())


def test_an_agent_that_is_starting_can_be_ended(lab):
    """It is held up elsewhere until the lock is somebody's: an agent starts while nobody else starts one."""
    lab.load()
    path = lab.rcxlb.runs / "agent.lock"
    with open(path, "wb") as starting:
        fcntl.lockf(starting, fcntl.LOCK_EX, 1, BYTE_STARTING)
        with foreground(lab) as process:
            wait_until(lambda: waits_for(path), "it waits before it is the agent")
            with held(lab):
                fcntl.lockf(starting, fcntl.LOCK_UN, 1, BYTE_STARTING)
                wait_until(lambda: has_supervisor(lab), "it is, and waits for the end of a change")
                process.terminate()
                process.wait(COMMAND_SECONDS)
                wait_until(lambda: not has_supervisor(lab), "so has its supervisor")
    assert agent.start(lab)
