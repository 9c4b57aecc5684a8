# SPDX-License-Identifier: BSD-2-Clause
"""The ways by which clients can reach the instances. A peer is a class here at most, and a row in scripts/bench."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from harness.tls import context, make_identity
from bpf import cgroup_root
from sandbox import COMMAND_TIMEOUT, HOST, BenchError

FIRST_PORT = 3001
INSTANCES = 3
HERE = pathlib.Path(__file__).resolve().parent
INSTANCE_JS = HERE.parent.parent / "scripts" / "demo" / "instance.js"
NODE_PATH = "/usr/share/nodejs"  # where Debian puts Node's libraries

PORTS = range(FIRST_PORT, FIRST_PORT + INSTANCES)
TLS_PORTS = range(3101, 3101 + INSTANCES)  # of instances that end TLS


def ports_of(backends):
    """Where as many instances are: of another number than usual away from the peers' ports."""
    return PORTS if backends == INSTANCES else range(4001, 4001 + backends)


class Contender:
    """start() once; enter() and leave() around each measurement, so that only one contender is there at a time."""

    port = None  # what clients dial; None: the instances themselves
    program = None  # what must be installed
    order = "turn"  # in which clients dial the targets
    ports = PORTS  # of the instances that it leads to

    def __init__(self, sandbox):
        self.sandbox = sandbox

    @classmethod
    def missing(cls, _build):
        """Why it cannot take part, or None."""
        if cls.program and not shutil.which(cls.program):
            return f"{cls.program} is not installed"
        return None

    def start(self):
        """Before the first measurement."""

    def enter(self):
        """Before each measurement."""

    def leave(self):
        """After each measurement."""

    def targets(self):
        return [f"{HOST}:{port}" for port in ([self.port] if self.port else PORTS)]

    def is_balancer(self, _pid, _group):
        """Is this one of the processes that stand between clients and instances?"""
        return False


class Direct(Contender):
    """No balancer: clients dial the instances, in turn or each one drawn at random."""

    def __init__(self, sandbox, order="turn", tls=False):
        super().__init__(sandbox)
        self.order = order
        self.direct_ports = TLS_PORTS if tls else PORTS

    def targets(self):
        return [f"{HOST}:{port}" for port in self.direct_ports]


class Rcxlb(Contender):
    """Loaded for its own measurements only: its programs would run for the connections of the others as well."""

    port = 3000

    def __init__(self, sandbox, options=(), balance=None):
        super().__init__(sandbox)
        self.balance = balance
        self.command = sandbox.program("rcxlb")
        self.options = options

    @classmethod
    def missing(cls, build):
        return None if (build / "rcxlb").exists() else "build/rcxlb is not there: run make"

    def enter(self):
        self.sandbox.run(self.command, "load", "eth0", "--no-agent", *self.options)
        if self.balance:
            self.sandbox.run(self.command, "services", "add", "default", "--listen", f"*:{self.port}",
                             "--balance", self.balance)
        self.sandbox.run(self.command, "backends", "add", f"127.0.0.1:{self.ports[0]}-{self.ports[-1]}")

    def leave(self):
        self._await_counts()
        self.sandbox.run(self.command, "unload")

    def _await_counts(self, timeout=10):
        """
        A count above what there is would stay wrong for ever. One of a connection whose client was killed, and whose RST
        got lost, is right: that is still there.
        """
        deadline = time.monotonic() + timeout
        while self._active() > self._connected():
            if time.monotonic() > deadline:
                raise BenchError(f"{self._active()} connections count as active, and there are {self._connected()}")
            time.sleep(0.02)

    def _connected(self):
        """Sockets of this side that are neither listening nor over."""
        listed = self.sandbox.run("ss", "-Htn", "state", "connected", "exclude", "time-wait", "exclude", "syn-recv")
        return len(listed.splitlines())

    def _active(self):
        status = json.loads(self.sandbox.run(self.command, "status", "--json"))
        return sum(backend["active"] for backend in status["services"][0]["backends"])


