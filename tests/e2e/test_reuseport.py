# SPDX-License-Identifier: BSD-2-Clause
"""Several processes on one port: an SO_REUSEPORT group is one backend."""
import pytest

from harness.halt import stopped
from harness.poll import wait_until

BACKEND = "127.0.0.1:3001"


def start_members(lab, *names, bind="127.0.0.1"):
    return {name: lab.instance(name, 3001, "--bind", bind, "--reuseport") for name in names}


def expect_only(lab, names):
    """Within a bounded number of connections each of `names` is met, and never another."""
    met = set()
    for _ in range(300):
        met.add(lab.who())
        assert met <= set(names)
        if met == set(names):
            return
    raise AssertionError(f"in 300 connections met {met} of {names}")


@pytest.mark.parametrize("first", ["load", "members"])
def test_every_member_is_used(lab, first):
    names = ["m0", "m1", "m2", "m3"]
    if first == "load":
        lab.load_with(3001)
        start_members(lab, *names)
    else:
        start_members(lab, *names)
        lab.load_with(3001)
    expect_only(lab, names)


@pytest.mark.parametrize("first", ["load", "members"])
def test_members_go_one_by_one_from_the_first_to_the_last(lab, first):
    names = ["m0", "m1", "m2", "m3"]
    if first == "load":
        lab.load_with(3001)
    group = start_members(lab, *names)
    if first == "members":
        lab.load_with(3001)
    while names:
        expect_only(lab, names)
        assert lab.rcxlb.state(BACKEND) == "up"
        group[names.pop(0)].kill()
    assert lab.rcxlb.state(BACKEND) == "absent"
    assert lab.refused()
    start_members(lab, "m9")
    assert lab.who() == "m9"


def test_members_that_come_later_are_used(lab):
    lab.load_with(3001)
    group = start_members(lab, "m0")
    for number in range(1, 6):
        group.update(start_members(lab, f"m{number}"))
        group.pop(f"m{number - 1}").kill()
        expect_only(lab, list(group))
    assert lab.rcxlb.service()["refused"] == 0


def test_a_large_group_that_is_replaced_many_times(lab):
    """Members come and go more often than there is room for members: room is given back."""
    lab.load_with(3001)
    steady = lab.instance("steady", 3001, "--reuseport")
    for _ in range(100):
        passing = lab.listening("127.0.0.1", 3001, reuseport=True)
        passing.close()
    expect_only(lab, ["steady"])
    steady.kill()
    assert lab.refused()
    start_members(lab, "m0")
    assert lab.who() == "m0"


def test_a_member_that_is_stopped_says_nothing_of_the_others(lab):
    """The other one waits in a way that nobody sees."""
    lab.load_with(3001, rule=("--balance", "bounded"))
    lab.listening("127.0.0.1", 3001, reuseport=True)
    (visible,) = start_members(lab, "m1").values()
    with stopped(visible):
        assert lab.rcxlb.json("why", "192.0.2.2:20000")["candidates"][0]["verdict"] == "usable"


def test_the_clients_of_a_group_are_all_counted(lab):
    lab.load_with(3001)
    group = start_members(lab, "m0", "m1", "m2")
    connections = [lab.dial() for _ in range(30)]
    lab.await_active(BACKEND, 30)
    mine = [connection for connection in connections if connection.name == "m1"]
    group["m1"].kill()
    lab.await_active(BACKEND, 30 - len(mine))
    for connection in connections:
        connection.reset()
    lab.await_active(BACKEND, 0)


def test_a_group_on_every_address_of_both_families(lab):
    lab.load_with(3001)
    group = start_members(lab, "d0", "d1", bind="::")
    expect_only(lab, ["d0", "d1"])
    group["d0"].kill()
    expect_only(lab, ["d1"])
    group["d1"].kill()
    wait_until(lab.refused, "refused when the last is gone")
