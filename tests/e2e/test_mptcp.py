# SPDX-License-Identifier: BSD-2-Clause
"""Listeners of MPTCP, which the kernel puts into no map: workers connect to them, and they see the client."""
import socket

import pytest

from harness import agent, settings
from harness.agent import workers_of
from harness.lab import HOST6
from harness.poll import wait_equal, wait_until

BACKEND = "127.0.0.1:3001"
REASON = "the kernel assigns no connection to an MPTCP listener"
IPPROTO_MPTCP = 262


def missing_reason():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
    except OSError as problem:
        return f"this kernel has no MPTCP: {problem}"
    return ""


pytestmark = pytest.mark.skipif(bool(missing_reason()), reason=missing_reason())


def listens(lab, name="it", port=3001, bind="127.0.0.1"):
    return lab.instance(name, port, "--bind", bind, "--mptcp")


def somebody(lab, **more):
    try:
        return lab.who(**more)
    except OSError:
        return None


def await_service(lab):
    return wait_until(lambda: workers_of(lab) and somebody(lab), "a worker takes connections")


@pytest.mark.parametrize("order", ["before load", "after add"])
def test_it_is_served_and_sees_the_client(lab, order):
    """The service has no workers before such a listener is seen."""
    if order == "before load":
        it = listens(lab)
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "0.0.0.0:3000", "--check", "off")
    lab.rcxlb("backends", "add", BACKEND)
    if order == "after add":
        assert lab.refused() and not workers_of(lab)
        it = listens(lab)
    await_service(lab)
    entry = lab.rcxlb.backend(BACKEND)
    assert (entry["state"], entry["path"], entry["reason"]) == ("up", "proxied", REASON)
    connection = lab.dial()
    assert connection.peer == connection.own and connection.echoes()
    wait_equal(lambda: lab.rcxlb.active(BACKEND), 1, "active while the client is there")
    connection.close()
    wait_equal(lambda: lab.rcxlb.active(BACKEND), 0, "active when it has gone")
    it.kill()
    wait_equal(lambda: lab.rcxlb.state(BACKEND), "absent", "state when it has gone")
    assert somebody(lab) is None
    lab.instance("plain", 3001)
    connection = lab.dial()
    assert (connection.name, connection.peer) == ("plain", connection.own)
    assert lab.rcxlb.backend(BACKEND)["path"] == "direct"


def test_beside_others(lab):
    lab.instance("plain", 3002)
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--balance", "bounded", "--check", "off")
    lab.rcxlb("backends", "add", BACKEND, "127.0.0.1:3002")
    with agent.Follower(lab) as follower:
        it = listens(lab)
        follower.await_event(event="listening", backend=BACKEND)
        wait_until(lambda: somebody(lab) == "it", "a worker takes connections")
        held = [lab.dial() for _ in range(30)]
        assert {connection.name for connection in held} == {"it", "plain"}
        assert all(connection.peer == connection.own for connection in held)
        assert {somebody(lab, address=HOST6) for _ in range(10)} >= {"it"}
        it.kill()
        follower.await_event(event="gone", backend=BACKEND, absent=True)
    assert set(lab.tally(20)) == {"plain"}


def test_on_the_port_of_its_service_and_checked(lab):
    """Neither a worker's connect nor a check's is steered to a worker again."""
    backend = "127.0.0.1:3000"
    listens(lab, port=3000)
    lab.load()
    agent.set_check(lab, kind=agent.TCP)
    lab.rcxlb("backends", "add", backend)
    agent.start(lab)
    await_service(lab)
    wait_until(lambda: agent.health_entry(lab, 0)["state"] == 1, "its check is passed")
    connection = lab.dial()
    assert connection.peer == connection.own and connection.local == ("127.0.0.1", 3000)
    wait_until(lambda: lab.rcxlb.service()["work"]["accepted"], "workers tell of it")
    assert lab.rcxlb.service()["work"]["accepted"] < 50 * settings.PATIENCE


def test_over_ipv6(lab):
    listens(lab, bind="::1")
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "off")
    lab.rcxlb("backends", "add", "[::1]:3001")
    await_service(lab)
    for more in ({}, {"address": HOST6}):
        connection = lab.dial(**more)
        assert connection.name == "it" and connection.peer == connection.own
