# SPDX-License-Identifier: BSD-2-Clause
"""Configuration files: check, load -c, reload, config; and draining until the last connection has ended."""
import errno
import json
import os
import re
import time
from pathlib import Path

import pytest

from harness import settings
from harness.kernel import held_by, xdp_attached
from harness.lab import CLIENTS4, HOST4
from harness.poll import wait_until
from harness.rcxlb import configured
from harness.tls import make_identity

FILE = """\
interfaces: [eth0]
services:
  - name: default
    listen: ["*:3000"]
    hash: tuple
    balance: consistent
    backends:
      - {address: "127.0.0.1:3001"}
      - {address: "127.0.0.1:3002", weight: 2}
    health: {type: http, path: /readyz}
"""

README = settings.ROOT / "README.md"


def write(lab, text, name="rcxlb.yaml"):
    path = lab.folder / name
    path.write_text(text)
    return path


def load(lab, text=FILE):
    path = write(lab, text)
    lab.rcxlb("load", "--no-agent", "-c", path)
    return path


def config(lab):
    return lab.rcxlb("config")


def differences(lab, *words):
    return lab.rcxlb("reload", *words).splitlines()


# check


def test_check_of_a_good_file(lab):
    result = lab.rcxlb.attempt("check", write(lab, FILE))
    assert (result.code, result.err) == (0, ""), str(result)
    assert "OK, 1 service, 2 backends" in result.out


def examples():
    """The configuration files in the README."""
    for example in re.findall(r"\n\n((?:    .*\n|\n)*    services:\n(?:    .*\n|\n)*)", README.read_text()):
        yield "".join(line[4:] if line.startswith("    ") else line for line in example.splitlines(keepends=True))


def test_the_examples_of_the_readme_are_good(lab):
    identity = make_identity(lab.folder, "any", "chat.test")
    page = lab.folder / "sorry.html"
    page.write_text("later")
    there = {"/etc/rcxlb/fullchain.pem": identity.certificate, "/etc/rcxlb/key.pem": identity.key,
             "/etc/rcxlb/sorry.html": page, "/var/log/rcxlb/": f"{lab.folder}/"}
    both = list(examples())
    assert [("tls:" in text, "metrics:" in text) for text in both] == [(True, False), (False, True)]
    for text in both:
        for path, own in there.items():
            text = text.replace(path, str(own))
        if "service: ddp-streamer" in text:  # "another service, which listens somewhere too"
            text = text.rstrip("\n") + '\n  - {name: ddp-streamer, listen: ["*:4000"]}\n'
        assert "OK" in lab.rcxlb("check", write(lab, text))


def test_check_tells_every_mistake_with_file_line_and_value(lab):
    path = write(lab, FILE.replace("tuple", "md5").replace("weight: 2", "weight: 0") + "guard: {}\nmetrix: {}\n")
    result = lab.rcxlb.attempt("check", path)
    assert result.code == 1 and result.out == "", str(result)
    lines = result.err.splitlines()
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        [f"{path}:5", "'md5'"], [f"{path}:9", "'0'"], [f"{path}:11", "'guard'"], [f"{path}:12", "'metrix'"],
    ]
    assert "did you mean 'metrics'?" in lines[3]
    assert lines[-1].startswith(f"rcxlb: {path} has 4 mistakes")


def no_file(lab):
    return lab.folder / "nothing.yaml", "No such file"


def folder(lab):
    return lab.folder, "is no regular file"


def pipe(lab):
    path = lab.folder / "pipe"
    os.mkfifo(path)
    return path, "is no regular file"


def too_big(lab):
    return write(lab, "#" * (1 << 20) + "\n"), "mistake"


def bytes_of_a_program(lab):
    path = lab.folder / "program"
    path.write_bytes(bytes(range(256)) * 10)
    return path, "mistake"


