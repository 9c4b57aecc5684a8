# SPDX-License-Identifier: BSD-2-Clause
"""A flood of SYNs from clients that do not exist. The kernel answers with SYN cookies and remembers nothing, so that the
last packet of a handshake is steered anew; clients that do exist are served."""
import contextlib
import random
import socket
import struct

import pytest

from harness.background import repeated
from harness.kinds import start
from harness.lab import HOST4
from harness.poll import wait_until
from harness.settings import scaled
from harness.visits import bursts, paced

PORTS = (3001, 3002, 3003)
NAMES = {f"i{port}" for port in PORTS}
NOBODY = [f"192.0.2.{i}" for i in range(100, 250)]
SYN, WINDOW = 2, 64240
AT_ONCE, PAUSE = 200, 0.02  # seconds


def checksum(data):
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def syn(source, source_port, address, port):
    """A packet, with its IPv4 head."""
    ends = socket.inet_aton(source) + socket.inet_aton(address)
    number = random.getrandbits(32)
    tcp = struct.pack("!HHIIBBHHH", source_port, port, number, 0, 5 << 4, SYN, WINDOW, 0, 0)
    total = checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0) + ends + tcp


@contextlib.contextmanager
def flood(lab):
    """Ten thousand a second at most."""
    with lab.clients.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:

        def send():
            for _ in range(AT_ONCE):
                with contextlib.suppress(BlockingIOError):
                    packet = syn(random.choice(NOBODY), random.randrange(1024, 60000), HOST4, 3000)
                    raw.sendto(packet, socket.MSG_DONTWAIT, (HOST4, 0))

        with repeated(send, PAUSE):
            yield


def cookies_sent(lab):
    """Because a listener's queue of handshakes was full."""
    with lab.host.entered(), open("/proc/thread-self/net/netstat", encoding="ascii") as file:
        names, values = (line.split() for line in list(file)[:2])
    return int(values[names.index("TCPReqQFullDoCookies")])


@pytest.mark.alone
@pytest.mark.parametrize("rule", ["consistent", "bounded", "least"])
def test_clients_are_served_under_a_flood(lab, rule):
    lab.host.set_sysctl("net.core.somaxconn", 128)  # so that an emulated machine can fill the queues as well
    for port in PORTS:
        start(lab, "poll", f"i{port}", port)
    lab.load_with(*PORTS, rule=("--balance", rule))
    before = cookies_sent(lab)
    with flood(lab):
        wait_until(lambda: cookies_sent(lab) > before + scaled(3000), "cookies are sent", 20)
        visits = paced(lab.clients, scaled(200, 40), 100) + bursts(lab.clients, scaled(80, 40))
    print(f"{visits}, {cookies_sent(lab) - before} cookies")
    assert set(visits.names) == NAMES, visits
    assert lab.rcxlb.service()["refused"] == 0
