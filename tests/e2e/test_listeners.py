# SPDX-License-Identifier: BSD-2-Clause
"""Instances start, die and come back, and steering knows at once."""
import socket

import pytest

from harness.lab import HOST6

BACKEND = "127.0.0.1:3001"

# When the instance starts among the three steps "load", "add" and nothing more.
ORDERS = {
    "before load": ("instance", "load", "add"),
    "between load and add": ("load", "instance", "add"),
    "after add": ("load", "add", "instance"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_an_instance_is_found_whenever_it_starts(lab, order):
    steps = {
        "instance": lambda: lab.instances(3001),
        "load": lab.load,
        "add": lambda: lab.rcxlb("backends", "add", BACKEND),
    }
    for step in ORDERS[order]:
        steps[step]()
    assert lab.who() == "i3001"
    assert lab.rcxlb.state(BACKEND) == "up"


def test_an_instance_that_was_killed_is_back_the_moment_it_listens(lab):
    lab.load_with(3001)
    for _ in range(5):
        instance = lab.instance("again", 3001)
        assert lab.who() == "again"
        instance.kill()
        assert lab.refused()
        assert lab.rcxlb.state(BACKEND) == "absent"


def test_clients_of_a_killed_instance_go_elsewhere_at_once(lab):
    lab.load_with(3001, 3002)
    instances = lab.instances(3001, 3002)
    for _ in range(5):
        instances[3001].kill()
        assert set(lab.tally(20)) == {"i3002"}
        instances.update(lab.instances(3001))
        assert set(lab.tally(40)) == {"i3001", "i3002"}
    assert lab.rcxlb.service()["refused"] == 0


def test_an_instance_that_closed_its_socket_without_dying_is_absent(lab):
    lab.load_with(3001, 3002)
    lab.instances(3002)
    listener = lab.listening("127.0.0.1", 3001)
    assert lab.rcxlb.state(BACKEND) == "up"
    listener.close()
    assert lab.rcxlb.state(BACKEND) == "absent"
    assert set(lab.tally(20)) == {"i3002"}


def test_a_socket_that_is_bound_and_does_not_listen_is_not_used(lab):
    lab.load_with(3001)
    sock = lab.host.socket()
    with sock:
        sock.bind(("127.0.0.1", 3001))
        assert lab.rcxlb.state(BACKEND) == "absent"
        assert lab.refused()
        sock.listen()
        assert lab.rcxlb.state(BACKEND) == "up"


def test_a_deleted_backend_gets_no_connection_and_may_come_back(lab):
    lab.load_with(3001, 3002)
    lab.instances(3001, 3002)
    for _ in range(3):
        lab.rcxlb("backends", "del", BACKEND)
        assert set(lab.tally(20)) == {"i3002"}
        lab.rcxlb("backends", "add", BACKEND)
        assert set(lab.tally(40)) == {"i3001", "i3002"}


def test_a_new_backend_never_inherits_the_listener_of_a_deleted_one(lab):
    lab.load_with(3001)
    lab.instances(3001)
    assert lab.who() == "i3001"
    lab.rcxlb("backends", "del", BACKEND)
    lab.rcxlb("backends", "add", "127.0.0.1:3002")
    assert lab.rcxlb.state("127.0.0.1:3002") == "absent"
    assert all(lab.refused() for _ in range(10))
    lab.instances(3002)
    assert set(lab.tally(10)) == {"i3002"}
    backend = lab.rcxlb.backend("127.0.0.1:3002")
    assert backend["steered"] == 10


def test_a_listener_that_started_while_its_backend_was_deleted_is_found_again(lab):
    lab.load_with(3001)
    lab.rcxlb("backends", "del", BACKEND)
    lab.instances(3001)
    assert lab.refused()
    lab.rcxlb("backends", "add", BACKEND)
    assert lab.who() == "i3001"


def test_a_range_of_backends_is_used_as_far_as_it_listens(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3016")
    assert len(lab.rcxlb.service()["backends"]) == 16
    assert lab.refused()
    running = lab.instances(3004)
    assert set(lab.tally(10)) == {"i3004"}
    running.update(lab.instances(3016))
    assert set(lab.tally(40)) == {"i3004", "i3016"}


def test_a_stopped_instance_keeps_its_queue_and_answers_when_it_continues(lab):
    lab.load_with(3001)
    instance = lab.instances(3001)[3001]
    instance.stop()
    waiting = [lab.connect() for _ in range(5)]
    assert lab.rcxlb.backend(BACKEND)["accept_queue"] == 5
    instance.resume()
    assert {connection.read_greeting().name for connection in waiting} == {"i3001"}
    assert lab.rcxlb.backend(BACKEND)["accept_queue"] == 0


@pytest.mark.parametrize("wildcard_first", [True, False])
def test_an_exact_and_a_wildcard_listener_of_one_port_side_by_side(lab, wildcard_first):
    """Both are found as the backend; while either listens nobody is refused."""
    binds = ["0.0.0.0", "127.0.0.1"] if wildcard_first else ["127.0.0.1", "0.0.0.0"]
    lab.load_with(3001)
    group = [lab.instance(bind, 3001, "--bind", bind, "--reuseport") for bind in binds]
    assert lab.who() in binds
    group[0].kill()
    assert set(lab.tally(10)) == {binds[1]}
    group[1].kill()
    assert lab.refused()
    assert lab.refused(address=HOST6)


def test_a_socket_that_listens_anew_is_known_as_before(lab):
    """So servers pause that keep their address: the socket is shut down and not closed."""
    lab.load_with(3001)
    listener = lab.listening("127.0.0.1", 3001)
    for _ in range(70):  # more than a group may have members
        listener.shutdown(socket.SHUT_RDWR)
        listener.listen(16)
    backend = lab.rcxlb.backend(BACKEND)
    assert (backend["state"], backend["reason"]) == ("up", "")
    client = lab.connect()
    lab.await_active(BACKEND, 1)
    client.close()
    listener.accept()[0].close()
    lab.await_active(BACKEND, 0)
    listener.shutdown(socket.SHUT_RDWR)
    assert lab.refused()
    assert lab.rcxlb.state(BACKEND) == "absent"


def test_a_socket_that_listens_anew_after_its_backend_was_deleted_gets_no_client(lab):
    lab.load_with(3001)
    listener = lab.listening("127.0.0.1", 3001)
    listener.shutdown(socket.SHUT_RDWR)
    lab.rcxlb("backends", "del", BACKEND)
    for change in ("add", "del"):  # until the next one is known by the number that it had
        lab.rcxlb("backends", change, "127.0.0.9:1-1023")
    lab.rcxlb("backends", "add", "127.0.0.1:3002")
    listener.listen(16)
    assert lab.refused()
    lab.instances(3002)
    assert lab.who() == "i3002"
