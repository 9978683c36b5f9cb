"""pool_for, pool_map and pool_invoke, over each binding."""

from __future__ import annotations

import ctypes
import threading

import pytest
from adapters import Binding
from conftest import Native, Pools

from offgil.ctypes import OFFGIL_EFAILED, OFFGIL_OK


@pytest.mark.parametrize("grain", [0, 1, 7, 5000])
@pytest.mark.parametrize("threads", [1, 3])
def test_for_visits_every_index_once(
    api: Binding, pools: Pools, native: Native, threads: int, grain: int
) -> None:
    visits = (ctypes.c_uint8 * 1000)()
    pool = pools.create(threads)
    status = api.pool_for(pool, 100, 1000, grain, native.visit_range, ctypes.addressof(visits))
    assert status == OFFGIL_OK
    assert bytes(visits) == b"\0" * 100 + b"\1" * 900


def test_for_over_an_empty_range_does_nothing(api: Binding, pool: int, native: Native) -> None:
    visits = (ctypes.c_uint8 * 10)()
    assert api.pool_for(pool, 5, 5, 1, native.visit_range, ctypes.addressof(visits)) == OFFGIL_OK
    assert bytes(visits) == b"\0" * 10


def test_for_takes_a_python_body(api: Binding, pool: int) -> None:
    lock, ranges = threading.Lock(), []

    def body(begin: int, end: int) -> None:
        with lock:
            ranges.append((begin, end))

    task = api.python_range(body)
    assert api.pool_for(pool, 0, 100, 10, task.fn, task.arg) == OFFGIL_OK
    ranges.sort()
    assert [index for begin, end in ranges for index in range(begin, end)] == list(range(100))
    assert all(begin < end for begin, end in ranges)


def test_map_keeps_results_in_the_order_of_the_arguments(api: Binding, pool: int, native: Native) -> None:
    assert api.pool_map(pool, native.twice, range(500)) == (OFFGIL_OK, list(range(0, 1000, 2)))


def test_map_over_nothing_is_fine(api: Binding, pool: int, native: Native) -> None:
    assert api.pool_map(pool, native.twice, []) == (OFFGIL_OK, [])


def test_map_runs_all_parts_and_says_that_one_failed(api: Binding, pool: int) -> None:
    lock, ran = threading.Lock(), []

    def third_fails() -> int:
        with lock:
            ran.append(1)
            number = len(ran)
        return api.task_fail(3, b"three") if number == 3 else 0

    task = api.python_task(third_fails)
    assert api.pool_map(pool, task.fn, [task.arg] * 8)[0] == OFFGIL_EFAILED
    assert len(ran) == 8


@pytest.mark.parametrize("threads", [1, 2])
def test_invoke_runs_both_sides(api: Binding, pools: Pools, native: Native, threads: int) -> None:
    left, right = ctypes.c_size_t(), ctypes.c_size_t()
    status = api.pool_invoke(
        pools.create(threads), native.bump, ctypes.addressof(left), native.bump, ctypes.addressof(right)
    )
    assert (status, left.value, right.value) == (OFFGIL_OK, 1, 1)


def test_invoke_inside_a_task_nests_in_a_pool_of_one(api: Binding, pools: Pools) -> None:
    pool = pools.create(1)
    leaves: list[int] = []

    def split(depth: int) -> int:
        if depth == 0:
            leaves.append(1)
            return 0
        left, right = (api.python_task(lambda: split(depth - 1)) for _ in range(2))
        assert api.pool_invoke(pool, left.fn, left.arg, right.fn, right.arg) == OFFGIL_OK
        return 0

    task = api.python_task(lambda: split(5))
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future)[0] == OFFGIL_OK
    assert len(leaves) == 32
    assert api.future_release(future) == OFFGIL_OK


def test_invoke_says_that_a_side_failed_after_both_ran(api: Binding, pool: int, native: Native) -> None:
    right = ctypes.c_size_t()
    fails = api.python_task(lambda: api.task_fail(9, b"left"))
    status = api.pool_invoke(pool, fails.fn, fails.arg, native.bump, ctypes.addressof(right))
    assert (status, right.value) == (OFFGIL_EFAILED, 1)
