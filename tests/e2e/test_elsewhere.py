# SPDX-License-Identifier: BSD-2-Clause
"""Instances in other network namespaces and on other hosts: workers connect to them and relay."""
import os
import signal
from collections import Counter

import pytest

from harness import agent
from harness.agent import workers_of
from harness.client import Connection
from harness.kinds import HELLO_SCRIPT
from harness.lab import CLIENTS4, HOST4, HOST6
from harness.namespace import join
from harness.poll import wait_equal, wait_until
from harness.process import python
from harness.tls import TlsClient, context, make_identity
from harness.visits import bursts

HERE4, HERE6 = "198.51.100.1", "fd00:51::1"
AWAY4, AWAY6, NOBODY4 = "198.51.100.2", "fd00:51::2", "198.51.100.9"
AWAY = f"{AWAY4}:3001"
UNCHECKED = ("--check", "off")
STRANGE_MAC = "02:00:00:00:00:09"


@pytest.fixture
def away(lab):
    """Another host, reached by eth1; its addresses are none of the lab's host's."""
    made = lab.namespace("away")
    join(lab.host, made, "eth1")
    lab.host.ip(f"addr add {HERE4}/24 dev eth1", f"addr add {HERE6}/64 dev eth1 nodad", "link set eth1 up")
    made.ip(f"addr add {AWAY4}/24 dev eth1", f"addr add {AWAY6}/64 dev eth1 nodad", "link set eth1 up")
    return made


def there(lab, away, name, port=3001, bind="0.0.0.0"):
    return lab.instance(name, port, "--bind", bind, namespace=away)


def load(lab, *backends, rule=UNCHECKED, add=()):
    """Loaded with an agent; a client is taken, and workers reach those elsewhere, when this returns."""
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", *rule)
    lab.rcxlb("backends", "add", *add, *backends)
    wait_until(lambda: workers_of(lab) and somebody(lab), "workers, and somebody who answers")
    wait_until(lambda: "absent" not in states(lab).values(), "workers that are ready")


def states(lab):
    return {backend["address"]: backend["state"] for backend in lab.rcxlb.service()["backends"]}


def somebody(lab, **more):
    try:
        return lab.who(**more)
    except OSError:
        return None


def dial_each(lab, count, **more):
    """So many connections at once, each from the next address; their instances' names."""
    held = [lab.dial(source=CLIENTS4[i % len(CLIENTS4)], **more) for i in range(count)]
    return held, Counter(connection.name for connection in held)


def failures(lab):
    return lab.rcxlb.service()["work"]["connect_failures"]


def accepted(lab):
    return lab.rcxlb.service()["work"]["accepted"]


def end_workers(lab):
    """The agent with all that it started is killed."""
    agent.kill(agent.pid(lab))
    for pid in workers_of(lab):
        os.kill(pid, signal.SIGKILL)
    wait_equal(lambda: workers_of(lab), [], "no worker")


def test_a_plain_service_of_an_instance_elsewhere(lab, away):
    lab.instance("wildcard", 3001, "--bind", "0.0.0.0")  # of this host: not the backend, whatever its port
    there(lab, away, "away")
    load(lab, AWAY)
    before = lab.rcxlb.backend(AWAY)
    assert (before["state"], before["path"], before["event_loop"]) == ("up", "proxied", "unknown")
    assert before["reason"] == "its address is none of this host's"
    connection = lab.dial()
    assert connection.name == "away" and connection.echoes()
    assert connection.peer[0] == HERE4
    wait_equal(lambda: lab.rcxlb.active(AWAY), 1, "active while the client is there")
    assert lab.rcxlb.backend(AWAY)["steered"] == before["steered"] + 1
    assert somebody(lab, address=HOST6) == "away"
    why = lab.rcxlb.json("why", "192.0.2.7:4000")
    assert (why["backend"], why["worker"]) == (AWAY, True)
    assert "by a worker" in lab.rcxlb("why", "192.0.2.7:4000")
    assert lab.rcxlb.backend(AWAY)["steered"] == before["steered"] + 2, "questions count nothing"
    connection.close()
    wait_equal(lambda: lab.rcxlb.active(AWAY), 0, "active when it has gone")
    end_workers(lab)
    assert lab.refused(), "nobody is left who could reach it"


