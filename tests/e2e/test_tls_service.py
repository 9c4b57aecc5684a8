# SPDX-License-Identifier: BSD-2-Clause
"""TLS services of a loaded rcxlb: workers, the choice of an instance, and the client's address there."""
import json
import os
import pwd
import re
import signal
import ssl
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from harness import agent
from harness.client import Connection
from harness.kernel import bpftool
from harness.lab import HOST4, HOST6
from harness.poll import wait_equal, wait_until
from harness.tls import TlsClient, context, make_identity


@pytest.fixture(name="site")
def _site(lab):
    """Two instances behind a TLS service on every address."""
    lab.rcxlb("load", "eth0")
    lab.instances(3001, 3002)
    identity = make_identity(lab.folder, "first", "chat.test")
    add_service(lab, identity)
    lab.rcxlb("backends", "add", "-s", "secure", "127.0.0.1:3001-3002")
    wait_until(lambda: agent.workers_of(lab), "workers")
    wait_until(lambda: somebody(lab), "a worker takes connections")
    return lab


def add_service(lab, *identities):
    options = [word for identity in identities for word in identity.options]
    lab.rcxlb("services", "add", "secure", "--listen", "*:443", *options)


def dial(lab, address=HOST4, port=443):
    """A connection through TLS whose instance has said its name."""
    return Connection(TlsClient(lab.connect(address, port).sock, context())).read_greeting()


def somebody(lab, port=443):
    """The name of whoever is there: a crew takes a moment to begin."""
    try:
        with closing(dial(lab, port=port)) as connection:
            return connection.name
    except OSError:
        return None


def test_the_instance_sees_the_clients_address_and_port(site):
    connection = dial(site)
    assert connection.peer == connection.sock.sock.getsockname()[:2]


def test_clients_over_ipv6_reach_instances_that_listen_on_ipv4(site):
    assert dial(site, HOST6).name in ("i3001", "i3002")


def test_bytes_go_both_ways_and_the_connection_is_its_backends(site):
    client = dial(site)
    assert client.echoes()
    backend = f"127.0.0.1:{client.name[1:]}"
    before = site.rcxlb.active(backend, "secure")
    client.close()
    wait_equal(lambda: site.rcxlb.active(backend, "secure"), before - 1, "connections that count as the backend's")


def test_the_instances_share_the_connections(site):
    assert {dial(site).name for _ in range(40)} == {"i3001", "i3002"}


def test_status_says_that_it_is_proxied(site):
    service = site.rcxlb.service("secure")
    assert service["tls"] is True
    assert {(entry["path"], entry["reason"]) for entry in service["backends"]} == {
        ("proxied", "a worker ends TLS and relays")
    }


def test_status_says_what_workers_did_of_each_service(site):
    before = settled(site)
    held = [dial(site) for _ in range(5)]
    with pytest.raises(OSError):
        Connection(TlsClient(site.connect(HOST4, 443).sock, context(ciphers="PSK", version="1.2")))
    using = context("1.2")
    first = TlsClient(site.connect(HOST4, 443).sock, using)
    resumed = TlsClient(site.connect(HOST4, 443).sock, using, session=first.tls.session)
    assert resumed.tls.session_reused
    silent = site.connect(HOST4, 443)
    wait_equal(lambda: growth(site, before, "handshakes", "full"), 6, "full handshakes")
    wait_equal(lambda: growth(site, before, "handshakes", "resumed"), 1, "resumed handshakes")
    wait_equal(lambda: growth(site, before, "handshakes", "failed"), 1, "failed handshakes")
    wait_equal(lambda: site.rcxlb.service("secure")["work"]["handshaking"], 1, "clients in their handshake")
    work = site.rcxlb.service("secure")["work"]
    assert work["connections"] == len(held) + 3
    assert work["accepted"] - before["accepted"] == len(held) + 4
    assert work["bytes"]["to_clients"] > before["bytes"]["to_clients"]
    assert sum(work["kernel"].values()) == work["handshakes"]["full"] + work["handshakes"]["resumed"]
    assert work["kernel"]["both"] + sum(work["user_space"].values()) == sum(work["kernel"].values())
    assert "work" not in site.rcxlb.service("default")
    silent.close()
    for client in held:
        client.close()
    wait_equal(lambda: site.rcxlb.service("secure")["work"]["connections"], 2, "clients that are left")
    said = site.rcxlb("status")
    assert "  connections to workers: 2 open" in said and "  TLS handshakes: " in said


