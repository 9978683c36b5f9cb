"""dask on an offgil pool, in one process."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import dask
import dask.local
import dask.threaded
import pytest
from conftest import Running

import offgil
import offgil.pool

libc = ctypes.CDLL(None)

KINDS = [offgil.ThreadPoolExecutor, offgil.pool.ThreadPool]
every_kind = pytest.mark.parametrize("kind", KINDS)
Kind = Callable[[int], Any]


def total(tasks: list[Any]) -> int:
    return int(dask.delayed(sum)(tasks).compute())


@every_kind
def test_it_computes_on_the_pool_that_is_set(kind: Kind) -> None:
    running = Running()
    with kind(2) as pool, dask.config.set(pool=pool):
        assert total([dask.delayed(running.task)(number) for number in range(50)]) == sum(range(50))
        names = dask.compute(*[dask.delayed(lambda: threading.current_thread().name)() for _ in range(10)])
        assert "MainThread" not in names
        assert total([dask.delayed(libc.abs)(-number) for number in range(50)]) == sum(range(50))
    assert running.most <= 2


def test_it_computes_on_the_executor_that_is_the_scheduler() -> None:
    with offgil.ThreadPoolExecutor(2, "named") as pool:
        tasks = [dask.delayed(lambda: threading.current_thread().name)() for _ in range(10)]
        names = dask.compute(*tasks, scheduler=pool)
        assert all(name.startswith("named_") for name in names)


@every_kind
def test_what_a_task_raises_is_raised_by_compute(kind: Kind) -> None:
    with kind(2) as pool, dask.config.set(pool=pool):
        with pytest.raises(ZeroDivisionError):
            total([dask.delayed(divmod)(number, number - 3) for number in range(10)])
        assert total([dask.delayed(abs)(-1)]) == 1


@every_kind
@pytest.mark.parametrize("size", [1, 2])
def test_compute_in_a_task_of_the_pool_ends_at_any_depth(kind: Kind, size: int) -> None:
    running = Running()

    def level(depth: int) -> int:
        if depth == 0:
            return running.task(1)
        return total([dask.delayed(level)(depth - 1) for _ in range(3)])

    with kind(size) as pool, dask.config.set(pool=pool):
        assert level(4) == 3**4
    assert running.most <= size


def test_compute_in_a_task_of_the_scheduler_ends() -> None:
    with offgil.ThreadPoolExecutor(1) as pool, dask.config.set(scheduler=pool):
        inner = dask.delayed(lambda: total([dask.delayed(abs)(-number) for number in range(5)]))
        assert total([inner() for _ in range(4)]) == 40


def test_other_pools_wait_as_ever() -> None:
    """What makes nested `compute` end on our pools is in `dask.local` by now."""
    tasks = [dask.delayed(abs)(-number) for number in range(10)]
    with offgil.ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: sum(dask.compute(*tasks, pool=pool))).result(30) == 45
    assert hasattr(dask.local.queue_get, "gives_places_up")
    assert sum(dask.compute(*tasks, scheduler="threads")) == 45
    assert sum(dask.compute(*tasks, scheduler="sync")) == 45
