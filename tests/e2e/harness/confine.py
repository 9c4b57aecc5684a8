#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command within what a systemd unit permits: confine.py UNIT WRITABLE -- COMMAND...

systemd itself needs to be the first process of a machine. This does with the unit's settings what systemd.exec(5) says:
read-only mounts, system calls, address families, capabilities. WRITABLE stands for the unit's run-time folder.
"""
import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 0x1, 0x20, 0x1000, 0x4000, 0x80000
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, EPERM, SCMP_CMP_EQ = 0x7FFF0000, 0x00050000, 1, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
API = ("/dev", "/proc", "/sys")

libc = ctypes.CDLL(None, use_errno=True)


class ArgumentIs(ctypes.Structure):
    """struct scmp_arg_cmp."""
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def settings_of(path):
    """Values of each setting of the unit's [Service], in order."""
    found = {}
    section = Path(path).read_text().split("[Service]")[1].split("[Install]")[0]
    for name, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def check(outcome, what):
    if outcome != 0:
        raise OSError(ctypes.get_errno() or abs(outcome), f"{what}: {os.strerror(ctypes.get_errno() or abs(outcome))}")


def mount(source, target, flags):
    check(libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None), f"mount {target}")


def is_below(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def mount_points():
    """Of this namespace, each once; what is hidden below another one is not there."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    fields = [line.split() for line in lines]
    points = {re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), field[4]): field[5] for field in fields}
    return {point: options for point, options in points.items() if os.path.exists(point)}


def protect_mounts(unit, writable):
    """ProtectSystem=strict, ProtectKernelTunables= and ReadWritePaths=."""
    assert unit["ProtectSystem"] == ["strict"]
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", "/", MS_REC | MS_SLAVE)
    exempt = [*unit.get("ReadWritePaths", []), writable]
    for path in exempt:
        mount(path, path, MS_BIND)
    tunables = ("/sys", "/proc/sys") if unit.get("ProtectKernelTunables") == ["yes"] else ()
    if tunables:
        mount("/proc/sys", "/proc/sys", MS_BIND)
    for point, options in mount_points().items():
        if is_below(point, exempt) or (is_below(point, API) and not is_below(point, tunables)):
            continue
        kept = sum(flag for word, flag in (("nosuid", 2), ("nodev", 4), ("noexec", 8)) if word in options.split(","))
        try:
            mount("none", point, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
        except OSError:
            if os.path.ismount(point):  # else somebody unmounted it meanwhile
                raise


def calls_of(filters):
    """The names in SystemCallFilter=: sets are what systemd has in them, a leading ~ takes away again."""
    text = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets = {}
    for line in text.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())

    def expand(name):
        return set().union(*map(expand, sets[name])) if name.startswith("@") else {name}

    calls = set()
    for value in filters:
        names = set().union(*(expand(name) for name in value.lstrip("~").split()))
        calls = calls - names if value.startswith("~") else calls | names
    return calls | expand("@default")


def filter_calls(unit):
    """SystemCallFilter=, RestrictAddressFamilies= and RestrictNamespaces=."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_ERRNO | EPERM))
    calls = calls_of(unit["SystemCallFilter"]) - {"socket"}
    if unit.get("RestrictNamespaces") == ["yes"]:
        calls -= {"setns", "unshare"}
    numbers = {seccomp.seccomp_syscall_resolve_name(name.encode()) for name in calls}
    for number in (number for number in numbers if number >= 0):  # others are of other machines
        check(seccomp.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0), f"system call {number}")
    socket = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in unit["RestrictAddressFamilies"][0].split():
        condition = ArgumentIs(0, SCMP_CMP_EQ, FAMILIES[family], 0)
        check(seccomp.seccomp_rule_add_array(context, SCMP_ACT_ALLOW, socket, 1, ctypes.byref(condition)), family)
    check(seccomp.seccomp_load(context), "seccomp_load")


def main(path, writable, separator, *command):
    assert separator == "--"
    unit = settings_of(path)
    protect_mounts(unit, writable)
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)  # kernels before 6.3 do not know it
    os.umask(int(unit["UMask"][0], 8))
    capabilities = ",".join(["-all", *(f"+{name[4:].lower()}" for name in unit["CapabilityBoundingSet"][0].split())])
    words = ["setpriv", f"--bounding-set={capabilities}", "--inh-caps=-all", "--no-new-privs", *command]
    filter_calls(unit)
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(*sys.argv[1:])
