"""The same work in plain Python, and on the pools of the standard library: what offgil is measured beside."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from problems import Contender, Digest, Inputs, Measured, measure

PYTHON = "serial Python"
CYTHON = "serial Cython"
CHUNK = 1 << 15

Strip = Callable[[int, int, float], float]


def integrate(begin: int, end: int, width: float) -> float:
    """The area under the cosine over the strips begin..end."""
    return sum(math.cos((i + 0.5) * width) for i in range(begin, end)) * width


def sha256(path: bytes) -> Digest:
    """The digest of one file, by unbuffered reads as in the C version."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()


def serial(inputs: Inputs) -> Iterator[Contender]:
    """One thread, no pool."""

    def integrate_all() -> Measured:
        areas: list[float] = []
        return measure(
            lambda: areas.extend(integrate(begin, end, inputs.width) for begin, end in inputs.strips()),
            lambda: sum(areas),
        )

    def digest_all() -> Measured:
        digests: list[Digest] = []
        return measure(lambda: digests.extend(map(sha256, inputs.paths)), lambda: digests)

    yield Contender("integrate", PYTHON, "1", PYTHON, integrate_all)
    yield Contender("digest", PYTHON, "1", PYTHON, digest_all)


def on_executors(inputs: Inputs, workers: int, cython_strip: Strip, stack: ExitStack) -> Iterator[Contender]:
    """`concurrent.futures`, its pools made and warm before the clock starts."""
    label = str(workers)
    spawn = multiprocessing.get_context("spawn")
    threads = ThreadPoolExecutor(workers)
    processes = ProcessPoolExecutor(workers, spawn, initializer=leave_ctrl_c_to_the_parent)
    for executor in (threads, processes):
        stack.callback(executor.shutdown, cancel_futures=True)
    list(processes.map(abs, range(2 * workers)))

    begins, ends = zip(*inputs.strips(), strict=True)
    widths = [inputs.width] * inputs.jobs
    chunk = max(1, inputs.jobs // (4 * workers))  # for processes, as multiprocessing chooses it

    def integrate_on(executor: Executor, strip: Strip) -> Measured:
        areas: list[float] = []
        return measure(
            lambda: areas.extend(executor.map(strip, begins, ends, widths, chunksize=chunk)),
            lambda: sum(areas),
        )

    def digest_on_threads() -> Measured:
        digests: list[Digest] = []
        return measure(lambda: digests.extend(threads.map(sha256, inputs.paths)), lambda: digests)

    for caller, baseline, executor, strip in (
        ("ThreadPoolExecutor, Python", PYTHON, threads, integrate),
        ("ProcessPoolExecutor, Python", PYTHON, processes, integrate),
        ("ThreadPoolExecutor, Cython", CYTHON, threads, cython_strip),
    ):
        yield Contender("integrate", caller, label, baseline, partial(integrate_on, executor, strip))
    yield Contender("digest", "ThreadPoolExecutor, hashlib", label, PYTHON, digest_on_threads)


def leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