def test_who_is_killed_leaves_no_connection_counted(lab, away):
    there(lab, away, "away")
    load(lab, AWAY)
    held, _ = dial_each(lab, 8)
    wait_equal(lambda: lab.rcxlb.active(AWAY), 8, "connections")
    os.kill(workers_of(lab)[0], signal.SIGKILL)
    wait_equal(lambda: lab.rcxlb.active(AWAY), sum(connection.echoes() for connection in held), "those that are left")
    wait_until(lambda: somebody(lab), "others are served")


def test_instances_here_and_elsewhere_share_the_clients(lab, away):
    lab.instances(3001, 3002)
    there(lab, away, "away")
    load(lab, "127.0.0.1:3001", "127.0.0.1:3002", AWAY, rule=("--balance", "bounded", *UNCHECKED))
    held, names = dial_each(lab, 60)
    assert set(names) == {"i3001", "i3002", "away"} and min(names.values()) >= 10, names
    for connection in held:
        assert (connection.peer == connection.own) == (connection.name != "away"), "direct, but for the one elsewhere"
    for backend, name in (("127.0.0.1:3001", "i3001"), ("127.0.0.1:3002", "i3002"), (AWAY, "away")):
        wait_equal(lambda at=backend: lab.rcxlb.active(at), names[name], f"active connections of {name}")
    lab.rcxlb("backends", "add", AWAY, "--weight", "4")
    assert Counter(lab.who(source=CLIENTS4[i % 32]) for i in range(60))["away"] > 24
    end_workers(lab)
    assert set(lab.tally(20)) <= {"i3001", "i3002"}, "none is refused as long as one is there that needs no worker"
    direct = [connection for connection in held if connection.name != "away"]
    assert sum(connection.echoes() for connection in direct) >= len(direct) - 4, \
        "but for those of which a worker was told another choice than the one that brought them to it"


def test_least_gives_those_elsewhere_their_part(lab, away):
    lab.instance("here", 3001)
    there(lab, away, "away")
    load(lab, "127.0.0.1:3001", AWAY)
    names = dial_each(lab, 120)[1]
    assert names["away"] >= 40, f"as with any other that sleeps less, but for what load_factor lets pass: {names}"


def test_limits_draining_and_deleting(lab, away):
    there(lab, away, "one", 3001)
    there(lab, away, "two", 3002)
    backends = [AWAY, f"{AWAY4}:3002"]
    load(lab, *backends, add=("--max-connections", "4"))
    held, names = dial_each(lab, 8)
    assert names == {"one": 4, "two": 4}
    assert somebody(lab) is None, "both are full"
    lab.rcxlb("backends", "drain", AWAY)
    assert lab.rcxlb.state(AWAY) == "draining"
    ones = [connection for connection in held if connection.name == "one"]
    assert lab.rcxlb.attempt("backends", "drain", AWAY, "--wait", "--timeout", "1").code == 1
    for connection in ones:
        assert connection.echoes()
        connection.close()
    lab.rcxlb("backends", "drain", AWAY, "--wait", "--timeout", "20")
    lab.rcxlb("backends", "undrain", AWAY)
    assert somebody(lab) == "one"
    lab.rcxlb("backends", "del", backends[1])
    assert all(connection.echoes() for connection in held if connection.name == "two")


@pytest.mark.parametrize("service", ["tls", "http"])
def test_proxied_services(lab, away, service):
    """Of TLS the instance speaks first; of HTTP each request is parsed."""
    script = python(HELLO_SCRIPT, "poll") if service == "http" else None
    if service == "http":
        lab.start([*script, "here", 3002], "listening")
        lab.start([*script, "away", 3001, "--bind", "0.0.0.0"], "listening", away)
    else:
        lab.instance("here", 3002)
        there(lab, away, "away")
    identity = make_identity(lab.folder, "first", "chat.test")
    options = ["--http"] if service == "http" else identity.options
    lab.rcxlb("load", "eth0")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--balance", "bounded", *options, *UNCHECKED)
    lab.rcxlb("backends", "add", AWAY, "127.0.0.1:3002")
    wait_until(lambda: workers_of(lab), "workers")
    if service == "http":
        wait_until(lambda: not bursts(lab.clients, 1).failed, "a worker takes connections")
        visits = bursts(lab.clients, 60)
        assert set(visits.names) == {"here", "away"} and min(visits.names.values()) >= 10, str(visits)
    else:
        wait_until(lambda: tls_name(lab), "a worker takes connections")
        assert {tls_name(lab) for _ in range(30)} == {"here", "away"}
    reasons = {entry["reason"] for entry in lab.rcxlb.service()["backends"]}
    assert reasons == {"its service parses HTTP" if service == "http" else "a worker ends TLS and relays"}


