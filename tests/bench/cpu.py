# SPDX-License-Identifier: BSD-2-Clause
"""Who used how much CPU time. Servers are told apart by process group: each was started in one of its own."""
import os
import pathlib

TICK = 1 / os.sysconf("SC_CLK_TCK")


class Snapshot:
    """CPU seconds so far: of the machine, and of each process in this PID namespace as {pid: (group, seconds)}."""

    def __init__(self):
        self.processes = dict(_processes())
        self.busy = _machine_busy()

    def since(self, earlier):
        """{pid: (group, seconds)} used since an earlier one, and the seconds that the whole machine was busy."""
        used = {}
        for pid, (group, seconds) in self.processes.items():
            _, before = earlier.processes.get(pid, (group, 0.0))
            used[pid] = (group, seconds - before)
        return used, self.busy - earlier.busy


def _processes():
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or folder.name == "1":
            continue
        try:
            # "pid (name) state ppid pgrp session ...": the name may hold anything, even a parenthesis
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            yield int(folder.name), (group, _seconds(folder))
        except (OSError, ValueError):
            continue  # it has just ended


def _seconds(folder):
    """By schedstat, which counts nanoseconds, of each thread; else by stat, which counts hundredths of a second."""
    try:
        return sum(int(file.read_text().split()[0]) for file in folder.glob("task/*/schedstat")) / 1e9
    except IndexError:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK


def _machine_busy():
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq = [int(field) for field in file.readline().split()[1:8]]
    return (user + nice + system + irq + softirq) * TICK
