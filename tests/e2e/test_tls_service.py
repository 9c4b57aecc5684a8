# SPDX-License-Identifier: BSD-2-Clause
"""TLS services of a loaded rcxlb: workers, the choice of an instance, and the client's address there."""
import json
import os
import signal
import ssl
from contextlib import closing

import pytest

from harness import agent
from harness.client import Connection
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


def dial(lab, address=HOST4):
    """A connection through TLS whose instance has said its name."""
    return Connection(TlsClient(lab.connect(address, 443).sock, context())).read_greeting()


def somebody(lab):
    """The name of whoever is there: a crew takes a moment to begin."""
    try:
        with closing(dial(lab)) as connection:
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


def certificate_of(lab):
    try:
        with closing(dial(lab)) as connection:
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


def test_without_an_instance_the_client_is_refused(site):
    site.rcxlb("backends", "del", "-s", "secure", "127.0.0.1:3001-3002")
    with pytest.raises(OSError):
        dial(site)


@pytest.mark.parametrize(
    "change, says",
    [
        ("missing", "No such file"),
        ("open", "can be read by others"),
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
    elif change == "other":
        options = [*identity.options[:3], make_identity(lab.folder, "second").key]
    elif change == "unpaired":
        options = options[:2]
    else:
        options = ["--certificate", "first.pem", "--key", "first.key"]
    result = lab.rcxlb.attempt("services", "add", "secure", "--listen", "*:443", *options)
    assert result.code in (1, 2) and len(result.err.splitlines()) == 1, str(result)
    print(result.err)
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


def test_clients_that_begin_no_handshake_keep_nobody_waiting(site):
    silent = [site.connect(HOST4, 443) for _ in range(50)]
    assert all(dial(site).echoes() for _ in range(5))
    assert silent