class RcxlbWorker(Rcxlb):
    """A service whose connections go through workers. Its processes are an agent, a supervisor and workers, in the
    foreground: an agent in the background is a session of its own, and the kernel shares the cores out between sessions
    first.
    """

    port = 3443

    def __init__(self, sandbox, options=(), tls=False):
        super().__init__(sandbox, options)
        self.tls = tls
        self.pids = set()

    def enter(self):
        self.process = self.sandbox.spawn("rcxlb-agent", [self.command, "load", "eth0", "--foreground"])
        self._await("the agent", lambda: self.sandbox.run(self.command, "services", "del", "default"))
        self.sandbox.run(self.command, "services", "add", "worked", "--listen", f"*:{self.port}", "--check", "off",
                         *(identity_of(self.sandbox).options if self.tls else ()), *self.options)
        self.sandbox.run(self.command, "backends", "add", f"127.0.0.1:{self.ports[0]}-{self.ports[-1]}")
        self._await("a worker", lambda: self.sandbox.visit(self.port, context() if self.tls else None))
        self.pids = set(self._processes())

    def leave(self):
        super().leave()
        self.process.terminate()
        self.process.wait(COMMAND_TIMEOUT)

    @staticmethod
    def _await(what, attempt, timeout=10):
        deadline = time.monotonic() + timeout
        while True:
            try:
                attempt()
                return
            except (BenchError, OSError) as error:
                if time.monotonic() > deadline:
                    raise BenchError(f"{what} of rcxlb is not there: {error}") from error
                time.sleep(0.02)

    def _processes(self):
        for link in pathlib.Path("/proc").glob("[0-9]*/exe"):
            try:
                if os.readlink(link) == str(self.command):
                    yield int(link.parent.name)
            except OSError:  # it has just ended
                continue

    def is_balancer(self, pid, _group):
        return pid in self.pids


class Floor(Contender):
    """The kernel's own price for the hooks that rcxlb needs: programs that do as good as nothing, see floor.bpf.c."""

    port = 3000

    def __init__(self, sandbox, order="turn"):
        super().__init__(sandbox)
        self.order = order

    def enter(self):
        command = [self.sandbox.program("floor"), self.sandbox.program("floor.bpf.o"), cgroup_root(), self.port,
                   self.ports[0], len(self.ports), self.order]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise BenchError(f"floor failed with {self.process.wait(COMMAND_TIMEOUT)}")

    def leave(self):
        self.process.stdin.close()
        self.process.wait(COMMAND_TIMEOUT)
        self.process.stdout.close()


class Server(Contender):
    """A balancer that is a process: started once, and idle while others are measured."""

    name = None

    def start(self):
        self.process = self.sandbox.spawn(self.name, self.command(), self.environment(), [self.port])

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def is_balancer(self, _pid, group):
        return group == self.process.pid

    def write(self, name, text):
        """A file in the sandbox's folder; returns its path."""
        path = self.sandbox.folder / name
        path.write_text(text, encoding="utf-8")
        return path


class Nginx(Server):
    """HTTP, a worker for each core, connections to the instances kept."""

    forwarding = (("Host", "$host"), ("X-Real-IP", "$remote_addr"), ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
                  ("X-Forwarded-Proto", "$scheme"), ("X-Forwarded-Host", "$host"), ("X-Forwarded-Port", "$server_port"))
    program = "nginx"

    def __init__(self, sandbox, tls=False, headers=False):
        super().__init__(sandbox)
        self.name = "nginx" + ("-tls" if tls else "-http" if headers else "")
        self.port = 3084 if tls else 3087 if headers else 3080
        self.tls = tls
        self.headers = "".join(f"proxy_set_header {name} {value};" for name, value in self.forwarding) if headers else ""

    def _tls(self):
        """The kernel makes the records if it can, as with rcxlb."""
        identity = identity_of(self.sandbox)
        return (f"ssl_certificate {identity.certificate}; ssl_certificate_key {identity.key}; "
                "ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Options KTLS;") if self.tls else ""

    def command(self):
        folder = self.sandbox.folder
        servers = "".join(f"server 127.0.0.1:{port};" for port in PORTS)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {folder}/{self.name}-{kind};" for kind in kinds)
        config = self.write(f"{self.name}.conf", f"""
            daemon off;
            user root;
            worker_processes auto;
            worker_rlimit_nofile 8192;
            pid {folder}/{self.name}.pid;
            error_log stderr error;
            events {{ worker_connections 4096; multi_accept on; }}
            http {{
                access_log off;
                tcp_nodelay on;
                keepalive_requests 1000000000;
                {temporary}
                upstream instances {{
                    least_conn;
                    {servers}
                    keepalive 256;
                    keepalive_requests 1000000000;
                }}
                server {{
                    listen {self.port} {"ssl" if self.tls else ""} reuseport backlog=8192;
                    {self._tls()}
                    location / {{
                        proxy_pass http://instances;
                        proxy_http_version 1.1;
                        proxy_set_header Connection ""; {self.headers}
                        proxy_buffers 16 64k;
                        proxy_max_temp_file_size 0;
                    }}
                }}
            }}
        """)
        return ["nginx", "-p", folder, "-e", "stderr", "-c", config]


