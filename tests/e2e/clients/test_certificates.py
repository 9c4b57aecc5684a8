# SPDX-License-Identifier: BSD-2-Clause
"""Certificates that change while clients come: each change brings other workers, and nobody may notice."""
from concurrent.futures import ThreadPoolExecutor

import fast
import pytest

from harness import agent
from harness.lab import HOST4, Lab
from harness.poll import wait_equal
from harness.tls import TlsClient, context, make_identity

CHANGES = 5
SECONDS = 4  # of the load, at least, for each change
pytestmark = pytest.mark.seconds(200)


@pytest.fixture(name="service")
def _service(bpffs):
    del bpffs
    lab = Lab()
    yield fast.start(lab)
    lab.close()


def change(service, number):
    """Another certificate in the same files, as certbot writes them. Returns it."""
    made = make_identity(service.lab.folder, f"renewed-{number}", "chat.test", authority=service.authority)
    der = made.der
    made.key.rename(service.identity.key)
    made.certificate.rename(service.identity.certificate)
    return der


def certificate(service):
    client = TlsClient(service.lab.connect(HOST4, 443).sock, context())
    client.close()
    return client.certificate


def test_no_handshake_fails(service):
    before = service.lab.rcxlb.service("secure")["work"]["handshakes"]["failed"]
    crews = {tuple(agent.workers_of(service.lab))}
    with ThreadPoolExecutor() as pool:
        load = pool.submit(fast.load, service, SECONDS * CHANGES, "--tls", "full", at_once=16)
        for number in range(CHANGES):
            der = change(service, number)
            wait_equal(lambda: certificate(service), der, "the new certificate", seconds=20)
            crews.add(tuple(agent.workers_of(service.lab)))
        told = load.result()  # without one error
    print(f"{told['requests']} connections, {len(crews) - 1} other crews")
    assert len(crews) == CHANGES + 1
    assert told["requests"] > 100
    assert service.lab.rcxlb.service("secure")["work"]["handshakes"]["failed"] == before
