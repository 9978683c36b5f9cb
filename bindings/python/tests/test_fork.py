"""os.fork and multiprocessing: pools of the parent work in the child, its tasks stay its own."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from adapters import Binding
from conftest import Gate, Native, Pools

import offgil
from offgil.ctypes import (
    FUTURE_INVALID,
    OFFGIL_ECANCELED,
    OFFGIL_ECLOSED,
    OFFGIL_EFORKED,
    OFFGIL_EHANDLE,
    OFFGIL_FOREVER,
    OFFGIL_OK,
    POOL_DRAIN,
)

# Python itself warns of threads and fork from 3.12 on: that they go together is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

CHILD_SECONDS = 60


def fork(work: Callable[[], object]) -> int:
    """Does some work in a child: exits with 0 if that goes well. One that hangs is ended by SIGALRM."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def exit_code(child: int) -> int:
    """Waits for the child; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(work: Callable[[], object]) -> None:
    """Does some work in a child."""
    assert exit_code(fork(work)) == 0


def doubles(api: Binding, native: Native, pool: int) -> None:
    """One task there and back."""
    future = api.pool_submit(pool, native.twice, 21)
    assert api.future_wait(future) == (OFFGIL_OK, 42), api.offgil_last_message()
    assert api.future_release(future) == OFFGIL_OK


@contextmanager
def load(api: Binding, native: Native, pool: int) -> Iterator[None]:
    """Meanwhile other threads submit, wait, cancel, make pools and destroy them."""
    stop = threading.Event()
    failures: list[str] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException:
            failures.append(traceback.format_exc())

    def cancel() -> None:
        future = api.pool_submit(pool, native.twice, 1)
        api.future_cancel(future)
        assert api.future_wait(future)[0] in (OFFGIL_OK, OFFGIL_ECANCELED)
        assert api.future_release(future) == OFFGIL_OK

    def own_pool() -> None:
        mine = api.pool_create(2)
        doubles(api, native, mine)
        assert api.pool_destroy(mine) == OFFGIL_OK

    works = (lambda: doubles(api, native, pool), cancel, own_pool)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures[0]


def test_a_child_uses_its_parents_pool_and_makes_its_own(api: Binding, native: Native, pool: int) -> None:
    def work() -> None:
        doubles(api, native, pool)
        mine = api.pool_create(2)
        doubles(api, native, mine)
        assert api.pool_destroy(mine) == OFFGIL_OK
        assert api.pool_destroy(pool) == OFFGIL_OK
        assert api.pool_destroy(pool) == OFFGIL_EHANDLE

    doubles(api, native, pool)
    in_child(work)
    doubles(api, native, pool)


def test_the_parents_futures_answer_eforked(api: Binding, native: Native, pool: int, gate: Gate) -> None:
    future = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()

    def work() -> None:
        assert api.future_wait(future, OFFGIL_FOREVER)[0] == OFFGIL_EFORKED
        assert api.future_cancel(future) == OFFGIL_EFORKED
        assert api.future_get_state(future) == FUTURE_INVALID
        assert api.future_release(future) == OFFGIL_EFORKED
        assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK

    in_child(work)
    gate.open()
    assert api.future_wait(future) == (OFFGIL_OK, gate.address)
    assert api.future_release(future) == OFFGIL_OK


def test_a_closed_pool_stays_closed(api: Binding, native: Native, pools: Pools) -> None:
    pool = pools.create()
    assert api.pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER) == OFFGIL_OK

    def work() -> None:
        assert not api.pool_submit(pool, native.twice, 1)
        assert api.offgil_last_status() == OFFGIL_ECLOSED

    in_child(work)


def test_every_child_of_a_busy_pool_works_on_it(api: Binding, native: Native, pool: int) -> None:
    def work() -> None:
        doubles(api, native, pool)
        in_child(lambda: doubles(api, native, pool))
        doubles(api, native, api.pool_default())

    with load(api, native, pool):
        for _ in range(25):
            in_child(work)
    doubles(api, native, pool)


def test_a_task_in_python_forks(api: Binding, native: Native, pool: int) -> None:
    exit_codes = []

    def body() -> int:
        child = fork(lambda: doubles(api, native, pool))
        exit_codes.append(exit_code(child))
        return 7

    task = api.python_task(body)
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future, OFFGIL_FOREVER) == (OFFGIL_OK, 7)
    assert api.future_release(future) == OFFGIL_OK
    assert exit_codes == [0]


def test_a_child_that_returns_from_the_task_that_forked_ends_with_0(
    api: Binding, native: Native, pool: int
) -> None:
    exit_codes = []

    def body() -> int:
        child = os.fork()
        if child == 0:
            signal.alarm(CHILD_SECONDS)
            doubles(api, native, pool)
        else:
            exit_codes.append(exit_code(child))
        return 7

    task = api.python_task(body)
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future, OFFGIL_FOREVER) == (OFFGIL_OK, 7)
    assert api.future_release(future) == OFFGIL_OK
    assert exit_codes == [0]


def negate(number: int) -> tuple[int, int]:
    """What a worker process of multiprocessing does: `labs` of the C library on the default pool."""
    labs = ctypes.CDLL(None).labs
    pool = offgil.lib.pool_default()
    result = ctypes.c_void_p()
    future = offgil.lib.pool_submit(pool, labs, -number)
    status = offgil.lib.future_wait(future, CHILD_SECONDS * 10**9, ctypes.byref(result))
    offgil.lib.future_release(future)
    return status, result.value or 0


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_parent_and_workers_of_multiprocessing_use_the_default_pool(method: str) -> None:
    context = multiprocessing.get_context(method)
    numbers = range(1, 41)
    expected = [(OFFGIL_OK, number) for number in numbers]
    assert [negate(number) for number in numbers] == expected
    with context.Pool(3) as workers:
        pending = workers.map_async(negate, numbers)
        assert [negate(number) for number in numbers] == expected
        assert pending.get(CHILD_SECONDS) == expected
    process = context.Process(target=negate, args=(3,))
    process.start()
    process.join(CHILD_SECONDS)
    assert process.exitcode == 0
