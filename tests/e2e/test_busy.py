# SPDX-License-Identifier: BSD-2-Clause
"""Instances that listen and do not accept: halted ones and busy ones. Clients are served by the others meanwhile."""
import contextlib
import signal
import socket
import time
from collections import Counter

import pytest

from harness.background import repeated
from harness.halt import frozen, frozen_reason, stopped
from harness.kinds import missing_reason, start
from harness.lab import CLIENTS4, node_reason
from harness.poll import wait_equal, wait_until
from harness.settings import SLOW_MACHINE, scaled
from harness.visits import Visits, ask, bursts, paced

PORTS = (3001, 3002, 3003)
NAMES = [f"i{port}" for port in PORTS]
HALTED = BUSY_ONE = "i3002"
IDLE = [name for name in NAMES if name != BUSY_ONE]
RULES = ["least", "bounded"]
IN_BURSTS, PACED = scaled(280, 40), scaled(200, 20)

# Who a client is: an address and a port below those that the kernel gives out by itself.
CLIENTS = [(CLIENTS4[i % len(CLIENTS4)], 20000 + i) for i in range(120)]

# A server, how one of three is halted and when, the rule, and how many of the clients may be stuck.
HALTS = [
    *(pytest.param(kind, stopped, False, rule, most, id=f"{kind}, stopped, {rule}")
      for kind, most in (("node", 1), ("asyncio", 1), ("nginx", 1), ("thread", 13), ("poll", 1)) for rule in RULES),
    pytest.param("node", frozen, False, "least", 1, id="node, its cgroup frozen, least"),
    pytest.param("thread", frozen, False, "bounded", 13, id="thread, its cgroup frozen, bounded"),
    pytest.param("node", stopped, True, "bounded", 1, id="node, stopped before load, bounded"),
    pytest.param("poll", stopped, True, "least", 1, id="poll, stopped before load, least"),
    pytest.param("poll", frozen, True, "bounded", 1, id="poll, its cgroup frozen before load, bounded"),
    pytest.param("nginx", stopped, True, "least", 1, id="nginx, stopped before load, least"),
    pytest.param("prefork", stopped, False, "bounded", 1, id="prefork, stopped, bounded"),
    pytest.param("prefork", stopped, True, "least", 1, id="prefork, stopped before load, least"),
]


def start_three(lab, kind):
    if missing_reason(kind):
        pytest.skip(missing_reason(kind))
    return {name: start(lab, kind, name, port) for name, port in zip(NAMES, PORTS)}


def load(lab, balance, *more):
    lab.load_with(*PORTS, rule=("--balance", balance, *more))


def come_and_meet_all(lab):
    """Clients come until each instance has had some."""
    met = set()

    def come():
        met.update(bursts(lab.clients, 20).names)
        return met >= set(NAMES)

    wait_until(come, "each instance has answered")


def await_its_share(lab, name):
    """Until of the clients that come a fifth reach it. Whatever comes meanwhile is answered."""

    def come():
        visits = paced(lab.clients, 40, 200)
        assert visits.stuck == visits.failed == 0, visits
        return visits.share(name) > 0.2

    wait_until(come, f"{name} has its share", 10)


@pytest.mark.parametrize("kind, halt, before_load, rule, most", HALTS)
def test_one_that_is_halted_is_passed_over(lab, kind, halt, before_load, rule, most):
    if halt is frozen and frozen_reason():
        pytest.skip(frozen_reason())
    instances = start_three(lab, kind)
    if not before_load:
        load(lab, rule)
        come_and_meet_all(lab)
    with halt(instances[HALTED]):
        if before_load:
            load(lab, rule)
        visits = bursts(lab.clients, IN_BURSTS) + paced(lab.clients, PACED, 100)
        print(visits)
        assert visits.failed == 0 and visits.stuck <= most, visits
    await_its_share(lab, HALTED)
    assert lab.rcxlb.service()["refused"] == 0


def address_of(name):
    return f"127.0.0.1:{name[1:]}"


def name_of(address):
    return f"i{address.rpartition(':')[2]}"


