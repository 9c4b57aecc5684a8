# SPDX-License-Identifier: BSD-2-Clause
"""Listeners of other network namespaces on a backend's port: never used, never registered."""
import pytest

from harness.lab import HOST4, HOST6

BACKEND = "127.0.0.1:3001"
BINDS = ["127.0.0.1", "0.0.0.0", "::", "::1"]


def foreign_listener(lab, bind):
    elsewhere = lab.namespace("elsewhere")
    return lab.listening(bind, 3001, namespace=elsewhere, v6only=False)


def assert_nobody_came(listener):
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("bind", BINDS)
@pytest.mark.parametrize("order", ["before load", "before add", "after add"])
def test_a_foreign_listener_is_not_the_backend(lab, bind, order):
    listener = None
    if order == "before load":
        listener = foreign_listener(lab, bind)
    lab.load()
    if order == "before add":
        listener = foreign_listener(lab, bind)
    lab.rcxlb("backends", "add", BACKEND, "[::1]:3001")
    if order == "after add":
        listener = foreign_listener(lab, bind)
    assert {entry["state"] for entry in lab.rcxlb.service()["backends"]} == {"absent"}
    assert lab.refused(address=HOST4)
    assert lab.refused(address=HOST6)
    assert_nobody_came(listener)


@pytest.mark.parametrize("foreign_first", [True, False])
def test_the_own_listener_is_used_beside_a_foreign_one(lab, foreign_first):
    lab.load_with(3001)
    start = [lambda: foreign_listener(lab, "0.0.0.0"), lambda: lab.instances(3001)]
    made = [step() for step in (start if foreign_first else reversed(start))]
    listener = made[0] if foreign_first else made[1]
    assert set(lab.tally(20)) == {"i3001"}
    assert_nobody_came(listener)
    made[1 if foreign_first else 0][3001].kill()
    assert lab.refused()
    assert lab.rcxlb.state(BACKEND) == "absent"
    assert_nobody_came(listener)


def test_two_rcxlb_on_one_machine_do_not_see_each_other(lab, second_lab):
    """Each in its own namespace, with the same service and the same backend's address."""
    lab.load_with(3001)
    second_lab.load_with(3001)
    lab.instance("first", 3001)
    assert second_lab.refused()
    assert second_lab.rcxlb.state(BACKEND) == "absent"
    second_lab.instance("second", 3001)
    assert (lab.who(), second_lab.who()) == ("first", "second")
    lab.rcxlb("unload")
    assert lab.refused()
    assert second_lab.who() == "second"
    second_lab.await_active(BACKEND, 0)
