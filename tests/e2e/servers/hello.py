# SPDX-License-Identifier: BSD-2-Clause
"""A tiny HTTP server that answers its name, and waits for connections in one of several ways.

asyncio  an event loop: epoll
poll     an event loop: poll()
thread   a thread in accept(), and one more for each connection
prefork  several processes that share the listener, each in select()
deaf     listens and never accepts

It prints "listening" once it listens, and ends with a signal.
"""
import argparse
import asyncio
import os
import select
import signal
import socket
import threading

BACKLOG = 1024
PROCESSES = 3


def answer_of(name):
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()


def serve(connection, answer):
    """One request of a connection that blocks."""
    with connection:
        try:
            if connection.recv(65536):
                connection.sendall(answer)
        except OSError:  # the client is gone already
            pass


def by_thread(listener, answer):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, answer), daemon=True).start()


def accept(listener, poll, connections):
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return
    connections[connection.fileno()] = connection
    poll.register(connection, select.POLLIN)


def by_poll(listener, answer):
    listener.setblocking(False)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    connections = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                accept(listener, poll, connections)
            else:
                poll.unregister(fd)
                serve(connections.pop(fd), answer)


def by_prefork(listener, answer):
    listener.setblocking(False)
    for _ in range(PROCESSES - 1):
        if not os.fork():
            break
    while True:
        select.select([listener], [], [], 1)
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        connection.setblocking(True)
        serve(connection, answer)


def by_nobody(_listener, _answer):
    while True:
        signal.pause()


async def talk(reader, writer, answer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def by_asyncio(listener, answer):
    server = await asyncio.start_server(lambda *ends: talk(*ends, answer), sock=listener, backlog=BACKLOG)
    print("listening", flush=True)
    await server.serve_forever()


WAYS = {"poll": by_poll, "thread": by_thread, "prefork": by_prefork, "deaf": by_nobody}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["asyncio", *WAYS])
    parser.add_argument("name")
    parser.add_argument("port", type=int)
    parser.add_argument("--bind", default="127.0.0.1")
    options = parser.parse_args()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.bind, options.port))
    answer = answer_of(options.name)
    if options.way == "asyncio":
        asyncio.run(by_asyncio(listener, answer))
    listener.listen(BACKLOG)
    print("listening", flush=True)
    WAYS[options.way](listener, answer)


if __name__ == "__main__":
    main()