def test_a_relayed_connection_that_is_idle_ends_as_the_service_says(lab, away):
    there(lab, away, "away")
    lab.instance("here", 3002)
    load(lab, AWAY, "127.0.0.1:3002", rule=(*UNCHECKED, "--balance", "bounded", "--idle-ms", "300"))
    held = [lab.dial() for _ in range(30)]
    assert {connection.name for connection in held} == {"away", "here"}
    wait_equal(lambda: lab.rcxlb.active(AWAY), 0, "those that were relayed")
    assert [connection.echoes() for connection in held] == [connection.name == "here" for connection in held]
    assert lab.rcxlb.json("services")["services"][0]["idle_ms"] == 300


def tls_name(lab):
    try:
        connection = Connection(TlsClient(lab.connect().sock, context())).read_greeting()
    except OSError:
        return None
    connection.close()
    return connection.name


def test_a_header_tells_an_instance_elsewhere_who_the_client_is(lab, away):
    listener = lab.listening("0.0.0.0", 3001, namespace=away)
    path = lab.folder / "rcxlb.yaml"
    path.write_text('services: [{name: default, listen: ["*:3000"], send_proxy: v2, health: {type: "off"}, '
                    f'backends: ["{AWAY}"]}}]\n', encoding="ascii")
    lab.rcxlb("load", "eth0", "-c", path)
    wait_until(lambda: workers_of(lab) and not lab.refused(), "a worker takes connections")
    connection = lab.connect(source_port=40000)
    own = connection.own
    wanted = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(map(int, f"{own[0]}.{HOST4}".split(".")))
    wanted += own[1].to_bytes(2, "big") + (3000).to_bytes(2, "big")
    told = []
    while wanted not in told:  # the ones before were to see whether a worker is there
        sock, _ = listener.accept()
        sock.settimeout(5)
        told.append(sock.recv(len(wanted)))
        lab.sockets.append(sock)


def test_ipv6(lab, away):
    there(lab, away, "away", bind="::")
    backend = f"[{AWAY6}]:3001"
    load(lab, backend)
    assert lab.rcxlb.backend(backend)["path"] == "proxied"
    assert (somebody(lab, address=HOST4), somebody(lab, address=HOST6)) == ("away", "away")


def test_one_that_refuses_is_passed_over(lab, away):
    gone = there(lab, away, "gone", 3002)
    there(lab, away, "there", 3001)
    backends = [AWAY, f"{AWAY4}:3002"]
    load(lab, *backends)
    gone.kill()
    assert {somebody(lab, source=CLIENTS4[i % 32]) for i in range(40)} == {"there"}, "no client notices"
    wait_until(lambda: failures(lab)["retried"], "workers tell of it")
    assert failures(lab)["retried"] < 20 and not lab.rcxlb.service()["work"]["unserved"]["no_instance"]
    there(lab, away, "again", 3002)
    wait_until(lambda: somebody(lab) == "again", "it is used again", 20)


def test_one_that_does_not_answer_costs_few_clients_their_time(lab, away):
    lab.host.ip(f"neigh add {NOBODY4} lladdr {STRANGE_MAC} dev eth1")
    there(lab, away, "there")
    silent = f"{NOBODY4}:3001"
    load(lab, AWAY, silent)
    for i in range(20):
        assert somebody(lab, source=CLIENTS4[i % 32]) == "there"
    entry = lab.rcxlb.backend(silent)
    assert (entry["state"], entry["reason"]) in (
        ("down", "a worker could not connect to it a moment ago"), ("up", "its address is none of this host's"))
    wait_until(lambda: failures(lab)["retried"], "workers tell of it")


