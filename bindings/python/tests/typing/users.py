"""What users write, as type checkers see it: mypy and pyright read this, nothing runs it.

`assert_type` says what must be inferred. Each line of `wrong_uses` must be an error: where it is none, the
comment that ignores it is one.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import array
import asyncio
import concurrent.futures
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy
from typing_extensions import CapsuleType, assert_type

import offgil
from offgil.cffi import ffi
from offgil.ctypes import OFFGIL_OK, future_t, pool_options_t, pool_stats_t, pool_t, task_fn
from offgil.pool import AsyncResult, ThreadPool

libc = ctypes.CDLL(None)
pool = offgil.ThreadPoolExecutor(8)


def length(text: str, factor: int = 1) -> float:
    """A function with types."""
    return len(text) * float(factor)


class LowLevelCallable(tuple[Any, ...]):
    """SciPy's."""

    @property
    def function(self) -> object:
        """What it was made of."""
        return self[0]

    @property
    def user_data(self) -> object:
        """NULL, or a pointer."""
        return self[1]

    @property
    def signature(self) -> str:
        """As C has it."""
        return "double (double)"


def submitting(capsule: CapsuleType, scipys: LowLevelCallable) -> None:
    """The result is the function's, and so are the arguments."""
    assert_type(pool.submit(length, "text"), offgil.Future[float])
    assert_type(pool.submit(length, "text", factor=2).result(), float)
    assert_type(pool.submit(length, "text").result(timeout=1.5), float)
    assert_type(pool.submit(length, "text").exception(0), BaseException | None)
    assert_type(pool.submit(lambda: [1, 2]).result(), list[int])
    assert_type(pool.submit(lambda: pool.submit(length, "text")).result().result(), float)
    assert_type(pool.submit(libc.labs, -42), offgil.Future[Any])
    assert_type(pool.submit(ffi.callback("int(int)", abs), -42), offgil.Future[Any])
    assert_type(pool.submit(offgil.native(libc.labs), -42), offgil.Future[Any])
    assert_type(pool.submit(capsule, 1.5), offgil.Future[Any])
    assert_type(pool.submit(scipys, 1.5).result(), Any)


def thread_pool(workers: ThreadPool, native: offgil.NativeFunction) -> None:
    """The results are the function's."""
    assert_type(workers.apply(length, ("text",)), float)
    assert_type(workers.apply_async(length, ("text",), {"factor": 2}), AsyncResult[float])
    assert_type(workers.apply_async(length, ("text",), callback=float.hex).get(1.5), float)
    assert_type(workers.map(length, ["text"], progress=True), list[float])
    assert_type(workers.starmap(length, [("text", 2)], 1, progress="lengths"), list[float])
    assert_type(workers.map_async(length, ["text"], error_callback=print).get(), list[float])
    assert_type(workers.starmap_async(length, [("text", 2)]).get(), list[float])
    assert_type(next(workers.imap(length, ["text"])), float)
    assert_type(workers.imap_unordered(length, ["text"], 2).next(timeout=1.5), float)
    assert_type(len(workers.imap(length, ["text"])), int)
    assert_type(workers.map(native, [1]), list[Any])
    assert_type(workers.apply_async(native, (1,)).errno, int | None)
    waiting = [pool.submit(length, "text")]
    assert_type([future.result() for future in offgil.as_completed(waiting)], list[float])
    assert_type(offgil.wait(waiting, 1).done, set[concurrent.futures.Future[float]])


def futures(future: offgil.Future[float]) -> None:
    """A future is the stdlib's, and more."""
    plain: concurrent.futures.Future[float] = future
    assert_type(future.native, bool)
    assert_type(future.errno, int | None)
    assert_type(future.cancel(), bool)
    assert_type(future.done(), bool)

    def look(ended: offgil.Future[float]) -> None:
        assert_type(ended.native, bool)

    def look_at_plain(ended: concurrent.futures.Future[float]) -> None:
        assert_type(ended.result(), float)

    future.add_done_callback(look)
    future.add_done_callback(look_at_plain)
    future.add_done_callback(lambda ended: print(ended.errno))
    assert_type([done.result() for done in concurrent.futures.as_completed([future, plain])], list[float])
    assert_type(asyncio.wrap_future(future), asyncio.Future[float])


