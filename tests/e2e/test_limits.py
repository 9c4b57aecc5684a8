# SPDX-License-Identifier: BSD-2-Clause
"""How many connections a backend gets: its limit, its share, its weight, its slow start; and that all are uncounted."""
import contextlib
import os
import socket
import time
from collections import Counter

import pytest

from harness import agent
from harness.client import connect
from harness.kinds import start
from harness.lab import CLIENTS4, HOST4
from harness.poll import wait_equal, wait_until
from harness.settings import scaled
from harness.visits import REQUEST, ask, bursts
from test_counts import ip_packet, syn

BACKENDS = [f"127.0.0.1:{port}" for port in (3001, 3002, 3003)]
FIRST, SECOND = BACKENDS[:2]
RULES = ["least", "bounded"]


def load(lab, *rule, ports=(3001, 3002, 3003)):
    lab.load_with(*ports, rule=rule)
    return lab.instances(*ports)


def hold(lab, count, **more):
    """Connections one after the other, which stay; how many each instance has."""
    return Counter(lab.dial(**more).name for _ in range(count))


# max_connections


@pytest.mark.parametrize("rule", RULES)
def test_a_backend_holds_no_more_than_its_limit(lab, rule):
    load(lab, "--balance", rule, ports=(3001, 3002))
    lab.rcxlb("backends", "add", FIRST, "--max-connections", "5")
    assert hold(lab, 60) == {"i3001": 5, "i3002": 55}
    assert lab.rcxlb.active(FIRST) == 5
    assert lab.rcxlb.service()["refused"] == 0


@pytest.mark.parametrize("rule", RULES)
def test_with_all_full_a_client_is_refused_until_one_leaves(lab, rule):
    load(lab, "--balance", rule, ports=(3001, 3002))
    lab.rcxlb("backends", "add", FIRST, SECOND, "--max-connections", "5")
    connections = [lab.dial() for _ in range(10)]
    assert Counter(connection.name for connection in connections) == {"i3001": 5, "i3002": 5}
    for count in range(1, 4):
        assert lab.refused()
        assert lab.rcxlb.service()["refused"] == count
    assert {entry["verdict"] for entry in lab.rcxlb.json("why", "192.0.2.2:20000")["candidates"]} == {"full"}
    for leaving in connections[:3]:
        leaving.close()
        wait_equal(lambda: sum(lab.rcxlb.active(address) for address in (FIRST, SECOND)), 9, "active connections")
        assert lab.dial().name == leaving.name
        assert lab.refused()


@pytest.mark.parametrize("rule", RULES)
def test_a_limit_that_is_raised_or_taken_away_counts_from_the_next_connection(lab, rule):
    load(lab, "--balance", rule, ports=(3001,))
    for limit in (2, 4):
        lab.rcxlb("backends", "add", FIRST, "--max-connections", limit)
        assert hold(lab, 2) == {"i3001": 2}
        assert lab.refused()
    lab.rcxlb("backends", "add", FIRST, "--max-connections", "0")
    assert hold(lab, 20) == {"i3001": 20}


def test_consistent_does_not_look_at_the_limit(lab):
    load(lab, "--balance", "consistent", ports=(3001, 3002))
    lab.rcxlb("backends", "add", FIRST, SECOND, "--max-connections", "1")
    counts = hold(lab, 40)
    assert all(counts[name] > 1 for name in ("i3001", "i3002")), counts
    assert lab.rcxlb.service()["refused"] == 0


# Shares: load_factor and weights

HELD = 90


def home_of(lab, source):
    """The name of the hash's choice for an address."""
    address = lab.rcxlb.json("why", f"{source}:20000")["candidates"][0]["address"]
    return f"i{address.rpartition(':')[2]}"


def test_one_address_fills_its_instance_up_to_the_load_factor(lab):
    """All clients of a large network address translator are one client to the hash; they stay together up to there."""
    load(lab, "--hash", "client", "--balance", "bounded")
    home = home_of(lab, CLIENTS4[0])
    counts = hold(lab, HELD, source=CLIENTS4[0])
    assert counts[home] >= HELD / 3, counts
    assert max(counts.values()) <= 1.25 * HELD / 3 + 5, counts