def test_a_check_finds_it_down_and_up_again(lab, away):
    lab.load()
    agent.set_check(lab, kind=agent.TCP)
    lab.rcxlb("backends", "add", AWAY, f"{AWAY4}:3002")
    agent.start(lab)
    there(lab, away, "other", 3002)
    wait_equal(lambda: lab.rcxlb.state(AWAY), "down", "nobody listens")
    assert lab.rcxlb.backend(AWAY)["reason"] == "nobody listens"
    wait_until(lambda: somebody(lab) == "other", "the other one is used")
    with agent.Follower(lab) as follower:
        there(lab, away, "it")
        follower.await_event(event="health", backend=AWAY, state="up")
    wait_until(lambda: somebody(lab) == "it", "it is used")


def test_reloads_cut_nobody_and_see_where_addresses_are(lab, away):
    there(lab, away, "away")
    path = lab.folder / "rcxlb.yaml"

    def write(blocked):
        path.write_text(f'services: [{{name: default, listen: ["*:3000"], blocked_ms: {blocked}, '
                        f'backends: ["{AWAY}"], health: {{type: "off"}}}}]\n', encoding="ascii")

    write(5)
    lab.rcxlb("load", "eth0", "-c", path)
    wait_until(lambda: workers_of(lab) and somebody(lab), "a worker takes connections")
    held, _ = dial_each(lab, 4)
    write(6)
    lab.rcxlb("reload")
    assert all(connection.echoes() for connection in held)
    away.ip(f"addr del {AWAY4}/24 dev eth1")
    lab.host.ip(f"addr add {AWAY4}/24 dev eth1")
    lab.instance("moved", 3001, "--bind", AWAY4)
    connection = lab.dial()
    assert connection.name == "moved" and connection.peer == connection.own, "whom listen() shows needs no command"
    assert lab.rcxlb.backend(AWAY)["path"] == "direct"


def test_addresses_come_and_go(lab, away):
    """Without a command: the agent looks where they are."""
    there(lab, away, "away")
    lab.instance("wildcard", 3001, "--bind", "0.0.0.0")
    load(lab, AWAY)
    assert somebody(lab) == "away"
    away.ip(f"addr del {AWAY4}/24 dev eth1")
    lab.host.ip(f"addr add {AWAY4}/24 dev eth1")
    wait_until(lambda: lab.rcxlb.backend(AWAY)["path"] == "direct", "who listens on all addresses is that backend now", 20)
    connection = lab.dial()
    assert connection.name == "wildcard" and connection.peer == connection.own
    lab.host.ip(f"addr del {AWAY4}/24 dev eth1")
    away.ip(f"addr add {AWAY4}/24 dev eth1")
    wait_until(lambda: somebody(lab) == "away", "the instance elsewhere is used again", 20)
    assert connection.echoes() and lab.rcxlb.backend(AWAY)["path"] == "proxied"


def test_one_on_a_port_of_ours_is_checked_where_hosts_may_bind_to_any_address(lab, away):
    """As keepalived wants it: there bind() does not tell which addresses are this host's."""
    lab.host.set_sysctl("net.ipv4.ip_nonlocal_bind", 1)
    there(lab, away, "away", 3000)
    load(lab, f"{AWAY4}:3000", rule=())
    with agent.Follower(lab) as follower:
        lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "tcp", "--check-interval-ms", "100",
                  "--check-timeout-ms", "100", "--fall", "1")
        follower.await_event(event="published")
        assert {lab.rcxlb.state(f"{AWAY4}:3000") for _ in range(30)} == {"up"}


def test_a_service_on_the_port_of_its_backend(lab, away):
    """An address that comes here while the backend counts as elsewhere must not lead back to the worker."""
    backend = f"{AWAY4}:3000"
    there(lab, away, "away", 3000)
    load(lab, backend)
    assert somebody(lab) == "away"
    away.ip("link set eth1 down")
    lab.host.ip(f"addr add {AWAY4}/24 dev eth1")
    wait_until(lambda: not failures(lab)["retried"] and accepted(lab), "workers tell of those before")
    before = accepted(lab)
    assert somebody(lab) is None
    # Unless the supervisor saw the address come before the client did, and nobody listens there any more.
    wait_until(lambda: failures(lab)["given_up"] or lab.rcxlb.state(backend) == "absent", "workers tell of it")
    assert accepted(lab) <= before + 1, "the worker's connect did not come to a worker"
