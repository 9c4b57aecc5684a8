# SPDX-License-Identifier: BSD-2-Clause
"""`rcxlb events`: what is told, to whom, and what happens to those who read too slowly."""
import json
import os
import re
import signal
import socket

import pytest

from harness import agent
from harness.agent import OFF, Follower
from harness.client import refused
from harness.crowd import Crowd
from harness.lab import CLIENTS4, HOST4
from harness.moods import Moody
from harness.poll import wait_equal, wait_until
from harness.settings import COMMAND_SECONDS, scaled
from harness.visits import bursts

ONE, TWO = "127.0.0.1:3001", "127.0.0.1:3002"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_what_happens_is_told(lab):
    moody = Moody(lab, 3002)
    agent.load(lab, 3001, 3002)
    with Follower(lab) as follower:
        instance = lab.instance("i3001", 3001)
        event = follower.await_event(event="listening")
        assert (event["backend"], event["listener"]) == (ONE, ONE)
        instance.kill()
        event = follower.await_event(event="gone")
        assert (event["backend"], event["absent"]) == (ONE, True)
        moody.feel("503")
        # A busy machine may have been too late for a check before.
        follower.await_event(event="health", backend=TWO, state="down", reason="/health answered 503")
        moody.feel("200")
        follower.await_event(event="health", backend=TWO, state="up", reason="")
        lab.rcxlb("backends", "add", "127.0.0.1:3003")
        assert follower.await_event(event="published")["revision"] > 1
        assert not refused(lab.clients, HOST4, 3000)
        bursts(lab.clients, 40)
        assert follower.await_event(event="failover")["connections"] > 0
        for line in follower.all():
            assert STAMP.fullmatch(line["time"]) and line["message"], line


def test_a_drained_backend_is_told_once_and_when_its_last_connection_ends(lab):
    lab.instances(3001)
    agent.load(lab, 3001, kind=OFF)
    first, second = lab.dial(), lab.dial()
    lab.await_active(ONE, 2)
    with Follower(lab) as follower:
        lab.rcxlb("backends", "drain", ONE)
        follower.await_event(event="published")
        first.reset()
        lab.await_active(ONE, 1)
        assert second.echoes() and follower.all(event="drained") == []
        second.reset()
        assert follower.await_event(event="drained")["backend"] == ONE
        lab.rcxlb("backends", "undrain", ONE)
        follower.await_event(event="published", count=2)
        lab.rcxlb("backends", "drain", ONE)
        follower.await_event(event="drained", count=2)
    number = agent.pid(lab)
    agent.kill(number, signal.SIGTERM)
    agent.start(lab)
    with Follower(lab) as follower:  # what was so before is no news to the next agent
        lab.rcxlb("backends", "add", TWO)
        follower.await_event(event="published")
        lab.rcxlb("backends", "drain", TWO)
        assert follower.await_event(event="drained")["backend"] == TWO
        assert follower.all(event="drained", backend=ONE) == []


def test_each_connection_is_told_with_its_reason(lab):
    lab.instances(3001)
    agent.load(lab, 3001, kind=OFF, rule=("--balance", "consistent"))
    with Follower(lab, "--connections") as follower, Follower(lab) as other:
        with lab.dial() as connection:
            client = ":".join(map(str, connection.own))
            event = follower.await_event(event="connection", client=client)
            assert (event["service"], event["backend"], event["reason"]) == ("default", ONE, "hash")
        lab.rcxlb("backends", "add", TWO)
        follower.await_event(event="published")
        lab.tally(30)
        failed_over = follower.await_event(event="connection", reason="failover")
        assert failed_over["backend"] == ONE
        lab.rcxlb("backends", "drain", ONE, TWO)
        follower.await_event(event="published", count=2)
        assert lab.refused()
        event = follower.await_event(event="refused")
        assert event["service"] == "default" and event["client"].startswith("192.0.2.")
        assert not other.all(event="connection") and not other.all(event="refused")


def test_a_spilled_connection_is_told(lab):
    lab.instances(3001, 3002)
    agent.load(lab, 3001, 3002, kind=OFF, rule=("--balance", "bounded"))
    lab.rcxlb("backends", "add", ONE, "--max-connections", "1")
    with Follower(lab, "--connections") as follower:
        kept = [lab.dial() for _ in range(20)]
        follower.await_event(event="connection", count=len(kept))
        assert {line["reason"] for line in follower.all(event="connection")} == {"hash", "spilled"}
        spilled = lab.rcxlb.backend(ONE)["spilled"] + lab.rcxlb.backend(TWO)["spilled"]
        assert len(follower.all(event="connection", reason="spilled")) == spilled


def test_nobody_follows_and_nothing_is_told(lab):
    lab.instances(3001)
    agent.load(lab, 3001, kind=OFF)
    assert agent.audience(lab) == 0
    with Follower(lab):
        lab.tally(3)
        assert agent.audience(lab) == 0
    with Follower(lab, "--connections"):
        assert agent.audience(lab) > 0
    wait_equal(lambda: agent.audience(lab), 0, "connections are not told any more")
    number = agent.pid(lab)
    with Follower(lab, "--connections"):
        agent.kill(number)
    agent.start(lab)
    assert agent.audience(lab) == 0, "what a killed agent left"


