# SPDX-License-Identifier: BSD-2-Clause
"""Real WebSockets through TLS: the same library at both ends, and a worker that relays or parses HTTP between them."""
import pytest

from harness import settings
from harness.lab import HOST4, node_reason
from harness.poll import wait_until
from harness.site import PARSED, SECURE, Site

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
