# SPDX-License-Identifier: BSD-2-Clause
"""The agent under valgrind, with its sandbox: everything that a check may meet, followers, metrics, changes."""
import pytest

from harness import agent, watched
from harness.agent import AUTO, HTTP, Follower
from harness.moods import Moody
from harness.poll import wait_until

MOODS = ["200", "503", "silent", "drip", "close", "reset", "garbage", "head 100", "interim 200", "only /livez"]
QUESTIONS = [(b"GET /metrics HTTP/1.0\r\n\r\n", b" 200"), (b"HEAD /metrics HTTP/1.1\r\n\r\nGET", b" 200"),
             (b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b" 405"), (b"GET /\n", b" 400")]

pytestmark = watched.MARKS


@pytest.mark.parametrize("kind", [HTTP, AUTO])
def test_no_error_and_no_leak(lab, kind):
    moody = Moody(lab, 3001, 3000 + len(MOODS))
    for port, mood in enumerate(MOODS, 3001):
        moody.feel(mood, port)
    lab.load()
    agent.set_check(lab, kind=kind, interval=300, timeout=600)
    lab.rcxlb("backends", "add", f"127.0.0.1:3001-{moody.last + 2}")
    with watched.watched(lab, "eth0"):
        with Follower(lab, "--connections") as follower:
            assert not lab.refused()
            follower.await_event(event="connection")
            wait_until(lambda: len({port for port, _, _ in moody.checks()}) == len(MOODS), "all were checked", 20)
            moody.restart()
            lab.rcxlb("backends", "drain", "127.0.0.1:3002")
            lab.rcxlb("backends", "del", "127.0.0.1:3003-3005")
            follower.await_event(event="drained", seconds=20)
            for question, status in QUESTIONS:
                with lab.host.socket() as sock, lab.host.socket() as idle:
                    sock.settimeout(watched.SECONDS)
                    sock.connect(("127.0.0.1", 9465))
                    idle.connect(("127.0.0.1", 9465))
                    sock.sendall(question)
                    assert status in sock.recv(20)