def test_followers_hear_that_the_agent_ends(lab):
    number = agent.load(lab)
    with Follower(lab) as one, Follower(lab) as two:
        agent.kill(number, signal.SIGTERM)
        for follower in (one, two):
            follower.await_event(event="agent", state="ended")
            assert follower.process.wait(COMMAND_SECONDS) == 1
            assert "agent ended" in follower.process.stderr.read()
    result = lab.rcxlb.attempt("events")
    assert result.code == 1 and "no agent is running" in result.err


def test_for_people_there_is_a_sentence_a_line(lab):
    agent.load(lab, 3001, kind=OFF)
    process = lab.rcxlb.popen("events")
    try:
        assert re.fullmatch(r"\S+Z the agent of rcxlb \S+ is running\n", process.stdout.readline())
        lab.instances(3001)
        line = process.stdout.readline()
        assert re.fullmatch(STAMP.pattern + r" backend 127\.0\.0\.1:3001: a listener came, on 127\.0\.0\.1:3001\n", line)
    finally:
        process.kill()
        process.communicate()


def follow_without_reading(lab):
    """A follower who has asked for every connection."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(lab.rcxlb.runs / "events.sock"))
    lab.sockets.append(sock)
    sock.sendall(b"connections\n")
    wait_until(lambda: agent.audience(lab), "connections are told")
    return sock


def steered(lab):
    return lab.rcxlb.backend(ONE)["steered"]


def test_who_does_not_read_holds_nobody_up_and_learns_what_he_missed(lab):
    """20,000 connections and more; what is in the backlog, what was missed and what the ring lost is all of them."""
    lab.instances(3001)
    number = agent.load(lab, 3001, kind=OFF)
    sock = follow_without_reading(lab)
    before = agent.memory_kib(number)
    crowd = Crowd(lab.clients, HOST4, 3000, 40, CLIENTS4)
    with crowd.connecting(), Follower(lab) as quick:
        crowd.await_more(scaled(20000, 12000))
        lab.rcxlb("backends", "add", TWO)
        quick.await_event(event="published")
    grown = agent.memory_kib(number) - before
    assert grown < 6 * 1024, f"{grown} KiB"
    lines = read_until_left_out(sock)
    total, told = steered(lab), sum(line["event"] in ("connection", "published") for line in lines)
    missed = sum(line["count"] for line in lines if line["event"] == "left_out")
    print(f"{total} connections: {told} told, {missed} left out; memory grew by {grown} KiB")
    assert missed > 1000
    assert abs(told + missed - total) <= 5 + sum(line["event"] == "left_out" for line in lines)


def read_until_left_out(sock):
    """All lines up to and with the one that says how many were not among them."""
    data = b""
    while not re.search(rb"read too slowly[^\n]*\n", data):
        piece = sock.recv(1 << 20)
        assert piece, "the agent has gone"
        data += piece
    return [json.loads(line) for line in data.splitlines()]


def test_a_flood_of_events_starves_no_check(lab):
    moody = Moody(lab, 3002)
    lab.instances(3001)
    agent.load(lab, 3001)
    lab.rcxlb("services", "add", "other", "--listen", "*:3100")
    agent.set_check(lab, service=1)
    lab.rcxlb("backends", "add", TWO, "-s", "other")
    crowd = Crowd(lab.clients, HOST4, 3000, 20, CLIENTS4)
    with crowd.connecting(), Follower(lab, "--connections") as follower:
        moody.feel("503")
        follower.await_event(event="health", backend=TWO, state="down", seconds=10)
        assert len(follower.all(event="connection")) > 10


def test_there_may_be_many_followers_but_not_any_number(lab):
    agent.load(lab, kind=OFF)
    everybody = [follow_silently(lab) for _ in range(64)]
    with follow_silently(lab) as one_too_many:
        assert one_too_many.recv(10) == b""
    lab.rcxlb("backends", "add", ONE)
    for sock in everybody:
        text = b""
        while b"published" not in text:
            text += sock.recv(4096)
        sock.close()
    with Follower(lab):
        pass


def follow_silently(lab):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(lab.rcxlb.runs / "events.sock"))
    lab.sockets.append(sock)
    return sock


@pytest.mark.parametrize("word", [b"\0" * 64, b"connections", b"\n", b"x" * 100000])
def test_a_follower_who_says_something_else_is_sent_away(lab, word):
    number = agent.load(lab, kind=OFF)
    sock = follow_silently(lab)
    sock.sendall(word)
    data = b"-"
    try:
        while data:
            data = sock.recv(65536)
    except ConnectionResetError:
        pass
    assert agent.is_alive(number)


def test_an_instance_that_begins_within_a_change_has_its_name(lab):
    """The event may come before the agent has read what was published."""
    agent.load(lab, kind=OFF)
    with Follower(lab) as follower:
        for port in range(3001, 3006):
            lab.rcxlb("backends", "add", f"127.0.0.1:{port}")
            sock = lab.listening("127.0.0.1", port)
            assert follower.await_event(event="listening", count=port - 3000)["backend"] == f"127.0.0.1:{port}"
            sock.close()


def test_the_socket_is_for_root_alone(lab):
    agent.load(lab, kind=OFF)
    assert lab.rcxlb.runs.stat().st_mode & 0o777 == 0o700
    for path in lab.rcxlb.runs.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.stat().st_uid == os.geteuid()
