# SPDX-License-Identifier: BSD-2-Clause
"""Load, load again, unload, replace: no connection is cut, and nothing is left."""
import json
import subprocess

import pytest

from harness import settings
from harness.client import dial
from harness.kernel import bpftool, held_by, still_there, xdp_attached
from harness.lab import CLIENTS6, HOST4, HOST6
from harness.poll import wait_until
from harness.rcxlb import Rcxlb, configured

BACKENDS = ["127.0.0.1:3001", "127.0.0.1:3002"]


def open_connections(lab, count=100):
    return [lab.dial(address=HOST6 if i % 4 == 0 else HOST4) for i in range(count)]


def assert_all_echo(connections):
    silent = [connection.own for connection in connections if not connection.echoes()]
    assert not silent, f"{len(silent)} of {len(connections)} connections were cut"


def start_dual(lab, *ports):
    return [lab.instance(f"i{port}", port, "--bind", "::") for port in ports]


STEPS = {
    "load again": [["load", "eth0", "--no-agent"]],
    "unload and load": [["unload"], ["load", "eth0", "--no-agent"], ["backends", "add", *BACKENDS]],
    "drain, undrain": [["backends", "drain", BACKENDS[0]], ["backends", "undrain", BACKENDS[0]]],
    "drain all": [["backends", "drain", *BACKENDS]],
    "delete others": [["backends", "add", "127.0.0.1:5001-5010"], ["backends", "del", "127.0.0.1:5001-5010"]],
    "delete their own": [["backends", "del", *BACKENDS]],
    "delete their service": [["services", "del", "default"]],
    "weights": [["backends", "add", *BACKENDS, "--weight", "100"]],
}


@pytest.mark.parametrize("steps", STEPS)
def test_open_connections_outlive(lab, steps):
    lab.load_with(3001, 3002)
    start_dual(lab, 3001, 3002)
    connections = open_connections(lab)
    for words in STEPS[steps]:
        lab.rcxlb(*words)
        assert_all_echo(connections)


@pytest.mark.skipif(not settings.OTHER_BINARY, reason="RCXLB_OTHER does not name a binary of another version")
def test_another_build_replaces_the_programs_and_keeps_everything_else(lab):
    lab.load_with(3001, 3002, rule=("--balance", "consistent"))
    start_dual(lab, 3001, 3002)
    connections = open_connections(lab)
    before, state = held_by(lab.rcxlb.pins), configured(lab.rcxlb.status())
    timer = bpftool("map", "show", "pinned", str(lab.rcxlb.pins / "watch"))["id"]  # it holds the program that it calls
    homes = where_tuples_go(lab)
    other = Rcxlb(lab.host, lab.rcxlb.pins, lab.rcxlb.runs, settings.OTHER_BINARY)
    other("load", "eth0", "--no-agent")
    after = held_by(lab.rcxlb.pins)
    assert before.maps - after.maps == {timer}
    assert not before.programs & after.programs
    assert_all_echo(connections)
    assert configured(other.status()) == state
    assert where_tuples_go(lab) == homes
    assert sum(other.active(address) for address in BACKENDS) == len(connections)
    wait_until(lambda: not still_there(before).programs, "the old programs are freed")
    lab.load()
    assert_all_echo(connections)


def where_tuples_go(lab):
    names = {}
    for port in range(20000, 20020):
        with dial(lab.clients, HOST6, 3000, source=CLIENTS6[0], source_port=port) as connection:
            names[port] = connection.name
    return names


def test_loading_again_changes_nothing(lab):
    lab.load_with(3001, 3002)
    start_dual(lab, 3001)
    lab.who()
    before, status, xdp = held_by(lab.rcxlb.pins), lab.rcxlb.status(), xdp_attached(lab.host)
    assert before.maps and before.programs and before.links
    lab.load()
    assert held_by(lab.rcxlb.pins) == before
    assert xdp_attached(lab.host) == xdp
    assert lab.rcxlb.status() == status


def test_unload_leaves_nothing(lab):
    lab.load_with(3001)
    start_dual(lab, 3001)
    held = held_by(lab.rcxlb.pins)
    assert held.maps and held.programs and held.links
    assert xdp_attached(lab.host)
    lab.rcxlb("unload")
    assert lab.pins_left() == []
    assert not xdp_attached(lab.host)
    wait_until(lambda: not still_there(held), "maps, programs and links are freed")
    assert lab.rcxlb.status()["loaded"] is False
    assert lab.refused()
    assert not lab.rcxlb.runs.exists() or list(lab.rcxlb.runs.iterdir()) in ([], [lab.rcxlb.runs / "lock"])


def test_unload_gives_the_port_back(lab):
    lab.load_with(3001)
    lab.instances(3001)
    lab.instance("plain", 3000, "--bind", "0.0.0.0")
    assert lab.who() == "i3001"
    lab.rcxlb("unload")
    assert lab.who() == "plain"


