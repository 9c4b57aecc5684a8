# SPDX-License-Identifier: BSD-2-Clause
"""Health checks: what counts as healthy, when a verdict changes, and whom clients reach meanwhile."""
import datetime

import pytest

from harness import agent
from harness.agent import AUTO, FALL, HTTP, INTERVAL, RISE, TCP, TIMEOUT, Follower
from harness.lab import HOST4, HOST6, Lab
from harness.kernel import bpftool
from harness.moods import Moody
from harness.poll import wait_equal, wait_until
from harness.settings import SLOW_MACHINE, scaled
from harness.visits import bursts

ONE, TWO = "127.0.0.1:3001", "127.0.0.1:3002"
JITTER = 1.1


def await_state(lab, state, address=ONE, service="default"):
    wait_equal(lambda: lab.rcxlb.state(address, service), state, f"the state of {address}")


def await_checks(moody, port, count):
    """So many more checks of a port have come in."""

    target = moody.totals()[port] + count
    wait_until(lambda: moody.totals()[port] >= target, f"{count} more checks of {port}")


def time_of(event):
    return datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


LONG = 1000  # milliseconds: one process is all of these instances, and does not answer at once

# What an instance does; what the check of type http says of it; the words in the reason.
BEHAVIOURS = {
    "it answers": ("200", "up", ""),
    "it sends elsewhere": ("302", "up", ""),
    "it is not ready": ("503", "down", "/health answered 503"),
    "the path is missing": ("404", "down", "/health answered 404"),
    "it accepts and never answers": ("silent", "down", f"no answer within {LONG} ms"),
    "it is slow, but not too slow": (f"slow {LONG // 5}", "up", ""),
    "it is too slow": (f"slow {LONG * 2}", "down", f"no answer within {LONG} ms"),
    "it never comes to an end": ("drip", "down", f"no answer within {LONG} ms"),
    "it closes": ("close", "down", "it closed without an answer"),
    "it resets": ("reset", "down", "it reset the connection"),
    "it does not speak HTTP": ("garbage", "down", "its answer is not HTTP"),
    "interim answers, then a good one": ("interim 200", "up", ""),
    "interim answers, then a bad one": ("interim 500", "down", "/health answered 500"),
    "a long head": ("head 60", "up", ""),
    "a head without end": ("head 100", "down", "its answer is not HTTP"),
    "a long body": ("body 300000 x", "up", ""),
}


@pytest.fixture(scope="module")
def verdicts(bpffs):
    """Every behaviour at once, each an instance of its own: what status says in the end."""
    del bpffs
    lab = Lab()
    try:
        first = 4001
        moody = Moody(lab, first, first + len(BEHAVIOURS) - 1)
        for port, (mood, *_) in enumerate(BEHAVIOURS.values(), first):
            moody.feel(mood, port)
        agent.load(lab, f"{first}-{moody.last}", timeout=LONG, fall=2)
        wait_until(lambda: len([port for port, times in moody.totals().items() if times > FALL]) == len(BEHAVIOURS),
                   "each was checked often enough", 10)
        yield dict(zip(BEHAVIOURS, lab.rcxlb.service()["backends"]))
    finally:
        lab.close()


@pytest.mark.parametrize("what", BEHAVIOURS)
def test_what_counts_as_healthy(verdicts, what):
    _, state, reason = BEHAVIOURS[what]
    assert verdicts[what]["state"] == state, verdicts[what]
    assert verdicts[what]["reason"] == reason


def test_the_reason_is_the_present_one(lab):
    moody = Moody(lab, 3001, mood="503")
    agent.load(lab, 3001)
    for mood, reason in (("503", "/health answered 503"), ("close", "it closed without an answer")):
        moody.feel(mood)
        wait_equal(lambda: lab.rcxlb.backend(ONE)["reason"], reason, "the reason")
    assert lab.rcxlb.state(ONE) == "down"


