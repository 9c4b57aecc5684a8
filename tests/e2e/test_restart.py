# SPDX-License-Identifier: BSD-2-Clause
"""One of eight instances is restarted under many long-lived connections, and its clients come again."""
import pytest

from harness.lab import CLIENTS4
from harness.settings import scaled

PORTS = range(3001, 3009)
RESTARTED = 3004
CLIENTS = scaled(1600, 800)  # below, 16 connections behind (RCXLB_BEHIND) are more than a quarter; above, it is the same
FIRST_PORT = 12000


def source_of(number):
    return CLIENTS4[number % len(CLIENTS4)], FIRST_PORT + number


def active(lab):
    return {backend["address"]: backend["active"] for backend in lab.rcxlb.service()["backends"]}


def connect_all(lab, numbers, shift):
    """A client of the same number has the same address; with the same shift also the same port."""
    made = {}
    for number in numbers:
        address, port = source_of(number)
        made[number] = lab.dial(source=address, source_port=port + shift)
    return made


@pytest.mark.parametrize("rule, shift", [
    pytest.param("least", CLIENTS, id="least, clients come from other ports"),
    pytest.param("bounded", 0, id="bounded, clients are the same to the hash"),
    pytest.param("consistent", 0, id="consistent, clients are the same to the hash"),
])
def test_a_restarted_instance_gets_its_part_back(lab, rule, shift):
    lab.load_with(*PORTS, rule=("--balance", rule))
    instances = lab.instances(*PORTS)
    connections = connect_all(lab, range(CLIENTS), 0)
    mean = CLIENTS / len(PORTS)
    own = [number for number, connection in connections.items() if connection.name == f"i{RESTARTED}"]
    assert len(own) > 0.75 * mean
    instances[RESTARTED].kill()
    for number in own:
        connections.pop(number).reset()
    lab.await_active(f"127.0.0.1:{RESTARTED}", 0)
    lab.instance(f"i{RESTARTED}", RESTARTED)
    again = connect_all(lab, own, shift)
    counts = active(lab)
    assert sum(counts.values()) == CLIENTS
    assert 0.75 * mean <= counts[f"127.0.0.1:{RESTARTED}"] <= 1.25 * mean, counts
    assert all(connection.echoes() for connection in [*connections.values(), *again.values()])
