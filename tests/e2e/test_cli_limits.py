# SPDX-License-Identifier: BSD-2-Clause
"""As many backends, services and listen addresses as promised; one more is a clear error and changes nothing."""
import pytest

from harness.lab import HOST4
from harness.rcxlb import configured
from test_cli_errors import assert_one_line


def listens(*addresses):
    return [word for address in addresses for word in ("--listen", address)]


def ports_of(service):
    return range(30000 + service * 16, 30000 + service * 16 + 16)


def test_sixty_four_services_with_sixteen_addresses_each(lab):
    """One more of either is an error, and all of them work."""
    lab.load(*listens(*(f"{HOST4}:{port}" for port in ports_of(0))))
    for i in range(1, 64):
        lab.rcxlb("services", "add", f"s{i}", *listens(*(f"{HOST4}:{port}" for port in ports_of(i))))
    before = configured(lab.rcxlb.status())
    assert len(before) == 64
    assert sum(len(listen) for listen, _ in before.values()) == 1024
    assert_one_line(lab.rcxlb.attempt("services", "add", "s64", "--listen", "*:4064"), 1, "64")
    assert configured(lab.rcxlb.status()) == before
    lab.rcxlb("services", "del", "s10")
    lab.rcxlb("services", "add", "s64", *listens(*(f"{HOST4}:{port}" for port in ports_of(64))))
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "-s", "s64")
    lab.instances(3001)
    assert lab.who(port=ports_of(64)[15]) == "i3001"
    assert lab.refused(port=ports_of(10)[0])
    assert lab.refused(port=ports_of(63)[15])


def test_a_thousand_and_twenty_four_backends(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:10000-11023")
    before = configured(lab.rcxlb.status())
    assert len(before["default"][1]) == 1024
    assert_one_line(lab.rcxlb.attempt("backends", "add", "127.0.0.1:3001"), 1, "127.0.0.1:3001")
    assert configured(lab.rcxlb.status()) == before
    lab.rcxlb("backends", "del", "127.0.0.1:10000-11022")
    lab.rcxlb("backends", "add", "127.0.0.1:3001-4023")
    assert len(lab.rcxlb.service()["backends"]) == 1024
    lab.instances(3777)
    assert lab.who() == "i3777"


@pytest.mark.parametrize("addresses", [
    pytest.param([f"{HOST4}:{port}" for port in range(4001, 4017)], id="sixteen addresses"),
    pytest.param([f"*:{port}" for port in range(4001, 4009)], id="eight ports on every address of two families"),
])
def test_as_many_listen_addresses_as_promised(lab, addresses):
    ports = [int(address.split(":")[1]) for address in addresses]
    lab.load()
    lab.rcxlb("services", "add", "many", *listens(*addresses))
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "-s", "many")
    lab.instances(3001)
    for port in ports:
        assert lab.who(port=port) == "i3001"
    lab.rcxlb("services", "del", "many")
    for port in ports:
        assert lab.refused(port=port)
    assert lab.rcxlb.service()["refused"] == 0


def test_without_a_name_the_only_service_is_meant_else_all_are_named(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.rcxlb("services", "add", "second", "--listen", "*:3100")
    line = assert_one_line(lab.rcxlb.attempt("backends", "add", "127.0.0.1:3002"), None, "second")
    assert "default" in line
    line = assert_one_line(lab.rcxlb.attempt("why", "192.0.2.2:1"), None, "second")
    assert "default" in line
    lab.rcxlb("backends", "add", "127.0.0.1:3002", "-s", "second")
    assert [entry["address"] for entry in lab.rcxlb.service("second")["backends"]] == ["127.0.0.1:3002"]


@pytest.mark.parametrize(
    "words",
    [
        ["y", "--listen", "*:81", "*:82", "--hash", "client"],
        ["--listen", "*:81", "*:82", "y", "--hash", "client"],
        ["--listen=*:81", "*:82", "--hash", "client", "y"],
        ["--hash", "client", "y", "--listen", "*:81", "--listen", "*:82"],
    ],
)
def test_several_listen_addresses_behind_one_option(lab, words):
    lab.load("--listen", "*:3000", "192.0.2.1:3001")
    lab.rcxlb("services", "add", *words)
    listens_of = {service["name"]: service["listen"] for service in lab.rcxlb.status()["services"]}
    assert listens_of == {"default": ["*:3000", "192.0.2.1:3001"], "y": ["*:81", "*:82"]}
