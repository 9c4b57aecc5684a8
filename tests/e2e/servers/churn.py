# SPDX-License-Identifier: BSD-2-Clause
"""A client on one core that opens connections and ends them in every way, and says how many of which.

COUNT is how many there are beside those that are refused.

churn.py CORE COUNT SEED ADDRESS PORT SOURCE...

Some dozens are open at a time. At the end it prints a line "<outcome> <count>" for each.
"""
import os
import random
import socket
import struct
import sys
from collections import Counter

OPEN = 40
ABORT = struct.pack("ii", 1, 0)


def by_fin(sock):
    sock.close()


def by_rst(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    sock.close()


def by_half_close(sock):
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(1000):
        pass
    sock.close()


def unread(sock):
    """The greeting has not been read: the kernel sends a RST."""
    sock.close()


def after_talk(sock):
    sock.sendall(b"a word\n")
    sock.recv(1000)
    sock.close()


WAYS = [by_fin, by_rst, by_half_close, unread, after_talk]


def begin(source, target, patient):
    sock = socket.socket()
    sock.settimeout(20)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((source, 0))
    if patient:
        sock.connect(target)
        return sock
    sock.setblocking(False)
    sock.connect_ex(target)
    sock.close()  # with or without the answer to its SYN
    return None


def attempt(sources, target, held, outcomes):
    """One more connection; and when there are enough, one of them ends."""
    try:
        sock = begin(random.choice(sources), target, random.random() > 0.1)
    except ConnectionRefusedError:
        outcomes["refused"] += 1
        return
    except ConnectionResetError:
        outcomes["lost"] += 1
        return
    if not sock:
        outcomes["abandoned"] += 1
        return
    held.append(sock)
    if len(held) >= OPEN:
        end(held.pop(random.randrange(len(held))), outcomes)


def end(sock, outcomes):
    way = random.choice(WAYS)
    try:
        if way is not unread:
            sock.recv(1000)
        way(sock)
        outcomes[way.__name__] += 1
    except OSError:  # the instance was killed
        sock.close()
        outcomes["lost"] += 1


def main(core, count, seed, address, port, *sources):
    os.sched_setaffinity(0, {int(core)})
    random.seed(seed)
    held, outcomes = [], Counter()
    while len(held) + outcomes.total() - outcomes["refused"] < int(count):
        attempt(sources, (address, int(port)), held, outcomes)
    for sock in held:
        end(sock, outcomes)
    for name, number in outcomes.items():
        print(name, number)


main(*sys.argv[1:])
