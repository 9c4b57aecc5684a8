# SPDX-License-Identifier: BSD-2-Clause
"""SockJS, the fallback where WebSockets are blocked: a session is many requests, which must all reach the instance that
knows it."""
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import settings
from harness.lab import CLIENTS4, HOST4
from harness.site import BY_CLIENT, PARSED, SECURE

CLIENT = Path(__file__).resolve().parent / "sockjs.js"
TRANSPORTS = {"websocket", "xhr-streaming", "xhr-polling"}
SESSIONS = settings.scaled(4, least=2)  # of each transport
LIBRARIES = [Path("/usr/share/nodejs") / name for name in ("sockjs", "sockjs-client")]
pytestmark = [
    pytest.mark.skipif(not all(path.exists() for path in LIBRARIES), reason="no SockJS here; run scripts/deps clients"),
    pytest.mark.seconds(200),
]


def talk(site, port, source, *cookies):
    return json.loads(site.succeed(["node", CLIENT, f"https://{HOST4}:{port}/sockjs", source, SESSIONS, *cookies], seconds=90))


def instances(told):
    return {met.split()[0] for each in told["met"].values() for met in each}


def sources(site):
    """Addresses by the instance that they are hashed to: two of each."""
    homes = {}
    for address in CLIENTS4:
        homes.setdefault(site.lab.rcxlb.json("why", f"{address}:1", "-s", "by-client")["backend"], []).append(address)
    assert len(homes) == len(site.names)
    return [address for each in homes.values() for address in each[:2]]


def test_by_the_client_s_address_each_client_has_one_instance(site):
    with ThreadPoolExecutor() as pool:
        told = list(pool.map(lambda source: talk(site, BY_CLIENT, source), sources(site)))
    for one in told:
        assert one["wrong"] == []
        assert {key: [met.split()[1] for met in each] for key, each in one["met"].items()} == {
            transport: [transport] * SESSIONS for transport in TRANSPORTS}
        assert len(instances(one)) == 1, "all that a client has is at one instance"
    assert set().union(*map(instances, told)) == set(site.names), "and the clients are at all of them"


def test_by_a_cookie_clients_behind_one_address_have_instances_of_their_own(site):
    told = talk(site, PARSED, CLIENTS4[0], "cookies")
    assert told["wrong"] == []
    assert {key: len(each) for key, each in told["met"].items()} == {transport: SESSIONS for transport in TRANSPORTS}
    assert instances(told) == set(site.names)


def test_without_either_sessions_are_lost(site):
    """What the others show is not there by itself."""
    told = talk(site, SECURE, CLIENTS4[0])
    assert len(told["met"]["websocket"]) == SESSIONS, "a single connection needs neither"
    assert any("xhr" in wrong for wrong in told["wrong"]), told
