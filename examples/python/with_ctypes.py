"""offgil from ctypes: C functions of any shared library become tasks that never touch the GIL."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from offgil import lib
from offgil.ctypes import OFFGIL_ETIMEDOUT, OFFGIL_FOREVER, OFFGIL_OK, POOL_CANCEL, future_t

from problems import Contender, CryptoMissing, Digest, Inputs, Measured, measure
from with_c import SERIAL

CALLER = "offgil from ctypes"
SLICE_NS = 100_000_000  # a wait is cut into slices, so that Ctrl-C gets through


class IntegrateJob(ctypes.Structure):
    _fields_ = [
        ("begin", ctypes.c_size_t),
        ("end", ctypes.c_size_t),
        ("width", ctypes.c_double),
        ("sum", ctypes.c_double),
    ]


class DigestJob(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char_p), ("error", ctypes.c_int32), ("sha256", ctypes.c_uint8 * 32)]


class Workloads:
    """examples/c/workloads.c as a shared library, its functions declared."""

    def __init__(self, library: Path, libcrypto: str | None = None) -> None:
        c = self.c = ctypes.CDLL(str(library))
        c.integrate_plan.argtypes = [ctypes.POINTER(IntegrateJob), ctypes.c_size_t, ctypes.c_size_t]
        c.integrate_plan.restype = None
        c.digest_open.argtypes = [ctypes.c_char_p]
        c.digest_open.restype = ctypes.c_char_p
        problem = c.digest_open(libcrypto.encode() if libcrypto else None)
        if problem:
            raise CryptoMissing(problem.decode())


def check(status: int) -> None:
    if status != OFFGIL_OK:
        raise RuntimeError(text(lib.offgil_status_message(status)))


def text(message: bytes | None) -> str:
    return (message or b"").decode()


def addresses(jobs: ctypes.Array[Any]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of pointers to the elements of a C array."""
    first = ctypes.addressof(jobs)
    return (ctypes.c_void_p * len(jobs))(
        *range(first, first + ctypes.sizeof(jobs), ctypes.sizeof(jobs._type_))
    )


class Pool:
    """A pool and the two workloads on it; `workers` 0: one per CPU."""

    def __init__(self, workloads: Workloads, workers: int) -> None:
        self.workloads = workloads.c
        self.handle = lib.pool_create(workers)
        if not self.handle:
            raise RuntimeError(text(lib.offgil_last_message()))

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        lib.pool_destroy(self.handle)

    def integrate(self, inputs: Inputs) -> Measured:
        """pool_map: one call that returns when every job is done."""
        jobs = (IntegrateJob * inputs.jobs)()
        self.workloads.integrate_plan(jobs, inputs.jobs, inputs.points)
        arguments, results = addresses(jobs), (ctypes.c_void_p * inputs.jobs)()
        task = self.workloads.integrate_task
        return measure(
            lambda: check(lib.pool_map(self.handle, task, arguments, results, inputs.jobs)),
            lambda: sum(job.sum for job in jobs) * inputs.width,
        )

    def digest(self, inputs: Inputs) -> Measured:
        """pool_submit_many, and a wait that Ctrl-C can end."""
        count = len(inputs.paths)
        jobs = (DigestJob * count)(*(DigestJob(path) for path in inputs.paths))
        arguments, futures = addresses(jobs), (future_t * count)()

        def digests() -> list[Digest]:
            return [None if job.error else bytes(job.sha256) for job in jobs]

        task = self.workloads.digest_task
        return measure(lambda: self.run_all(task, arguments, futures), digests)

    def run_all(self, task: Any, arguments: ctypes.Array[Any], futures: ctypes.Array[future_t]) -> None:
        status = OFFGIL_ETIMEDOUT
        try:
            check(lib.pool_submit_many(self.handle, task, arguments, len(arguments), futures))
            while status == OFFGIL_ETIMEDOUT:
                status = lib.future_wait_all(futures, len(futures), SLICE_NS)
        except BaseException:
            # The tasks write into memory that is about to go: drop what is queued, wait for what runs.
            lib.pool_shutdown(self.handle, POOL_CANCEL, OFFGIL_FOREVER)
            raise
        finally:
            for future in futures:
                lib.future_release(future)
        check(status)


def on_pool(
    inputs: Inputs, workloads: Workloads, workers: int, label: str, stack: ExitStack
) -> Iterator[Contender]:
    """`workers` 0: one per CPU; the stack destroys the pool."""
    pool = stack.enter_context(Pool(workloads, workers))
    yield Contender("integrate", CALLER, label, SERIAL, lambda: pool.integrate(inputs))
    yield Contender("digest", CALLER, label, SERIAL, lambda: pool.digest(inputs))
