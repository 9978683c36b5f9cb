"""`ThreadPoolExecutor` and `Future`: what they promise beyond the stdlib's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import gc
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Gate, Native, run_script

import offgil

PATIENCE = 30.0
libc = ctypes.CDLL(None)


@pytest.fixture
def pool() -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(2) as executor:
        yield executor


def test_a_future_is_one_of_the_stdlib(pool: offgil.ThreadPoolExecutor) -> None:
    for future in (pool.submit(libc.abs, -3), pool.submit(abs, -3)):
        assert isinstance(future, concurrent.futures.Future)
        assert isinstance(future, offgil.Future)
        assert future.result(PATIENCE) == 3
        assert future.exception() is None
        assert future.done()
        assert not future.cancelled()
        assert not future.running()
    assert isinstance(pool, concurrent.futures.ThreadPoolExecutor)


def test_native_tells_which_way_a_task_went(pool: offgil.ThreadPoolExecutor) -> None:
    assert pool.submit(libc.abs, -3).native
    assert not pool.submit(abs, -3).native


def test_a_c_function_runs_while_another_thread_holds_the_gil(pool: offgil.ThreadPoolExecutor) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody else gets the GIL
    try:
        future = pool.submit(libc.usleep, 1000)
        deadline = time.monotonic() + PATIENCE
        while not future.done() and time.monotonic() < deadline:
            pass
        assert future.done()
    finally:
        sys.setswitchinterval(interval)


def test_wait_and_as_completed_take_both_kinds(pool: offgil.ThreadPoolExecutor) -> None:
    futures = [pool.submit(libc.usleep, 1000), pool.submit(time.sleep, 0.001), pool.submit(libc.abs, -1)]
    assert concurrent.futures.wait(futures, PATIENCE).done == set(futures)
    futures = [pool.submit(libc.usleep, 1000), pool.submit(time.sleep, 0.001), pool.submit(libc.abs, -1)]
    assert set(concurrent.futures.as_completed(futures, PATIENCE)) == set(futures)


def test_callbacks_of_native_tasks_are_called_once(
    pool: offgil.ThreadPoolExecutor, gate: Gate, enter: offgil.NativeFunction
) -> None:
    future = pool.submit(enter, gate.address)
    told: queue.Queue[concurrent.futures.Future[object]] = queue.Queue()
    future.add_done_callback(told.put)
    gate.open()
    assert told.get(timeout=PATIENCE) is future
    future.add_done_callback(told.put)
    assert told.get(timeout=PATIENCE) is future
    assert told.empty()


def test_result_of_a_task_that_runs_times_out(
    pool: offgil.ThreadPoolExecutor, gate: Gate, enter: offgil.NativeFunction
) -> None:
    future = pool.submit(enter, gate.address)
    gate.await_entered()
    assert future.running()
    for timeout in (0, 0.01, -1):
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(timeout)
    gate.open()
    future.result(PATIENCE)


def test_cancel_of_a_queued_native_task_keeps_it_from_running(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        first = pool.submit(enter, gate.address)
        gate.await_entered()
        second = pool.submit(libc.abs, -3)
        assert second.cancel()
        assert second.cancelled()
        assert not first.cancel()
        gate.open()
        with pytest.raises(concurrent.futures.CancelledError):
            second.result(PATIENCE)
        first.result(PATIENCE)


def test_cancel_of_a_running_native_task_asks_it_to_stop(pool: offgil.ThreadPoolExecutor) -> None:
    ask = offgil.native(ctypes.cast(offgil.lib.task_is_canceled, ctypes.c_void_p).value, "u8()")
    assert pool.submit(ask).result(PATIENCE) == 0
    asked = threading.Event()
    answers: queue.Queue[int] = queue.Queue()

    @ctypes.CFUNCTYPE(ctypes.c_int)
    def body() -> int:
        asked.wait(PATIENCE)
        answers.put(offgil.lib.task_is_canceled())
        return 5

    # By its address: as a function in Python it would run the ordinary way.
    future = pool.submit(offgil.native(ctypes.cast(body, ctypes.c_void_p).value, "i32()"))
    while not future.running():
        time.sleep(0.001)
    assert not future.cancel()
    asked.set()
    assert answers.get(timeout=PATIENCE) == 1
    assert future.result(PATIENCE) == 5


def test_task_fail_is_an_exception_with_its_code(pool: offgil.ThreadPoolExecutor) -> None:
    task_fail = ctypes.cast(offgil.lib.task_fail, ctypes.c_void_p).value
    future = pool.submit(offgil.native(task_fail, "i32(i32,ptr)"), 7, b"no such thing")
    with pytest.raises(offgil.TaskFailed, match="no such thing") as caught:
        future.result(PATIENCE)
    assert caught.value.code == 7
    assert future.exception() is caught.value


@pytest.mark.parametrize("size", [1, 2])
def test_a_task_may_submit_to_its_own_pool_and_wait_at_any_depth(size: int) -> None:
    with offgil.ThreadPoolExecutor(size) as pool:

        def depth(levels: int) -> int:
            if levels == 0:
                return pool.submit(libc.abs, 0).result(PATIENCE)
            return 1 + pool.submit(depth, levels - 1).result(PATIENCE)

        futures = [pool.submit(depth, 40) for _ in range(3)]
        assert [future.result(PATIENCE) for future in futures] == [40, 40, 40]


def test_a_task_may_wait_for_one_that_was_queued_before_it() -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        begun, go = threading.Event(), threading.Event()
        later: list[offgil.Future[int]] = []

        def wait_for_it() -> int:
            begun.set()
            go.wait(PATIENCE)
            return later[0].result(PATIENCE)

        first = pool.submit(wait_for_it)
        begun.wait(PATIENCE)
        later.append(pool.submit(abs, -4))
        go.set()
        assert first.result(PATIENCE) == 4


def test_at_most_max_workers_tasks_run_at_a_time() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def body() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        with lock:
            running -= 1

    with offgil.ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(body) for _ in range(30)]
        for future in futures:
            future.result(PATIENCE)
        assert most <= 3
        assert len(pool._threads) <= 3


def test_it_can_be_awaited_and_be_the_loop_s_default(pool: offgil.ThreadPoolExecutor) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(pool)
        return [
            await pool.submit(libc.abs, -1),
            await pool.submit(abs, -2),
            await asyncio.to_thread(abs, -3),
            await loop.run_in_executor(None, libc.abs, -4),
            await asyncio.wait_for(asyncio.wrap_future(pool.submit(libc.abs, -5)), PATIENCE),
        ]

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_map_with_a_buffer_reads_only_so_far_ahead(pool: offgil.ThreadPoolExecutor) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    results = pool.map(libc.abs, numbers(), buffersize=2)
    assert read == [0, 1]
    assert next(results) == 0
    assert len(read) == 3
    assert list(results) == list(range(1, 10))
    with pytest.raises(ValueError, match="buffersize"):
        pool.map(abs, [], buffersize=0)


def test_a_full_queue_fails_where_that_is_asked_for(gate: Gate, enter: offgil.NativeFunction) -> None:
    with offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="fail") as pool:
        pool.submit(enter, gate.address)
        gate.await_entered()
        pool.submit(libc.abs, -3)
        with pytest.raises(queue.Full):
            pool.submit(libc.abs, -3)
        gate.open()


def test_a_full_queue_runs_the_task_at_once_where_that_is_asked_for(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    with offgil.ThreadPoolExecutor(1, queue_limit=1, when_full="run") as pool:
        pool.submit(enter, gate.address)
        gate.await_entered()
        pool.submit(libc.abs, -3)
        future = pool.submit(libc.abs, -4)
        assert future.done()
        assert future.result() == 4
        gate.open()


def test_a_full_queue_blocks_until_there_is_room() -> None:
    with offgil.ThreadPoolExecutor(1, queue_limit=2) as pool:
        futures = [pool.submit(time.sleep, 0.001) for _ in range(20)]
        futures += [pool.submit(libc.usleep, 1000) for _ in range(20)]
        assert concurrent.futures.wait(futures, PATIENCE).not_done == set()


def test_stats_and_handle_are_the_pool_s(pool: offgil.ThreadPoolExecutor) -> None:
    pool.submit(libc.abs, -3).result(PATIENCE)
    assert pool.stats()["tasks_completed"] == 1
    assert offgil.lib.pool_thread_count(pool.handle) == 2


def test_no_reference_outlives_a_task(pool: offgil.ThreadPoolExecutor) -> None:
    class Thing:
        def __call__(self) -> None: ...

    thing = Thing()
    alive = weakref.ref(thing)
    future = pool.submit(thing)
    del thing
    future.result(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while alive() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert alive() is None


def test_a_collected_executor_runs_what_is_queued_and_ends_its_threads() -> None:
    pool = offgil.ThreadPoolExecutor(2)
    futures = [pool.submit(time.sleep, 0.001) for _ in range(10)] + [pool.submit(libc.usleep, 1000)]
    threads = pool._threads
    del pool
    gc.collect()
    assert concurrent.futures.wait(futures, PATIENCE).not_done == set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_shutdown_can_cancel_what_is_queued(gate: Gate, enter: offgil.NativeFunction) -> None:
    pool = offgil.ThreadPoolExecutor(1)
    pool.submit(enter, gate.address)
    gate.await_entered()
    queued = [pool.submit(libc.abs, -3), pool.submit(abs, -3)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in queued)
    gate.open()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(libc.abs, -3)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, -3)


def test_queued_work_of_both_kinds_runs_before_the_interpreter_ends(tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"""
import ctypes, offgil, time
pool = offgil.ThreadPoolExecutor(1)
pool.submit(time.sleep, 0.05)
pool.submit(ctypes.CDLL(None).mkdir, {str(made).encode()!r}, 0o700)
pool.submit(print, "last")
del pool
"""
    assert run_script(code) == (0, "last\n", "")
    assert made.is_dir()


def test_submit_after_the_interpreter_began_to_end_raises() -> None:
    code = """
