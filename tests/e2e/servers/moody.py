# SPDX-License-Identifier: BSD-2-Clause
"""HTTP servers on many ports, whose answers depend on their mood.

GET / answers the port, whatever the mood: this is what clients ask for. Every other path is a check and gets the mood's
answer. The moods stand in a file that is read anew for each check: a line "PORT MOOD", or "* MOOD" for all others.
Each check is appended to another file as "PORT PATH HOST".
It prints "listening" once all ports listen.
"""
import argparse
import asyncio
import resource
import socket
import struct

HEAD = "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n"


def answer(status, body="", more=""):
    return (HEAD.format(status, len(body), more) + body).encode()


def chunked(*pieces):
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces)
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n".encode()


def mood_of(path, port):
    moods = dict(line.split(None, 1) for line in open(path, encoding="ascii").read().splitlines())
    return moods.get(str(port), moods["*"]).split()


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def behave(reader, writer, mood, path, head):
    kind, *words = mood
    if kind == "silent":
        await reader.read()
    elif kind == "slow":
        await asyncio.sleep(int(words[0]) / 1000)
        writer.write(answer(200))
    elif kind == "drip":  # never silent, and never done
        for byte in answer(200, more="X-Filler: " + "x" * 5000 + "\r\n"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)
    elif kind == "reset":
        reset(writer)
    elif kind == "garbage":
        writer.write(b"220 mail.example ESMTP\r\n\r\n" * 3)
    elif kind == "interim":
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + answer(int(words[0])))
    elif kind == "head":
        writer.write(answer(200, more="".join(f"X-{i}: {'x' * 990}\r\n" for i in range(int(words[0])))))
    elif kind == "body":  # the wished word behind so many bytes
        writer.write(answer(200, "x" * int(words[0]) + words[1]))
    elif kind == "pieces":  # the wished word in chunks, where the client takes those
        writer.write(chunked(*words) if "HTTP/1.1" in head else answer(200, "".join(words)))
    elif kind == "only":
        writer.write(answer(200 if path in words else 404))
    elif kind != "close":
        writer.write(answer(int(kind)))


async def serve(reader, writer, port, options):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        if path == "/":
            writer.write(answer(200, str(port)))
        else:
            host = next(line.split(": ", 1)[1] for line in head.split("\r\n") if line.startswith("Host: "))
            with open(options.log, "a", encoding="ascii") as log:
                log.write(f"{port} {path} {host}\n")
            await behave(reader, writer, mood_of(options.moods, port), path, head)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("moods")
    parser.add_argument("log")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--bind", default="127.0.0.1")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the silent keep every check open
    for port in range(options.first, options.last + 1):
        await asyncio.start_server(lambda *ends, port=port: serve(*ends, port, options), options.bind, port,
                                   backlog=1024)
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
