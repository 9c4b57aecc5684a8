# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that does not know one command of bpf(2), and answers it as it answers what it does not know: EINVAL. Or one
that kills who gives that command, or who removes a file or a folder. As a program: refusing.py NUMBER|unlink|rmdir
refuse|kill COMMAND..."""
import ctypes
import os
import platform
import struct
import sys

MAP_CREATE, MAP_UPDATE, PROG_LOAD, LINK_CREATE, ITER_CREATE = 0, 2, 5, 28, 33  # enum bpf_cmd

_EINVAL = 22
_BPF = {"x86_64": 321, "aarch64": 280}
_REMOVALS = {"x86_64": {"unlink": 87, "rmdir": 84}}
CAN_KILL_AT_REMOVAL = platform.machine() in _REMOVALS  # elsewhere they are no system calls of their own
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7fff0000, 0x00050000, 0x80000000


def refusing(command):
    """What stands in front of a program, for which the kernel is such a one."""
    return [sys.executable, "-I", "-S", __file__, str(command), "refuse"]


def killing(command):
    """The same: it is killed, by SIGSYS, when it gives that command."""
    return [sys.executable, "-I", "-S", __file__, str(command), "kill"]


def killing_at(removal):
    """The same for who removes a file (unlink) or a folder (rmdir)."""
    return [sys.executable, "-I", "-S", __file__, removal, "kill"]


def _install(steps):
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _of_bpf(command, verdict):
    return [
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_EQUAL, 0, 3, _BPF[platform.machine()]),
        (_LOAD, 0, 0, 16),  # the lower half of its first argument
        (_EQUAL, 0, 1, command),
        (_RETURN, 0, 0, verdict),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _of_removal(name, verdict):
    return [
        (_LOAD, 0, 0, 0),
        (_EQUAL, 0, 1, _REMOVALS[platform.machine()][name]),
        (_RETURN, 0, 0, verdict),
        (_RETURN, 0, 0, _ALLOW),
    ]


if __name__ == "__main__":
    chosen = _KILL_PROCESS if sys.argv[2] == "kill" else _ERRNO | _EINVAL
    _install(_of_bpf(int(sys.argv[1]), chosen) if sys.argv[1].isdigit() else _of_removal(sys.argv[1], chosen))
    os.execvp(sys.argv[3], sys.argv[3:])