@pytest.mark.parametrize("make", [no_file, folder, pipe, too_big, bytes_of_a_program])
@pytest.mark.parametrize("words", [["check"], ["load", "eth0", "--no-agent", "-c"], ["reload", "-c"]], ids=" ".join)
def test_what_is_no_configuration_is_refused(lab, make, words):
    lab.load_with(3001)
    before = config(lab)
    path, says = make(lab)
    result = lab.rcxlb.attempt(*words, path)
    assert result.code == 1 and result.out == "", str(result)
    assert says in result.err.splitlines()[-1] and str(path) in result.err
    assert config(lab) == before


# load -c


def test_load_from_a_file(lab):
    lab.instances(3001, 3002)
    load(lab)
    status = lab.rcxlb.status()
    assert configured(status) == {
        "default": (["*:3000"], [("127.0.0.1:3001", 1, False), ("127.0.0.1:3002", 2, False)])
    }
    assert [entry["name"] for entry in status["interfaces"]] == ["eth0"]
    assert status["services"][0]["balance"] == "consistent"
    assert lab.rcxlb.json("services")["services"][0]["health"]["path"] == "/readyz"
    assert lab.who() in ("i3001", "i3002")


def test_a_load_whose_file_cannot_be_noted_is_done_and_warns(lab):
    path = load(lab)
    (lab.folder / "run" / "file-new").mkdir()
    path.write_text(FILE.replace("weight: 2", "weight: 3"), encoding="utf-8")
    result = lab.rcxlb.attempt("load", "--no-agent", "-c", path)
    assert result.code == 0, str(result)
    assert "warning: cannot note the name of the file" in result.err
    assert differences(lab, "-c", path, "--dry-run") == ["no difference"]
    again = lab.rcxlb.attempt("reload")
    assert again.code == 1 and str(path) not in again.err, str(again)
    (lab.folder / "run" / "file-new").rmdir()


def test_interfaces_of_the_command_line_take_the_place_of_the_files(lab):
    path = write(lab, FILE.replace("[eth0]", "[nowhere0]"))
    assert lab.rcxlb.attempt("load", "--no-agent", "-c", path).code == 1
    assert lab.pins_left() == []
    lab.rcxlb("load", "eth0", "--xdp", "off", "--no-agent", "-c", path)
    assert [(entry["name"], entry["xdp"]) for entry in lab.rcxlb.status()["interfaces"]] == [("eth0", "off")]


def test_a_file_without_interfaces_needs_them_named(lab):
    path = write(lab, FILE.replace("interfaces: [eth0]\n", ""))
    result = lab.rcxlb.attempt("load", "--no-agent", "-c", path)
    assert result.code == 2 and "interface" in result.err
    lab.rcxlb("load", "eth0", "--no-agent", "-c", path)
    assert differences(lab) == ["no difference"]
    assert xdp_attached(lab.host)


def test_a_file_without_interfaces_leaves_them_to_what_is_loaded(lab):
    file = write(lab, "services: []\n")
    lab.load("--xdp", "skb")
    lab.rcxlb("load", "--no-agent", "-c", file)
    assert [entry["name"] for entry in lab.rcxlb.status()["interfaces"]] == ["eth0"]


@pytest.mark.parametrize("text, words, mode", [
    ("xdp: off\n", [], "off"),
    ("xdp: skb\n", ["--xdp", "off"], "off"),
    ("xdp: off\ninterfaces: [{name: eth0, xdp: skb}]\n", [], "skb"),
])
def test_how_the_guard_is_attached_is_said_by_the_file_unless_the_command_does(lab, text, words, mode):
    lab.rcxlb("load", "eth0", "--no-agent", "-c", write(lab, "services: []\n" + text), *words)
    assert [entry["xdp"] for entry in lab.rcxlb.status()["interfaces"]] == [mode]


def test_how_the_guard_is_attached_is_not_said_without_an_interface(lab):
    lab.load("--xdp", "skb")
    result = lab.rcxlb.attempt("load", "--no-agent", "-c", write(lab, "services: []\n"), "--xdp", "off")
    assert result.code == 2 and "--xdp" in result.err
    assert [entry["xdp"] for entry in lab.rcxlb.status()["interfaces"]] == ["skb"]