def test_a_larger_load_factor_keeps_more_of_one_address_together(lab):
    load(lab, "--hash", "client", "--balance", "bounded", "--load-factor", "3")
    home = home_of(lab, CLIENTS4[0])
    counts = hold(lab, HELD, source=CLIENTS4[0])
    assert counts[home] >= 0.8 * HELD, counts


def test_held_connections_are_shared_out_by_weight(lab):
    load(lab, "--balance", "least")
    weights = dict(zip(BACKENDS, (1, 2, 5)))
    for address, weight in weights.items():
        lab.rcxlb("backends", "add", address, "--weight", weight)
    hold(lab, 800)  # of fewer, chance alone leaves one of them below three quarters: instances that sleep are the hash's choice
    for address, weight in weights.items():
        share = 800 * weight / sum(weights.values())
        assert 0.75 * share <= lab.rcxlb.active(address) <= 1.25 * share, (address, share, lab.rcxlb.service())


def test_one_that_comes_back_gets_its_part_of_held_connections_from_those_that_come(lab):
    """It is 40 behind until it has 36: then it is 16 behind its share, and the hash decides again."""
    load(lab, "--balance", "least")[3002].kill()
    hold(lab, 120)
    lab.instances(3002)
    answer = lab.rcxlb.json("why", "192.0.2.2:20000")
    assert answer["far_behind"] == answer["backend"] == answer["candidates"][0]["address"] == SECOND
    counts = hold(lab, 36)
    assert counts["i3002"] >= 30, counts


def end_group(lab, first):
    """It was an SO_REUSEPORT group of two."""
    group = [first, lab.instance("second", 3001, "--reuseport")]
    for member in group:
        member.kill()


def fail_check(lab, _first):
    agent.say_down(lab, 0)


def fill(lab, _first):
    lab.rcxlb("backends", "add", FIRST, "--max-connections", "1")
    while lab.rcxlb.active(FIRST) < 1:
        lab.dial()


def turn_to_ipv6(lab, first):
    first.kill()
    lab.instance("six", 3001, "--bind", "::", "--v6only")
    lab.rcxlb("backends", "add", "[::1]:3001")


@pytest.mark.parametrize("end", [end_group, fail_check, fill, turn_to_ipv6],
                         ids=["a group that has gone", "one that is down", "one that is full", "one for IPv6 alone"])
def test_who_takes_no_clients_has_no_part_in_the_shares(lab, end):
    """Of two that are left each may hold half, and not a third: their clients stay with the hash's choice."""
    lab.load_with(3001, 3002, 3003, rule=("--balance", "bounded"))
    first = lab.instance("first", 3001, "--reuseport")
    lab.instances(3002, 3003)
    end(lab, first)
    hold(lab, 200)
    backends = [lab.rcxlb.backend(address) for address in BACKENDS]
    assert backends[0]["active"] == (end is fill)
    assert sum(backend["spilled"] for backend in backends) <= 6 + 200 * (end is fill), backends  # either may have 125
    answers = [lab.rcxlb.json("why", f"192.0.2.2:{port}") for port in range(20000, 20020)]
    assert "loaded" not in {entry["verdict"] for answer in answers for entry in answer["candidates"]}