async def awaiting() -> None:
    """Under asyncio."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(pool)
    assert_type(await pool.submit(length, "text"), float)
    assert_type(await loop.run_in_executor(pool, length, "text"), float)
    first, second = await asyncio.gather(pool.submit(length, "text"), pool.submit(bytes, 3))
    assert_type(first, float)
    assert_type(second, bytes)


def mapping() -> None:
    """The maps."""
    assert_type(pool.map(length, ["a", "b"]), Iterator[float])
    assert_type(pool.map(length, ["a"], [2], timeout=1, buffersize=4), Iterator[float])
    assert_type(list(pool.map(libc.labs, [-1, -2])), list[Any])
    sine = offgil.native(libc.sin, "f64(f64)")
    numbers, results = array.array("d", [1.0, 2.0]), bytearray(16)
    assert_type(pool.map_array(sine, numbers), memoryview)
    assert_type(pool.map_array(sine, numbers, results), bytearray)
    assert_type(pool.map_array(sine, numbers, out=memoryview(results)), memoryview)
    assert_type(pool.map_array(sine, numbers, numbers), "array.array[float]")
    counts, lengths = numpy.arange(3), numpy.empty((2, 3), numpy.float32)
    assert_type(pool.map_array(sine, counts), Any)
    assert_type(pool.map_array(sine, counts, results), bytearray)
    matrix: numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float32]] = pool.map_array(
        sine, numbers, lengths
    )
    print(matrix.shape)


def uses_the_stdlibs(plain: concurrent.futures.ThreadPoolExecutor) -> None:
    """Code that knows nothing of offgil."""
    assert_type(plain.submit(length, "text"), concurrent.futures.Future[float])


def executors() -> None:
    """An executor is the stdlib's, and more."""
    uses_the_stdlibs(pool)
    executor: concurrent.futures.Executor = offgil.ThreadPoolExecutor()
    executor.shutdown(wait=False, cancel_futures=True)
    with offgil.ThreadPoolExecutor(
        2, "worker", initializer=print, initargs=("started",), queue_limit=9, when_full="run"
    ) as made:
        assert_type(made, offgil.ThreadPoolExecutor)
        assert_type(made.stats(), dict[str, Any])
        assert_type(made.handle, pool_t)


def natives(capsule: CapsuleType, scipys: LowLevelCallable) -> None:
    """Native functions of every kind."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    made: list[offgil.NativeFunction] = [
        offgil.native(libc.labs),
        offgil.native(libc.labs, "i64(i64)"),
        offgil.native(prototype(0x1000)),
        offgil.native(0x1000, "f64(f64)"),
        offgil.native(capsule),
        offgil.native(capsule, signature="f64(f64)"),
        offgil.native(scipys),
    ]
    assert_type(made[0].signature, str | None)


def library() -> None:
    """The C functions through ctypes."""
    lib = offgil.lib
    assert_type(lib.pool_create(2), pool_t)
    task = task_fn(lambda argument: argument)
    future = lib.pool_submit(pool.handle, task, 7)
    assert_type(future, future_t)
    result, stats, options = ctypes.c_void_p(), pool_stats_t(), pool_options_t()
    assert_type(lib.future_wait(future, 10**9, ctypes.byref(result)) == OFFGIL_OK, bool)
    assert_type(lib.future_release(future), int)
    lib.pool_options_init(ctypes.byref(options), ctypes.sizeof(options))
    assert_type(stats.tasks_completed, int)
    assert_type(offgil.lib.offgil_version_string(), bytes | None)
    names: list[str] = [
        offgil.__version__,
        offgil.get_include(),
        offgil.get_library(),
        offgil.get_library_dir(),
    ]
    failed: Callable[[offgil.TaskFailed], int] = lambda error: error.code  # noqa: E731
    print(names, failed)


def wrong_uses() -> None:
    """Each is an error."""
    pool.submit()  # type: ignore[call-overload]
    pool.submit(7)  # type: ignore[call-overload]
    pool.submit(length)  # type: ignore[call-overload]
    pool.submit(length, 7)  # type: ignore[call-overload]
    pool.submit(length, "text", factor="two")  # type: ignore[arg-type]
    pool.submit(length, "text", width=2)  # type: ignore[call-arg]
    pool.submit(offgil.native(libc.labs), number=1)  # type: ignore[call-overload]
    pool.map(length, 7)  # type: ignore[arg-type]
    pool.map(length, ["a"], buffersize="all")  # type: ignore[arg-type]
    pool.map_array("sin", bytearray(8))  # type: ignore[call-overload]
    pool.map_array(libc.sin, [1.0, 2.0])  # type: ignore[call-overload]
    pool.map_array(libc.sin, bytearray(8), out=[0.0])  # type: ignore[call-overload]
    offgil.ThreadPoolExecutor("two")  # type: ignore[arg-type]
    offgil.ThreadPoolExecutor(2, when_full="wait")  # type: ignore[arg-type]
    offgil.ThreadPoolExecutor(2, limit=9)  # type: ignore[call-arg]
    offgil.native("labs")  # type: ignore[call-overload]
    offgil.native(0x1000)  # type: ignore[call-overload]
    offgil.native(libc.labs, 7)  # type: ignore[call-overload]
    offgil.lib.pool_create("two")  # type: ignore[arg-type]
    offgil.lib.pool_destroy(future_t())  # type: ignore[arg-type]
    pool.submit(length, "text").native = True  # type: ignore[misc]
    number: int = pool.submit(length, "text").result()  # type: ignore[assignment]
    text: offgil.Future[str] = pool.submit(length, "text")  # type: ignore[call-overload]
    print(number, text)