def test_listen_and_a_file_do_not_go_together(lab):
    result = lab.rcxlb.attempt("load", "eth0", "--no-agent", "--listen", "*:80", "-c", write(lab, FILE))
    assert result.code == 2 and "--listen" in result.err


def test_the_hash_key_of_the_file_makes_hosts_choose_alike(lab, second_lab):
    text = FILE + 'hash_key: "000102030405060708090a0b0c0d0e0f"\n'
    homes = []
    for each in (lab, second_lab):
        each.instances(3001, 3002)
        load(each, text)
        homes.append([each.who(source="192.0.2.3", source_port=port) for port in range(20000, 20020)])
    assert homes[0] == homes[1]
    assert set(homes[0]) == {"i3001", "i3002"}


def test_a_bad_file_changes_nothing(lab):
    path = write(lab, FILE.replace("consistent", "random"))
    assert lab.rcxlb.attempt("load", "--no-agent", "-c", path).code == 1
    assert lab.pins_left() == []
    load(lab)
    before = config(lab)
    write(lab, FILE.replace("3001", "3009").replace("tuple", "md5"))
    for words in (["reload"], ["load", "--no-agent", "-c", path]):
        assert lab.rcxlb.attempt(*words).code == 1
        assert config(lab) == before


def test_loading_again_from_a_file_makes_the_state_equal_it(lab):
    lab.load_with(3005, 3006)
    path = write(lab, FILE)
    out = lab.rcxlb("load", "--no-agent", "-c", path)
    assert "- backend 127.0.0.1:3005 in default" in out
    assert [entry["address"] for entry in lab.rcxlb.service()["backends"]] == ["127.0.0.1:3001", "127.0.0.1:3002"]


def test_load_from_a_file_starts_the_agent_and_reload_keeps_it(lab):
    path = write(lab, FILE)
    lab.rcxlb("load", "-c", path)
    agent = lab.rcxlb.status()["agent"]
    assert agent["running"] is True
    path.write_text(FILE.replace("/readyz", "/healthz"))
    assert differences(lab) == ["~ service default: health.path /readyz → /healthz"]
    assert lab.rcxlb.status()["agent"] == agent


# reload


def test_an_unchanged_file_is_no_change(lab):
    lab.instances(3001, 3002)
    path = load(lab)
    before, revision = held_by(lab.rcxlb.pins), lab.rcxlb.status()
    assert differences(lab) == ["no difference"]
    assert differences(lab, "-c", path) == ["no difference"]
    assert held_by(lab.rcxlb.pins) == before
    assert lab.rcxlb.status() == revision


def test_what_differs_is_told_and_made_equal(lab):
    path = load(lab)
    path.write_text("""\
interfaces: [{name: eth0, xdp: off}]
services:
  - name: default
    listen: ["*:3000", "192.0.2.1:3100"]
    balance: least
    backends: [127.0.0.1:3002-3003]
  - name: more
    listen: ["*:3200"]
    backends_of: default
metrics: {listen: off}
""")
    wanted = {
        "~ service default: balance consistent → least",
        "~ service default: health.type http → auto",
        "~ service default: health.path /readyz → /",
        "+ address 192.0.2.1:3100 of default",
        "- backend 127.0.0.1:3001 in default",
        "+ backend 127.0.0.1:3003 in default",
        "+ service more",
        "+ address *:3200 of more",
        "+ backend 127.0.0.1:3002 in more",
        "+ backend 127.0.0.1:3003 in more",
        "~ backend 127.0.0.1:3002: weight 2 → 1",
        "~ metrics.listen 127.0.0.1:9465 → off",
        "~ interface eth0: xdp native → off",
    }
    before = config(lab)
    assert set(differences(lab, "--dry-run")) == wanted
    assert config(lab) == before
    assert set(differences(lab)) == wanted
    assert differences(lab) == ["no difference"]
    assert not xdp_attached(lab.host)
    assert configured(lab.rcxlb.status())["more"][0] == ["*:3200"]


