# SPDX-License-Identifier: BSD-2-Clause
"""A tiny instance: says who reached it and how, then echoes until the client leaves.

To each connection it writes "<name> <peer address> <peer port> <local address> <local port>".
It prints "listening" once it listens, and ends with a signal.
"""
import argparse
import selectors
import signal
import socket

IPPROTO_MPTCP = 262


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("port", type=int)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--v6only", action="store_true", help="an IPv6 socket that takes no IPv4")
    parser.add_argument("--reuseport", action="store_true", help="share the port with others")
    parser.add_argument("--mptcp", action="store_true", help="a listener of MPTCP")
    parser.add_argument("--backlog", type=int, default=1024)
    parser.add_argument("--never-accept", action="store_true")
    return parser.parse_args()


def open_listener(options):
    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP if options.mptcp else 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options.reuseport:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(options.v6only))
    listener.bind((options.bind, options.port))
    listener.listen(options.backlog)
    return listener


def greeting(name, connection, peer):
    local = connection.getsockname()
    return f"{name} {peer[0]} {peer[1]} {local[0]} {local[1]}\n".encode()


def accept_all(name, listener, selector):
    while True:
        try:
            connection, peer = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # the client is gone already
            continue
        try:
            connection.send(greeting(name, connection, peer))
        except OSError:
            connection.close()
            continue
        selector.register(connection, selectors.EVENT_READ)


def echo(connection, selector):
    try:
        data = connection.recv(65536)
        if data:
            connection.sendall(data)
            return
    except OSError:
        pass
    selector.unregister(connection)
    connection.close()


def serve(name, listener):
    selector = selectors.DefaultSelector()
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accept_all(name, listener, selector)
            else:
                echo(key.fileobj, selector)


def main():
    options = arguments()
    listener = open_listener(options)
    print("listening", flush=True)
    if options.never_accept:
        while True:
            signal.pause()
    serve(options.name, listener)


if __name__ == "__main__":
    main()