def test_a_change_comes_in_time_and_is_told_once(lab):
    moody = Moody(lab, 3001)
    agent.load(lab, 3001, 3002)
    await_checks(moody, 3001, 1)
    with Follower(lab) as follower:
        for state, mood, row, took in (("down", "503", FALL, 0), ("up", "200", RISE, 0),
                                       ("down", "silent", FALL, TIMEOUT)):
            before = len(follower.all(event="health"))
            began = moody.feel(mood)
            event = follower.await_event(event="health", count=before + 1)
            assert (event["backend"], event["state"]) == (ONE, state)
            late = time_of(event) - began
            assert late > (row - 1) * INTERVAL / 1000 / JITTER * 0.8, "before its row was complete"
            limit = (row + 1) * max(INTERVAL, took) / 1000 * JITTER
            assert late < limit + 0.3 or SLOW_MACHINE, f"{state} after {late:.2f} s"
            assert lab.rcxlb.state(ONE) == state
        await_state(lab, "down")
        assert len(follower.all(event="health")) == 3


def test_a_flapping_instance_changes_nothing(lab):
    moody = Moody(lab, 3001)
    agent.load(lab, 3001)
    await_checks(moody, 3001, RISE + 1)  # it is known to be up: that is told once
    with Follower(lab) as follower:
        for _ in range(4):
            moody.feel("503")
            await_checks(moody, 3001, 1)
            moody.feel("200")
            await_checks(moody, 3001, 2)
        assert follower.all(event="health") == []
        assert lab.rcxlb.state(ONE) == "up"


def test_clients_avoid_who_is_down_and_come_when_all_are(lab):
    moody = Moody(lab, 3001, 3003)
    agent.load(lab, "3001-3003")
    moody.feel("503", 3001)
    await_state(lab, "down")
    assert set(bursts(lab.clients, 60).names) == {"3002", "3003"}
    moody.feel("503")
    for port in (3002, 3003):
        await_state(lab, "down", f"127.0.0.1:{port}")
    reached = bursts(lab.clients, 60)
    assert reached.failed == 0, str(reached)
    assert set(reached.names) == {"3001", "3002", "3003"}
    moody.feel("200", 3003)
    await_state(lab, "up", "127.0.0.1:3003")
    assert set(bursts(lab.clients, 60).names) == {"3003"}


def test_a_killed_agent_is_no_outage(lab):
    """After three intervals its verdict is void."""
    Moody(lab, 3001, mood="503")
    lab.instances(3002)
    number = agent.load(lab, 3001, 3002, kind=AUTO, interval=300)
    await_state(lab, "down")
    agent.kill(number)
    assert lab.rcxlb.state(ONE) == "down"
    await_state(lab, "up")
    assert "3001" in bursts(lab.clients, 40).names


def test_health_outlives_the_agent(lab):
    """The next one goes on where the former ended: nobody is up for a moment who is down."""
    moody = Moody(lab, 3001, 3002)
    number = agent.load(lab, 3001, 3002, interval=3 * INTERVAL)
    moody.feel("503", 3001)
    await_state(lab, "down")
    since = agent.health_entry(lab, 0)["since"]
    for how in (9, 15):
        agent.kill(number, how)
        number = agent.start(lab)
        assert lab.rcxlb.state(ONE) == "down"
        with Follower(lab) as follower:
            await_checks(moody, 3001, 3)
            assert follower.all(event="health", backend=ONE) == []
    assert lab.rcxlb.state(ONE) == "down"
    assert agent.health_entry(lab, 0)["since"] == since


def test_a_hung_instance_stays_down_for_the_next_agent(lab):
    """Of the type auto, silence speaks only against who spoke HTTP before: the next agent knows that, too."""
    moody = Moody(lab, 3001)
    number = agent.load(lab, 3001, kind=AUTO, interval=2 * INTERVAL)
    await_state(lab, "up")
    await_checks(moody, 3001, 1)
    moody.feel("silent")
    await_state(lab, "down")
    agent.kill(number, 15)
    number = agent.start(lab)
    await_checks(moody, 3001, RISE + 2)
    assert lab.rcxlb.state(ONE) == "down"
    agent.kill(number, 9)
    await_state(lab, "up")  # the verdict of who is no more does not count for ever
    agent.start(lab)
    await_state(lab, "down")