def test_no_reload_cuts_a_connection(lab):
    lab.instances(3001, 3002, 3003)
    path = load(lab)
    other = FILE.replace('"127.0.0.1:3002", weight: 2', '"127.0.0.1:3003"').replace('["*:3000"]', '["*:3000", "*:3001"]')
    connections = [lab.dial() for _ in range(100)]
    for turn in range(settings.scaled(100, least=4)):
        path.write_text(FILE if turn % 2 else other)
        assert differences(lab) != ["no difference"]
    silent = [each.own for each in connections if not each.echoes()]
    assert not silent
    assert lab.who() in ("i3001", "i3002")


def test_clients_stay_where_they_are_when_others_come(lab):
    lab.instances(3001, 3002)
    path = load(lab)
    ports = range(21000, 21030)
    before = [lab.who(source_port=port) for port in ports]
    path.write_text(FILE + '  - {name: other, listen: ["*:3900"], backends: [127.0.0.1:3999]}\n')
    differences(lab)
    assert [lab.who(source_port=port) for port in ports] == before


def test_interfaces_come_and_go(lab):
    path = load(lab)
    lab.host.ip("link add dummy1 type veth peer name dummy2")
    path.write_text(FILE.replace("[eth0]", "[{name: dummy1, xdp: skb}]"))
    assert set(differences(lab)) == {"+ interface dummy1, xdp skb", "- interface eth0"}
    assert [(entry["name"], entry["xdp"]) for entry in lab.rcxlb.status()["interfaces"]] == [("dummy1", "skb")]
    assert not xdp_attached(lab.host, "eth0")
    path.write_text(FILE.replace("[eth0]", "[eth0, nowhere0]").replace("3001", "3009"))
    before = config(lab)
    result = lab.rcxlb.attempt("reload")
    assert result.code == 1 and "nowhere0" in result.err, str(result)
    assert config(lab) == before
    path.write_text(FILE.replace("[eth0]", "[{name: dummy1, xdp: off}, {name: lo, xdp: native}]").replace("3001", "3009"))
    result = lab.rcxlb.attempt("reload")  # the second cannot; the first is put back
    assert result.code == 1 and "lo" in result.err, str(result)
    assert config(lab) == before and xdp_attached(lab.host, "dummy1")
    path.write_text(FILE.replace("[eth0]", "[]"))
    differences(lab)
    assert lab.rcxlb.status()["interfaces"] == []


def test_a_reload_that_is_killed_leaves_the_one_or_the_other(lab):
    path = load(lab)
    other = FILE.replace("3001", "3008").replace("consistent", "least")
    states = []
    for text in (FILE, other):
        path.write_text(text)
        differences(lab)
        states.append(config(lab))
    for turn in range(settings.scaled(20, least=4)):
        path.write_text(FILE if turn % 2 == 0 else other)
        process = lab.rcxlb.popen("reload")
        time.sleep(turn * 0.004)  # some moment between its start and its end
        process.kill()
        process.communicate()
        assert config(lab) in states


def test_which_file_is_reloaded(lab):
    """-c, else RCXLB_CONFIG, else what was loaded last."""
    path = load(lab)
    other = write(lab, FILE.replace("3001", "3007"), "other.yaml")
    third = write(lab, FILE.replace("3001", "3008"), "third.yaml")
    assert differences(lab, "--dry-run") == ["no difference"]
    result = lab.rcxlb.attempt("reload", "--dry-run", RCXLB_CONFIG=str(other))
    assert "+ backend 127.0.0.1:3007 in default" in result.out
    result = lab.rcxlb.attempt("reload", "-c", third, RCXLB_CONFIG=str(other))
    assert "+ backend 127.0.0.1:3008 in default" in result.out
    assert differences(lab) == ["no difference"]
    path.unlink()
    assert differences(lab) == ["no difference"]
    third.unlink()
    result = lab.rcxlb.attempt("reload")
    assert result.code == 1 and str(third) in result.err


