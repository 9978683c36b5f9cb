"""Executors, `os.fork` and the start methods of multiprocessing: beside a parent's executor that is busy."""

from __future__ import annotations

import concurrent.futures as cf
import ctypes
import multiprocessing
import time
from collections.abc import Iterator

import pytest
from conftest import Gate
from test_fork import CHILD_SECONDS, exit_code, fork, in_child

import offgil

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
libc = ctypes.CDLL(None)


def works(pool: offgil.ThreadPoolExecutor) -> int:
    """Uses an executor in all its ways; 0 if that went well."""
    futures = [pool.submit(libc.abs, -3), pool.submit(abs, -3)]
    assert cf.wait(futures, CHILD_SECONDS).not_done == set()
    assert [future.result() for future in futures] == [3, 3]
    assert list(pool.map(libc.abs, [-1, -2], timeout=CHILD_SECONDS)) == [1, 2]
    return 0


def makes_and_uses_one(number: int) -> int:
    """What a process of multiprocessing does."""
    with offgil.ThreadPoolExecutor(number) as pool:
        return works(pool)


@pytest.fixture
def busy() -> Iterator[offgil.ThreadPoolExecutor]:
    """An executor whose places are held and whose queues are not empty."""
    with offgil.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(libc.usleep, 1000) for _ in range(200)]
        futures += [pool.submit(time.sleep, 0.001) for _ in range(200)]
        yield pool
        assert cf.wait(futures, CHILD_SECONDS).not_done == set()


def test_children_of_a_busy_executor_work_on_it_and_on_their_own(busy: offgil.ThreadPoolExecutor) -> None:
    for _ in range(10):
        in_child(lambda: (works(busy), makes_and_uses_one(1)))
    works(busy)


def test_futures_of_the_parent_that_had_not_ended_say_so_in_the_child(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        runs, waits = pool.submit(enter, gate.address), pool.submit(libc.abs, -1)
        gate.await_entered()

        def work() -> None:
            for future in (runs, waits):
                with pytest.raises(RuntimeError):
                    future.result(CHILD_SECONDS)
                assert future.done()
            works(pool)

        try:
            in_child(work)
        finally:
            gate.open()
        assert waits.result(CHILD_SECONDS) == 1


@pytest.mark.parametrize("size", [1, 2])
def test_a_python_task_forks_a_child_that_works_on_the_same_executor(size: int) -> None:
    with offgil.ThreadPoolExecutor(size) as pool:
        for _ in range(3):
            task = pool.submit(lambda: exit_code(fork(lambda: (works(pool), makes_and_uses_one(2)))))
            assert task.result(CHILD_SECONDS) == 0
        works(pool)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_of_multiprocessing_use_executors_beside_that_of_the_parent(
    busy: offgil.ThreadPoolExecutor, method: str
) -> None:
    with multiprocessing.get_context(method).Pool(2) as processes:
        assert processes.map_async(makes_and_uses_one, [1, 2, 3, 4]).get(CHILD_SECONDS) == [0] * 4
    with cf.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
        assert list(executor.map(makes_and_uses_one, [1, 2], timeout=CHILD_SECONDS)) == [0] * 2
    works(busy)