def test_a_time_out_longer_than_the_interval_keeps_the_verdict(lab):
    moody = Moody(lab, 3001, mood="silent")
    agent.load(lab, 3001, interval=100, timeout=900, fall=1)
    await_state(lab, "down")
    states = set()
    target = sum(moody.checks().values()) + 2
    while sum(moody.checks().values()) < target:
        states.add(lab.rcxlb.state(ONE))
    assert states == {"down"}


def test_a_restarted_instance_is_used_at_once(lab):
    moody = Moody(lab, 3001)
    Moody(lab, 3002)
    agent.load(lab, 3001, 3002, interval=500, rise=50)
    moody.feel("503", 3001)
    await_state(lab, "down")
    moody.feel("200", 3001)
    moody.restart()
    await_state(lab, "up")
    wait_until(lambda: "3001" in bursts(lab.clients, 20).names, "clients reach it")
    assert sum(moody.checks().values()) < 20, "not after so many checks that it has risen"


PATHS = {
    "a new version": (["/readyz", "/livez", "/health", "/api/info"], "/readyz"),
    "without readyz": (["/livez", "/health"], "/livez"),
    "an older version": (["/health", "/api/info"], "/health"),
    "an old version": (["/api/info"], "/api/info"),
}


@pytest.mark.parametrize("version", PATHS)
def test_auto_finds_the_best_path(lab, version):
    there, best = PATHS[version]
    moody = Moody(lab, 3001, mood="only " + " ".join(there))
    agent.load(lab, 3001, kind=AUTO)

    def often():
        return [path for (_, path, _), times in moody.checks().items() if times > 2]

    assert wait_until(often, "one of the paths is asked again and again") == [best], moody.checks()
    await_state(lab, "up")
    moody.feel("500")
    await_state(lab, "down")
    assert best in lab.rcxlb.backend(ONE)["reason"]


def test_auto_is_content_with_a_server_that_accepts(lab):
    """HTTP without any of the paths, one that speaks first, and one that says nothing."""
    Moody(lab, 3001, mood="404")
    lab.instance("i3002", 3002)
    lab.listening("127.0.0.1", 3003, backlog=1000)
    agent.load(lab, "3001-3003", kind=AUTO)
    for port in (3001, 3002, 3003):
        await_state(lab, "up", f"127.0.0.1:{port}")
        wait_until(lambda: agent.health_entry(lab, port - 3001)["state"] == 1, f"{port} was checked")


def test_who_cannot_accept_any_more_is_down(lab):
    """The accept queue is full: not even connecting works."""
    lab.listening("127.0.0.1", 3001, backlog=0)
    agent.load(lab, 3001, kind=AUTO)
    await_state(lab, "down")
    assert lab.rcxlb.backend(ONE)["reason"] == f"it did not accept within {TIMEOUT} ms"


def test_an_address_without_a_route_is_down(lab):
    lab.load()
    agent.set_check(lab, kind=TCP)
    lab.rcxlb("backends", "add", "203.0.113.1:3001")
    agent.start(lab)
    wait_until(lambda: agent.health_entry(lab, 0)["state"] == 2, "it is down")


BODIES = {
    "at the beginning": ("body 0 ready", True),
    "late": ("body 60000 ready", True),
    "too late": ("body 200000 ready", False),
    "cut in two": ("pieces not-re ady-yet", True),
    "missing": ("body 1000 other", False),
}


def test_a_word_in_the_body(lab):
    moody = Moody(lab, 3001, 3000 + len(BODIES))
    for port, (mood, _) in enumerate(BODIES.values(), 3001):
        moody.feel(mood, port)
    agent.load(lab, f"3001-{moody.last}", body="ready", host="chat.example", path="/there?x=1")
    wanted = {f"127.0.0.1:{port}": "up" if good else "down" for port, (_, good) in enumerate(BODIES.values(), 3001)}
    wait_equal(lambda: {each["address"]: each["state"] for each in lab.rcxlb.service()["backends"]}, wanted, "states")
    for port in range(3001, moody.last + 1):
        await_checks(moody, port, FALL + 1)
    assert {each["address"]: each["state"] for each in lab.rcxlb.service()["backends"]} == wanted
    assert {(path, host) for _, path, host in moody.checks()} == {("/there?x=1", "chat.example")}


