# SPDX-License-Identifier: BSD-2-Clause
"""What status, services, backends, why and config say."""
import json
import re

import pytest

from harness.client import dial
from harness.lab import CLIENTS4, CLIENTS6, HOST4, HOST6
from harness.rcxlb import configured

STATUS = {"version": str, "loaded": bool, "interfaces": list, "agent": dict, "workers": list, "services": list}
INTERFACE = {"name": str, "xdp": str}
SERVICE = {
    "name": str, "listen": list, "hash": str, "balance": str, "tls": bool, "http": bool, "redirect": str,
    "refused": int, "backends": list,
}
BACKEND = {
    "address": str, "weight": int, "state": str, "path": str, "reason": str, "active": int, "steered": int,
    "spilled": int, "failovers": int, "accept_queue": int, "event_loop": str,
}


def assert_shape(found, wanted):
    assert {key: type(value) for key, value in found.items()} == wanted


def test_status_has_the_promised_fields(lab):
    lab.load_with(3001, 3002)
    status = lab.rcxlb.status()
    assert_shape(status, STATUS)
    assert status["loaded"] is True
    assert isinstance(status["agent"]["running"], bool)
    for entry in status["interfaces"]:
        assert_shape(entry, INTERFACE)
    for service in status["services"]:
        assert_shape(service, SERVICE)
        for backend in service["backends"]:
            assert_shape(backend, BACKEND)


def test_state_path_and_reason(lab):
    lab.load_with(3001, 3002)
    lab.instances(3001)
    up, absent = (lab.rcxlb.backend(f"127.0.0.1:{port}") for port in (3001, 3002))
    assert (up["state"], up["path"], up["reason"]) == ("up", "direct", "")
    assert (absent["state"], absent["path"]) == ("absent", "none")
    assert absent["reason"] == "nobody listens there"
    lab.rcxlb("backends", "add", "192.0.2.99:3001", f"{HOST4}:3009")
    assert lab.rcxlb.backend("192.0.2.99:3001")["reason"].startswith("its address is none of this host's")
    assert lab.rcxlb.backend(f"{HOST4}:3009")["reason"] == "nobody listens there"
    lab.rcxlb("backends", "drain", "127.0.0.1:3001")
    assert lab.rcxlb.state("127.0.0.1:3001") == "draining"
    lab.rcxlb("backends", "undrain", "127.0.0.1:3001")
    assert lab.rcxlb.state("127.0.0.1:3001") == "up"


def test_the_accept_queue_of_an_instance_that_never_accepts(lab):
    lab.load_with(3001)
    lab.instance("deaf", 3001, "--never-accept")
    for waiting in range(1, 4):
        lab.connect()
        assert lab.rcxlb.backend("127.0.0.1:3001")["accept_queue"] == waiting
    assert lab.rcxlb.active("127.0.0.1:3001") == 3


def test_services_and_backends_as_json(lab):
    lab.load_with(3001)
    lab.rcxlb("services", "add", "sticky", "--listen", f"{HOST4}:3100", "--hash", "client", "--balance", "consistent")
    lab.rcxlb("backends", "add", "127.0.0.1:3002", "[::1]:3003", "-s", "sticky", "--weight", "5", "--max-connections", "9")
    services = {entry.pop("name"): entry for entry in lab.rcxlb.json("services")["services"]}
    for entry in services.values():
        assert entry.pop("health") == {
            "type": "auto", "path": "/", "host": "", "status": "200-399", "body": "", "interval_ms": 2000,
            "timeout_ms": 1000, "rise": 2, "fall": 3,
        }
        assert (entry.pop("tls"), entry.pop("http"), entry.pop("redirect")) == (False, False, "")
    assert services == {
        "default": {"listen": ["*:3000"], "hash": "tuple", "balance": "least", "load_factor": 1.25, "blocked_ms": 5,
                    "slow_start_ms": 0, "idle_ms": 3600000, "backends": ["127.0.0.1:3001"]},
        "sticky": {"listen": [f"{HOST4}:3100"], "hash": "client", "balance": "consistent", "load_factor": 1.25,
                   "blocked_ms": 5, "slow_start_ms": 0, "idle_ms": 3600000, "backends": ["127.0.0.1:3002", "[::1]:3003"]},
    }


