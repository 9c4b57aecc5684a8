# SPDX-License-Identifier: BSD-2-Clause
"""A place to measure in: namespaces of its own, two of them joined by a veth pair, and the processes in it.

    this process and the servers: eth0 192.0.2.1 ──veth── eth0 192.0.2.101..108: the load generator

The measuring process is the first one of a PID namespace: when it ends, however it ends, the kernel kills every
process in there, and with the last one go the mounts (bpffs and its pins with them) and the network namespaces.

It has a /run and a /sys/fs/bpf of its own, empty at first. The programs measured are copied there, so that what was
built at the start is measured to the end, whatever is built meanwhile.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

FOLDER = pathlib.Path("/run/bench")
HOST = "192.0.2.1"
CLIENTS = [f"192.0.2.{i}" for i in range(101, 109)]

# The same for both sides and every contender: nobody shall run out of ports or of room in a queue.
SYSCTLS = {
    "net/core/somaxconn": "8192",
    "net/ipv4/tcp_max_syn_backlog": "8192",
    "net/ipv4/ip_local_port_range": "10240 65535",
    "net/ipv4/tcp_tw_reuse": "1",
}

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
COMMAND_TIMEOUT = 20

libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """What failed, in one line for people."""


def isolate():
    """Returns in the first process of new namespaces; the caller's process waits for that one and ends as it does."""
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET):
        raise BenchError(f"no namespaces: {os.strerror(ctypes.get_errno())}; run as root")
    child = os.fork()
    if child:
        os._exit(wait_for(child))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the waiting process gets them too, and kills


def take_precedence():
    """Other work on the machine shall disturb as little as can be.

    Once as a session, for kernels that share the cores out between sessions first (autogroup), once as a process.
    """
    os.setsid()
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    autogroup = pathlib.Path("/proc/self/autogroup")
    if autogroup.exists():
        autogroup.write_text("-20", encoding="ascii")


def wait_for(child):
    """The exit status of `child`; a signal that would end this process ends the child."""
    caught = []

    def end(number, _frame):
        caught.append(number)
        os.kill(child, signal.SIGKILL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    _, status = os.waitpid(child, 0)
    if caught:
        return 128 + caught[0]
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as shells tell of a signal


class Sandbox:
    """The two network namespaces, and everything that runs in them."""

    def __init__(self, environment, programs, pin):
        self.pin = pin and os.cpu_count() > 1
        self.folder = FOLDER
        self.environment = {**os.environ, **environment}
        self.clients = self.folder / "clients"
        self.identity = None  # a certificate, where TLS is ended
        self._mount()
        self._connect()
        for program in programs:
            if program.exists():
                shutil.copy(program, self.program(program.name))

    def program(self, name):
        """Where the copy of a program is."""
        return self.folder / name

    def _mount(self):
        self.run("mount", "--make-rprivate", "/")
        self.run("mount", "-t", "proc", "proc", "/proc")
        self.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        self.run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
        self.folder.mkdir()

    def _connect(self):
        self.clients.touch()
        self.run("unshare", f"--net={self.clients}", "true")
        self.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.clients)
        for enter in ([], self.enter_clients()):
            self.run(*enter, "ip", "link", "set", "lo", "up")
            self.run(*enter, "ip", "link", "set", "eth0", "up")
            for path, value in SYSCTLS.items():
                self.run(*enter, "sh", "-c", 'echo "$2" >"/proc/sys/$1"', "sh", path, value)
        self.run("ip", "address", "add", f"{HOST}/24", "dev", "eth0")
        for address in CLIENTS:
            self.run(*self.enter_clients(), "ip", "address", "add", f"{address}/24", "dev", "eth0")

    def enter_clients(self):
        """The start of a command that shall run on the clients' side."""
        return ["nsenter", f"--net={self.clients}"]

    def on_generator_core(self):
        """The start of a command that shall have the last core, which the instances leave alone."""
        return ["taskset", "-c", str(os.cpu_count() - 1)] if self.pin else []

    def on_instance_cores(self):
        """The start of a command that shall stay off the load generator's core. Balancers may run anywhere."""
        return ["taskset", "-c", f"0-{os.cpu_count() - 2}"] if self.pin else []

    def run(self, *command):
        """Runs a command that must succeed, and returns what it printed."""
        words = [str(word) for word in command]
        try:
            done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=COMMAND_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"{' '.join(words)}: {error}") from error
        if done.returncode:
            raise BenchError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    @staticmethod
    def visit(port, context):
        """A connection from this side, by TLS with a context; raises OSError when nobody takes it."""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            if context:
                context.wrap_socket(raw).close()

    def spawn(self, name, command, environment=None, ports=()):
        """Starts a server, and returns when it accepts on its ports. It is a process group of its own, see cpu.py."""
        return self.spawn_all([(name, command, environment, ports)])[0]

    def spawn_all(self, servers):
        """The same for many at once: each one's name, command, environment and ports."""
        processes = [self._start(name, command, environment) for name, command, environment, _ in servers]
        for (name, _, _, ports), process in zip(servers, processes):
            for port in ports:
                self._wait_until_accepts(name, process, port, self._log(name))
        return processes

    def _log(self, name):
        return self.folder / f"{name}.log"

    def _start(self, name, command, environment):
        with open(self._log(name), "w", encoding="utf-8") as output:
            try:
                return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=output, env={**self.environment, **(environment or {})},
                                        process_group=0)
            except OSError as error:
                raise BenchError(f"{name}: {error}") from error

    @staticmethod
    def _wait_until_accepts(name, process, port, log, timeout=10):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchError(f"{name} does not accept on port {port}: {said[-1] if said else 'it says nothing'}")