def settled(lab):
    """What workers have counted so far, when they have told of the client that waited for them."""
    wait_until(lambda: told_of_first(lab), "the first client is told of")
    return lab.rcxlb.service("secure")["work"]


def told_of_first(lab):
    work = lab.rcxlb.service("secure")["work"]
    return work["accepted"] and not work["connections"]


def growth(lab, before, table, name):
    return lab.rcxlb.service("secure")["work"][table][name] - before[table][name]


def test_without_kernel_tls_status_says_why(site):
    if shown_features(site)["kTLS"]:
        pytest.skip("this kernel has TLS")
    work = settled(site)
    dial(site)
    wait_equal(lambda: growth(site, work, "user_space", "no_kernel"), 1, "connections that the kernel has not")
    assert "not there, because: the kernel has no TLS (module tls) (" in site.rcxlb("status")


def test_with_kernel_tls_status_says_so(site):
    if not all(shown_features(site).values()):
        pytest.skip("this kernel has no TLS, or not all ciphers: see rcxlb doctor")
    work = settled(site)
    dial(site)
    wait_equal(lambda: growth(site, work, "kernel", "both"), 1, "connections that the kernel has")


def shown_features(lab):
    """Of the kernel's TLS, by name."""
    features = lab.rcxlb.json("doctor")["features"]
    return {entry["name"]: entry["have"] for entry in features if entry["name"].startswith("kTLS")}


def test_counts_outlive_workers_and_gauges_do_not(site):
    held = [dial(site) for _ in range(12)]
    wait_equal(lambda: site.rcxlb.service("secure")["work"]["connections"], 12, "open connections")
    full = site.rcxlb.service("secure")["work"]["handshakes"]["full"]
    for entry in site.rcxlb.status()["workers"]:
        os.kill(entry["pid"], signal.SIGKILL)
    wait_equal(lambda: site.rcxlb.service("secure")["work"]["connections"], 0, "open connections")
    assert site.rcxlb.service("secure")["work"]["handshakes"]["full"] == full
    wait_until(lambda: somebody(site), "connections are taken")
    assert held


def test_status_names_the_workers_of_both_crews(site):
    client = dial(site)
    crew = set(agent.workers_of(site))
    add_service(site, make_identity(site.folder, "second", "chat.test"))
    wait_until(lambda: len(set(agent.workers_of(site)) & crew) == 1, "the former worker that has a connection")
    listed = site.rcxlb.status()["workers"]
    former = [entry for entry in listed if entry["former"]]
    assert [entry["connections"] for entry in former] == [1]
    assert {entry["pid"] for entry in former} == set(agent.workers_of(site)) & crew
    assert {entry["pid"] for entry in listed} == set(agent.workers_of(site))
    assert "; 1 of before, with the last 1 of their connections" in site.rcxlb("status")
    client.close()
    wait_equal(lambda: [entry for entry in site.rcxlb.status()["workers"] if entry["former"]], [], "former workers")


def test_the_metrics_have_what_workers_count(site):
    client = dial(site)
    wait_until(lambda: scraped(site, "rcxlb_worker_connections")["secure"] == 1, "the open connection")
    assert scraped(site, "rcxlb_tls_handshakes_total", result="full")["secure"] >= 1
    assert sum(scraped(site, "rcxlb_workers", "crew").values()) == len(agent.workers_of(site))
    client.close()
    wait_equal(lambda: site.rcxlb.service("secure")["work"]["connections"], 0, "open connections")


def scraped(lab, name, label="service", **labels):
    """Of a family the samples with these labels, by one that is left."""
    with lab.host.entered():
        text = urllib.request.urlopen("http://127.0.0.1:9465/metrics", timeout=5).read().decode()
    lines = [line for line in text.splitlines() if line.startswith(name + "{")]
    lines = [line for line in lines if all(f'{key}="{value}"' in line for key, value in labels.items())]
    return {re.search(rf'{label}="(.*?)"', line)[1]: float(line.rpartition(" ")[2]) for line in lines}


