# SPDX-License-Identifier: BSD-2-Clause
"""How clients spread over instances, and that they come back to theirs."""
import pytest

from harness.client import who
from harness.lab import CLIENTS4, CLIENTS6, HOST4, HOST6

FIRST_PORT = 20000  # of clients, below the ports that the kernel gives out by itself


@pytest.fixture(name="lab")
def consistent_lab(lab):
    """Where nothing but the hash counts."""
    lab.load()
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--balance", "consistent")
    return lab


def test_connections_spread_evenly(lab):
    lab.load_with(3001, 3002, 3003)
    lab.instances(3001, 3002, 3003)
    counts = lab.tally(300)
    assert sorted(counts) == ["i3001", "i3002", "i3003"]
    assert all(60 <= count <= 140 for count in counts.values()), counts


def test_weights_are_shares(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001")
    lab.rcxlb("backends", "add", "127.0.0.1:3002", "--weight", "3")
    lab.instances(3001, 3002)
    counts = lab.tally(400)
    assert 57 <= counts["i3001"] <= 143, counts  # a hundred, give or take five standard deviations


def test_a_changed_weight_counts_from_the_next_connection(lab):
    lab.load_with(3001, 3002)
    lab.instances(3001, 3002)
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "--weight", "256")
    counts = lab.tally(300)
    assert counts["i3002"] <= 12, counts


@pytest.mark.parametrize("host, sources", [(HOST4, CLIENTS4), (HOST6, CLIENTS6)])
def test_a_client_tuple_has_one_instance(lab, host, sources):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3003")
    for port in (3001, 3002, 3003):
        lab.instance(f"i{port}", port, "--bind", "::")
    homes = set()
    for i in range(20):
        names = {who(lab.clients, host, 3000, source=sources[i], source_port=FIRST_PORT + i) for _ in range(4)}
        assert len(names) == 1, (sources[i], names)
        homes |= names
    assert len(homes) > 1


@pytest.mark.parametrize("host, sources", [(HOST4, CLIENTS4), (HOST6, CLIENTS6)])
def test_with_hash_client_an_address_has_one_instance(lab, host, sources):
    lab.load()
    lab.rcxlb("services", "add", "sticky", "--listen", "*:3100", "--hash", "client", "--blocked-ms", "10000")
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3003", "-s", "sticky")
    for port in (3001, 3002, 3003):
        lab.instance(f"i{port}", port, "--bind", "::")
    homes = set()
    for source in sources:
        names = set(lab.tally(4, address=host, port=3100, source=source))
        assert len(names) == 1, (source, names)
        homes |= names
    assert homes == {"i3001", "i3002", "i3003"}


def homes_of(lab, count):
    """Where each of `count` client tuples goes."""
    return {
        (source, port): who(lab.clients, HOST4, 3000, source=source, source_port=port)
        for source in CLIENTS4[:4]
        for port in range(FIRST_PORT, FIRST_PORT + count // 4)
    }


def test_an_absent_instance_moves_only_its_own_clients(lab):
    lab.load_with(3001, 3002, 3003)
    instances = lab.instances(3001, 3002, 3003)
    before = homes_of(lab, 120)
    instances[3002].kill()
    during = homes_of(lab, 120)
    assert {key for key in before if before[key] != during[key]} == {
        key for key in before if before[key] == "i3002"
    }
    assert {during[key] for key in before if before[key] == "i3002"} == {"i3001", "i3003"}
    lab.instance("i3002", 3002)
    assert homes_of(lab, 120) == before


def test_a_removed_backend_moves_few_clients_of_others(lab):
    lab.load_with(3001, 3002, 3003)
    lab.instances(3001, 3002, 3003)
    before = homes_of(lab, 240)
    lab.rcxlb("backends", "del", "127.0.0.1:3002")
    after = homes_of(lab, 240)
    moved = [key for key in before if before[key] != after[key]]
    assert "i3002" not in after.values()
    assert len(moved) <= 1.3 * sum(name == "i3002" for name in before.values()) + 10, len(moved)


def test_loading_again_moves_no_client(lab):
    lab.load_with(3001, 3002, 3003)
    lab.instances(3001, 3002, 3003)
    before = homes_of(lab, 80)
    lab.load()
    assert homes_of(lab, 80) == before
