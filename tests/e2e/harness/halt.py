# SPDX-License-Identifier: BSD-2-Clause
"""Ways to halt a process that is to go on later. Each is a context; when it begins, nothing of the process runs."""
import contextlib
import os
from pathlib import Path

from .poll import wait_until


def _states(process):
    """Of every thread, as one letter each."""
    for pid in process.members():
        for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):  # that thread has ended
                yield stat.read_text(encoding="ascii").rpartition(")")[2].split()[0]


@contextlib.contextmanager
def stopped(process):
    """By SIGSTOP."""
    process.stop()
    try:
        wait_until(lambda: set(_states(process)) == {"T"}, "all threads are stopped")
        yield
    finally:
        process.resume()


@contextlib.contextmanager
def frozen(process):
    """By the cgroup: as a container is paused."""
    root = _cgroup_root()
    homes = {pid: root / _cgroup_of(pid) for pid in process.members()}
    folder = _made_below(root, f"rcxlb-test-{process.pid}")
    try:
        for pid in homes:
            _write(folder / "cgroup.procs", pid)
        _write(folder / "cgroup.freeze", 1)
        wait_until(lambda: "frozen 1" in (folder / "cgroup.events").read_text("ascii"), "the cgroup is frozen")
        yield
    finally:
        _write(folder / "cgroup.freeze", 0)
        for pid, home in homes.items():
            with contextlib.suppress(ProcessLookupError):
                _write(home / "cgroup.procs", pid)
        wait_until(lambda: "populated 0" in (folder / "cgroup.events").read_text("ascii"), "the cgroup is empty")
        folder.rmdir()


def frozen_reason():
    """Why nothing can be frozen here, or an empty string."""
    try:
        _made_below(_cgroup_root(), f"rcxlb-test-{os.getpid()}").rmdir()
    except OSError as problem:
        return f"cgroup v2 cannot be written: {problem}"
    return ""


def _cgroup_root():
    for line in Path("/proc/self/mounts").read_text("ascii").splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise FileNotFoundError("it is mounted nowhere")


def _made_below(root, name):
    folder = root / name
    folder.mkdir()
    return folder


def _cgroup_of(pid):
    for line in Path(f"/proc/{pid}/cgroup").read_text("ascii").splitlines():
        if line.startswith("0::/"):
            return line.removeprefix("0::/")
    raise FileNotFoundError(f"process {pid} is in no cgroup of version 2")


def _write(path, value):
    path.write_text(str(value), encoding="ascii")
