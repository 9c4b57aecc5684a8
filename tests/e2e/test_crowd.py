# SPDX-License-Identifier: BSD-2-Clause
"""Two hundred clients connect throughout, and none is refused while an instance listens.

A connection that was already in the queue of an instance, or with it, ends with that instance: the client's connect()
succeeded and then it got a RST. These are counted apart, as `lost`.
"""
import pytest

from harness.crowd import LOST, REFUSED, TIMED_OUT, Crowd
from harness.lab import CLIENTS4, CLIENTS6, HOST4, HOST6
from harness.settings import scaled

CLIENTS = 200
ROUNDS = scaled(8, 2)


def crowd(lab, address=HOST4, sources=None):
    return Crowd(lab.clients, address, 3000, CLIENTS, sources or CLIENTS4)


def assert_nobody_refused(lab, people, may_lose):
    outcomes = people.outcomes
    print(f"of {people.done()} connections {outcomes[LOST]} were lost in the queues of {may_lose} killed instances")
    assert outcomes[REFUSED] == 0, outcomes
    assert outcomes[TIMED_OUT] == 0, outcomes
    assert outcomes[LOST] <= may_lose * CLIENTS, outcomes
    assert lab.rcxlb.service()["refused"] == 0


def test_an_instance_is_killed_and_started_again(lab):
    lab.load_with(3001, 3002, 3003)
    instances = lab.instances(3001, 3002, 3003)
    people = crowd(lab)
    with people.connecting():
        for turn in range(ROUNDS):
            port = 3001 + turn % 3
            instances[port].kill()
            people.await_more(CLIENTS)
            instances.update(lab.instances(port))
            people.await_more(CLIENTS)
    assert_nobody_refused(lab, people, ROUNDS)


def test_an_instance_is_killed_under_ipv6_clients(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3002")
    instances = {port: lab.instance(f"i{port}", port, "--bind", "::") for port in (3001, 3002)}
    people = crowd(lab, HOST6, CLIENTS6)
    with people.connecting():
        for turn in range(ROUNDS):
            port = 3001 + turn % 2
            instances[port].kill()
            people.await_more(CLIENTS)
            instances[port] = lab.instance(f"i{port}", port, "--bind", "::")
            people.await_more(CLIENTS)
    assert_nobody_refused(lab, people, ROUNDS)


def test_the_members_of_a_group_are_killed_and_replaced(lab):
    lab.load_with(3001)
    group = [lab.instance(f"m{i}", 3001, "--reuseport") for i in range(3)]
    people = crowd(lab)
    with people.connecting():
        for turn in range(ROUNDS):
            group.pop(0).kill()
            people.await_more(CLIENTS)
            group.append(lab.instance(f"n{turn}", 3001, "--reuseport"))
            people.await_more(CLIENTS)
    assert_nobody_refused(lab, people, ROUNDS)


# What is done while the crowd connects; nobody may notice.
COMMANDS = {
    "drain and undrain": (["backends", "drain", "127.0.0.1:3001"], ["backends", "undrain", "127.0.0.1:3001"]),
    "delete and add": (["backends", "del", "127.0.0.1:3001"], ["backends", "add", "127.0.0.1:3001"]),
    "a range of absent backends": (
        ["backends", "add", "127.0.0.1:5001-5064"], ["backends", "del", "127.0.0.1:5001-5064"]),
    "another service": (["services", "add", "other", "--listen", "*:3100"], ["services", "del", "other"]),
    "load again": (["load", "eth0", "--no-agent"],),
    "weights": (["backends", "add", "127.0.0.1:3001", "--weight", "7"], ["backends", "add", "127.0.0.1:3001"]),
}


@pytest.mark.parametrize("change", COMMANDS)
def test_commands_lose_no_connection(lab, change):
    lab.load_with(3001, 3002)
    lab.instances(3001, 3002)
    people = crowd(lab)
    with people.connecting():
        for _ in range(scaled(4)):
            for words in COMMANDS[change]:
                lab.rcxlb(*words)
                people.await_more(CLIENTS)
    assert_nobody_refused(lab, people, 0)
