# SPDX-License-Identifier: BSD-2-Clause
"""Servers of every kind that answer their name by HTTP: they differ in how they wait for connections."""
import shutil
from pathlib import Path

from .client import refused
from .lab import node_reason
from .poll import wait_until
from .process import python

HELLO_SCRIPT = Path(__file__).resolve().parents[1] / "servers" / "hello.py"
NGINX_WORKERS = 2
NGINX = """
daemon off; worker_processes {workers}; pid {folder}/pid; error_log stderr crit;
events {{ }}
http {{
	access_log off; {paths}
	server {{ listen 127.0.0.1:{port}; location / {{ return 200 {name}; }} }}
}}
"""


def start(lab, kind, name, port):
    """A server that listens on 127.0.0.1."""
    if kind == "node":
        return lab.node_instance(name, port)
    if kind == "nginx":
        return _start_nginx(lab, name, port)
    return lab.start(python(HELLO_SCRIPT, kind, name, port), "listening")


def missing_reason(kind):
    """Why this kind cannot be started here, or an empty string."""
    if kind == "node":
        return node_reason()
    if kind == "nginx" and not shutil.which("nginx"):
        return "nginx is not installed"
    return ""


def _start_nginx(lab, name, port):
    folder = lab.folder / f"nginx-{port}"
    folder.mkdir()
    paths = " ".join(f"{what}_temp_path {folder};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(workers=NGINX_WORKERS, folder=folder, paths=paths, port=port, name=name))
    process = lab.start(["nginx", "-e", "stderr", "-c", config])
    wait_until(lambda: len(process.members()) == 1 + NGINX_WORKERS, "all workers of nginx run")
    wait_until(lambda: not refused(lab.host, "127.0.0.1", port), "nginx listens")
    return process
