# SPDX-License-Identifier: BSD-2-Clause
"""The table of the HTTP/1 core (tests/http1), through a worker: what the core makes of a client's bytes is what the
instance sees, nothing else, and whoever comes next is not touched by it. The same of an instance's."""
import json
import os
import re
import socket
import subprocess

import pytest

from harness import settings
from harness.http import GET, HttpPair, Reader, Recorder, answer, closes
from harness.worker import ADDRESS, PORT

DRIVER = settings.ROOT / os.environ.get("RCXLB_BUILD", "build") / "tests" / "http1" / "driver"


@pytest.fixture(scope="module")
def table():
    return json.loads(subprocess.run([DRIVER, "cases"], capture_output=True, check=True).stdout)


class Case:
    """A row of the table, with the addresses of this test."""

    def __init__(self, row, secure):
        self.name = f"{row['what']} ({row['section']})"
        self.data = row["bytes"].encode("latin-1")
        self.heads = [self._as_here(message["head"], secure) for message in row["messages"]]
        self.bodies = [message["body"].encode("latin-1") for message in row["messages"]]
        self.complete = sum(message["complete"] for message in row["messages"])
        # Its end is sent behind it, so what is cut off there is refused as well.
        refused = row["status"] or (400 if row["state"] == "within" else None)
        self.statuses = [200] * self.complete + [refused] * bool(refused)

    @staticmethod
    def _as_here(head, secure):
        head = head.replace("192.0.2.7", ADDRESS).replace("X-Forwarded-Port: 80\r", f"X-Forwarded-Port: {PORT}\r")
        head = head.replace("X-Forwarded-Port: 443\r", f"X-Forwarded-Port: {PORT}\r")
        if secure:
            head = head.replace("X-Forwarded-Proto: http\r", "X-Forwarded-Proto: https\r")
            head = head.replace(";proto=http\r", ";proto=https\r")
        return head.encode("latin-1")

    def ask(self, client, pieces):
        """Sends it in pieces, and its end; the statuses of the answers."""
        statuses = []
        reader = Reader(client)
        try:
            for at in range(0, len(self.data), pieces):
                client.sendall(self.data[at:at + pieces])
            client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused long ago
        while True:
            # Of a refused one too, which is the row's first then.
            head = (self.heads or [self.data])[len(statuses):len(statuses) + 1]
            answer = reader.message(head_only=bool(head) and head[0].startswith(b"HEAD "))
            if answer is None:
                return statuses
            statuses.append(answer.status)

    def check(self, records):
        """The instance saw just that."""
        messages = [message for record in records for message in record.messages]
        assert [message.raw for message in messages] == self.heads[:self.complete], self.name
        assert [message.body for message in messages] == self.bodies[:self.complete], self.name
        rest = b"".join(record.rest for record in records)
        if rest:
            head = self.heads[self.complete]
            assert rest.startswith(head) or head.startswith(rest), self.name


def usable(row, secure):
    """Is it a client's bytes, and for a worker without settings of their own?"""
    # Settings of which the table says nothing.
    more = any("Connection: close" in message["head"] for message in row["messages"]) or "2001:db8::7" in row["sees"]
    resumed = row["state"] == "held" and row["bytes"].partition("\r\n\r\n")[2]  # after an answer that is no 101
    if row["answer"] or row["trusted"] or row["set"] or row["limited"] or more or resumed:
        return False
    return row["secure"] == secure or not (row["secure"] or "://" in row["bytes"])


def is_over(row):
    """A client that says that its request is the last one and sends on may lose the answer to a RST."""
    return row["state"] == "closed"


@pytest.mark.parametrize("kind", ["plain", "1.3"])
@pytest.mark.parametrize("pieces", [1 << 16, 1])
def test_the_instance_sees_what_was_meant_and_nothing_else(place, identity, table, kind, pieces):
    pair = HttpPair(place, identity, kind)
    recorder = Recorder(pair.listener)
    secure = kind != "plain"
    rows = [row for row in table if usable(row, secure) and not (pieces == 1 and is_over(row))]
    every = 1 if (pieces > 1 and not secure) or settings.SCALE > 1 else 8
    assert len(rows) > 200
    for row in rows[::every]:
        case = Case(row, secure)
        client = pair.client()
        assert case.ask(client, pieces) == case.statuses, case.name
        client.close()
        case.check(recorder.taken(pair.worker))

        client = pair.client()
        client.sendall(GET)
        assert Reader(client).message().body == b"GET /", case.name
        client.close()
        assert len(recorder.taken(pair.worker)) == 1
    pair.worker.await_counter("open", 0)
    assert pair.worker["picked"] == pair.worker["ended"]


def request_for(row):
    """The request that the row's bytes answer."""
    method = "HEAD" if row["to_head"] else "GET"
    fields = ["Host: h"]
    if row["to_upgrade"]:
        fields += ["Connection: upgrade", "Upgrade: websocket"]
    elif row["to_close"]:
        fields += ["Connection: close"]
    elif row["to_http10"]:
        fields += ["Connection: keep-alive"]
    lines = [f"{method} / HTTP/1.{0 if row['to_http10'] else 1}", *fields]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n"


DATE = re.compile(rb"\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT(?=\r\n\r\n$)")


def without_date(got, meant):
    """The head, without the Date that it was given because it had none."""
    if got.status < 200 or "\r\ndate: " in meant.lower():
        return got.raw
    head, times = DATE.subn(b"", got.raw)
    assert times == 1, got.raw
    return head


def check_answers(reader, row):
    """The client gets what the core makes of them; what is broken off it does not take for complete, or never sees."""
    begun = False
    for message in row["messages"]:
        got = reader.head()
        if row["status"] and got.status == 502:
            return
        assert without_date(got, message["head"]) == message["head"].encode("latin-1")
        if got.status < 200 and got.status != 101:
            continue
        begun = True
        if message["complete"] and not row["to_head"] and got.status not in (101, 204, 304):
            assert reader.body(got).body == message["body"].encode("latin-1")
        elif not message["complete"] and row["state"] != "held":
            with pytest.raises((EOFError, ConnectionError)):
                reader.body(got)
    if row["status"] and not begun:
        assert reader.message(head_only=row["to_head"]).status == 502


@pytest.mark.parametrize("kind", ["plain", "1.3"])
def test_the_client_gets_what_an_instance_may_say(place, identity, table, kind):
    pair = HttpPair(place, identity, kind)
    rows = [row for row in table if row["answer"] and row["bytes"] and not row["set"] and row["asked"] == 1]
    assert len(rows) > 70
    for row in rows:
        client, instance = pair.asked(request_for(row))
        Reader(instance).message()
        instance.sendall(row["bytes"].encode("latin-1"))
        instance.close()
        try:
            check_answers(Reader(client), row)
        except (AssertionError, EOFError, OSError) as problem:
            raise AssertionError(f"{row['what']} ({row['section']})") from problem
        client.close()
        client, instance = pair.asked()
        Reader(instance).message()
        instance.sendall(answer(b"its own"))
        assert Reader(client).message().body == b"its own", row["what"]
        client.close()
        assert closes(instance)
    pair.worker.await_counter("open", 0)
    assert pair.worker["picked"] == pair.worker["ended"]