def why(lab, client):
    return lab.rcxlb.json("why", f"{client[0]}:{client[1]}")


def first_of(lab, client):
    """The name of the hash's choice."""
    return name_of(why(lab, client)["candidates"][0]["address"])


def connect_as(lab, client):
    return lab.connect(source=client[0], source_port=client[1])


@pytest.mark.parametrize("rule", RULES)
def test_when_all_are_halted_the_hash_chooses_and_all_are_answered_later(lab, rule):
    instances = start_three(lab, "poll")
    load(lab, rule)
    come_and_meet_all(lab)
    with contextlib.ExitStack() as halted:
        for instance in instances.values():
            halted.enter_context(stopped(instance))
        firsts = {client: first_of(lab, client) for client in CLIENTS[:20]}
        waiting = {client: connect_as(lab, client) for client in CLIENTS}
    names = {client: ask(connection) for client, connection in waiting.items()}
    assert {client: names[client] for client in firsts} == firsts
    counts = Counter(names.values())
    assert all(counts[name] >= 0.15 * len(names) for name in NAMES), counts
    assert lab.rcxlb.service()["refused"] == 0


@pytest.mark.parametrize("rule", RULES)
def test_the_last_one_that_listens_is_used_although_it_is_halted(lab, rule):
    instances = start_three(lab, "poll")
    load(lab, rule)
    come_and_meet_all(lab)
    with stopped(instances[HALTED]):
        for name in NAMES:
            if name != HALTED:
                instances[name].kill()
        waiting = [connect_as(lab, client) for client in CLIENTS[:20]]
        assert lab.rcxlb.backend(address_of(HALTED))["accept_queue"] == len(waiting)
    assert {ask(connection) for connection in waiting} == {HALTED}
    assert lab.rcxlb.service()["refused"] == 0


def test_why_calls_a_halted_one_blocked(lab):
    instances = start_three(lab, "poll")
    load(lab, "least")
    come_and_meet_all(lab)
    with stopped(instances[HALTED]):
        client = next(client for client in CLIENTS if first_of(lab, client) == HALTED)
        answer = why(lab, client)
        assert answer["candidates"][0] == {"address": address_of(HALTED), "verdict": "blocked"}
        assert answer["backend"] in {address_of(name) for name in NAMES if name != HALTED}
        first, *_, last = lab.rcxlb("why", f"{client[0]}:{client[1]}").splitlines()[1:]
        assert first.split()[:3] == ["hash's", "choice", f"{address_of(HALTED)}:"] and "blocked" in first
        assert last.split()[0] == "chosen" and address_of(HALTED) not in last


@pytest.mark.parametrize("kind", ["thread", "poll", "node"])
def test_one_that_waits_for_clients_is_asleep_however_often_it_is_looked_at(lab, kind):
    if missing_reason(kind):
        pytest.skip(missing_reason(kind))
    lab.load_with(3001, rule=("--balance", "least"))
    start(lab, kind, "i3001", 3001)
    wait_until(lambda: lab.rcxlb.backend("127.0.0.1:3001")["event_loop"] == "asleep", "it waits")
    seen = [why(lab, CLIENTS[0])["candidates"][0]["verdict"] for _ in range(20)]
    assert seen == ["usable"] * 20


