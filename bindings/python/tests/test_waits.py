"""`offgil.wait` and `offgil.as_completed`: as the stdlib's, and a task that waits gives its place away."""

from __future__ import annotations

import concurrent.futures
import ctypes
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from conftest import Gate, Native, eventually, run_script

import offgil

PATIENCE = 30.0
libc = ctypes.CDLL(None)
Futures = list[concurrent.futures.Future[Any]]


def tasks(pool: offgil.ThreadPoolExecutor) -> Futures:
    """Some of each kind."""
    native = [pool.submit(libc.usleep, 1000), pool.submit(libc.abs, -1)]
    return [*native, pool.submit(time.sleep, 0.001), pool.submit(abs, -1)]


def by_wait(futures: Iterable[Any]) -> set[Any]:
    done, not_done = offgil.wait(futures, PATIENCE)
    assert not not_done
    return done


WAYS: dict[str, Callable[[Iterable[Any]], set[Any]]] = {
    "wait": by_wait,
    "as_completed": lambda futures: set(offgil.as_completed(futures, PATIENCE)),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_all_that_have_ended_are_returned_once(way: str) -> None:
    with offgil.ThreadPoolExecutor(2) as pool:
        futures = tasks(pool)
        assert WAYS[way](iter(futures + futures)) == set(futures)
        assert WAYS[way](futures) == set(futures)
        assert WAYS[way]([]) == set()


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("size", [1, 2])
def test_a_task_may_wait_for_tasks_of_its_own_executor_at_any_depth(way: str, size: int) -> None:
    with offgil.ThreadPoolExecutor(size) as pool:

        def depth(levels: int) -> int:
            futures = tasks(pool)
            if levels > 0:
                futures.append(pool.submit(depth, levels - 1))
            return len(WAYS[way](futures))

        assert [future.result(PATIENCE) for future in [pool.submit(depth, 10) for _ in range(3)]] == [5] * 3


def test_as_completed_has_a_length_and_yields_each_as_it_ends(native: Native) -> None:
    gate = Gate(native)
    with offgil.ThreadPoolExecutor(2) as pool:
        late = pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
        early = pool.submit(abs, -1)
        completed = offgil.as_completed([late, early, late])
        assert len(completed) == 2
        assert completed
        assert next(completed) is early
        assert len(completed) == 2
        gate.open()
        assert next(completed) is late
        with pytest.raises(StopIteration):
            next(completed)
    gate.close()


def test_both_time_out_as_the_stdlib_s(gate: Gate, enter: offgil.NativeFunction) -> None:
    with offgil.ThreadPoolExecutor(2) as pool:
        slow, quick = pool.submit(enter, gate.address), pool.submit(abs, -1)
        try:
            assert quick.result(PATIENCE) == 1
            assert offgil.wait([slow, quick], 0.05) == ({quick}, {slow})
            assert offgil.wait([slow, quick], PATIENCE, concurrent.futures.FIRST_COMPLETED).done == {quick}
            completed = offgil.as_completed([slow], 0.01)
            with pytest.raises(concurrent.futures.TimeoutError):
                next(completed)
        finally:
            gate.open()


def test_both_take_futures_of_other_executors() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as theirs, offgil.ThreadPoolExecutor(1) as ours:
        futures: Futures = [theirs.submit(abs, -1), ours.submit(abs, -1)]
        assert offgil.wait(futures, PATIENCE).done == set(futures)
        assert set(offgil.as_completed(futures, PATIENCE)) == set(futures)


def test_bad_arguments_raise_at_once() -> None:
    with pytest.raises(TypeError):
        offgil.as_completed(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid return condition"):
        offgil.wait([concurrent.futures.Future()], return_when="NEVER")


@pytest.mark.parametrize(
    "wait",
    [
        "future.result()",
        "future.exception()",
        "offgil.wait([future])",
        "next(offgil.as_completed([future]))",
        "pool.map_array(labs, numbers, out)",
    ],
)
def test_a_wait_for_which_no_thread_can_be_started_raises_and_leaves_the_pool_as_it_was(wait: str) -> None:
    code = f"""
import array, ctypes, offgil, threading, time
labs = offgil.native(ctypes.CDLL(None).labs, "i64(i64)")
numbers, out = array.array("l", [-1] * 100_000), array.array("l", [0] * 100_000)
pool = offgil.ThreadPoolExecutor(1)
start = threading.Thread.start
running = most = 0
def refuse(thread):
    raise RuntimeError("can't start new thread")
def task():
    future = pool.submit(abs, -1)
    threading.Thread.start = refuse
    try:
        {wait}
    except RuntimeError as error:
        return str(error), future
    finally:
        threading.Thread.start = start
def count(_):
    global running, most
    running += 1
    most = max(most, running)
    time.sleep(0.001)
    running -= 1
error, future = pool.submit(task).result()
print(error, future.result())
list(pool.map(count, range(20)))
pool.shutdown()
print(most, sum(out))
"""
    assert run_script(code) == (0, "can't start new thread 1\n1 0\n", "")


def slices_of_waits(future: offgil.Future[bool]) -> list[float]:
    """For how long at a time the future's waits are, from now on."""
    slices: list[float] = []
    wait = future._condition.wait

    def note(timeout: float) -> bool:
        slices.append(timeout)
        return wait(timeout)

    future._condition.wait = note  # type: ignore[method-assign,assignment]
    return slices


def test_waits_look_at_signals_again_and_again_on_the_main_thread_only() -> None:
    seen_twice, seen_once = threading.Event(), threading.Event()
    with offgil.ThreadPoolExecutor(1) as pool:
        future = pool.submit(seen_twice.wait, PATIENCE)
        slices = slices_of_waits(future)
        watcher = threading.Thread(target=lambda: eventually(lambda: len(slices) >= 2) and seen_twice.set())
        watcher.start()
        assert future.result(PATIENCE)
        watcher.join()
        assert max(slices) <= 0.1
        future = pool.submit(seen_once.wait, PATIENCE)
        slices = slices_of_waits(future)
        waiter = threading.Thread(target=future.result)
        waiter.start()
        assert eventually(lambda: len(slices) == 1)
        seen_once.set()
        waiter.join()
        assert len(slices) == 1
        assert slices[0] > 60
