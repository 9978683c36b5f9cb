"""Neither kind of task keeps the other out for as long as it has a queue."""

from __future__ import annotations

import ctypes
import threading
import time

import pytest

import offgil

PATIENCE = 60.0
libc = ctypes.CDLL(None)


@pytest.mark.parametrize("size", [1, 2])
def test_native_tasks_run_in_the_midst_of_python_tasks_without_end(size: int) -> None:
    stop = threading.Event()
    with offgil.ThreadPoolExecutor(size) as pool:

        def again() -> None:
            time.sleep(0.001)
            if not stop.is_set():
                pool.submit(again)

        try:
            for _ in range(4 * size):
                pool.submit(again)
            natives = [pool.submit(libc.usleep, 100) for _ in range(50)]
            assert [future.result(PATIENCE) for future in natives] == [0] * 50
        finally:
            stop.set()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("warm", [False, True])
def test_python_tasks_run_in_the_midst_of_native_tasks_without_end(size: int, warm: bool) -> None:
    stop = threading.Event()
    with offgil.ThreadPoolExecutor(size) as pool:
        if warm:
            pool.submit(abs, -1).result(PATIENCE)

        def again(_: object) -> None:
            if not stop.is_set():
                pool.submit(libc.usleep, 1000).add_done_callback(again)

        try:
            for _ in range(8 * size):
                again(None)
            tasks = [pool.submit(abs, -number) for number in range(20)]
            assert [task.result(PATIENCE) for task in tasks] == list(range(20))
        finally:
            stop.set()