@pytest.mark.parametrize("status, wanted", [((401, 401), "up"), ((200, 299), "down")])
def test_the_wished_status(lab, status, wanted):
    Moody(lab, 3001, mood="401")
    agent.load(lab, 3001, status=status)
    await_state(lab, wanted)


def test_a_hundred_backends(lab):
    moody = Moody(lab, 4001, 4100)
    every = 5 * INTERVAL if SLOW_MACHINE else INTERVAL  # all of them are one process, and so are their checks
    agent.load(lab, "4001-4100", interval=every, timeout=max(every, TIMEOUT))

    def states():
        return [entry["state"] for entry in lab.rcxlb.service()["backends"]]

    for mood, state in (("503", "down"), ("200", "up"), ("silent", "down"), ("200", "up")):
        moody.feel(mood)
        wait_equal(states, [state] * 100, f"the states when all answer {mood}", 10)


def test_memory_does_not_grow_with_checks(lab):
    """RCXLB_TEST_SCALE=20 makes it 100,000 checks and more."""
    moody = Moody(lab, 4001, 4050)
    number = agent.load(lab, "4001-4050", kind=HTTP, interval=20, timeout=1000)

    def done():
        if not moody.log.exists():
            return 0
        with open(moody.log, "rb") as log:
            return sum(1 for _ in log)

    wait_until(lambda: done() > scaled(1000), f"the first {scaled(1000)} checks")
    before = agent.memory_kib(number)
    wait_until(lambda: done() > scaled(1000) + scaled(5000), f"{scaled(5000)} checks", 20 * max(1, scaled(1)))
    after = agent.memory_kib(number)
    print(f"{done()} checks: {before} KiB, then {after} KiB")
    assert after - before < 512


def test_checks_pass_the_service_by(lab):
    """A service listens on its own backends' port: each check reaches its instance, whomever a client would."""
    moody = Moody(lab, 3001, 3002)
    six = Moody(lab, 3001, bind="::1")
    lab.load("--listen", "*:3001")
    agent.set_check(lab)
    lab.rcxlb("backends", "add", ONE, TWO, "[::1]:3001")
    moody.feel("503", 3001)
    agent.start(lab)
    await_state(lab, "down", ONE)
    await_state(lab, "up", "[::1]:3001")
    await_checks(six, 3001, 5)
    await_checks(moody, 3002, 5)
    assert set(moody.checks()) == {("3001", "/health", ONE), ("3002", "/health", TWO)}
    assert set(six.checks()) == {("3001", "/health", "[::1]:3001")}
    assert lab.rcxlb.state(ONE) == "down"
    assert lab.rcxlb.service()["refused"] == 0


def test_an_absent_backend_is_not_checked_by_another_s_answer(lab):
    """Its port is the service's: what the check reaches must not be a neighbour."""
    moody = Moody(lab, 3001)
    lab.load("--listen", "*:3001", "--listen", "*:3002")
    agent.set_check(lab)
    lab.rcxlb("backends", "add", ONE, TWO)
    agent.start(lab)
    await_checks(moody, 3001, 5)
    assert set(moody.checks()) == {("3001", "/health", ONE)}
    assert lab.rcxlb.state(TWO) == "absent"
    assert agent.health_entry(lab, 1)["state"] == 0


def test_a_deleted_backend_s_id_brings_no_health_along(lab):
    moody = Moody(lab, 3001, 3002)
    moody.feel("503", 3001)
    agent.load(lab, 3001)
    await_state(lab, "down")
    lab.rcxlb("backends", "del", ONE)
    wait_until(lambda: agent.health_entry(lab, 0)["state"] == 0, "its health is forgotten")
    lab.rcxlb("backends", "add", TWO)
    await_state(lab, "up", TWO)
    await_checks(moody, 3002, 2)
    assert {key[0] for key in moody.checks() if key[0] == "3002"} == {"3002"}


