#!/usr/bin/env python
"""Compresses files to .gz with all CPUs, as pigz does: libz's own functions are the tasks, off the GIL.

A file is cut into blocks, each becomes a gzip member, and members in a row are a valid .gz file. `--compare`
writes nothing and compares with Python's gzip on the standard library's pool. That lets go of the GIL, too,
so both use all CPUs; but it wants the GIL back after each block, and waits for it where other Python code
runs. Ours doesn't: see the rows where Python is busy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import ctypes.util
import gzip
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import offgil

import common

libz = ctypes.CDLL(ctypes.util.find_library("z") or "libz.so.1")
libz.compressBound.argtypes, libz.compressBound.restype = [ctypes.c_ulong], ctypes.c_ulong
libz.compress2.argtypes = [
    ctypes.c_void_p, ctypes.POINTER(ctypes.c_ulong), ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int,
]  # fmt: skip
libz.crc32.argtypes = [ctypes.c_ulong, ctypes.c_void_p, ctypes.c_uint]
libz.crc32.restype = ctypes.c_ulong
# Declared native, they take bytes and bytearray for pointers, without a copy.
compress2, crc32 = offgil.native(libz.compress2), offgil.native(libz.crc32)

HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # of a gzip member: deflated, no name, no time, any system


class NativeBlock:
    """A block that libz works on. The pool keeps its buffers until the tasks have ended."""

    def __init__(self, pool: offgil.ThreadPoolExecutor, block: bytes, level: int) -> None:
        self.size = len(block)
        self.room = bytearray(libz.compressBound(self.size))
        self.length = ctypes.c_ulong(len(self.room))
        self.crc = pool.submit(crc32, 0, block, self.size)
        length = ctypes.byref(self.length)
        self.status = pool.submit(compress2, self.room, length, block, self.size, level)

    def finish(self) -> bytes:
        """The member: what compress2 made, without zlib's own two bytes before and checksum after it."""
        if self.status.result() != 0:
            raise common.Problem(f"compress2 says {self.status.result()}")
        deflated = memoryview(self.room)[2 : self.length.value - 4]
        return b"".join((HEADER, deflated, struct.pack("<II", self.crc.result(), self.size)))


class PythonBlock:
    """The same by Python's gzip, on any pool."""

    def __init__(self, pool: concurrent.futures.Executor, block: bytes, level: int) -> None:
        self.future = pool.submit(gzip.compress, block, level, mtime=0)

    def finish(self) -> bytes:
        return self.future.result()


Make = Callable[[bytes], "NativeBlock | PythonBlock"]
POOLS: dict[str, tuple[type[concurrent.futures.ThreadPoolExecutor], Callable[..., Any]]] = {
    "stdlib, gzip": (concurrent.futures.ThreadPoolExecutor, PythonBlock),
    "offgil, libz": (offgil.ThreadPoolExecutor, NativeBlock),
}


def members(file: BinaryIO, make: Make, chosen: argparse.Namespace) -> Iterator[bytes]:
    """The members of a file in order. No more blocks are read ahead than keep the threads at work."""
    size = chosen.block * 1024
    blocks = deque([make(file.read(size))])  # an empty file is one empty member
    while blocks:
        while len(blocks) < 4 * chosen.workers and (block := file.read(size)):
            blocks.append(make(block))
        yield blocks.popleft().finish()


def compress(path: Path, out: BinaryIO | None, make: Make, chosen: argparse.Namespace) -> int:
    """Writes the .gz of a file, if there is where to; returns how large it is."""
    written = 0
    with path.open("rb") as file:
        count = max(1, -(-path.stat().st_size // (chosen.block * 1024)))
        for member in common.progress(members(file, make, chosen), count, path.name):
            written += len(member)
            if out is not None:
                out.write(member)
    return written


def compress_to_file(path: Path, make: Make, chosen: argparse.Namespace) -> common.Row:
    """FILE to FILE.gz, which is there when it is complete."""
    target, part = Path(f"{path}.gz"), Path(f"{path}.gz.part")
    if target.exists() and not chosen.force:
        raise common.Problem(f"{target} is there already: --force overwrites it")
    try:
        with part.open("wb") as out:
            written = compress(path, out, make, chosen)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return {"file": str(target), "bytes": path.stat().st_size, "compressed": written}


def measure(name: str, busy: bool, chosen: argparse.Namespace) -> common.Row:
    """How long one of the pools takes for all files."""
    executor, kind = POOLS[name]
    with executor(chosen.workers) as pool, common.busy_python(busy):
        make = partial(kind, pool, level=chosen.level)
        size, seconds = common.timed(lambda: sum(compress(path, None, make, chosen) for path in chosen.files))
    return {"pool": name, "Python": "busy" if busy else "idle", "compressed": size, "seconds": seconds}


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE")
    add("-c", "--stdout", action="store_true", help="write to standard output, not to FILE.gz")
    add("-f", "--force", action="store_true", help="overwrite FILE.gz")
    add("-l", "--level", type=common.whole(0, 9), default=6, metavar="N", help="0 to 9 (default: 6)")
    add("-b", "--block", type=common.whole(1, 1 << 20), default=128, metavar="KIB", help="(default: 128)")
    add("--compare", action="store_true", help="write nothing, compare with the standard library's pool")
    chosen = parser.parse_args()
    if chosen.compare:
        rows = [measure(name, busy, chosen) for busy in (False, True) for name in POOLS]
        common.show(rows, chosen.shape)
        return
    with offgil.ThreadPoolExecutor(chosen.workers) as pool:
        make = partial(NativeBlock, pool, level=chosen.level)
        if chosen.stdout:
            for path in chosen.files:
                compress(path, sys.stdout.buffer, make, chosen)
        else:
            common.show([compress_to_file(path, make, chosen) for path in chosen.files], chosen.shape)


if __name__ == "__main__":
    common.run(main)
