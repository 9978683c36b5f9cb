"""One measurement of `python -m offgil bench`: a fresh process times one row on one peer, in microseconds.

`python -m offgil._bench_child ROW PEER THREADS`; a line "ready" comes first, when all is imported and warm.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import multiprocessing.pool
import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module

import offgil

# Runs a function on each of the arguments, and returns when all have ended.
Many = Callable[[Callable[..., object], list[tuple[int, ...]]], object]

_SPAN = 0.1  # seconds that a measurement takes at least


def _executor(executor: concurrent.futures.Executor) -> Many:
    def many(fn: Callable[..., object], arguments: list[tuple[int, ...]]) -> object:
        futures = [executor.submit(fn, *args) for args in arguments]
        return [future.result() for future in futures]

    return many


def _pool(pool: multiprocessing.pool.Pool) -> Many:
    def many(fn: Callable[..., object], arguments: list[tuple[int, ...]]) -> object:
        results = [pool.apply_async(fn, args) for args in arguments]
        return [result.get() for result in results]

    return many


def _asyncio(threads: int) -> Many:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(threads))

    async def gather(fn: Callable[..., object], arguments: list[tuple[int, ...]]) -> object:
        return await asyncio.gather(*(loop.run_in_executor(None, fn, *args) for args in arguments))

    return lambda fn, arguments: loop.run_until_complete(gather(fn, arguments))


def _joblib(threads: int) -> Many:
    joblib = import_module("joblib")
    parallel = joblib.Parallel(n_jobs=threads, backend="threading")
    parallel.__enter__()
    return lambda fn, arguments: parallel(joblib.delayed(fn)(*args) for args in arguments)


def _dask(threads: int) -> Many:
    dask = import_module("dask")
    pool = concurrent.futures.ThreadPoolExecutor(threads)

    def many(fn: Callable[..., object], arguments: list[tuple[int, ...]]) -> object:
        task = dask.delayed(fn, pure=False, traverse=False)
        return dask.compute(*(task(*args) for args in arguments), scheduler="threads", pool=pool)

    return many


# By its name, the module that has to be there, and what makes a pool of so many threads.
PEERS: dict[str, tuple[str, Callable[[int], Many]]] = {
    "offgil": ("offgil", lambda threads: _executor(offgil.ThreadPoolExecutor(threads))),
    "offgil.pool": ("offgil.pool", lambda threads: _pool(import_module("offgil.pool").ThreadPool(threads))),
    "concurrent.futures": (
        "concurrent.futures",
        lambda threads: _executor(concurrent.futures.ThreadPoolExecutor(threads)),
    ),
    "multiprocessing.pool": (
        "multiprocessing.pool",
        lambda threads: _pool(multiprocessing.pool.ThreadPool(threads)),
    ),
    "asyncio": ("asyncio", _asyncio),
    "joblib": ("joblib", _joblib),
    "dask": ("dask", _dask),
}


def python_task(number: int) -> int:
    """The smallest Python task."""
    return number


def _per_task(many: Many, fn: Callable[..., object], arguments: list[tuple[int, ...]]) -> float:
    """Microseconds a task, in batches of these."""
    many(fn, arguments[:2])
    begin, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < _SPAN:
        many(fn, arguments)
        done += len(arguments)
    return spent / done * 1e6


def _python(many: Many) -> float:
    return _per_task(many, python_task, [(number,) for number in range(500)])


def _native(many: Many) -> float:
    labs = ctypes.CDLL(None).labs
    labs.argtypes, labs.restype = [ctypes.c_long], ctypes.c_long
    return _per_task(many, labs, [(-number,) for number in range(500)])


def _trip(many: Many) -> float:
    return _per_task(many, python_task, [(1,)])


def _busy(many: Many) -> float:
    memory = ctypes.create_string_buffer(1 << 21)
    search = ctypes.CDLL(None).memchr
    search.argtypes, search.restype = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], ctypes.c_void_p
    over = False

    def spin() -> None:
        while not over:
            sum(range(100))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        return _per_task(many, search, [(ctypes.addressof(memory), 1, len(memory))] * 20)
    finally:
        over = True
        thread.join()


def _nested(many: Many) -> float:
    def task(number: int) -> object:
        return many(python_task, [(number,)])

    return _per_task(many, task, [(1,)] * 8)


# What is measured, in words, and how.
ROWS: dict[str, tuple[str, Callable[[Many], float]]] = {
    "python": ("one of 500 Python tasks", _python),
    "native": ("one of 500 calls of a C function (labs)", _native),
    "trip": ("one Python task, submitted and waited for", _trip),
    "busy": ("a C call that reads 2 MB, while another thread is busy in Python", _busy),
    "nested": ("a task that submits to its own pool and waits", _nested),
}


def main() -> None:
    """Measures what the command line names."""
    row, peer, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    many = PEERS[peer][1](threads)
    many(python_task, [(1,)])
    print("ready", flush=True)
    print(ROWS[row][1](many), flush=True)
    # Without a wait for threads that may hang.
    os._exit(0)


if __name__ == "__main__":
    main()
