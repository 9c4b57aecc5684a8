# SPDX-License-Identifier: BSD-2-Clause
"""Active connections are counted, and after all of them have ended the count is 0, however they ended.

RCXLB_TEST_CONNECTIONS is how many of each kind there are.
"""
import os
import signal
import socket
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from harness.client import dial
from harness.lab import CLIENTS4, HOST4
from harness.poll import wait_equal, wait_until
from harness.process import python
from harness.settings import PATIENCE, scaled

BACKENDS = ["127.0.0.1:3001", "127.0.0.1:3002"]
CONNECTIONS = int(os.environ.get("RCXLB_TEST_CONNECTIONS", scaled(2000, 100)))
BATCH = 100
KILLINGS = max(scaled(4), CONNECTIONS // (20 * BATCH))
HALF_OPEN = REFUSED = max(scaled(200, 20), CONNECTIONS // 10)


def counts(lab):
    return [lab.rcxlb.active(address) for address in BACKENDS]


def steered(lab):
    return sum(lab.rcxlb.backend(address)["steered"] for address in BACKENDS)


def await_none(lab):
    wait_equal(lambda: counts(lab), [0, 0], "active connections", 20)


def test_the_count_rises_and_falls_with_connections(lab):
    lab.load_with(3001)
    lab.instances(3001)
    connections = []
    for wanted in range(1, 6):
        connections.append(lab.dial())
        assert lab.rcxlb.active(BACKENDS[0]) == wanted
    for wanted in range(4, -1, -1):
        connections.pop().close()
        lab.await_active(BACKENDS[0], wanted)
    backend = lab.rcxlb.backend(BACKENDS[0])
    assert (backend["steered"], backend["spilled"], backend["failovers"]) == (5, 0, 0)


def by_fin(connection):
    connection.close()


def by_rst(connection):
    connection.reset()


def by_half_close(connection):
    connection.sock.shutdown(socket.SHUT_WR)
    while connection.sock.recv(1000):
        pass
    connection.close()


@pytest.mark.parametrize("end", [by_fin, by_rst, by_half_close])
def test_nothing_is_active_after_many_connections(lab, end):
    lab.load_with(3001, 3002)
    lab.instances(3001, 3002)
    for batch in range(0, CONNECTIONS, BATCH):
        source = CLIENTS4[batch // BATCH % len(CLIENTS4)]
        connections = [dial(lab.clients, HOST4, 3000, source=source) for _ in range(BATCH)]
        for connection in connections:
            end(connection)
    await_none(lab)
    assert steered(lab) >= -(-CONNECTIONS // BATCH) * BATCH  # a packet that came again late may count once more


@pytest.mark.parametrize("accepting", [True, False])
def test_nothing_is_active_after_the_instance_was_killed(lab, accepting):
    lab.load_with(3001, 3002)
    options = [] if accepting else ["--never-accept"]
    for _ in range(KILLINGS):
        instances = [lab.instance(f"i{port}", port, *options) for port in (3001, 3002)]
        connections = [lab.connect() for _ in range(BATCH)]
        wait_equal(lambda: sum(counts(lab)), BATCH, "active connections")
        for instance in instances:
            instance.kill()
        await_none(lab)
        for connection in connections:
            connection.reset()


def test_refused_connections_are_not_active(lab):
    lab.load_with(3001, 3002)
    assert all(lab.refused() for _ in range(REFUSED))
    assert counts(lab) == [0, 0]


def test_connections_that_found_the_queue_full_are_not_active(lab):
    lab.load_with(3001, 3002)
    instances = [lab.instance(f"i{port}", port, "--never-accept", "--backlog", "1") for port in (3001, 3002)]
    attempts = []
    for _ in range(20):
        sock = lab.clients.socket()
        sock.setblocking(False)
        sock.connect_ex((HOST4, 3000))
        attempts.append(sock)
    wait_until(lambda: counts(lab) == [2, 2], "both queues are full: backlog and one")
    for sock in attempts:
        sock.close()
    for instance in instances:
        instance.kill()
    await_none(lab)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source, source_port, target, port):
    """A TCP segment that asks for a connection."""
    head = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!HH", socket.IPPROTO_TCP, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def test_half_open_connections_are_not_active(lab):
    """SYNs whose sender does not exist: nobody answers the SYN-ACK."""
    lab.load_with(3001, 3002)
    instances = lab.instances(3001, 3002)
    silent = "192.0.2.200"
    lab.host.ip(f"neigh add {silent} lladdr 02:00:00:00:00:01 dev eth0")
    raw = lab.clients.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW)
    with raw:
        for count in range(1, HALF_OPEN + 1):
            raw.sendto(ip_packet(silent, HOST4, syn(silent, 20000 + count, HOST4, 3000)), (HOST4, 0))
            if count % BATCH == 0 or count == HALF_OPEN:
                wait_until(lambda wanted=count: steered(lab) >= wanted, "all SYNs are steered")
    assert counts(lab) == [0, 0]
    for instance in instances.values():
        instance.kill()
    assert counts(lab) == [0, 0]


def ip_packet(source, target, segment):
    """With a source of our own making; the kernel fills in checksum and length."""
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_TCP, 0,
                       socket.inet_aton(source), socket.inet_aton(target)) + segment


def test_clients_that_vanished_are_not_active_when_their_instance_is_gone(lab):
    """No FIN and no RST comes from them, and nothing reaches them."""
    lab.load_with(3001, 3002)
    lab.host.set_sysctl("net.ipv4.tcp_orphan_retries", 1)
    lab.host.set_sysctl("net.ipv4.tcp_retries2", 1)
    instances = lab.instances(3001, 3002)
    connections = [lab.dial() for _ in range(20)]
    assert sum(counts(lab)) == 20
    lab.clients.ip("link set eth0 down")
    for instance in instances.values():
        instance.kill()
    await_none(lab)
    for connection in connections:
        connection.close()


def test_counts_begin_anew_for_an_address_that_takes_the_place_of_another(lab):
    lab.load_with(3001)
    lab.instances(3001, 3002)
    first = lab.dial()
    lab.rcxlb("backends", "del", "127.0.0.1:3001")
    lab.rcxlb("backends", "add", "127.0.0.1:3002")
    assert lab.rcxlb.active("127.0.0.1:3002") == 0
    second = lab.dial()
    assert lab.rcxlb.active("127.0.0.1:3002") == 1
    assert first.echoes()
    first.close()
    assert second.echoes()
    second.close()
    lab.await_active("127.0.0.1:3002", 0)


# Everything at once. RCXLB_TEST_CONNECTIONS is how many connections there are in all.

CHURN = Path(__file__).parent / "servers" / "churn.py"
ALL = int(os.environ.get("RCXLB_TEST_CONNECTIONS", scaled(2000, 1000)))
ENDS = {"by_fin", "by_rst", "by_half_close", "unread", "after_talk", "abandoned", "refused"}


def churn(lab):
    """A client on each of two cores."""
    cores = sorted(os.sched_getaffinity(0))
    for number, core in enumerate([cores[0], cores[-1]]):
        sources = CLIENTS4[number::2]
        with lab.clients.entered():
            yield subprocess.Popen(python(CHURN, *map(str, (core, ALL // 2, number, HOST4, 3000, *sources))),
                                   stdout=subprocess.PIPE, text=True)


def test_nothing_is_active_after_everything_at_once(lab):
    """Two cores open and end connections in every way while the instances are killed, and nobody may be miscounted."""
    signal.setitimer(signal.ITIMER_REAL, 60 * PATIENCE + ALL / 100)
    lab.load_with(3001, 3002)
    instances = lab.instances(3001, 3002)
    lab.host.ip("neigh add 192.0.2.200 lladdr 02:00:00:00:00:01 dev eth0")
    clients = list(churn(lab))
    turns = 0
    try:
        while any(client.poll() is None for client in clients):
            turns += 1
            send_half_open(lab, turns)
            target = steered(lab) + 150
            wait_until(lambda: steered(lab) > target or all(client.poll() is not None for client in clients), "clients")
            ports = [3001, 3002] if turns % 4 == 1 else [3001 + turns % 2]
            for port in ports:
                instances[port].kill()
            instances.update(lab.instances(*ports))
        outcomes = sum((read_outcomes(client) for client in clients), Counter())
    finally:
        for client in clients:
            client.kill()
            client.wait()
            client.stdout.close()
    print(f"{outcomes.total()} connections, instances killed {turns} times: {dict(outcomes)}")
    assert set(outcomes) - {"lost"} == ENDS and outcomes.total() - outcomes["refused"] == ALL // 2 * 2
    await_none(lab)


def send_half_open(lab, turn):
    """SYNs of somebody who does not exist."""
    silent = "192.0.2.200"
    with lab.clients.socket(kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        for number in range(20):
            port = 20000 + (turn * 20 + number) % 40000
            raw.sendto(ip_packet(silent, HOST4, syn(silent, port, HOST4, 3000)), (HOST4, 0))


def read_outcomes(client):
    text = client.stdout.read()
    assert client.wait() == 0
    return Counter({name: int(number) for name, number in (line.split() for line in text.splitlines())})