def test_what_was_loaded_is_forgotten_by_unload(lab):
    load(lab)
    lab.rcxlb("unload")
    assert not lab.rcxlb.runs.exists() or [path.name for path in lab.rcxlb.runs.iterdir()] in ([], ["lock"])
    lab.load()
    result = lab.rcxlb.attempt("reload")
    if not os.path.exists("/etc/rcxlb/rcxlb.yaml"):
        assert result.code == 1 and "/etc/rcxlb/rcxlb.yaml" in result.err, str(result)


# config


def test_what_config_prints_is_the_state(lab):
    load(lab, FILE.replace("/readyz}", "/readyz, host: a.example, status: 204, body: 'it: works', rise: 7}")
         + "metrics: {listen: '[::1]:9999'}\n")
    lab.rcxlb("services", "add", "on", "--listen", "[2001:db8::1]:3200", "--hash", "client", "--check", "tcp",
              "--check-interval-ms", "5000", "--check-timeout-ms", "4000", "--fall", "9")
    lab.rcxlb("backends", "add", "[::1]:3300-3303", "-s", "on", "--weight", "7", "--max-connections", "99")
    lab.rcxlb("backends", "drain", "[::1]:3301", "-s", "on")
    text = config(lab)
    path = write(lab, text, "printed.yaml")
    assert differences(lab, "-c", path) == ["no difference"]
    as_json = lab.rcxlb("config", "--json")
    assert differences(lab, "-c", write(lab, as_json, "printed.json")) == ["no difference"]
    assert json.loads(as_json)["metrics"] == {"listen": "[::1]:9999"}
    lab.rcxlb("unload")
    lab.rcxlb("load", "--no-agent", "-c", path)
    assert config(lab) == text


# The check of a service, by options


def health(lab, name="default"):
    return next(each for each in lab.rcxlb.json("services")["services"] if each["name"] == name)["health"]


def test_options_of_the_check(lab):
    lab.load()
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--check", "http", "--check-path", "/a?b=c",
              "--check-host", "chat.example.org", "--check-status", "200-204", "--check-body", "ok",
              "--check-interval-ms", "500", "--check-timeout-ms", "500", "--rise", "1", "--fall", "5")
    assert health(lab) == {
        "type": "http", "path": "/a?b=c", "host": "chat.example.org", "status": "200-204", "body": "ok",
        "interval_ms": 500, "timeout_ms": 500, "rise": 1, "fall": 5,
    }
    lab.rcxlb("services", "add", "default", "--listen", "*:3000")
    assert health(lab) == {
        "type": "auto", "path": "/", "host": "", "status": "200-399", "body": "", "interval_ms": 2000,
        "timeout_ms": 1000, "rise": 2, "fall": 3,
    }


def test_services_with_one_backend_and_two_checks_are_refused(lab):
    lab.load_with(3001)
    lab.rcxlb("services", "add", "web", "--listen", "*:3100", "--check", "tcp")
    result = lab.rcxlb.attempt("backends", "add", "127.0.0.1:3001", "-s", "web")
    assert result.code == 1 and "127.0.0.1:3001" in result.err and "'web'" in result.err
    lab.rcxlb("services", "add", "web", "--listen", "*:3100")
    lab.rcxlb("backends", "add", "127.0.0.1:3001", "-s", "web")
    result = lab.rcxlb.attempt("services", "add", "web", "--listen", "*:3100", "--check", "tcp")
    assert result.code == 1 and "differently" in result.err
    lab.rcxlb("services", "add", "web", "--listen", "*:3100", "--check", "off")
    lab.rcxlb("check", write(lab, config(lab)))


# drain --wait