@pytest.mark.parametrize("given, balance", [([], "least"), (["--hash", "client"], "bounded"), (["--hash", "tuple"], "least")])
def test_the_rule_follows_from_the_hash(lab, given, balance):
    lab.load()
    lab.rcxlb("services", "add", "web", "--listen", "*:3100", *given)
    assert {entry["name"]: entry["balance"] for entry in lab.rcxlb.json("services")["services"]}["web"] == balance


def test_how_a_service_chooses_is_kept(lab):
    lab.load()
    lab.rcxlb("services", "add", "web", "--listen", "*:3100", "--balance", "bounded", "--load-factor", "1.1",
              "--blocked-ms", "20", "--slow-start-ms", "3000")
    web = lab.rcxlb.json("services")["services"][1]
    assert (web["balance"], web["load_factor"], web["blocked_ms"], web["slow_start_ms"]) == ("bounded", 1.1, 20, 3000)
    for line in ("load_factor: 1.1", "blocked_ms: 20", "slow_start_ms: 3000"):
        assert line in lab.rcxlb("config")


def test_loading_again_elsewhere_keeps_how_a_service_chooses(lab):
    lab.load()
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--balance", "bounded", "--load-factor", "2")
    lab.load("--listen", "*:3100")
    (default,) = lab.rcxlb.json("services")["services"]
    assert (default["listen"], default["balance"], default["load_factor"]) == (["*:3100"], "bounded", 2.0)


def test_backends_as_json(lab):
    lab.load_with(3001)
    lab.rcxlb("services", "add", "sticky", "--listen", f"{HOST4}:3100", "--hash", "client")
    lab.rcxlb("backends", "add", "127.0.0.1:3002", "[::1]:3003", "-s", "sticky", "--weight", "5", "--max-connections", "9")
    assert lab.rcxlb.json("services", "list") == lab.rcxlb.json("services")
    backends = {entry["address"]: entry for entry in lab.rcxlb.json("backends")["backends"]}
    assert backends["[::1]:3003"] == {
        "service": "sticky", "address": "[::1]:3003", "weight": 5, "max_connections": 9, "state": "absent"}
    assert backends["127.0.0.1:3001"]["service"] == "default"
    assert lab.rcxlb.json("backends", "-s", "sticky")["backends"] == [
        backends["127.0.0.1:3002"], backends["[::1]:3003"]]


def test_adding_again_updates_and_keeps_what_is_not_named(lab):
    lab.load()
    add = ["backends", "add", "127.0.0.1:3001"]
    lab.rcxlb(*add, "--weight", "5", "--max-connections", "9")
    lab.rcxlb(*add)
    kept = lab.rcxlb.json("backends")["backends"]
    assert [(entry["weight"], entry["max_connections"]) for entry in kept] == [(5, 9)]
    lab.rcxlb(*add, "--weight", "256")
    changed = lab.rcxlb.json("backends")["backends"]
    assert [(entry["weight"], entry["max_connections"]) for entry in changed] == [(256, 9)]


@pytest.mark.parametrize("given, shown", [
    ("[0:0::0:1]:3001", "[::1]:3001"), ("[::ffff:127.0.0.1]:3001", "127.0.0.1:3001"), ("127.0.0.1:03001", None),
])
def test_addresses_are_shown_in_one_way(lab, given, shown):
    lab.load()
    result = lab.rcxlb.attempt("backends", "add", given)
    if shown is None and result.code == 2:
        return
    assert result.code == 0, str(result)
    assert [entry["address"] for entry in lab.rcxlb.service()["backends"]] == [shown or "127.0.0.1:3001"]


def test_status_for_people_names_everything(lab):
    lab.load_with(3001, 3002)
    lab.instances(3001)
    text = lab.rcxlb("status")
    for word in ("eth0", "default", "*:3000", "127.0.0.1:3001", "up", "127.0.0.1:3002", "absent", "direct"):
        assert word in text, f"{word} is not in:\n{text}"


WHY = {"client": str, "service": str, "listen": str, "hash": str, "slot": int, "backend": str, "candidates": list}


