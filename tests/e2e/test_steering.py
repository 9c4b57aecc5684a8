# SPDX-License-Identifier: BSD-2-Clause
"""Where a new connection lands, and what passes untouched."""
import socket

import pytest

from harness.client import dial, refused
from harness.lab import CLIENTS4, CLIENTS6, HOST4, HOST6


def refused_count(lab, service="default"):
    return lab.rcxlb.service(service)["refused"]


@pytest.mark.parametrize("source", [CLIENTS4[0], CLIENTS4[7]])
def test_the_instance_sees_the_client_and_the_dialled_address_over_ipv4(lab, source):
    lab.load_with(3001)
    lab.instances(3001)
    with dial(lab.clients, HOST4, 3000, source=source) as connection:
        assert connection.name == "i3001"
        assert connection.peer == connection.own
        assert connection.peer[0] == source
        assert connection.local == (HOST4, 3000)
        assert connection.echoes()


@pytest.mark.parametrize("source", [CLIENTS6[0], CLIENTS6[7]])
def test_the_instance_sees_the_client_and_the_dialled_address_over_ipv6(lab, source):
    lab.load()
    lab.rcxlb("backends", "add", "[::1]:3001")
    lab.instance("six", 3001, "--bind", "::1")
    with dial(lab.clients, HOST6, 3000, source=source) as connection:
        assert connection.name == "six"
        assert connection.peer == connection.own
        assert connection.peer[0] == source
        assert connection.local == (HOST6, 3000)


def test_clients_on_the_host_itself_are_steered(lab):
    lab.load_with(3001)
    lab.instances(3001)
    with dial(lab.host, "127.0.0.1", 3000) as connection:
        assert connection.name == "i3001"
        assert connection.local == ("127.0.0.1", 3000)


def test_a_service_may_have_the_port_of_a_backend(lab):
    lab.load("--listen", "*:3001")
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "127.0.0.1:3002")
    lab.instances(3001, 3002)
    assert set(lab.tally(40, port=3001)) == {"i3001", "i3002"}
    with dial(lab.host, "127.0.0.1", 3001) as connection:
        assert connection.local == ("127.0.0.1", 3001)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::"])
def test_an_instance_bound_to_every_address_is_found_by_its_port(lab, bind):
    lab.load_with(3001)
    lab.instance("wild", 3001, "--bind", bind)
    assert lab.rcxlb.state("127.0.0.1:3001") == "up"
    assert lab.who() == "wild"


def test_an_instance_bound_to_another_address_is_not_the_backend(lab):
    lab.load_with(3001)
    lab.instance("other", 3001, "--bind", HOST4)
    assert lab.rcxlb.state("127.0.0.1:3001") == "absent"
    assert lab.refused()


def test_an_exact_address_comes_before_every_address(lab):
    """Whichever of the two services was there first, and for as long as both are."""
    lab.host.ip("addr add 192.0.2.100/24 dev eth0")
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "-s", "default")
    lab.instances(3001, 3002)

    def add_exact():
        lab.rcxlb("services", "add", "exact", "--listen", "192.0.2.100:3000")
        lab.rcxlb("backends", "add", "127.0.0.1:3002", "-s", "exact")

    def met():
        return set(lab.tally(20)), set(lab.tally(20, address="192.0.2.100"))

    add_exact()
    assert met() == ({"i3001"}, {"i3002"})
    lab.rcxlb("services", "del", "exact")
    assert met() == ({"i3001"}, {"i3001"})
    add_exact()
    assert met() == ({"i3001"}, {"i3002"})
    lab.rcxlb("services", "add", "default", "--listen", f"{HOST4}:3000", "--listen", "*:3100")
    assert met() == ({"i3001"}, {"i3002"})
    lab.rcxlb("services", "add", "default", "--listen", "*:3000")
    assert met() == ({"i3001"}, {"i3002"})


def test_a_service_on_one_address_leaves_the_others_alone(lab):
    lab.host.ip("addr add 192.0.2.100/24 dev eth0")
    lab.load("--listen", "192.0.2.100:3000")
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.instances(3001)
    assert lab.who(address="192.0.2.100") == "i3001"
    assert lab.refused()
    lab.instance("plain", 3000, "--bind", HOST4)
    assert lab.who() == "plain"
    assert refused_count(lab) == 0


def test_a_service_with_several_addresses(lab):
    lab.load("--listen", f"{HOST4}:3000", "--listen", f"[{HOST6}]:3000", "--listen", "*:3100")
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.instance("both", 3001, "--bind", "::")
    for address, port in ((HOST4, 3000), (HOST6, 3000), (HOST4, 3100), (HOST6, 3100)):
        assert lab.who(address=address, port=port) == "both"
    assert set(lab.rcxlb.service()["listen"]) == {f"{HOST4}:3000", f"[{HOST6}]:3000", "*:3100"}


def test_udp_and_other_ports_pass_untouched(lab):
    lab.load_with(3001)
    lab.instances(3001)
    lab.instance("plain", 3999, "--bind", "0.0.0.0")
    assert lab.who(port=3999) == "plain"
    assert lab.refused(port=3998)
    server = lab.host.socket(kind=socket.SOCK_DGRAM)
    sender = lab.clients.socket(kind=socket.SOCK_DGRAM)
    with server, sender:
        server.bind(("0.0.0.0", 3000))
        server.settimeout(5)
        sender.sendto(b"datagram", (HOST4, 3000))
        assert server.recvfrom(100)[0] == b"datagram"
    assert lab.rcxlb.backend("127.0.0.1:3001")["steered"] == 0
    assert refused_count(lab) == 0


def test_a_service_without_backends_refuses_at_once_and_counts(lab):
    lab.load()
    assert all(lab.refused() for _ in range(3))
    assert refused_count(lab) == 3


def test_a_service_whose_backends_are_all_absent_refuses_and_counts(lab):
    lab.load_with(3001, 3002)
    assert all(lab.refused() for _ in range(3))
    assert refused_count(lab) == 3
    assert lab.rcxlb.state("127.0.0.1:3001") == "absent"


def test_others_take_over_for_an_absent_backend(lab):
    lab.load_with(3001, 3002, 3003)
    lab.instances(3001, 3003)
    assert set(lab.tally(60)) == {"i3001", "i3003"}
    backends = {entry["address"]: entry for entry in lab.rcxlb.service()["backends"]}
    assert backends["127.0.0.1:3002"]["steered"] == 0
    assert sum(entry["steered"] for entry in backends.values()) == 60
    assert 1 <= sum(entry["failovers"] for entry in backends.values()) < 60
    assert refused_count(lab) == 0


def test_one_usable_backend_among_a_thousand_absent_ones_is_found(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:10000-11023")
    lab.instances(10777)
    assert set(lab.tally(100)) == {"i10777"}
    assert refused_count(lab) == 0


def test_one_backend_may_serve_two_services(lab):
    lab.load_with(3001)
    lab.rcxlb("services", "add", "second", "--listen", "*:3100")
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "-s", "second")
    lab.instances(3001)
    first, second = lab.dial(), lab.dial(port=3100)
    assert (first.name, second.name) == ("i3001", "i3001")
    lab.await_active("127.0.0.1:3001", 2)
    assert lab.rcxlb.active("127.0.0.1:3001", "second") == 2
    lab.rcxlb("services", "del", "second")
    assert second.echoes()
    assert refused(lab.clients, HOST4, 3100)
    assert lab.who() == "i3001"