@pytest.mark.parametrize("address", [HOST4, HOST6])
def test_an_instance_for_all_addresses_is_checked(lab, address):
    moody = Moody(lab, 3001, bind="::" if ":" in address else "0.0.0.0")
    lab.load()
    agent.set_check(lab)
    target = f"[{address}]:3001" if ":" in address else f"{address}:3001"
    lab.rcxlb("backends", "add", target)
    agent.start(lab)
    await_checks(moody, 3001, 2)
    assert lab.rcxlb.state(target) == "up"
    moody.feel("503")
    await_state(lab, "down", target)


PATIENT = str(max(INTERVAL, 400))  # a time-out is no longer than its interval


def add_checked(lab, *options, path="/health"):
    """The service with a check as options say it."""
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "http", "--check-path", path,
              "--check-interval-ms", PATIENT, "--check-timeout-ms", PATIENT, "--fall", "2", *options)


@pytest.mark.parametrize("path, body", [
    ("/health", "x" * 59 + "\u00e9" * 20), ("/health", "x" + "\U0001f600" * 30), ("/" + "p" * 61, "\u20ac" * 20),
])
def test_a_reason_that_is_cut_ends_with_a_whole_character(lab, path, body):
    """Else it could stand in no JSON: neither in that of status nor in an event."""
    Moody(lab, 3001)
    lab.rcxlb("load", "eth0")
    with Follower(lab) as follower:
        add_checked(lab, "--check-body", body, path=path)
        lab.rcxlb("backends", "add", ONE)
        reason = follower.await_event(event="health", backend=ONE, state="down")["reason"]
    assert reason.startswith(f"{path} answered 200")
    assert lab.rcxlb.backend(ONE)["state"] == "down"
    assert lab.rcxlb.backend(ONE)["reason"].endswith(reason)


def test_one_more_member_of_a_group_makes_nobody_well(lab):
    lab.instance("m0", 3001, "--reuseport")  # speaks no HTTP
    lab.rcxlb("load", "eth0")
    add_checked(lab)
    lab.rcxlb("backends", "add", ONE)
    await_state(lab, "down")
    with Follower(lab) as follower:
        lab.instance("m1", 3001, "--reuseport")
        follower.await_event(event="listening", backend=ONE)
        assert {lab.rcxlb.state(ONE) for _ in range(20)} == {"down"}


def test_another_interval_makes_nobody_well(lab):
    """What is asked for is the same, so what is known stays known; when something else is asked for, nothing is."""
    moody = Moody(lab, 3001, mood="503")
    lab.rcxlb("load", "eth0")
    add_checked(lab, "--rise", "3")
    lab.rcxlb("backends", "add", ONE)
    await_state(lab, "down")
    with Follower(lab) as follower:
        lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "http", "--check-path", "/health",
                  "--check-interval-ms", "3000", "--check-timeout-ms", "100", "--fall", "1000")
        follower.await_event(event="published")
        assert lab.rcxlb.state(ONE) == "down"
        await_checks(moody, 3001, 1)
        assert lab.rcxlb.state(ONE) == "down"
        lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "http", "--check-path", "/other",
                  "--check-interval-ms", "3000", "--check-timeout-ms", "100", "--fall", "1000")
        follower.await_event(event="published", count=2)
        await_state(lab, "up")


def probes(lab):
    """The addresses from which an agent checks, where connects of others would be steered."""
    return {tuple(entry["key"]) for entry in bpftool("map", "dump", "pinned", str(lab.rcxlb.pins / "probes"))}


def test_the_checks_of_a_killed_agent_are_forgotten_by_the_next(lab):
    """A client with such an address would get the backend that was checked, whatever it dials."""
    Moody(lab, 3000, mood="silent")
    number = agent.load(lab, 3000, interval=20000, timeout=20000)
    wait_until(lambda: probes(lab), "a check is under way")
    agent.kill(number)
    left = probes(lab)
    assert left
    agent.start(lab)
    assert not probes(lab) & left