def test_a_worker_holds_three_maps_and_what_it_serves(site):
    for pid in agent.workers_of(site):
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        maps = sorted(map_name(pid, number) for number in map_numbers(pid))
        assert maps == ["peers", "sockets", "staff"]
        assert not [link for link in links if "bpf" in link and link != "anon_inode:bpf-map"], links
        assert not [link for link in links if link.startswith("/") and not link.startswith("/dev/")], links
        sockets = [link for link in links if link.startswith("socket:")]
        assert len(sockets) <= 3, "a listening socket for each family, and the log"


def shared_memory(pid):
    """What it has in common with processes that were forked from one: how it may be used, 'r--s' to read."""
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text(encoding="ascii").splitlines()]
    return [words[1] for words in lines if words[1].endswith("s") and words[5:6] == ["/dev/zero"]]


def test_workers_cannot_write_what_the_supervisor_tells_them(site):
    """Ticket keys and challenges: the supervisor is root, and they are every worker's."""
    assert shared_memory(agent.supervisor_of(site)) == ["rw-s"] * 2
    for pid in agent.workers_of(site):
        assert shared_memory(pid) == ["r--s"] * 2


def map_numbers(pid):
    return [link.name for link in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(link) == "anon_inode:bpf-map"]


def map_name(pid, number):
    """Of the BPF map behind a descriptor."""
    info = Path(f"/proc/{pid}/fdinfo/{number}").read_text(encoding="ascii")
    return bpftool("map", "show", "id", re.search(r"map_id:\s*(\d+)", info)[1])["name"]


def peers(lab):
    """Process ids of the workers in the entries of `peers`."""
    entries = bpftool("map", "dump", "pinned", lab.rcxlb.pins / "peers")
    return [entry["formatted"]["value"]["worker"] for entry in entries]


def test_what_a_killed_worker_left_is_removed(site):
    held = [dial(site) for _ in range(24)]
    wait_equal(lambda: len(peers(site)), len(held), "entries of connections to instances")
    killed = peers(site)[0]
    kept = [pid for pid in peers(site) if pid != killed]
    os.kill(killed, signal.SIGKILL)
    wait_equal(lambda: sorted(peers(site)), sorted(kept), "the other workers' entries")
    wait_equal(lambda: len(agent.workers_of(site)), len(site.rcxlb.status()["workers"]), "workers that are listed")
    assert sum(client.echoes() for client in held) == len(kept)


def test_what_a_killed_orphan_left_is_removed(site):
    """Its supervisor is no more, and the next one did not start it."""
    held = [dial(site) for _ in range(8)]
    wait_equal(lambda: len(peers(site)), len(held), "entries of connections to instances")
    os.kill(site.rcxlb.status()["agent"]["pid"], signal.SIGKILL)
    wait_equal(lambda: site.rcxlb.status()["agent"]["running"], False, "the agent is gone")
    for pid in agent.workers_of(site):
        os.kill(pid, signal.SIGKILL)
    wait_equal(lambda: agent.workers_of(site), [], "no worker")
    assert len(peers(site)) == len(held)
    site.rcxlb("load", "eth0")
    wait_until(lambda: somebody(site), "connections are taken")
    wait_equal(lambda: peers(site), [], "entries")


def test_workers_that_could_not_be_started_are_tried_again(site):
    """The key may be read by others when the agent starts: the others are served, and this one when it is mended."""
    site.rcxlb("unload")
    identity = make_identity(site.folder, "late", "chat.test")
    site.rcxlb("load", "eth0", "--no-agent")
    add_service(site, identity)
    site.rcxlb("services", "add", "other", "--listen", "*:8443", *make_identity(site.folder, "other").options)
    for name in ("secure", "other"):
        site.rcxlb("backends", "add", "-s", name, "127.0.0.1:3001-3002")
    identity.key.chmod(0o644)
    site.rcxlb("load", "eth0")
    wait_until(lambda: somebody(site, 8443), "workers for the other service")
    with pytest.raises(OSError):
        dial(site)
    assert site.rcxlb.service("secure")["work"]["no_worker"] > 0
    renewed = make_identity(site.folder, "other", "renewed.test")
    wait_until(lambda: certificate_of(site, 8443) == renewed.der, "the other service's new certificate")
    crew = set(agent.workers_of(site))
    identity.key.chmod(0o600)
    wait_until(lambda: somebody(site), "workers")
    assert set(agent.workers_of(site)) - crew


