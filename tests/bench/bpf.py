# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel says of the BPF programs that are measured: how often they ran, and how long. By the bpf() call."""
import ctypes
import os
import pathlib
import platform
import socket
import struct

from sandbox import BenchError

SYSCALLS = {"x86_64": 321, "aarch64": 280}
PROG_TEST_RUN, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, PROG_QUERY, ENABLE_STATS = 10, 13, 15, 16, 32
SK_LOOKUP = 36  # enum bpf_attach_type
STATS_RUN_TIME = 0
SK_LOOKUP_SIZE, DURATION_OFFSET = 72, 36  # of struct bpf_sk_lookup; of what BPF_PROG_TEST_RUN answers
RUN_TIME_OFFSET, INFO_SIZE = 192, 224  # of run_time_ns and run_cnt in struct bpf_prog_info, and what is asked of it

libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    """Returns what the call returns, and the attributes as it left them."""
    buffer = ctypes.create_string_buffer(attributes, 128)
    number = SYSCALLS.get(platform.machine())
    if number is None:
        raise BenchError(f"the number of bpf() on {platform.machine()} is not known to tests/bench/bpf.py")
    result = libc.syscall(number, command, buffer, len(buffer))
    if result < 0:
        raise BenchError(f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result, buffer


def count_runs():
    """From now until this process ends, the kernel counts runs and their time: some 40 ns of each are the counting's."""
    return _bpf(ENABLE_STATS, struct.pack("I", STATS_RUN_TIME))[0]


def _info(descriptor):
    info = ctypes.create_string_buffer(INFO_SIZE)
    _bpf(OBJ_GET_INFO_BY_FD, struct.pack("IIQ", descriptor, INFO_SIZE, ctypes.addressof(info)))
    return info


def _lookup_program():
    """A descriptor of the sk_lookup program of this network namespace; there is one."""
    ids = (ctypes.c_uint32 * 4)()
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        _, answer = _bpf(PROG_QUERY, struct.pack("IIIIQI", namespace, SK_LOOKUP, 0, 0, ctypes.addressof(ids), len(ids)))
    finally:
        os.close(namespace)
    count = struct.unpack_from("I", answer, 24)[0]
    if count != 1:
        raise BenchError(f"{count} sk_lookup programs in the network namespace, and not one")
    return _bpf(PROG_GET_FD_BY_ID, struct.pack("III", ids[0], 0, 0))[0]


def lookup_runs():
    """(nanoseconds, runs) so far of that program."""
    program = _lookup_program()
    try:
        return struct.unpack_from("QQ", _info(program), RUN_TIME_OFFSET)
    finally:
        os.close(program)


def repeat_lookup(client, host, port, clients, repeat):
    """Nanoseconds of a run when that program is run many times over for the same client, the mean of so many clients.

    The kernel lets no packet of such a run have come in by an interface. To steer it is a question, as of `rcxlb why`:
    it notes each step, and counts nothing.
    """
    program = _lookup_program()
    try:
        return sum(_repeat(program, (client, 20000 + i), (host, port), repeat) for i in range(clients)) / clients
    finally:
        os.close(program)


def _repeat(program, client, service, repeat):
    packet = struct.pack("=QII4s16s2sH4s16sII", 0, socket.AF_INET, socket.IPPROTO_TCP, socket.inet_aton(client[0]),
                         b"", struct.pack("!H", client[1]), 0, socket.inet_aton(service[0]), b"", service[1],
                         0)
    packet = ctypes.create_string_buffer(packet, SK_LOOKUP_SIZE)
    _, answer = _bpf(PROG_TEST_RUN, struct.pack("=IIIIQQIIIIQQ", program, 0, 0, 0, 0, 0, repeat, 0, SK_LOOKUP_SIZE, 0,
                                                ctypes.addressof(packet), 0))
    return struct.unpack_from("I", answer, DURATION_OFFSET)[0]


def cgroup_root():
    """Where cgroup v2 is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return place
    raise BenchError("no cgroup v2 is mounted")