@contextlib.contextmanager
def on_one_cpu():
    """What a service holds together is added up by each CPU for itself."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def test_one_that_has_left_a_service_is_not_preferred_there_any_more(lab):
    """It was far behind when it was deleted from one service, and stays in another."""
    ports = range(3001, 3010)
    last = f"127.0.0.1:{ports[-1]}"
    lab.load_with(*ports, rule=("--balance", "least"))
    lab.rcxlb("services", "add", "other", "--listen", "*:3100", "--balance", "least")
    lab.rcxlb("backends", "add", "-s", "other", last)
    lab.instances(*ports[:-1])
    with on_one_cpu():
        hold(lab, 400)
        lab.instances(ports[-1])
        assert hold(lab, 8)[f"i{ports[-1]}"] >= 4  # it is known to be behind
        lab.rcxlb("backends", "del", "-s", "default", last)
        assert hold(lab, 20)[f"i{ports[-1]}"] == 0


# Slow start


def come_back(lab, rule, slow_start):
    """Three instances that listen, of which the second has just started."""
    ports = (3001, 3002, 3003)
    instances = lab.instances(*ports)
    lab.load_with(*ports, rule=("--balance", rule, "--slow-start-ms", int(slow_start * 1000), "--blocked-ms", "10000"))
    instances[3002].kill()
    lab.instances(3002)


@pytest.mark.parametrize("rule", RULES)
def test_one_that_comes_back_gets_few_clients_at_first(lab, rule):
    come_back(lab, rule, 3600)
    assert set(lab.tally(100)) == {"i3001", "i3003"}
    answers = [lab.rcxlb.json("why", f"192.0.2.2:{port}") for port in range(20000, 20020)]
    verdicts = {entry["verdict"] for answer in answers for entry in answer["candidates"] if entry["address"] == SECOND}
    assert verdicts == {"warming"}
    assert SECOND not in {answer["backend"] for answer in answers}


@pytest.mark.parametrize("rule", RULES)
def test_one_that_comes_back_has_its_share_after_its_slow_start(lab, rule):
    come_back(lab, rule, 3)
    came = time.monotonic()
    wait_until(lambda: lab.tally(60)["i3002"] >= 12, "it has its share", 8)
    assert time.monotonic() - came > 0.3


def test_those_that_listened_before_the_load_need_no_slow_start(lab):
    lab.instances(3001, 3002, 3003)
    lab.load_with(3001, 3002, 3003, rule=("--balance", "bounded", "--slow-start-ms", "3600000"))
    counts = lab.tally(90)
    assert min(counts[f"i{port}"] for port in (3001, 3002, 3003)) >= 12, counts


@pytest.mark.parametrize("rule", RULES)
def test_the_only_one_that_listens_is_used_in_its_slow_start(lab, rule):
    load(lab, "--balance", rule, "--slow-start-ms", "3600000", ports=(3001,))
    assert lab.tally(20) == {"i3001": 20}


# Active connections


class Ends:
    """Every way in which a connection ends; each is a method that makes and ends so many."""

    def __init__(self, lab):
        self.lab = lab
        self.instances = {port: start(lab, "poll", f"i{port}", port) for port in (3001, 3002, 3003)}

    def _open(self, count):
        return [connect(self.lab.clients, HOST4, 3000, source=CLIENTS4[i % len(CLIENTS4)]) for i in range(count)]

    def the_client_closes(self, count):
        for connection in self._open(count):
            connection.close()

    def the_client_resets(self, count):
        for connection in self._open(count):
            connection.reset()

    def the_client_has_said_all_and_reads_on(self, count):
        for connection in self._open(count):
            ask(connection, last=True)
            connection.close()

    def the_client_does_not_wait_for_its_answer(self, count):
        for connection in self._open(count):
            connection.sock.sendall(REQUEST)
            connection.reset()

    def the_instance_closes(self, count):
        visits = bursts(self.lab.clients, count)
        assert visits.stuck == visits.failed == 0, visits

    def the_instance_is_killed(self, count):
        connections = self._open(count)
        await_active(self.lab, count)
        self._kill_all(connections)

    def the_instance_is_killed_before_it_accepts(self, count):
        for instance in self.instances.values():
            instance.stop()
        self._kill_all(self._open(count))

    def _kill_all(self, connections):
        for port, instance in self.instances.items():
            instance.kill()
            self.instances[port] = start(self.lab, "poll", f"i{port}", port)
        for connection in connections:
            connection.close()

    def the_client_does_not_exist(self, count):
        silent = "192.0.2.200"
        self.lab.host.ip(f"neigh replace {silent} lladdr 02:00:00:00:00:01 dev eth0")
        with self.lab.clients.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
            for port in range(20000, 20000 + count):
                raw.sendto(ip_packet(silent, HOST4, syn(silent, port, HOST4, 3000)), (HOST4, 0))


def await_active(lab, count):
    wait_equal(lambda: sum(lab.rcxlb.active(address) for address in BACKENDS), count, "active connections", 20)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_active_when_all_have_ended_in_every_way(lab, rule):
    lab.load_with(3001, 3002, 3003, rule=("--balance", rule))
    ends = Ends(lab)
    ways = [getattr(ends, name) for name in dir(ends) if name.startswith("the_")]
    each = scaled(2000, 80) // len(ways)
    for way in ways:
        way(each)
    await_active(lab, 0)
    backends = [lab.rcxlb.backend(address) for address in BACKENDS]
    assert [backend["active"] for backend in backends] == [0, 0, 0]
    assert sum(backend["steered"] for backend in backends) >= each * len(ways)