def test_workers_have_no_privilege(site):
    for pid in agent.workers_of(site):
        status = agent.status_of(pid)
        assert len(set(status["Uid"])) == 1 and status["Uid"][0] != "0"
        assert status["CapPrm"] == status["CapEff"] == status["CapBnd"] == ["0" * 16]
        assert status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"]


def test_a_worker_that_dies_is_started_again_and_takes_only_its_own_connections(site):
    held = [dial(site) for _ in range(24)]
    before = agent.workers_of(site)
    os.kill(before[0], signal.SIGKILL)
    left = sum(client.echoes() for client in held)
    assert 0 < left < len(held) or len(before) == 1
    wait_until(lambda: len(set(agent.workers_of(site)) - {before[0]}) == len(before), "another worker in its place")
    wait_until(lambda: somebody(site), "connections are taken")


def test_another_certificate_cuts_nobody_and_comes_to_the_next(site):
    held = [dial(site) for _ in range(10)]
    second = make_identity(site.folder, "second", "chat.test")
    add_service(site, second)
    wait_until(lambda: certificate_of(site) == second.der, "the other certificate")
    assert all(client.echoes() for client in held)


def test_a_file_that_changes_is_read_anew(site):
    second = make_identity(site.folder, "second", "chat.test")
    second.key.rename(site.folder / "first.key")
    second.certificate.rename(site.folder / "first.pem")
    renewed = ssl.PEM_cert_to_DER_cert((site.folder / "first.pem").read_text(encoding="ascii"))
    wait_until(lambda: certificate_of(site) == renewed, "the new certificate")


def certificate_of(lab, port=443):
    try:
        with closing(dial(lab, port=port)) as connection:
            return connection.sock.certificate
    except OSError:
        return None


def test_kill_9_of_the_agent_and_its_supervisor_cuts_nobody(site):
    held = [dial(site) for _ in range(20)]
    crew = set(agent.workers_of(site))
    os.kill(site.rcxlb.status()["agent"]["pid"], signal.SIGKILL)
    wait_equal(lambda: site.rcxlb.status()["agent"]["running"], False, "the agent is gone")
    assert somebody(site), "workers go on without an agent"
    site.rcxlb("load", "eth0")
    wait_until(lambda: set(agent.workers_of(site)) - crew, "a crew of the new agent")
    assert all(client.echoes() for client in held)


def test_workers_of_a_former_crew_end_with_their_last_connection(site):
    client = dial(site)
    crew = set(agent.workers_of(site))
    add_service(site, make_identity(site.folder, "second", "chat.test"))
    wait_until(lambda: len(set(agent.workers_of(site)) & crew) == 1, "of the former crew the one that has a connection stays")
    assert client.echoes()
    client.close()
    wait_until(lambda: not set(agent.workers_of(site)) & crew, "the former crew is gone")


def test_unload_leaves_the_connections_and_no_worker_without_one(site):
    client = dial(site)
    site.rcxlb("unload")
    wait_equal(lambda: len(agent.workers_of(site)), 1, "the worker that has a connection")
    assert client.echoes()
    client.close()
    wait_equal(lambda: len(agent.workers_of(site)), 0, "workers")


@pytest.mark.parametrize("how", ["del", "drain"])
def test_without_an_instance_the_client_is_refused_and_counted_once(site, how):
    site.rcxlb("backends", how, "-s", "secure", "127.0.0.1:3001-3002")
    before = site.rcxlb.service("secure")["refused"]
    with pytest.raises(OSError):
        dial(site)
    wait_equal(lambda: site.rcxlb.service("secure")["refused"], before + 1, "refused clients")


def workers_user():
    """Whom workers run as: the user that a package makes, else the one that every system has."""
    users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return users.get("rcxlb", users["nobody"])