import atexit, ctypes, offgil
pool = offgil.ThreadPoolExecutor(1)
pool.submit(abs, -1).result()
@atexit.register
def late():
    for fn in (abs, ctypes.CDLL(None).abs):
        try:
            pool.submit(fn, -1)
        except RuntimeError as error:
            print(error)
"""
    status, out, err = run_script(code)
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 2
    assert all(line.startswith("cannot schedule new futures after") for line in out.splitlines())


@pytest.mark.parametrize("call", ["pool.submit(libc.sleep, 60)", "pool.submit(time.sleep, 60)"])
def test_ctrl_c_interrupts_result(call: str) -> None:
    code = f"""
import ctypes, offgil, os, time
libc = ctypes.CDLL(None)
pool = offgil.ThreadPoolExecutor(1)
future = {call}
try:
    print("waiting", flush=True)
    future.result()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    os._exit(0)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[0] == "interrupted\n"
        assert process.returncode == 0


def test_an_executor_works_in_the_child_of_a_fork(pool: offgil.ThreadPoolExecutor) -> None:
    parents = [pool.submit(libc.abs, -3), pool.submit(abs, -3)]
    concurrent.futures.wait(parents, PATIENCE)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            good = pool.submit(libc.abs, -4).result(PATIENCE) == 4 == pool.submit(abs, -4).result(PATIENCE)
            done = concurrent.futures.wait([pool.submit(libc.abs, -4)], PATIENCE).done
            status = 0 if good and done else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_failing_initializer_breaks_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("no")

    with offgil.ThreadPoolExecutor(1, initializer=fail) as pool:
        with pytest.raises(concurrent.futures.thread.BrokenThreadPool):
            pool.submit(abs, -1).result(PATIENCE)
        with pytest.raises(concurrent.futures.thread.BrokenThreadPool):
            pool.submit(libc.abs, -1)


def test_threads_are_named_after_the_prefix() -> None:
    with offgil.ThreadPoolExecutor(1, "reader") as pool:
        assert pool.submit(lambda: threading.current_thread().name).result(PATIENCE) == "reader_0"


def test_any_object_may_be_the_prefix_as_in_the_stdlib() -> None:
    for prefix in (5, None, 0, b"x"):
        for executor in (offgil.ThreadPoolExecutor, concurrent.futures.ThreadPoolExecutor):
            with executor(1, prefix) as pool:
                name = pool.submit(lambda: threading.current_thread().name).result(PATIENCE)
                assert name == f"{prefix}_0" if prefix else name.startswith("ThreadPoolExecutor-")


@pytest.mark.parametrize("size", [256 << 20, 32 << 10])
def test_native_tasks_have_the_stack_that_threads_of_python_have(native: Native, size: int) -> None:
    stack_size = offgil.native(native.stack_size, "u64()")
    before = threading.stack_size(size)
    try:
        with offgil.ThreadPoolExecutor(1) as pool:
            assert pool.submit(stack_size).result(PATIENCE) >= size
    finally:
        threading.stack_size(before)