def test_drain_waits_for_the_last_connection(lab):
    lab.load_with(3001)
    lab.instances(3001)
    connections = [lab.dial() for _ in range(3)]
    lab.await_active("127.0.0.1:3001", 3)
    waiting = lab.rcxlb.popen("backends", "drain", "127.0.0.1:3001", "--wait")
    wait_until(lambda: lab.rcxlb.state("127.0.0.1:3001") == "draining", "draining")
    for each in connections[:2]:
        each.reset()
    lab.await_active("127.0.0.1:3001", 1)
    lab.rcxlb("backends", "add", "127.0.0.1:3002")  # nobody is kept from changing things
    assert waiting.poll() is None
    connections[2].reset()
    out, err = waiting.communicate(timeout=10 * settings.PATIENCE)
    assert (waiting.returncode, out, err) == (0, "", "")


def test_drain_gives_up_and_says_who_is_left(lab):
    lab.load_with(3001)
    lab.instances(3001)
    lab.dial(), lab.dial()
    lab.await_active("127.0.0.1:3001", 2)
    result = lab.rcxlb.attempt("backends", "drain", "127.0.0.1:3001", "--wait", "--timeout", "0")
    assert result.code == 1 and result.out == "", str(result)
    assert "after 0 s 2 connections are left: 127.0.0.1:3001 has 2; draining goes on" in result.err
    assert lab.rcxlb.state("127.0.0.1:3001") == "draining"


ENDS = {
    "undrain": (["backends", "undrain", "127.0.0.1:3001"], "put back into service"),
    "delete": (["backends", "del", "127.0.0.1:3001"], "deleted"),
    "unload": (["unload"], "not loaded"),
}


@pytest.mark.parametrize("end", ENDS)
def test_waiting_ends_when_it_makes_no_sense_any_more(lab, end):
    words, says = ENDS[end]
    lab.load_with(3001)
    lab.instances(3001)
    lab.dial()
    lab.await_active("127.0.0.1:3001", 1)
    waiting = lab.rcxlb.popen("backends", "drain", "127.0.0.1:3001", "--wait")
    wait_until(lambda: lab.rcxlb.state("127.0.0.1:3001") == "draining", "draining")
    lab.rcxlb(*words)
    _, err = waiting.communicate(timeout=10 * settings.PATIENCE)
    assert waiting.returncode == 1 and says in err, err


@pytest.mark.skipif(settings.SLOW_MACHINE, reason="commands take longer here than until the host's second answer")
def test_drain_waits_for_a_handshake_that_is_under_way(lab):
    """The host's first answer to the client is lost, and it is drained before the second one."""
    lab.load_with(3001)
    instance = lab.instance("i3001", 3001)

    def half_open():
        lines = Path(f"/proc/{instance.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        return [line for line in lines if line.split()[3] == "03"]

    lab.host.ip(f"neigh replace {CLIENTS4[0]} lladdr 02:00:00:00:00:01 dev eth0 nud permanent")
    with lab.clients.socket() as client:
        client.setblocking(False)
        client.bind((CLIENTS4[0], 0))
        assert client.connect_ex((HOST4, 3000)) == errno.EINPROGRESS
        wait_until(half_open, "the host has answered")
        waiting = lab.rcxlb.popen("backends", "drain", "127.0.0.1:3001", "--wait")
        wait_until(lambda: lab.rcxlb.state("127.0.0.1:3001") == "draining", "draining")
        lab.host.ip(f"neigh del {CLIENTS4[0]} dev eth0")
        lab.await_active("127.0.0.1:3001", 1)
        assert waiting.poll() is None
    assert waiting.wait(10 * settings.PATIENCE) == 0
    waiting.communicate()


def test_drain_without_connections_returns(lab):
    lab.load_with(3001, 3002)
    lab.rcxlb("backends", "drain", "127.0.0.1:3001-3002", "--wait")
    assert lab.rcxlb.state("127.0.0.1:3002") == "draining"
