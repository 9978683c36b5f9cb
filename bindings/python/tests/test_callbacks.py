"""Callbacks of native tasks: when they are called, and by whom."""

from __future__ import annotations

import concurrent.futures
import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Gate, Native

import offgil

PATIENCE = 30.0
libc = ctypes.CDLL(None)
Future = concurrent.futures.Future[Any]

LOOKS: dict[str, Callable[[Future], object]] = {
    "result": lambda future: future.result(PATIENCE),
    "exception": lambda future: future.exception(PATIENCE),
    "done": lambda future: future.done(),
    "cancel": lambda future: future.cancel(),
    "errno": lambda future: future.errno,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("way", list(LOOKS))
def test_who_looks_at_a_task_that_has_ended_may_hold_a_lock_that_the_callback_needs(way: str) -> None:
    lock = threading.Lock()
    called: list[bool] = []

    def callback(_: Future) -> None:
        had = lock.acquire(timeout=PATIENCE)
        called.append(had)
        if had:
            lock.release()

    with offgil.ThreadPoolExecutor(1) as pool:
        for _ in range(20):
            future = pool.submit(libc.usleep, 1000)
            future.add_done_callback(callback)
            with lock:
                while future._state == "PENDING":
                    time.sleep(0.001)
                if way in ("done", "cancel", "errno"):
                    time.sleep(0.002)
                LOOKS[way](future)
            assert False not in called
    assert called == [True] * 20


def test_shutdown_returns_when_all_callbacks_have_been_called() -> None:
    called: list[Future] = []

    def callback(future: Future) -> None:
        time.sleep(0.001)
        called.append(future)

    for count in range(1, 40):
        called.clear()
        with offgil.ThreadPoolExecutor(2) as pool:
            for _ in range(count % 5 + 1):
                pool.submit(libc.usleep, 100).add_done_callback(callback)
        assert len(called) == count % 5 + 1


def test_a_callback_may_shut_its_executor_down() -> None:
    pool = offgil.ThreadPoolExecutor(2)
    over = threading.Event()

    def callback(_: Future) -> None:
        pool.shutdown()
        over.set()

    pool.submit(libc.usleep, 1000).add_done_callback(callback)
    assert over.wait(PATIENCE)


def test_cancel_calls_the_callbacks_itself(native: Native) -> None:
    gate = Gate(native)
    with offgil.ThreadPoolExecutor(1) as pool:
        pool.submit(offgil.native(native.gate_enter, "ptr(ptr)"), gate.address)
        gate.await_entered()
        future = pool.submit(libc.usleep, 1)
        callers: list[threading.Thread] = []
        future.add_done_callback(lambda _: callers.append(threading.current_thread()))
        assert future.cancel()
        assert callers == [threading.current_thread()]
        gate.open()
    assert len(callers) == 1
    gate.close()
