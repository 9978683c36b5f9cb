"""Futures under asyncio and uvloop: what wakes a loop, what is cancelled, what a closed loop leaves."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib.util
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from conftest import Gate, Native

import offgil

PATIENCE = 30.0
MANY = 2000
libc = ctypes.CDLL(None)
T = TypeVar("T")


class Counted:
    """A loop that counts what wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.readers = 0
        self.calls_of_readers = 0
        self.calls_of_threads = 0

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        def counted() -> None:
            self.calls_of_readers += 1
            callback(*args)

        self.readers += 1
        return super().add_reader(fd, counted)  # type: ignore[misc]

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self.calls_of_threads += 1
        return super().call_soon_threadsafe(callback, *args, **options)  # type: ignore[misc]


class AsyncioLoop(Counted, asyncio.SelectorEventLoop):
    """That of the stdlib."""


LOOPS: list[Any] = [AsyncioLoop]
if importlib.util.find_spec("uvloop") is not None:  # there is none for a free-threaded CPython 3.13
    import uvloop

    class UvLoop(Counted, uvloop.Loop):
        """That of libuv."""

    LOOPS.append(UvLoop)


class WithoutReaders(asyncio.SelectorEventLoop):
    """One that can't watch descriptors."""

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError


@pytest.fixture(params=LOOPS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def loop(kind: Any) -> Iterator[Any]:
    made = kind()
    yield made
    made.close()


@pytest.fixture
def enter(native: Native) -> offgil.NativeFunction:
    """A task that stays until its gate is opened."""
    return offgil.native(native.gate_enter, "ptr(ptr)")


async def by_await(pool: offgil.ThreadPoolExecutor, fn: Callable[..., T], *args: Any) -> T:
    return await pool.submit(fn, *args)


async def by_run_in_executor(pool: offgil.ThreadPoolExecutor, fn: Callable[..., T], *args: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, fn, *args)


async def by_wrap_future(pool: offgil.ThreadPoolExecutor, fn: Callable[..., T], *args: Any) -> T:
    return await asyncio.wrap_future(pool.submit(fn, *args))


Way = Callable[..., Coroutine[Any, Any, Any]]
WAYS = [by_await, by_run_in_executor, by_wrap_future]
every_way = pytest.mark.parametrize("way", WAYS)
every_function = pytest.mark.parametrize("fn", [libc.abs, abs], ids=["native", "python"])


def run(loop: Any, main: Coroutine[Any, Any, T]) -> T:
    result: T = loop.run_until_complete(asyncio.wait_for(main, PATIENCE))
    return result


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths


def await_descriptors(expected: set[str]) -> None:
    """The thread that ended the last task may still be about to close the queue's."""
    deadline = time.monotonic() + PATIENCE
    while not open_descriptors() <= expected and time.monotonic() < deadline:
        time.sleep(0.001)
    assert open_descriptors() <= expected


async def started(*awaitables: Awaitable[T]) -> list[asyncio.Future[T]]:
    """Tasks that have come as far as to wait."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


@every_way
def test_native_tasks_that_end_between_two_looks_are_one_wake_up_of_the_loop(
    loop: Any, way: Way, gate: Gate, enter: offgil.NativeFunction
) -> None:
    async def main() -> list[int]:
        pool = offgil.ThreadPoolExecutor(1)
        pool.submit(enter, gate.address)
        tasks = await started(*[way(pool, libc.abs, -number) for number in range(MANY)])
        threads = set(threading.enumerate())
        calls = loop.calls_of_threads
        gate.open()
        pool.shutdown()  # all have ended, and the loop has not looked
        results = await asyncio.gather(*tasks)
        assert (loop.readers, loop.calls_of_readers, loop.calls_of_threads) == (1, 1, calls)
        assert set(threading.enumerate()) <= threads
        return results

    assert run(loop, main()) == list(range(MANY))


@every_way
def test_python_tasks_that_end_between_two_looks_are_one_wake_up_of_the_loop(loop: Any, way: Way) -> None:
    async def main() -> list[int]:
        pool = offgil.ThreadPoolExecutor(1)
        go = threading.Event()
        pool.submit(go.wait, PATIENCE)
        tasks = await started(*[way(pool, abs, -number) for number in range(MANY)])
        calls = loop.calls_of_threads
        go.set()
        pool.shutdown()
        results = await asyncio.gather(*tasks)
        assert (loop.calls_of_readers, loop.calls_of_threads) == (0, calls + 1)
        return results

    assert run(loop, main()) == list(range(MANY))


@every_way
@every_function
def test_tasks_one_after_the_other_share_one_reader(loop: Any, way: Way, fn: Callable[[int], int]) -> None:
    async def main() -> list[int]:
        with offgil.ThreadPoolExecutor(2) as pool:
            return [await way(pool, fn, -number) for number in range(100)]

    assert run(loop, main()) == list(range(100))
    assert loop.readers <= 1


@every_way
@every_function
def test_cancelling_who_awaits_cancels_the_task(
    loop: Any, way: Way, fn: Callable[[int], int], gate: Gate, enter: offgil.NativeFunction
) -> None:
    made: list[offgil.Future[Any]] = []

    class Pool(offgil.ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            made.append(super().submit(*args, **kwargs))
            return made[-1]

    async def main() -> None:
        pool = Pool(1)
        go = threading.Event()
        pool.submit(enter, gate.address)
        gate.await_entered()
        pool.submit(go.wait, PATIENCE)
        (task,) = await started(way(pool, fn, -1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        gate.open()
        go.set()
        pool.shutdown()
        await asyncio.sleep(0)
        assert made[-1].cancelled()

    run(loop, main())


def test_cancelling_who_awaits_asks_a_native_task_that_runs_to_stop(loop: Any, native: Native) -> None:
    asked = threading.Event()
    entered = threading.Event()

    @ctypes.CFUNCTYPE(ctypes.c_int)
    def body() -> int:
        entered.set()
        asked.wait(PATIENCE)
        return int(offgil.lib.task_is_canceled())

    async def main() -> None:
        with offgil.ThreadPoolExecutor(1) as pool:
            future = pool.submit(offgil.native(ctypes.cast(body, ctypes.c_void_p).value, "i32()"))
            (task,) = await started(future)
            entered.wait(PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            asked.set()
            assert await future == 1

    run(loop, main())


@every_function
def test_a_future_that_is_cancelled_cancels_who_awaits_it(
    loop: Any, fn: Callable[[int], int], gate: Gate, enter: offgil.NativeFunction
) -> None:
    async def main() -> None:
        with offgil.ThreadPoolExecutor(1) as pool:
            go = threading.Event()
            pool.submit(enter, gate.address)
            gate.await_entered()
            pool.submit(go.wait, PATIENCE)
            future = pool.submit(fn, -1)
            tasks = await started(future, future)
            assert future.cancel()
            for waiting in (*tasks, future):
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            go.set()
            gate.open()

    run(loop, main())


@every_way
def test_what_a_task_raised_is_raised_where_it_is_awaited(loop: Any, way: Way) -> None:
    task_fail = offgil.native(ctypes.cast(offgil.lib.task_fail, ctypes.c_void_p).value, "i32(i32,ptr)")

    async def main() -> None:
        with offgil.ThreadPoolExecutor(1) as pool:
            with pytest.raises(offgil.TaskFailed, match="no such thing"):
                await way(pool, task_fail, 7, b"no such thing")
            with pytest.raises(ValueError, match="invalid literal"):
                await way(pool, int, "x")
            with pytest.raises(RuntimeError, match="StopIteration"):
                await way(pool, next, iter([]))

    run(loop, main())


def test_several_may_await_one_future(loop: Any, gate: Gate, enter: offgil.NativeFunction) -> None:
    async def main() -> list[Any]:
        with offgil.ThreadPoolExecutor(1) as pool:
            pool.submit(enter, gate.address)
            future = pool.submit(libc.abs, -1)
            tasks = await started(future, future, future)
            gate.open()
            return [*await asyncio.gather(*tasks), await future]

    assert run(loop, main()) == [1, 1, 1, 1]


def test_a_callback_and_an_await_of_one_future_are_both_told(
    loop: Any, gate: Gate, enter: offgil.NativeFunction
) -> None:
    async def main() -> None:
        with offgil.ThreadPoolExecutor(1) as pool:
            pool.submit(enter, gate.address)
            first, second = pool.submit(libc.abs, -1), pool.submit(libc.abs, -2)
            told = threading.Semaphore(0)
            first.add_done_callback(lambda _: told.release())
            tasks = await started(first, second)
            second.add_done_callback(lambda _: told.release())
            gate.open()
            assert await asyncio.gather(*tasks) == [1, 2]
            for _ in range(2):
                assert await asyncio.to_thread(told.acquire, True, PATIENCE)

    run(loop, main())


def test_a_loop_that_was_stopped_learns_later_of_what_ended_meanwhile(loop: Any) -> None:
    pool = offgil.ThreadPoolExecutor(1)
    go = threading.Event()
    pool.submit(go.wait, PATIENCE)

    async def main() -> list[asyncio.Future[int]]:
        return await started(pool.submit(libc.abs, -1), pool.submit(abs, -2))

    tasks = run(loop, main())
    go.set()
    pool.shutdown()
    assert [run(loop, asyncio.wait_for(task, PATIENCE)) for task in tasks] == [1, 2]


def test_a_closed_loop_leaves_no_descriptor_and_no_reference(
    kind: Any, gate: Gate, enter: offgil.NativeFunction
) -> None:
    kind().close()  # what a loop opens once a process
    pool = offgil.ThreadPoolExecutor(2)
    go = threading.Event()
    gc.collect()
    descriptors = open_descriptors()

    async def use() -> None:
        await pool.submit(libc.abs, -1)
        begin = threading.Event()
        asyncio.get_running_loop().call_soon(begin.set)  # once it is awaited
        assert await pool.submit(begin.wait, PATIENCE)

    async def leave_in_the_middle() -> None:
        tasks = await started(pool.submit(enter, gate.address), pool.submit(go.wait, PATIENCE))
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    loop = kind()
    run(loop, use())
    assert open_descriptors() != descriptors
    loop.close()
    await_descriptors(descriptors)
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None

    loop = kind()
    run(loop, leave_in_the_middle())
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None
    gate.open()
    go.set()
    pool.shutdown()
    await_descriptors(descriptors)


def test_loops_of_several_threads_share_a_pool(kind: Any) -> None:
    results: list[list[int]] = []

    async def main(pool: offgil.ThreadPoolExecutor) -> list[int]:
        rounds = [asyncio.gather(*[way(pool, fn, -1) for way in WAYS for fn in (libc.abs, abs)])]
        rounds += [asyncio.gather(*[pool.submit(libc.abs, -number) for number in range(50)])]
        return [number for numbers in rounds for number in await numbers]

    def one(pool: offgil.ThreadPoolExecutor) -> None:
        loop = kind()
        try:
            results.append(run(loop, main(pool)))
        finally:
            loop.close()

    with offgil.ThreadPoolExecutor(2) as pool:
        threads = [threading.Thread(target=one, args=(pool,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert results == [[1] * 6 + list(range(50))] * 4


@every_way
@every_function
def test_a_loop_that_takes_no_readers_works_as_with_the_stdlib(way: Way, fn: Callable[[int], int]) -> None:
    async def main() -> list[int]:
        with offgil.ThreadPoolExecutor(2) as pool:
            return await asyncio.gather(*[way(pool, fn, -number) for number in range(20)])

    loop = WithoutReaders()
    try:
        assert run(loop, main()) == list(range(20))
    finally:
        loop.close()


def test_an_await_without_a_loop_raises() -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        future = pool.submit(libc.abs, -1)
        with pytest.raises(RuntimeError, match="no running event loop"):
            future.__await__().send(None)


def test_asyncio_knows_the_callback_by_which_it_waits_for_a_future(loop: Any) -> None:
    """If this fails, asyncio has changed: then each task of run_in_executor wakes the loop."""

    async def main() -> None:
        with offgil.ThreadPoolExecutor(1) as pool:
            go = threading.Event()
            waiting = asyncio.wrap_future(future := pool.submit(go.wait, PATIENCE))
            assert [type(callback).__name__ for callback in future._done_callbacks] == ["Arrival"]
            go.set()
            await waiting

    run(loop, main())


def test_it_is_the_loop_s_default_executor(loop: Any) -> None:
    async def main() -> list[int]:
        pool = offgil.ThreadPoolExecutor(2)
        loop.set_default_executor(pool)
        results = [
            await asyncio.to_thread(abs, -1),
            await loop.run_in_executor(None, libc.abs, -2),
            len(await loop.getaddrinfo("127.0.0.1", 80, type=1)),
        ]
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(abs, -1)
        return results

    assert run(loop, main()) == [1, 2, 1]
