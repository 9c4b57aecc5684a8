#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""TLS at a worker and at nginx, one after the other, same certificate (P-256), same backend, one process each.

    tests/bench/tls.py [--seconds N] [--rounds N]

CPU time of the balancer for each full handshake (`openssl s_time -new`, TLS 1.3), and requests on kept connections
(wrk, 32 connections). Prints one line of JSON for each round and contender. Needs `make test-programs` and the packages
of `scripts/deps bench`. The kernel's records are used where the kernel has TLS, by the worker only: nginx 1.22 with
OpenSSL 3.0 wants a configuration for it.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness.namespace import Namespace  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.tls import make_identity  # noqa: E402
from harness.worker import PROGRAM  # noqa: E402

NGINX = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; {body} }}
"""
INSTANCE = 'server {{ listen 127.0.0.1:3001 backlog=4096; location / {{ return 200 "hello\\n"; }} }}'
PEER = """
upstream b {{ server 127.0.0.1:3001; keepalive 64; }}
server {{ listen 127.0.0.1:8444 ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key};
ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
"""


@contextlib.contextmanager
def stage(name):
    """A namespace, a folder, and a list for the processes: all of them are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="rcxlb-bench-"))
    folder.chmod(0o755)
    namespace = Namespace(f"rcxlb-bench-{name}-{os.getpid()}")
    namespace.create()
    processes = []
    try:
        yield namespace, folder, processes
    finally:
        for process in processes:
            process.end()
        namespace.delete()
        shutil.rmtree(folder)


def nginx(namespace, folder, name, body):
    path = folder / f"{name}.conf"
    path.write_text(NGINX.format(folder=folder, name=name, body=body), encoding="ascii")
    return Process(namespace.command("nginx", "-p", folder, "-c", path))


def cpu_seconds(process):
    """Of the process and its children that live."""
    ticks = 0
    for pid in process.members():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def run(namespace, *words):
    return subprocess.run(namespace.command(*words), capture_output=True, check=False, text=True, timeout=300).stdout


def measure(namespace, name, process, port, seconds):
    before = cpu_seconds(process)
    said = run(namespace, "openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", seconds, "-tls1_3")
    handshakes = int(re.search(r"(\d+) connections in [\d.]+ real seconds", said)[1])
    time.sleep(0.2)
    handshake_ms = (cpu_seconds(process) - before) * 1000 / handshakes
    before = cpu_seconds(process)
    said = run(namespace, "wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", f"https://127.0.0.1:{port}/")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
    requests = int(re.search(r"(\d+) requests in", said)[1])
    request_us = (cpu_seconds(process) - before) * 1e6 / requests
    print(json.dumps({"name": name, "handshakes": handshakes, "cpu_ms_per_handshake": round(handshake_ms, 3),
                      "requests_per_second": round(rate), "cpu_us_per_request": round(request_us, 1),
                      "p99": re.search(r"99%\s+(\S+)", said)[1]}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds, rounds = str(options.seconds), options.rounds
    with stage("tls") as (namespace, folder, processes):
        identity = make_identity(folder, "it", "it.test")
        peer = PEER.format(certificate=identity.certificate, key=identity.key)
        processes.append(nginx(namespace, folder, "instance", INSTANCE.format()))
        processes.append(nginx(namespace, folder, "peer", peer))
        processes.append(Process(namespace.command(PROGRAM, "--client-first", "--listen", "127.0.0.1:8443", "--backend",
                                                   "127.0.0.1:3001", *identity.options), ready="listening"))
        time.sleep(1)
        for _ in range(rounds):
            measure(namespace, "worker", processes[2], 8443, seconds)
            measure(namespace, "nginx", processes[1], 8444, seconds)


if __name__ == "__main__":
    main()