def test_load_unload_many_times(lab):
    lab.instances(3001)
    held = []
    for _ in range(settings.scaled(5)):
        lab.load_with(3001)
        assert lab.who() == "i3001"
        held.append(held_by(lab.rcxlb.pins))
        lab.rcxlb("unload")
        assert lab.pins_left() == []
    wait_until(lambda: not any(still_there(each) for each in held), "all of it is freed")


@pytest.mark.parametrize("mode, shown", [("auto", ("native", "skb")), ("native", ("native",)), ("skb", ("skb",))])
def test_the_guard_is_attached_as_asked(lab, mode, shown):
    lab.load("--xdp", mode)
    assert [entry["name"] for entry in lab.rcxlb.status()["interfaces"]] == ["eth0"]
    assert lab.rcxlb.status()["interfaces"][0]["xdp"] in shown
    assert xdp_attached(lab.host)


def guard(lab):
    """How it is attached, as status says; that must be so."""
    shown = lab.rcxlb.status()["interfaces"]
    assert [entry["xdp"] != "off" for entry in shown] == [bool(xdp_attached(lab.host))]
    return shown[0]["xdp"]


def test_loading_again_attaches_the_guard_as_it_says(lab):
    lab.load("--xdp", "skb")
    lab.load("--xdp", "native")
    assert guard(lab) == "native"
    lab.load("--xdp", "off")
    assert guard(lab) == "off"
    lab.load()
    assert guard(lab) == "off"
    lab.load("--xdp", "skb")
    before = xdp_attached(lab.host)
    for options in [], ["--xdp", "auto"], ["--xdp", "skb"]:
        lab.load(*options)
        assert guard(lab) == "skb"
        assert xdp_attached(lab.host) == before


def test_a_guard_that_cannot_be_as_asked_stays_as_it_was(lab):
    """Native XDP of a veth takes packets of a page at most."""
    for namespace in (lab.host, lab.clients):
        namespace.ip("link set eth0 mtu 9000")
    lab.load("--xdp", "skb")
    result = lab.rcxlb.attempt("load", "eth0", "--xdp", "native", "--no-agent")
    assert result.code == 1 and "'eth0' takes no native XDP" in result.err, str(result)
    assert guard(lab) == "skb"


def test_a_second_load_that_fails_changes_nothing(lab):
    """Neither the address, nor the interface that it came to first."""
    lab.load()
    lab.host.ip("link add other type veth peer name another")
    before = lab.rcxlb.status()
    result = lab.rcxlb.attempt("load", "other", "lo", "--xdp", "native", "--no-agent", "--listen", "*:81")
    assert result.code == 1 and "'lo'" in result.err, str(result)
    after = lab.rcxlb.status()
    assert after["interfaces"] == before["interfaces"]
    assert [service["listen"] for service in after["services"]] == [service["listen"] for service in before["services"]]


def test_an_interface_that_was_made_anew_is_one(lab):
    lab.load()
    for again in range(3):
        if again:
            lab.host.ip("link del other")
        lab.host.ip("link add other type veth peer name another")
        lab.rcxlb("load", "other", "--no-agent")
        assert sorted(entry["name"] for entry in lab.rcxlb.status()["interfaces"]) == ["eth0", "other"]
    lab.host.ip("link add former type veth peer name third")
    lab.rcxlb("load", "former", "--no-agent")
    lab.host.ip("link set former name present")
    lab.rcxlb("load", "eth0", "--xdp", "skb", "--no-agent")
    assert sorted(entry["name"] for entry in lab.rcxlb.status()["interfaces"]) == ["eth0", "other", "present"]


def test_a_guard_that_somebody_took_off_is_attached_again(lab):
    lab.load()
    mode = guard(lab)
    lab.host.ip("link set eth0 xdp off", "link set eth0 xdpgeneric off")
    assert not xdp_attached(lab.host)
    lab.load()
    assert guard(lab) == mode


def test_without_the_guard_no_xdp_program_is_attached(lab):
    lab.load("--xdp", "off")
    assert not xdp_attached(lab.host)
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.instances(3001)
    assert lab.who() == "i3001"


def test_pins_are_readable_by_root_alone(lab):
    lab.load_with(3001)
    folder = lab.rcxlb.pins
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_bpftool_prints_the_backends_with_names(lab):
    lab.load_with(3001)
    dump = subprocess.run(
        ["bpftool", "-j", "map", "dump", "pinned", str(lab.rcxlb.pins / "backends")],
        capture_output=True, text=True, check=True,
    )
    first = json.loads(dump.stdout)[0]["formatted"]["value"]
    assert first["weight"] == 1
    assert "127.0.0.1:3001" in json.dumps(first)
