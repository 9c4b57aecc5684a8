# SPDX-License-Identifier: BSD-2-Clause
"""IPv4 clients, IPv6 clients, and instances that take one or both."""
import pytest

from harness.lab import HOST4, HOST6

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
