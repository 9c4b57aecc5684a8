# SPDX-License-Identifier: BSD-2-Clause
"""IPv4 clients, IPv6 clients, and instances that take one or both."""
import pytest

from harness.agent import workers_of
from harness.lab import HOST4, HOST6
from harness.poll import wait_equal, wait_until

# bind address, only IPv6, backend address, takes IPv4 clients, takes IPv6 clients
INSTANCES = [
    pytest.param("127.0.0.1", False, "127.0.0.1:3001", True, False, id="an IPv4 instance takes IPv4"),
    pytest.param("0.0.0.0", False, "127.0.0.1:3001", True, False, id="one on every IPv4 address takes IPv4"),
    pytest.param("::1", False, "[::1]:3001", False, True, id="one on an IPv6 address takes IPv6"),
    pytest.param("::", False, "127.0.0.1:3001", True, True, id="a dual-stack one named by IPv4 takes both"),
    pytest.param("::", False, "[::1]:3001", True, True, id="a dual-stack one named by IPv6 takes both"),
    pytest.param("::", True, "[::1]:3001", False, True, id="an IPv6-only one takes IPv6"),
    pytest.param("::ffff:127.0.0.1", False, "127.0.0.1:3001", True, None, id="one on a mapped address takes IPv4"),
]


@pytest.mark.parametrize("bind, v6only, backend, takes4, takes6", INSTANCES)
@pytest.mark.parametrize("order", ["before load", "after add"])
def test_which_clients_an_instance_takes(lab, bind, v6only, backend, takes4, takes6, order):
    options = ["--bind", bind, *(["--v6only"] if v6only else [])]
    if order == "before load":
        lab.instance("it", 3001, *options)
    lab.load()
    lab.rcxlb("backends", "add", backend)
    if order == "after add":
        lab.instance("it", 3001, *options)
    assert lab.rcxlb.state(backend) == "up"
    expected_refusals = 0
    for address, takes in ((HOST4, takes4), (HOST6, takes6)):
        if takes is None:  # not promised either way
            continue
        if takes:
            assert lab.who(address=address) == "it"
        else:
            assert lab.refused(address=address)
            expected_refusals += 1
        assert lab.rcxlb.service()["refused"] == expected_refusals


def test_an_ipv6_only_instance_is_not_the_backend_of_an_ipv4_address(lab):
    lab.load_with(3001)
    lab.instance("six", 3001, "--bind", "::", "--v6only")
    assert lab.rcxlb.state("127.0.0.1:3001") == "absent"
    assert lab.refused()
    assert lab.refused(address=HOST6)


def test_each_family_goes_to_the_instances_that_take_it(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "[::1]:3002", "127.0.0.1:3003")
    lab.instance("four", 3001)
    lab.instance("six", 3002, "--bind", "::1")
    lab.instance("dual", 3003, "--bind", "::")
    assert set(lab.tally(60)) == {"four", "dual"}
    assert set(lab.tally(60, address=HOST6)) == {"six", "dual"}
    assert lab.rcxlb.service()["refused"] == 0


def test_two_instances_of_one_port_in_two_families_are_two_backends(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "[::1]:3001")
    lab.instance("four", 3001)
    lab.instance("six", 3001, "--bind", "::1")
    assert lab.who() == "four"
    assert lab.who(address=HOST6) == "six"


def test_clients_over_both_families_see_their_own_addresses(lab):
    lab.load_with(3001)
    lab.instance("dual", 3001, "--bind", "::")
    for address in (HOST4, HOST6):
        connection = lab.dial(address=address)
        assert connection.peer == connection.own
        assert connection.local == (address, 3000)