def test_why_has_the_promised_fields(lab):
    lab.load_with(3001)
    lab.instances(3001)
    answer = lab.rcxlb.json("why", "198.51.100.7:40000")
    assert_shape(answer, WHY)
    assert (answer["client"], answer["service"]) == ("198.51.100.7:40000", "default")
    assert answer["backend"] == "127.0.0.1:3001"
    hash_, slot, size = re.search(r"hash (\w+), slot (\d+) of (\d+)", lab.rcxlb("why", "198.51.100.7:40000")).groups()
    assert (answer["hash"], answer["slot"]) == (hash_, int(slot))
    assert int(hash_, 16) % int(size) == answer["slot"]
    assert answer["candidates"] == [{"address": "127.0.0.1:3001", "verdict": "usable"}]


@pytest.mark.parametrize("host, sources, form", [(HOST4, CLIENTS4, "{}:{}"), (HOST6, CLIENTS6, "[{}]:{}")])
def test_why_agrees_with_where_connections_go(lab, host, sources, form):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3004")
    for port in (3001, 3002, 3004):
        lab.instance(f"127.0.0.1:{port}", port, "--bind", "::")
    for i in range(25):
        source, port = sources[i % len(sources)], 20000 + i
        answer = lab.rcxlb.json("why", form.format(source, port))
        with dial(lab.clients, host, 3000, source=source, source_port=port) as connection:
            assert connection.name == answer["backend"]
        verdicts = [(entry["address"], entry["verdict"]) for entry in answer["candidates"]]
        assert verdicts[-1] == (answer["backend"], "usable")
        assert all(verdict == ("127.0.0.1:3003", "absent") for verdict in verdicts[:-1])


def test_asking_why_counts_nothing_and_changes_nothing(lab):
    lab.load_with(3001)
    before = lab.rcxlb.status()
    lab.rcxlb.json("why", "192.0.2.2:40000")
    lab.rcxlb.json("why", "[2001:db8::2]:40000")
    assert lab.rcxlb.status() == before


def test_why_says_what_speaks_against_each_backend(lab):
    lab.load()
    lab.rcxlb("backends", "add", "127.0.0.1:3001-3003")
    lab.instances(3001, 3002)
    lab.rcxlb("backends", "drain", "127.0.0.1:3002")
    verdicts = set()
    for i in range(30):
        answer = lab.rcxlb.json("why", f"192.0.2.2:{20000 + i}")
        verdicts |= {(entry["address"], entry["verdict"]) for entry in answer["candidates"]}
        assert answer["backend"] == "127.0.0.1:3001"
    assert verdicts == {("127.0.0.1:3001", "usable"), ("127.0.0.1:3002", "draining"), ("127.0.0.1:3003", "absent")}
    answer = lab.rcxlb.json("why", "[2001:db8::2]:40000")
    assert answer["backend"] is None
    assert {"family", "absent"} <= {entry["verdict"] for entry in answer["candidates"]}


def test_why_of_a_service_without_backends(lab):
    lab.load()
    answer = lab.rcxlb.json("why", "192.0.2.2:40000")
    assert (answer["backend"], answer["candidates"]) == (None, [])


def test_config_prints_the_running_state_as_a_configuration(lab):
    yaml = pytest.importorskip("yaml", reason="Debian's package python3-yaml is not installed")
    lab.load_with(3001)
    lab.rcxlb("backends", "add", "127.0.0.1:3002", "--weight", "2")
    lab.rcxlb("services", "add", "sticky", "--listen", f"[{HOST6}]:3100", "--hash", "client")
    config = yaml.safe_load(lab.rcxlb("config"))
    assert config["interfaces"] == ["eth0"]
    services = {entry["name"]: entry for entry in config["services"]}
    assert services["default"]["listen"] == ["*:3000"]
    backends = {entry["address"]: entry.get("weight", 1) for entry in services["default"]["backends"]}
    assert backends == {"127.0.0.1:3001": 1, "127.0.0.1:3002": 2}
    assert services["sticky"]["listen"] == [f"[{HOST6}]:3100"]
    assert services["sticky"]["hash"] == "client"
    assert configured(lab.rcxlb.status())["sticky"] == ([f"[{HOST6}]:3100"], [])


def test_json_is_one_line_each_time(lab):
    lab.load_with(3001)
    for words in (["status"], ["services"], ["backends"], ["why", "192.0.2.2:1"]):
        text = lab.rcxlb(*words, "--json")
        assert text.count("\n") == 1
        json.loads(text)