class Haproxy(Server):
    """A thread for each core. mode http keeps connections to the instances; mode tcp opens one for each client's."""

    program = "haproxy"
    own_ports = {"http": 3081, "tcp": 3082, "http-tls": 3085, "tcp-tls": 3086, "http-headers": 3088}
    forwarding = """option forwardfor
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]"""

    def __init__(self, sandbox, mode, tls=False, headers=False):
        super().__init__(sandbox)
        self.mode = mode
        self.tls = tls
        self.headers = self.forwarding if headers else ""
        row = mode + ("-tls" if tls else "-headers" if headers else "")
        self.port = self.own_ports[row]
        self.name = f"haproxy-{row}"

    def _tls(self):
        if not self.tls:
            return ""
        identity = identity_of(self.sandbox)
        both = identity.certificate.read_text(encoding="ascii") + identity.key.read_text(encoding="ascii")
        return f"ssl crt {self.write(f'{self.name}.pem', both)} ssl-min-ver TLSv1.2"

    def command(self):
        servers = "\n".join(f"    server s{port} 127.0.0.1:{port}" for port in PORTS)
        reuse = "http-reuse always" if self.mode == "http" else ""
        config = self.write(f"{self.name}.cfg", f"""
global
    maxconn 2000
    nbthread {os.cpu_count()}
    tune.bufsize 65536
defaults
    mode {self.mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend clients
    bind :{self.port} backlog 8192 {self._tls()}
    {self.headers}
    default_backend instances
backend instances
    balance leastconn
    option splice-auto
    {reuse}
{servers}
""")
        return ["haproxy", "-db", "-f", config]


class NodeCluster(Server):
    """Node's cluster module: as many workers as there are instances elsewhere. They serve as the instances do."""

    name = "node-cluster"
    program = "node"
    port = 3083

    @classmethod
    def missing(cls, build):
        return super().missing(build) or missing_node_instance()

    def command(self):
        return [*self.sandbox.on_instance_cores(), "node", HERE / "cluster.js", INSTANCE_JS, INSTANCES]

    def environment(self):
        return _node_environment(self.port)

    def is_balancer(self, pid, _group):
        return pid == self.process.pid  # its children are the instances


def missing_node_instance():
    if not shutil.which("node"):
        return "node is not installed"
    return None if INSTANCE_JS.exists() else f"{INSTANCE_JS.name} is not in scripts/demo"


def identity_of(sandbox):
    """A certificate with a P-256 key, the same for all."""
    if not sandbox.identity:
        sandbox.identity = make_identity(sandbox.folder, "bench", "bench.test")
    return sandbox.identity


def start_tls_instances(sandbox):
    """Fast ones that end TLS themselves."""
    identity = identity_of(sandbox)
    words = [*sandbox.on_instance_cores(), sandbox.program("backend")]
    return sandbox.spawn_all([(f"instance-{port}", [*words, port, identity.certificate, identity.key], {}, [port])
                              for port in TLS_PORTS])


def start_instances(sandbox, kind, ports=PORTS):
    """The instances that every contender but node-cluster leads to. Returns their processes."""
    servers = [(f"instance-{port}", *_instance(sandbox, kind, port), [port]) for port in ports]
    return sandbox.spawn_all(servers)


def _instance(sandbox, kind, port):
    if kind == "node":
        return [*sandbox.on_instance_cores(), "node", INSTANCE_JS], _node_environment(port)
    return [*sandbox.on_instance_cores(), sandbox.program("backend"), port], {}


def _node_environment(port):
    return {"PORT": str(port), "BIND_IP": "0.0.0.0", "NODE_PATH": NODE_PATH}