@pytest.mark.parametrize(
    "bind, v6only, backend, address, sees_client",
    [
        pytest.param("127.0.0.1", False, "127.0.0.1:3001", HOST6, False, id="IPv6 clients of an IPv4 instance"),
        pytest.param("::1", True, "[::1]:3001", HOST4, True, id="IPv4 clients of an IPv6 instance"),
    ],
)
def test_a_worker_takes_clients_whose_family_no_instance_takes(lab, bind, v6only, backend, address, sees_client):
    lab.instance("it", 3001, "--bind", bind, *(["--v6only"] if v6only else []))
    lab.rcxlb("load", "eth0")
    lab.rcxlb("backends", "add", backend)
    wait_until(lambda: workers_of(lab) and not lab.refused(address=address), "a worker takes connections")
    refused = lab.rcxlb.service()["refused"]
    connection = lab.dial(address=address)
    assert connection.name == "it" and connection.echoes()
    assert lab.rcxlb.service()["refused"] == refused, "that a worker asks again is nobody's refusal"
    assert (connection.peer == connection.own) == sees_client
    wait_equal(lambda: lab.rcxlb.backend(backend)["active"], 1, "active while the client is there")
    connection.close()
    wait_equal(lambda: lab.rcxlb.backend(backend)["active"], 0, "active when it has gone")


def test_without_a_worker_such_clients_are_refused(lab):
    lab.load_with(3001)
    lab.instance("it", 3001)
    assert lab.refused(address=HOST6)
    assert lab.rcxlb.service()["refused"] == 1


def test_why_names_the_address_as_services_do_and_takes_it(lab):
    lab.load()
    for name, listen in ("four", "0.0.0.0:3100"), ("six", "[::]:3200"):
        lab.rcxlb("services", "add", name, "--listen", listen)
    for name, client in ("default", "192.0.2.7:1"), ("default", "[2001:db8::7]:1"), ("four", "192.0.2.7:1"), ("six", "[2001:db8::7]:1"):
        listen = lab.rcxlb.service(name)["listen"][0]
        for to in [], ["--to", listen]:
            assert lab.rcxlb.json("why", client, "-s", name, *to)["listen"] == listen
            assert f"to service {name} at {listen}:" in lab.rcxlb("why", client, "-s", name, *to)


def test_why_says_that_a_worker_takes_the_client(lab):
    lab.instance("it", 3001)
    lab.rcxlb("load", "eth0")
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    wait_until(lambda: not lab.refused(address=HOST6), "a worker takes connections")
    answer = lab.rcxlb.json("why", "[fd00::7]:4000")
    assert answer["backend"] is None and answer["worker"] is True
    assert "a worker takes it" in lab.rcxlb("why", "[fd00::7]:4000")
    assert "worker" not in lab.rcxlb.json("why", "192.0.2.7:4000")


def test_of_two_services_on_one_port_each_family_gets_its_own(lab):
    """The worker that takes an IPv6 client dials by IPv4, where the port is another service's."""
    lab.instance("four", 3001)
    lab.instance("six", 3002)
    lab.rcxlb("load", "eth0")
    for name, listen, backend in ("one", "0.0.0.0:3100", "127.0.0.1:3001"), ("two", "[::]:3100", "127.0.0.1:3002"):
        lab.rcxlb("services", "add", name, "--listen", listen)
        lab.rcxlb("backends", "add", "-s", name, backend)
    wait_until(lambda: not lab.refused(address=HOST6, port=3100), "a worker takes connections")
    assert lab.tally(10, address=HOST6, port=3100) == {"six": 10}
    assert lab.tally(10, port=3100) == {"four": 10}


def test_a_listener_of_one_interface_takes_who_comes_in_by_it(lab):
    """The kernel would send its answers out of that interface."""
    lab.load_with(3001, 3002)
    inside = lab.instance("inside", 3001, "--device", "lo")
    assert lab.refused()
    lab.instance("outside", 3002, "--device", "eth0")
    assert lab.tally(20) == {"outside": 20}
    inside.kill()
    lab.instance("everywhere", 3001)
    assert set(lab.tally(60)) == {"outside", "everywhere"}
