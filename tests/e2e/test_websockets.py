# SPDX-License-Identifier: BSD-2-Clause
"""Real WebSockets through TLS: the same library at both ends, and a worker that relays or parses HTTP between them. And many
that stay open, whatever happens to the processes of rcxlb."""
import os
import signal

import pytest

from harness import agent, settings
from harness.browser import Browser, WebSocket
from harness.lab import CLIENTS4, HOST4, node_reason
from harness.poll import wait_equal, wait_until
from harness.rcxlb import Rcxlb
from harness.site import HOST, PARSED, SECURE, Site
from harness.tls import make_identity

pytestmark = pytest.mark.skipif(bool(node_reason()), reason=node_reason())

CLIENT = settings.ROOT / "tests" / "e2e" / "servers" / "websockets.js"


@pytest.mark.parametrize("port", [SECURE, PARSED], ids=["relayed", "parsed"])
def test_websockets(lab, port):
    site = Site(lab, 1)
    before = site.kernel()
    count = settings.scaled(50, 6)
    done = site.run(["node", CLIENT, f"wss://{HOST4}:{port}/websocket", count])
    assert done.returncode == 0, done.stderr
    wait_until(lambda: sum(site.kernel().values()) - sum(before.values()) >= count + 1, "all are told of")
    site.expect_kernel()


# --- Those that stay open ---


class Held:
    """Open WebSockets through TLS: the one half relayed, the other half parsed, from many addresses."""

    def __init__(self, lab, count):
        self.open = [self._open(lab, number) for number in range(count)]

    @staticmethod
    def _open(lab, number):
        browser = Browser(lab, PARSED if number % 2 else SECURE, tls=True, host=HOST, source=CLIENTS4[number % len(CLIENTS4)])
        return WebSocket(browser, greets=False)

    def cut(self):
        """How many do not echo any more."""
        return sum(not one.echoes() for one in self.open)


def certificate_of(lab, port):
    try:
        browser = Browser(lab, port, tls=True, host=HOST)
    except OSError:
        return None
    seen = browser.sock.getpeercert(binary_form=True)
    browser.close()
    return seen


def kill_supervisor(lab):
    number = agent.supervisor_of(lab)
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: not agent.is_alive(number), "the supervisor has ended")


def test_nothing_cuts_a_hundred_websockets_but_the_death_of_their_worker(lab):
    site = Site(lab, 2)
    sockets = Held(lab, settings.scaled(100, 20))

    def after(what):
        assert sockets.cut() == 0, what

    after("nothing")
    crew = set(agent.workers_of(lab))
    site.reload("blocked_ms: 7")
    after("a reload")
    renewed = make_identity(lab.folder, "renewed", HOST, authority=site.authority)
    renewed.key.rename(site.identity.key)
    der = renewed.der
    renewed.certificate.rename(site.identity.certificate)
    for port in (SECURE, PARSED):
        wait_equal(lambda port=port: certificate_of(lab, port), der, "the new certificate")
    assert set(agent.workers_of(lab)) - crew
    after("another certificate")
    if settings.OTHER_BINARY:
        Rcxlb(lab.host, lab.rcxlb.pins, lab.rcxlb.runs, settings.OTHER_BINARY)("load", "eth0")
        after("an upgrade")
        lab.rcxlb("load", "eth0")
        after("a downgrade")
    kill_supervisor(lab)
    after("kill -9 of the supervisor")
    number = agent.pid(lab)
    if number:
        agent.kill(number)
    after("kill -9 of the agent")
    lab.rcxlb("load", "eth0")
    wait_equal(lambda: certificate_of(lab, SECURE), der, "workers of the new agent")
    after("their restart")
    holding = [number for number in agent.workers_of(lab) if number in crew]
    assert len(holding) == len(crew) or len(sockets.open) < 50
    os.kill(holding[0], signal.SIGKILL)
    left = len(sockets.open) - sockets.cut()
    assert (left > 0) == (len(holding) > 1) and left < len(sockets.open), f"{left} are left of {len(sockets.open)}"
