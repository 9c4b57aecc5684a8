# SPDX-License-Identifier: BSD-2-Clause
"""Clients that keep a worker busy with records that are no data."""
import time
from contextlib import closing

import pytest

from harness.answering import ANSWER
from harness.rekeying import RekeyingClient
from harness.settings import PATIENCE, SLOW_MACHINE
from harness.worker import read_all

FLOOD = 20000
REQUEST = b"GET / HTTP/1.1\r\nHost: any.test\r\n\r\n"


def test_new_keys_without_end_end_the_connection_and_hold_up_nobody(place, instance, identity):
    """One call of OpenSSL would take them all, and they cost a worker more than they cost the client."""
    del instance
    worker = place.worker("--no-kernel", backends=[3001], identities=[identity])
    with closing(RekeyingClient(place.connect())) as client, closing(place.tls()) as other:
        flood = client.key_updates(FLOOD)
        client.sock.settimeout(PATIENCE)
        begun = time.monotonic()
        with pytest.raises(OSError):  # it is closed while it sends
            client.sock.sendall(flood)
            while client.sock.recv(1 << 16):
                pass
            raise ConnectionResetError
        other.sendall(REQUEST)
        assert read_all(other) == ANSWER
        assert SLOW_MACHINE or time.monotonic() - begun < 0.1
    worker.await_counter("open", 0)


def test_a_client_that_sends_data_may_take_new_keys_as_often(place, identity):
    listener = place.listening(3001)
    place.worker("--no-kernel", backends=[3001], identities=[identity])
    with closing(RekeyingClient(place.connect())) as client:
        instance = place.accepted(listener)
        for _ in range(100):
            client.sock.sendall(client.key_updates(20) + client.data(REQUEST))
            assert read_all(instance, len(REQUEST)) == REQUEST
