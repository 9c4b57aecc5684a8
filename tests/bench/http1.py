#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""HTTP parsed by a worker, by nginx and by HAProxy, in turns: same instance, same forwarding headers, one process or
thread each.

    tests/bench/http1.py [--seconds N] [--rounds N] [--tls] [--close] [--path PATH] [--connections N]

Requests on kept connections, or a connection for each (wrk); their rate, the balancer's CPU time for each, and latencies.
Prints one line of JSON for each round and contender, then the medians. The instance is nginx: / answers 6 bytes, /16k and /1m as many. Needs
`make test-programs` and the packages of `scripts/deps bench`.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness.namespace import Namespace  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.tls import make_identity  # noqa: E402
from harness.worker import PROGRAM  # noqa: E402

SERVER = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; {body} }}
"""
INSTANCE = """
server {{ listen 127.0.0.1:3001 backlog=4096; root {folder}; location = / {{ return 200 "hello\\n"; }} }}
"""
NGINX = """
upstream b {{ server 127.0.0.1:3001; keepalive 512; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:8444 {ssl} backlog=4096; {keys}
location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
proxy_set_header X-Forwarded-Port $server_port; proxy_max_temp_file_size 0; }} }}
"""
HAPROXY = """
global
    maxconn 4096
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:8445 {ssl}
    option forwardfor
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    default_backend instances
backend instances
    http-reuse always
    server one 127.0.0.1:3001
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
    path.write_text(SERVER.format(folder=folder, name=name, body=body), encoding="ascii")
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


def contenders(namespace, folder, options):
    """Name to process and port."""
    scheme, identity = "http", None
    if options.tls:
        scheme, identity = "https", make_identity(folder, "it", "it.test")
        pem = folder / "both.pem"
        pem.write_bytes(identity.certificate.read_bytes() + identity.key.read_bytes())
    ssl = f"ssl crt {folder}/both.pem" if identity else ""
    keys = f"ssl_certificate {identity.certificate}; ssl_certificate_key {identity.key};" if identity else ""
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(ssl=ssl, scheme=scheme), encoding="ascii")
    body = NGINX.format(ssl="ssl" if identity else "", keys=keys)
    return {
        "worker": (Process(namespace.command(PROGRAM, "--http", "--listen", "127.0.0.1:8443", "--backend",
                                             "127.0.0.1:3001", *(identity.options if identity else ())),
                           ready="listening"), 8443),
        "nginx": (nginx(namespace, folder, "peer", body), 8444),
        "haproxy": (Process(namespace.command("haproxy", "-db", "-f", config)), 8445),
    }


def measure(namespace, name, process, port, options):
    url = f"{'https' if options.tls else 'http'}://127.0.0.1:{port}{options.path}"
    before = cpu_seconds(process)
    header = ["-H", "Connection: close"] if options.close else []
    said = run(namespace, "wrk", *header, "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", url)
    requests = int(re.search(r"(\d+) requests in", said)[1])
    wrong = re.search(r"(?:Non-2xx|Socket errors).*", said)
    return {"name": name, "per_second": round(float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])),
            "cpu_us": round((cpu_seconds(process) - before) * 1e6 / requests, 2),
            "p50": re.search(r"50%\s+(\S+)", said)[1], "p99": re.search(r"99%\s+(\S+)", said)[1],
            "wrong": wrong[0] if wrong else None}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--path", default="/")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--close", action="store_true")
    options = parser.parse_args()
    rows = []
    with stage("http") as (namespace, folder, processes):
        for name, size in (("16k", 16 << 10), ("1m", 1 << 20)):
            (folder / name).write_bytes(b"x" * size)
        processes.append(nginx(namespace, folder, "instance", INSTANCE.format(folder=folder)))
        ways = contenders(namespace, folder, options)
        processes += [process for process, _ in ways.values()]
        time.sleep(1)
        for _ in range(options.rounds):
            for name, (process, port) in ways.items():
                rows.append(measure(namespace, name, process, port, options))
                print(json.dumps(rows[-1]), flush=True)
        for name in ways:
            mine = [row for row in rows if row["name"] == name]
            print(json.dumps({"median of": name, **{key: statistics.median(row[key] for row in mine)
                                                    for key in ("per_second", "cpu_us")}}))


if __name__ == "__main__":
    main()
