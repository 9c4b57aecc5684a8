# SPDX-License-Identifier: BSD-2-Clause
"""Many transfers both ways through a service that ends TLS, each byte compared, for every version and cipher.

RCXLB_TEST_TRANSFERS (200) of each, of up to RCXLB_TEST_TRANSFER_BYTES (100,000,000) in each direction."""
import json
import os
from pathlib import Path

import pytest

from harness.lab import HOST4, Lab, node_reason
from harness.poll import wait_equal
from harness.site import relaying

CLIENT = Path(__file__).resolve().parent / "transfers.js"
TRANSFERS = int(os.environ.get("RCXLB_TEST_TRANSFERS", "200"))
BYTES = int(os.environ.get("RCXLB_TEST_TRANSFER_BYTES", "100000000"))
CIPHERS = {
    "1.2": {
        "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    },
    "1.3": {name: name for name in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")},
}
SECONDS = 600
pytestmark = [pytest.mark.skipif(bool(node_reason()), reason=node_reason()), pytest.mark.seconds(SECONDS)]


@pytest.fixture(name="service", scope="module")
def _service(bpffs):
    """Two instances that know what is sent."""
    del bpffs
    lab = Lab()
    for port in (3001, 3002):
        lab.start(["node", CLIENT, "instance", port], "listening")
    yield relaying(lab, "127.0.0.1:3001-3002")
    lab.close()


@pytest.mark.parametrize("version, cipher", [(version, cipher) for version, all_ in CIPHERS.items() for cipher in all_])
def test_transfers(service, version, cipher):
    before = service.kernel()
    said = service.succeed(["node", CLIENT, "client", f"{HOST4}:443", version, cipher, TRANSFERS, BYTES], seconds=SECONDS - 30)
    told = json.loads(said)
    print(f"{told['transfers']} transfers, {told['bytes']} bytes, {told['seconds']:.1f} s")
    assert told["wrong"] == [], json.dumps(service.lab.rcxlb.service("secure")["work"])
    assert told["agreed"] == {f"TLSv{version} {CIPHERS[version][cipher]}": TRANSFERS}
    wait_equal(lambda: sum(service.kernel().values()) - sum(before.values()), TRANSFERS, "connections that are told of")
    service.expect_kernel()
