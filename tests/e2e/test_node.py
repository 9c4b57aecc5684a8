# SPDX-License-Identifier: BSD-2-Clause
"""Real servers as instances: Node.js with HTTP and connections that stay open."""
import http.client
import json

import pytest

from harness.client import plain
from harness.lab import HOST4, HOST6, node_reason

pytestmark = pytest.mark.skipif(bool(node_reason()), reason=node_reason())


class KeptAlive:
    """An HTTP connection over which many requests go."""

    def __init__(self, lab, address=HOST4):
        self.connection = lab.connect(address)
        self.http = http.client.HTTPConnection(address, 3000)
        self.http.sock = self.connection.sock

    def ask(self):
        self.http.request("GET", "/")
        return json.loads(self.http.getresponse().read())


@pytest.mark.parametrize("bind, address", [("127.0.0.1", HOST4), ("::", HOST4), ("::", HOST6)])
def test_an_instance_of_node_sees_the_true_client(lab, bind, address):
    lab.load_with(3001)
    lab.node_instance("one", 3001, bind)
    client = KeptAlive(lab, address)
    answer = client.ask()
    assert answer["instance"] == "one"
    assert (plain(answer["remoteAddress"]), answer["remotePort"]) == client.connection.own


def test_the_killed_instance_comes_back_the_moment_it_listens(lab):
    lab.load_with(3001, 3002)
    one, two = lab.node_instance("one", 3001), lab.node_instance("two", 3002)
    assert {KeptAlive(lab).ask()["instance"] for _ in range(40)} == {"one", "two"}
    one.kill()
    assert {KeptAlive(lab).ask()["instance"] for _ in range(40)} == {"two"}
    lab.node_instance("one again", 3001)
    two.kill()
    assert {KeptAlive(lab).ask()["instance"] for _ in range(10)} == {"one again"}


def test_a_kept_connection_answers_through_unload_and_load(lab):
    lab.load_with(3001)
    lab.node_instance("one", 3001)
    client = KeptAlive(lab)
    for step in (lab.load, lambda: lab.rcxlb("unload"), lambda: lab.load_with(3001)):
        step()
        assert client.ask()["instance"] == "one"
