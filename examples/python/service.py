#!/usr/bin/env python
"""An HTTP service on asyncio that hashes passwords: the loop waits, native functions of libcrypto work.

    curl -d secret http://127.0.0.1:8080/        answers pbkdf2_sha256$ROUNDS$SALT$HASH, as Django stores it

A handler awaits `pool.submit(...)`: no thread a request, and no GIL for the 0.1 s that a hash takes. When the
queue is full, the answer is 503 at once. At SIGTERM or Ctrl-C it takes no more connections, answers the rest,
and tells on standard error how many answers there were and how late the loop was at worst.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import ctypes
import ctypes.util
import os
import queue
import signal
import sys

import offgil

import common

MOST_BYTES = 4096  # of a password
SALT_BYTES, HASH_BYTES = 16, 32
PATIENCE = 30.0  # seconds for a request to come

pointer, number = ctypes.c_void_p, ctypes.c_int
libcrypto = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
libcrypto.EVP_sha256.restype = pointer
libcrypto.PKCS5_PBKDF2_HMAC.argtypes = [pointer, number, pointer, number, number, pointer, number, pointer]
pbkdf2 = offgil.native(libcrypto.PKCS5_PBKDF2_HMAC)


class Refused(Exception):
    """A request that isn't served: status and reason."""


class Service:
    """The pool, and what is counted."""

    def __init__(self, workers: int, queued: int, rounds: int) -> None:
        self.pool = offgil.ThreadPoolExecutor(workers, queue_limit=queued, when_full="fail")
        self.rounds = rounds
        self.answers = 0
        self.latest = 0.0
        self.open: set[asyncio.Task[None]] = set()

    async def hash(self, password: bytes) -> bytes:
        salt, digest = os.urandom(SALT_BYTES), bytearray(HASH_BYTES)
        sizes = len(password), len(salt)
        try:
            future = self.pool.submit(
                pbkdf2, password, sizes[0], salt, sizes[1], self.rounds,
                libcrypto.EVP_sha256(), HASH_BYTES, digest,
            )  # fmt: skip
        except queue.Full:
            raise Refused("503 Service Unavailable") from None
        if await future != 1:
            raise Refused("500 Internal Server Error")
        shown = (base64.b64encode(part).decode() for part in (salt, digest))
        return "pbkdf2_sha256${}${}${}\n".format(self.rounds, *shown).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            status, body = await self.answer(reader)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            self.answers += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it has gone
        finally:
            self.open.discard(task)
            writer.close()

    async def answer(self, reader: asyncio.StreamReader) -> tuple[str, bytes]:
        try:
            return "200 OK", await self.hash(await asyncio.wait_for(password_of(reader), PATIENCE))
        except (TimeoutError, asyncio.TimeoutError):
            return "408 Request Timeout", b""
        except Refused as refused:
            return str(refused), b""

    async def watch(self) -> None:
        """How late the loop comes to a timer."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            self.latest = max(self.latest, loop.time() - due)


async def password_of(reader: asyncio.StreamReader) -> bytes:
    """The body of a POST request."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise Refused("431 Request Header Fields Too Large") from None
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "")
    if not first.startswith("POST "):
        raise Refused("405 Method Not Allowed")
    if not length.isdecimal():
        raise Refused("411 Length Required")
    if int(length) > MOST_BYTES:
        raise Refused("413 Content Too Large")
    return await reader.readexactly(int(length))


async def listen(chosen: argparse.Namespace) -> None:
    """Serves until a signal comes; what is under way then is answered."""
    service, stopped = Service(chosen.workers, chosen.queue, chosen.rounds), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with service.pool:
        server = await asyncio.start_server(service.serve, "127.0.0.1", chosen.port, backlog=1024)
        watcher = asyncio.create_task(service.watch())
        print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await stopped.wait()
        server.close()
        await asyncio.gather(*service.open)
        watcher.cancel()
    late = f"the loop was {service.latest * 1000:.0f} ms late at worst"
    print(f"{service.answers} answers; {late}", file=sys.stderr)


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("-p", "--port", type=common.whole(0, 65535), default=8080, help="0: any that is free (default: 8080)")
    add("-q", "--queue", type=common.whole(1), default=100, metavar="N", help="most waiting (default: 100)")
    add("--rounds", type=common.whole(1, 10**7), default=600_000, metavar="N", help="of PBKDF2 (600000)")
    asyncio.run(listen(parser.parse_args()))


if __name__ == "__main__":
    common.run(main)
