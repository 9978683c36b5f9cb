"""Many threads on one future, and on one executor: with the GIL and, on a free-threaded Python, without."""

from __future__ import annotations

import concurrent.futures as cf
import ctypes
import gc
import queue
import sys
import sysconfig
import threading
from collections.abc import Callable
from typing import Any

import pytest

import offgil

PATIENCE = 30.0
THREADS = 6
ROUNDS = 60
libc = ctypes.CDLL(None)
# How a task of each kind is submitted that takes that many microseconds and gives 0.
KINDS: dict[str, tuple[Callable[..., object], Callable[[int], tuple[object, ...]]]] = {
    "native": (libc.usleep, lambda us: (us,)),
    "native with a buffer": (
        offgil.native(libc.memcmp, "i32(ptr,ptr,u64)"),
        lambda us: (bytearray(us), bytearray(us), us),
    ),
    "python": (lambda us: int(threading.Event().wait(us / 1e6)), lambda us: (us,)),
}
kinds = pytest.mark.parametrize("kind", list(KINDS))


@pytest.fixture(autouse=True)
def often() -> Any:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def submit(pool: offgil.ThreadPoolExecutor, kind: str, microseconds: int) -> offgil.Future[Any]:
    function, arguments = KINDS[kind]
    return pool.submit(function, *arguments(microseconds))


def at_once(*works: Callable[[], object]) -> list[Any]:
    """What each of them returns, begun by as many threads at once; raises what one of them raises."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            start.wait(PATIENCE)
            results[index] = works[index]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]
    return results


def outcome(future: cf.Future[Any]) -> object:
    """Its result, or the class of what it raises."""
    try:
        return future.result(PATIENCE)
    except cf.CancelledError:
        return cf.CancelledError


def test_the_modules_leave_the_gil_off_where_it_is_off() -> None:
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert getattr(sys, "_is_gil_enabled", lambda: True)() is not free


@kinds
def test_all_threads_see_the_same_outcome_of_a_future(kind: str) -> None:
    with offgil.ThreadPoolExecutor(2) as pool:
        for round_ in range(ROUNDS):
            future = submit(pool, kind, 20 * (round_ % 5))
            looks: list[Callable[[], object]] = [
                lambda future=future: outcome(future),
                lambda future=future: future.exception(PATIENCE) or 0,
                lambda future=future: cf.wait([future], PATIENCE).done == {future} and 0,
                lambda future=future: next(cf.as_completed([future], PATIENCE)) is future and 0,
                lambda future=future: (future.done(), outcome(future))[1],
                lambda future=future: (repr(future), future.running(), outcome(future))[2],
            ]
            assert at_once(*looks) == [0] * len(looks)


@kinds
def test_each_callback_is_called_once_whoever_looks_meanwhile(kind: str) -> None:
    with offgil.ThreadPoolExecutor(2) as pool:
        for round_ in range(ROUNDS):
            future = submit(pool, kind, 20 * (round_ % 5))
            called: queue.SimpleQueue[int] = queue.SimpleQueue()

            def add(number: int, future: cf.Future[Any] = future, called: Any = called) -> None:
                future.add_done_callback(lambda _: called.put(number))

            works: list[Callable[[], object]] = [lambda n=n, add=add: add(n) for n in range(THREADS)]
            at_once(*works, lambda future=future: outcome(future), lambda future=future: future.done())
            assert sorted(called.get(timeout=PATIENCE) for _ in range(THREADS)) == list(range(THREADS))
            assert called.empty()


@kinds
def test_cancel_result_and_callbacks_agree_on_what_became_of_a_future(kind: str) -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        for round_ in range(ROUNDS):
            submit(pool, kind, 20 * (round_ % 5))
            future = submit(pool, kind, 10)
            told: queue.SimpleQueue[bool] = queue.SimpleQueue()
            future.add_done_callback(lambda f, told=told: told.put(f.cancelled()))
            canceled, canceled_too, result, done = at_once(
                future.cancel,
                future.cancel,
                lambda future=future: outcome(future),
                lambda future=future: len(cf.wait([future], PATIENCE).done),
            )
            assert done == 1
            assert result is cf.CancelledError if future.cancelled() else result == 0
            if canceled or canceled_too:
                assert future.cancelled()
            assert told.get(timeout=PATIENCE) is future.cancelled()
            assert told.empty()


@kinds
def test_many_threads_submit_to_one_executor_and_lose_nothing(kind: str) -> None:
    with offgil.ThreadPoolExecutor(3, queue_limit=8) as pool:

        def work() -> int:
            futures = [submit(pool, kind, 1) for _ in range(ROUNDS)]
            return sum(future.result(PATIENCE) == 0 for future in futures)

        assert at_once(*[work] * THREADS) == [ROUNDS] * THREADS
        assert len(pool._threads) <= 3
        assert len({thread.name for thread in pool._threads}) == len(pool._threads)


@kinds
@pytest.mark.parametrize("cancel", [False, True])
def test_what_was_submitted_before_or_during_shutdown_ends(kind: str, cancel: bool) -> None:
    for _ in range(ROUNDS // 3):
        pool = offgil.ThreadPoolExecutor(2)

        def work(pool: offgil.ThreadPoolExecutor = pool) -> list[offgil.Future[Any]]:
            futures = []
            try:
                for _ in range(50):
                    futures.append(submit(pool, kind, 1))
            except RuntimeError as error:
                assert str(error) == "cannot schedule new futures after shutdown"
            return futures

        *accepted, _ = at_once(work, work, work, lambda pool=pool: pool.shutdown(cancel_futures=cancel))
        for future in [future for futures in accepted for future in futures]:
            assert outcome(future) == 0 or cancel


@kinds
def test_abandoned_futures_and_collections_among_others_lose_nothing(kind: str) -> None:
    with offgil.ThreadPoolExecutor(2) as pool:

        def work() -> int:
            kept = []
            for number in range(ROUNDS):
                kept.append(submit(pool, kind, 1))
                submit(pool, kind, 5)  # nobody has its future
                if number % 20 == 0:
                    gc.collect()
            return sum(future.result(PATIENCE) == 0 for future in kept)

        assert at_once(*[work] * THREADS) == [ROUNDS] * THREADS


def test_functions_are_recognised_by_many_threads_at_once() -> None:
    with offgil.ThreadPoolExecutor(2) as pool:

        def work() -> int:
            total = 0
            for number in range(ROUNDS):
                function = ctypes.CDLL(None).abs  # one that is new, and soon gone
                function.argtypes = [ctypes.c_int]
                future = pool.submit(function, -number)
                again = pool.submit(libc.abs, -number)
                total += future.native and future.result(PATIENCE) == number == again.result(PATIENCE)
            return total

        assert at_once(*[work] * THREADS) == [ROUNDS] * THREADS


def test_executors_are_made_and_ended_by_many_threads_at_once() -> None:
    def work() -> int:
        total = 0
        for number in range(ROUNDS // 3):
            with offgil.ThreadPoolExecutor(2) as pool:
                futures = [submit(pool, kind, 1) for kind in KINDS]
                total += all(future.result(PATIENCE) == 0 for future in futures)
            if number % 4 == 0:
                gc.collect()
        return total

    assert at_once(*[work] * THREADS) == [ROUNDS // 3] * THREADS