def dribbling(sock):
    """A client that is never quiet for long, as a context."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def dribble():
        with contextlib.suppress(BlockingIOError):
            sock.send(b"x", socket.MSG_DONTWAIT)

    return repeated(dribble, 0.002)


def test_one_that_never_accepts_is_late_however_much_its_clients_send(lab):
    """It hangs in a way that nobody sees, and the first of those who wait goes on sending."""
    lab.load_with(*PORTS, rule=("--balance", "bounded", "--blocked-ms", "50"))
    for name, port in zip(NAMES, PORTS):
        start(lab, "deaf" if name == HALTED else "poll", name, port)
    one, other = [client for client in CLIENTS if first_of(lab, client) == HALTED][:2]
    late = {"address": address_of(HALTED), "verdict": "blocked"}
    with dribbling(connect_as(lab, one).sock):
        wait_until(lambda: why(lab, other)["candidates"][0] == late, "the queue is seen to stand still")
        assert ask(connect_as(lab, other)) in IDLE


@pytest.mark.parametrize("rule", RULES)
def test_one_that_sleeps_over_its_queue_is_late(lab, rule):
    """An edge-triggered loop that has enough: it waits in epoll_wait(), and not for those that it has been told of."""
    # Where all are blocked the least bad gets the client, and on a busy machine the others are for some milliseconds.
    load(lab, rule, "--blocked-ms", "200")
    accepts = 5
    lab.instance("i3002", 3002, "--accepts", str(accepts))
    lab.instances(3001, 3003)
    connections = [lab.connect() for _ in range(30)]

    def stands_still():
        """On a slow machine it may be called blocked before it has accepted its last one."""
        backend = lab.rcxlb.backend("127.0.0.1:3002")
        if not backend["accept_queue"]:
            connections.append(lab.connect())
            return False
        return backend["active"] - backend["accept_queue"] == accepts and backend["event_loop"] == "blocked"

    wait_until(stands_still, "its queue stands still")
    had = lab.rcxlb.active("127.0.0.1:3002")
    connections += [lab.connect() for _ in range(120)]
    assert lab.rcxlb.active("127.0.0.1:3002") == had < 30, lab.rcxlb.status()
    # The way to a loop that nobody looked at for a second is gone anew.
    other = next(client for client in CLIENTS if first_of(lab, client) == HALTED)
    time.sleep(1.1)
    assert why(lab, other)["candidates"][0]["verdict"] == "blocked"
    assert lab.rcxlb.state("127.0.0.1:3002") == "up"
    assert len(connections) == sum(lab.rcxlb.active(f"127.0.0.1:{port}") for port in PORTS)


def overflows(lab):
    """Connections that found an accept queue full."""
    with lab.host.entered(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        names, values = (line.split() for line in list(file)[:2])
    return int(values[names.index("ListenOverflows")])


@pytest.mark.parametrize("rule", RULES)
def test_nobody_is_sent_into_a_full_queue(lab, rule):
    load(lab, rule)
    lab.instance("i3002", 3002, "--never-accept", "--backlog", "1")
    lab.instances(3001, 3003)
    for _ in range(60):
        lab.connect()
    assert lab.rcxlb.active("127.0.0.1:3002") <= 2 and not overflows(lab)


@pytest.mark.parametrize("how, counted", [("stopped", "spilled"), ("killed", "failovers")])
def test_those_that_one_passed_over_would_have_had_are_counted_with_who_gets_them(lab, how, counted):
    """One that is blocked or full spills; of one that is absent others take over."""
    lab.load_with(*PORTS, rule=("--balance", "bounded", "--blocked-ms", "10000"))
    instances = lab.instances(*PORTS)
    clients = CLIENTS[:40]
    firsts = [first_of(lab, client) for client in clients]
    assert 0 < firsts.count(HALTED) < len(clients)
    victim = instances[3002]
    with stopped(victim) if how == "stopped" else contextlib.nullcontext(victim.kill()):
        names = [lab.who(source=address, source_port=port) for address, port in clients]
    for name in NAMES:
        backend = lab.rcxlb.backend(address_of(name))
        moved = sum(had == name != first for had, first in zip(names, firsts))
        expected = {"steered": names.count(name), "spilled": 0, "failovers": 0, counted: moved}
        assert {key: backend[key] for key in expected} == expected
    assert all(first == HALTED for had, first in zip(names, firsts) if had != first)


# Once told, busy for 200 of every 250 ms: whoever comes in between waits for a hundred on average.
BUSY = """
process.once('SIGUSR2', () => setInterval(() => {
	const end = performance.now() + 200;
	while (performance.now() < end);
}, 250));
"""
TRIES = 3  # others may need the processors at the moment


def start_node(lab, text):
    """BUSY_ONE, with this beside what it serves."""
    preloaded = lab.folder / "preloaded.js"
    preloaded.write_text(text, encoding="ascii")
    return lab.node_instance(BUSY_ONE, 3002, options=["-r", preloaded])


def start_nodes(lab, text):
    """All three, the busy one with this."""
    return {
        name: start_node(lab, text) if name == BUSY_ONE else lab.node_instance(name, port)
        for name, port in zip(NAMES, PORTS)
    }


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
@pytest.mark.skipif(SLOW_MACHINE, reason="times say nothing on a machine that is emulated or watched")
@pytest.mark.alone
@pytest.mark.parametrize("rule, most", [("least", 0.02), ("bounded", 0.03)])
def test_few_clients_wait_for_one_that_is_busy_most_of_the_time(lab, rule, most):
    instances = start_nodes(lab, BUSY)
    load(lab, rule)
    come_and_meet_all(lab)
    instances[BUSY_ONE].signal(signal.SIGUSR2)
    late, noise = [], []
    while len(late) < TRIES and not any(part <= most for part in late):
        visits = paced(lab.clients, scaled(1000, 200), 200)
        late.append(visits.later_than(0.05))
        noise.append(Visits([visit for visit in visits.all if visit.name in IDLE]).later_than(0.05))
        print(f"{visits}, {late[-1]:.2%} waited for more than 50 ms")
        assert not visits.failed, visits
    if min(late) > most and min(noise) > most:
        pytest.skip(f"the machine is too busy to tell: of those whom idle instances answered {min(noise):.0%} waited")
    assert min(late) <= most, late


# Once told, it listens no more, and lives on for the connections that it has.
CLOSING = """
const http = require('http'), create = http.createServer;
http.createServer = (...said) => {
	const server = create(...said);
	process.once('SIGUSR2', () => { server.close(); setInterval(() => {}, 1e6); });
	return server;
};
"""


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
def test_those_that_listen_no_more_and_live_on_make_room_for_the_next(lab):
    """As a server that is restarted again and again while its clients hold long-lived connections."""
    lab.load_with(3002, rule=("--balance", "bounded"))

    def await_state(state):
        wait_equal(lambda: lab.rcxlb.state("127.0.0.1:3002"), state, "the instance's state")

    for _ in range(4):
        former = start_node(lab, CLOSING)
        await_state("up")
        assert not bursts(lab.clients, 2).failed
        former.signal(signal.SIGUSR2)
        await_state("absent")
    time.sleep(11)  # nobody has looked at them for ten seconds
    start_node(lab, BUSY).signal(signal.SIGUSR2)
    assert not bursts(lab.clients, 2).failed
    wait_until(lambda: lab.rcxlb.backend("127.0.0.1:3002")["event_loop"] == "blocked", "it is seen to be busy")


# Once told, it works on for three seconds, by calls that the kernel counts.
WRITING = """
const fs = require('fs');
process.once('SIGUSR2', () => {
	const end = performance.now() + 3000, file = fs.openSync('/dev/null', 'w');
	while (performance.now() < end)
		fs.writeSync(file, 'x');
});
"""


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
@pytest.mark.skipif(SLOW_MACHINE, reason="times say nothing on a machine that is emulated or watched")
@pytest.mark.parametrize("rule", RULES)
def test_one_that_does_much_and_does_not_accept_is_late(lab, rule):
    instances = start_nodes(lab, WRITING)
    load(lab, rule)
    come_and_meet_all(lab)
    held = [lab.connect() for _ in range(300)]  # so that a few more are no more than its share
    instances[BUSY_ONE].signal(signal.SIGUSR2)
    visits = paced(lab.clients, 400, 200)
    print(visits)
    assert held and not visits.failed and visits.stuck < 20, visits


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
def test_whoever_looks_calls_a_loop_blocked_when_its_service_does(lab):
    """And steering does not change because somebody looks."""
    lab.load_with(3002, rule=("--balance", "bounded", "--blocked-ms", "60000"))
    start_node(lab, BUSY).signal(signal.SIGUSR2)
    met = bursts(lab.clients, 2)
    assert not met.failed, met
    for _ in range(60):
        assert lab.rcxlb.backend("127.0.0.1:3002")["event_loop"] in ("asleep", "awake")
        assert why(lab, CLIENTS[0])["candidates"][0]["verdict"] == "usable"
