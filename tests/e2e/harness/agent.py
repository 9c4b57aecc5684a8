# SPDX-License-Identifier: BSD-2-Clause
"""The agent of a lab: how it is started and told how to check, and what the kernel says of its process."""
import http.client
import json
import os
import signal
import struct
import threading
import time
from pathlib import Path

from . import client, settings
from .kernel import bpftool
from .namespace import run
from .poll import wait_until

AUTO, OFF, TCP, HTTP = range(4)
DOWN = 2
# How often tests check: short, so that they are over soon, and long enough to count on. A verdict that was not renewed for
# three intervals does not count.
INTERVAL, TIMEOUT = (1000, 1000) if settings.SLOW_MACHINE else (100, 300)
RISE, FALL = 2, 3
METRICS_PORT = 9465


def set_check(lab, kind=HTTP, path="/health", interval=INTERVAL, timeout=TIMEOUT, rise=RISE, fall=FALL,
              status=(200, 399), host="", body="", service=0):
    """Of a service without backends, or before an agent runs: the map `checks` is not looked at by itself."""
    texts = (text.encode() for text in (path, host, body))
    value = struct.pack("IIIHHHHI128s128s128s", kind, interval, timeout, rise, fall, *status, 0, *texts)
    _write(lab, "checks", service, value)


def say_down(lab, backend):
    """As an agent does whose checks failed, of an id; for an hour, of which nobody will hear: no agent may run."""
    hour, now = 3600000, time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    _write(lab, "health", backend, struct.pack("IIQQ100sI", DOWN, hour, now, now, b"a test said so", 0))


def _write(lab, name, key, value):
    run("bpftool", "map", "update", "pinned", str(lab.rcxlb.pins / name),
        "key", *_bytes(struct.pack("I", key)), "value", *_bytes(value))


def _bytes(data):
    return [f"0x{byte:02x}" for byte in data]


def load(lab, *backends, rule=(), **check):
    """Loaded with these ports of 127.0.0.1 and an agent that checks them; its pid."""
    lab.load()
    if rule:
        lab.rcxlb("services", "add", "default", "--listen", "*:3000", *rule)
    set_check(lab, **check)
    if backends:
        lab.rcxlb("backends", "add", *(f"127.0.0.1:{port}" for port in backends))
    return start(lab)


def start(lab):
    lab.rcxlb("load", "eth0")
    return pid(lab)


def pid(lab):
    """Of the running agent, or None."""
    return lab.rcxlb.status()["agent"].get("pid")


def is_alive(number):
    """A process that has ended and was not waited for does not count."""
    try:
        state = Path(f"/proc/{number}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def kill(number, how=signal.SIGKILL):
    os.kill(number, how)
    wait_until(lambda: not is_alive(number), "the agent has ended")


def status_of(number):
    """/proc/PID/status as a dictionary."""
    lines = Path(f"/proc/{number}/status").read_text("ascii").splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def memory_kib(number):
    """Resident."""
    return int(status_of(number)["VmRSS"][0])


def cpu_seconds(number):
    words = Path(f"/proc/{number}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def agents_of(lab):
    """Pids of all agents in the lab's host, whatever they are registered as. What an agent started is a part of it."""
    numbers = {number for number in lab.host.pids() if _is_agent(lab, number)}
    return sorted(number for number in numbers if _parent_of(number) not in numbers)


def workers_of(lab):
    """Pids of the processes that hold clients' bytes."""
    return [number for number in lab.host.pids() if name_of(number) == "rcxlb-worker"]


def recorders_of(lab):
    """Pids of those that write access logs."""
    return [number for number in lab.host.pids() if name_of(number) == "rcxlb-log" and is_alive(number)]


def supervisor_of(lab):
    """The pid of the process that starts workers."""
    return next(number for number in lab.host.pids() if name_of(number) == "rcxlb-super")


def name_of(number):
    """Of the process, as the kernel shows it; None when it has ended."""
    try:
        return Path(f"/proc/{number}/comm").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _is_agent(lab, number):
    try:
        if os.readlink(f"/proc/{number}/exe") != str(lab.rcxlb.binary):
            return False
        return name_of(number) not in ("rcxlb-super", "rcxlb-worker", "rcxlb-log") and is_alive(number)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent_of(number):
    try:
        return int(status_of(number)["PPid"][0])
    except (FileNotFoundError, ProcessLookupError):
        return None


def health_entry(lab, backend):
    """The map `health` of a backend id."""
    return _value(lab, "health", backend)


def audience(lab):
    """Until when connections are told, as the kernel's programs read it."""
    return _value(lab, "audience", 0)["until"]


def crew_number(lab):
    """Another one when all workers of another crew have taken over."""
    return _value(lab, "crew", 0)["number"]


def _value(lab, name, key):
    shown = bpftool("map", "lookup", "pinned", str(lab.rcxlb.pins / name), "key", *_bytes(struct.pack("I", key)))
    return shown["formatted"]["value"]


def scrape(lab):
    """What it serves as metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=settings.COMMAND_SECONDS)
    connection.sock = client.connect(lab.host, "127.0.0.1", METRICS_PORT).sock
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200
    return text


class Follower:
    """`rcxlb events --json`, whose lines are read as they come."""

    def __init__(self, lab, *options):
        self.lab = lab
        self.lines = []
        self.broken = []
        self.process = lab.rcxlb.popen("events", "--json", *options)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.await_event(event="agent", state="running")
        if "--connections" in options:
            wait_until(lambda: audience(lab), "connections are told")

    def _read(self):
        for line in self.process.stdout:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.broken.append(line)

    def all(self, **wanted):
        assert not self.broken, self.broken[:3]
        return [line for line in list(self.lines) if all(line.get(key) == value for key, value in wanted.items())]

    def await_event(self, seconds=5.0, count=1, **wanted):
        """The newest of `count` lines with these fields."""
        wait_until(lambda: len(self.all(**wanted)) >= count, f"{count} times {wanted} among {self.lines[-5:]}", seconds)
        return self.all(**wanted)[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