@pytest.mark.parametrize(
    "change, says",
    [
        ("missing", "No such file"),
        ("open", "may be used by others than its owner (mode 0644): run chmod 600"),
        ("a worker's", "as whom workers run, and they must not read it: run chown root"),
        ("other", "does not belong"),
        ("unpaired", "give them in pairs"),
        ("relative", "must begin with '/'"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_refused_with_a_sentence(lab, change, says):
    lab.load()
    identity = make_identity(lab.folder, "first", "chat.test")
    options = identity.options
    if change == "missing":
        identity.key.unlink()
    elif change == "open":
        identity.key.chmod(0o644)
    elif change == "a worker's":
        os.chown(identity.key, workers_user(), -1)
    elif change == "other":
        options = [*identity.options[:3], make_identity(lab.folder, "second").key]
    elif change == "unpaired":
        options = options[:2]
    else:
        options = ["--certificate", "first.pem", "--key", "first.key"]
    result = lab.rcxlb.attempt("services", "add", "secure", "--listen", "*:443", *options)
    assert result.code in (1, 2) and len(result.err.splitlines()) == 1, str(result)
    assert says in result.err
    assert "secure" not in [service["name"] for service in lab.rcxlb.status()["services"]]


def test_a_file_says_the_same_as_options(lab):
    identity = make_identity(lab.folder, "first", "chat.test")
    lab.load()
    add_service(lab, identity)
    printed = json.loads(lab.rcxlb("config", "--json"))
    entry = next(service for service in printed["services"] if service["name"] == "secure")
    assert entry["tls"] == {"certificate": str(identity.certificate), "key": str(identity.key)}
    file = lab.folder / "printed.yaml"
    file.write_text(lab.rcxlb("config"), encoding="utf-8")
    lab.rcxlb("check", file)
    assert lab.rcxlb("reload", "-c", file, "--dry-run") == "no difference\n"


def test_another_order_of_certificates_is_a_difference(lab):
    identities = [make_identity(lab.folder, name) for name in ("one", "two", "three")]
    file = lab.folder / "rcxlb.yaml"

    def write(*order):
        pairs = [{"certificate": str(identities[i].certificate), "key": str(identities[i].key)} for i in order]
        services = [{"name": "secure", "listen": ["*:443"], "tls": pairs}]
        file.write_text(json.dumps({"interfaces": ["eth0"], "services": services}), encoding="utf-8")

    write(0, 1, 2)
    lab.rcxlb("load", "--no-agent", "-c", file)
    write(0, 2, 1)
    assert lab.rcxlb("reload", "--dry-run") == "~ service secure: order of certificates\n"
    write(1, 0, 2)
    assert lab.rcxlb("reload", "--dry-run").startswith("~ service secure: certificate for clients that name none ")
    write(0, 1)
    assert lab.rcxlb("reload", "--dry-run").splitlines() == [
        f"- certificate {identities[2].certificate}, key {identities[2].key}, of secure"
    ]


def test_what_is_wrong_with_certificates_is_said_with_the_lines_of_the_file(lab):
    """Of all of them, as of every other mistake, and nothing is changed."""
    first, second = make_identity(lab.folder, "first"), make_identity(lab.folder, "second")
    second.key.chmod(0o644)
    file = lab.folder / "rcxlb.yaml"
    file.write_text(
        "services:\n"
        "  - name: one\n"
        '    listen: ["*:443"]\n'
        "    tls:\n"
        f"      - {{certificate: {first.certificate}, key: {first.key}}}\n"
        f"      - certificate: {second.certificate}\n"
        f"        key: {second.key}\n"
        "  - name: two\n"
        '    listen: ["*:444"]\n'
        f"    tls: {{certificate: {lab.folder}/missing.pem, key: {first.key}}}\n", encoding="utf-8")
    result = lab.rcxlb.attempt("check", file)
    first_line, second_line, last = result.err.splitlines()
    assert result.code == 1
    assert first_line.startswith(f"{file}:7: 'one': key {second.key} may be used by others")
    assert second_line.startswith(f"{file}:10: 'two': certificate {lab.folder}/missing.pem cannot be opened")
    assert last == f"rcxlb: {file} has 2 mistakes; nothing was changed"


def test_clients_that_begin_no_handshake_keep_nobody_waiting(site):
    silent = [site.connect(HOST4, 443) for _ in range(50)]
    assert all(dial(site).echoes() for _ in range(5))
    assert silent
