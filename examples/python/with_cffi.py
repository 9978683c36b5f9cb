"""offgil from cffi: as with ctypes, with declarations copied from the C headers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from cffi import FFI
from offgil.cffi import ffi, lib

from problems import Contender, CryptoMissing, Digest, Inputs, Measured, measure
from with_c import SERIAL

CALLER = "offgil from cffi"
SLICE_NS = 100_000_000  # a wait is cut into slices, so that Ctrl-C gets through

DECLARATIONS = """
    typedef struct integrate_job { size_t begin; size_t end; double width; double sum; } integrate_job;
    void integrate_plan(integrate_job *jobs, size_t count, size_t points);
    void *integrate_task(void *job);

    typedef struct digest_job { const char *path; int32_t error; uint8_t sha256[32]; } digest_job;
    const char *digest_open(const char *library);
    void *digest_task(void *job);
"""


class Workloads:
    """examples/c/workloads.c as a shared library."""

    def __init__(self, library: Path, libcrypto: str | None = None) -> None:
        self.ffi = FFI()
        self.ffi.cdef(DECLARATIONS)
        c = cast(Any, self.ffi.dlopen(str(library)))  # its functions are known to cffi only
        problem = c.digest_open(libcrypto.encode() if libcrypto else ffi.NULL)
        if problem:
            raise CryptoMissing(ffi.string(problem).decode())
        self.c = c


def check(status: int) -> None:
    if status != lib.OFFGIL_OK:
        raise RuntimeError(ffi.string(lib.offgil_status_message(status)).decode())


class Pool:
    """A pool and the two workloads on it; `workers` 0: one per CPU."""

    def __init__(self, workloads: Workloads, workers: int) -> None:
        self.workloads = workloads
        self.handle = lib.pool_create(workers)
        if not self.handle:
            raise RuntimeError(ffi.string(lib.offgil_last_message()).decode())

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        lib.pool_destroy(self.handle)

    def integrate(self, inputs: Inputs) -> Measured:
        """pool_map: one call that returns when every job is done."""
        c = self.workloads.c
        jobs = self.workloads.ffi.new("integrate_job[]", inputs.jobs)
        c.integrate_plan(jobs, inputs.jobs, inputs.points)
        arguments = ffi.new("void *[]", [jobs + i for i in range(inputs.jobs)])
        results = ffi.new("void *[]", inputs.jobs)
        return measure(
            lambda: check(lib.pool_map(self.handle, c.integrate_task, arguments, results, inputs.jobs)),
            lambda: sum(job.sum for job in jobs) * inputs.width,
        )

    def digest(self, inputs: Inputs) -> Measured:
        """pool_submit_many, and a wait that Ctrl-C can end."""
        count = len(inputs.paths)
        jobs = self.workloads.ffi.new("digest_job[]", count)
        names = [ffi.new("char[]", path) for path in inputs.paths]
        for job, name in zip(jobs, names, strict=True):
            job.path = name
        arguments = ffi.new("void *[]", [jobs + i for i in range(count)])
        futures = ffi.new("future_t *[]", count)

        def digests() -> list[Digest]:
            return [None if job.error else bytes(job.sha256) for job in jobs]

        task = self.workloads.c.digest_task
        return measure(lambda: self.run_all(task, arguments, futures), digests)

    def run_all(self, task: Any, arguments: Any, futures: Any) -> None:
        status = lib.OFFGIL_ETIMEDOUT
        try:
            check(lib.pool_submit_many(self.handle, task, arguments, len(arguments), futures))
            while status == lib.OFFGIL_ETIMEDOUT:
                status = lib.future_wait_all(futures, len(futures), SLICE_NS)
        except BaseException:
            # The tasks write into memory that is about to go: drop what is queued, wait for what runs.
            lib.pool_shutdown(self.handle, lib.POOL_CANCEL, lib.OFFGIL_FOREVER)
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
