"""`offgil.pool.ThreadPool`: how it begins and ends."""

from __future__ import annotations

import collections
import concurrent.futures.thread
import ctypes
import gc
import multiprocessing.pool
import os
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from conftest import Gate, eventually, run_script

import offgil
from offgil.pool import AsyncResult, ThreadPool

PATIENCE = 30.0
libc = ctypes.CDLL(None)
libc.labs.argtypes = [ctypes.c_long]
libc.labs.restype = ctypes.c_long


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    with ThreadPool(2) as made:
        yield made


def test_a_pool_is_one_of_multiprocessing_for_dask() -> None:
    with ThreadPool(3) as pool:
        assert isinstance(pool, multiprocessing.pool.Pool)
        assert isinstance(pool, multiprocessing.pool.ThreadPool)
        assert len(pool._pool) == 3
        assert all(thread.daemon and thread.is_alive() for thread in pool._pool)
        assert repr(pool) == "<offgil.pool.ThreadPool state=RUN pool_size=3>"
    assert repr(pool) == "<offgil.pool.ThreadPool state=TERMINATE pool_size=3>"


def test_dask_computes_on_a_pool() -> None:
    import dask

    with ThreadPool(3) as pool, dask.config.set(pool=pool):
        total = dask.delayed(sum)([dask.delayed(abs)(-number) for number in range(20)])
        assert total.compute(scheduler="threads") == 190


def test_as_many_threads_as_usable_cpus_are_the_default() -> None:
    with ThreadPool() as pool:
        assert len(pool._pool) == len(os.sched_getaffinity(0))


def test_every_thread_calls_the_initializer_at_once() -> None:
    barrier = threading.Barrier(4)
    seen: collections.deque[int] = collections.deque()

    def start(number: int) -> None:
        barrier.wait(PATIENCE)
        seen.append(number)

    with ThreadPool(3, start, [7]) as pool:
        barrier.wait(PATIENCE)
        pool.close()
        pool.join()
    assert list(seen) == [7, 7, 7]


def test_a_failing_initializer_breaks_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    go = threading.Event()

    def fail() -> None:
        go.wait(PATIENCE)
        raise ValueError("no")

    pool = ThreadPool(2, fail)
    told: list[BaseException] = []
    pending = [
        pool.apply_async(abs, (-1,)),
        pool.apply_async(abs, (-1,), error_callback=told.append),
        pool.map_async(abs, [-1]),
    ]
    results = pool.imap(abs, [-1])
    go.set()
    broken = concurrent.futures.thread.BrokenThreadPool
    for call in (*(result.get for result in pending), results.next):
        with pytest.raises(broken):
            call(PATIENCE)
    assert [type(error) for error in told] == [broken]
    for late in (lambda: pool.apply(libc.labs, (-1,)), lambda: pool.map(abs, [-1])):
        with pytest.raises(broken):
            late()
    pool.close()
    pool.join()


@pytest.mark.parametrize("arguments", [{"processes": 0}, {"processes": -1}])
def test_a_pool_has_at_least_one_thread(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ThreadPool(**arguments)


def test_bad_arguments_raise_before_anything_runs(pool: ThreadPool) -> None:
    with pytest.raises(TypeError, match="callable"):
        ThreadPool(1, initializer=3)  # type: ignore[arg-type]
    for call in (pool.map, pool.starmap, pool.map_async, pool.starmap_async, pool.imap, pool.imap_unordered):
        for chunksize in (0, -1):
            with pytest.raises(ValueError, match="Chunksize"):
                call(abs, [1], chunksize)
    for call in (pool.map, pool.starmap, pool.imap, pool.imap_unordered):
        with pytest.raises(TypeError, match="progress"):
            call(abs, [1], progress=3)  # type: ignore[call-arg]
    with pytest.raises(NotImplementedError, match="pickled"):
        pickle.dumps(pool)


def names() -> Iterable[Callable[[ThreadPool], Any]]:
    """Every call that needs a pool that runs."""
    yield lambda pool: pool.apply(abs, (-1,))
    yield lambda pool: pool.apply(libc.labs, (-1,))
    yield lambda pool: pool.apply_async(abs, (-1,), callback=print)
    yield lambda pool: pool.map(abs, [])
    yield lambda pool: pool.map_async(libc.labs, [1])
    yield lambda pool: pool.starmap(abs, [])
    yield lambda pool: pool.starmap_async(abs, [])
    yield lambda pool: pool.imap(abs, [])
    yield lambda pool: pool.imap_unordered(abs, [])
    yield lambda pool: pool.__enter__()


@pytest.mark.parametrize("end", [ThreadPool.close, ThreadPool.terminate])
def test_a_pool_that_has_ended_takes_nothing(end: Callable[[ThreadPool], None]) -> None:
    pool = ThreadPool(1)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    end(pool)
    for call in names():
        with pytest.raises(ValueError, match="Pool not running"):
            call(pool)
    end(pool)
    pool.join()


def test_close_and_join_finish_all_that_was_given() -> None:
    pool = ThreadPool(2)
    told: collections.deque[int] = collections.deque()

    def slow(number: int) -> int:
        time.sleep(0.001)
        return number

    def numbers() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.001)
            yield number

    results = pool.imap(slow, numbers())
    native = pool.imap_unordered(libc.usleep, (1000 for _ in range(20)))
    mapped = pool.map_async(slow, range(20), 1)
    applied = [pool.apply_async(slow, (1,), callback=told.append) for _ in range(20)]
    applied += [pool.apply_async(libc.usleep, (1000,), callback=told.append) for _ in range(20)]
    pool.close()
    pool.join()
    assert len(told) == 40
    assert mapped.ready()
    assert all(result.ready() for result in applied)
    assert list(results) == list(range(20))
    assert list(native) == [0] * 20
    assert not any(thread.is_alive() for thread in pool._pool)


def test_terminate_drops_what_is_queued_and_does_not_wait_for_what_runs(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    pool = ThreadPool(2)
    go = threading.Event()
    begun = threading.Event()
    told: list[Any] = []

    def stay() -> int:
        begun.set()
        go.wait(PATIENCE)
        return 5

    running = pool.apply_async(stay)
    begun.wait(PATIENCE)
    entered = pool.apply_async(enter, (gate.address,))
    gate.await_entered()
    queued: list[AsyncResult[Any]] = [
        pool.apply_async(abs, (-3,)),
        pool.apply_async(libc.labs, (-3,)),
        pool.apply_async(abs, (-3,), callback=told.append, error_callback=told.append),
        pool.apply_async(libc.labs, (-3,), callback=told.append, error_callback=told.append),
        pool.map_async(abs, [-3]),
        pool.map_async(libc.labs, [-3]),
    ]
    results = [pool.imap(abs, [-3]), pool.imap_unordered(libc.labs, [-3])]
    pool.terminate()
    for result in queued:
        with pytest.raises(concurrent.futures.CancelledError):
            result.get(PATIENCE)
        assert not result.successful()
    for iterator in results:
        with pytest.raises(concurrent.futures.CancelledError):
            iterator.next(PATIENCE)
    assert not running.ready()
    go.set()
    gate.open()
    assert running.get(PATIENCE) == 5
    entered.get(PATIENCE)
    pool.join()
    assert told == []


def test_join_in_a_task_or_a_callback_raises() -> None:
    pool = ThreadPool(1)
    begun = threading.Event()
    task = pool.apply_async(lambda: begun.wait(PATIENCE) and pool.join())
    told: list[str] = []

    def join(_: object) -> None:
        try:
            pool.join()
        except RuntimeError as error:
            told.append(str(error))

    result = pool.apply_async(abs, (-1,), callback=join)
    pool.close()
    begun.set()
    with pytest.raises(RuntimeError, match="one of its tasks"):
        task.get(PATIENCE)
    result.wait(PATIENCE)
    assert told == ["cannot join the pool in one of its callbacks"]
    pool.join()


def test_no_reference_outlives_a_call(pool: ThreadPool) -> None:
    class Thing:
        pass

    def check(thing: object) -> None:
        assert isinstance(thing, Thing)

    def fail(thing: object) -> None:
        raise ValueError

    alive: list[weakref.ref[Thing]] = []

    def things() -> Iterator[Thing]:
        for _ in range(20):
            thing = Thing()
            alive.append(weakref.ref(thing))
            yield thing

    gc.disable()
    try:
        pool.map(check, things())
        list(pool.imap(check, things()))
        list(pool.imap_unordered(check, list(things()), 3))
        for thing in things():
            pool.apply_async(check, (thing,), callback=id, error_callback=id).wait(PATIENCE)
            pool.apply(check, (thing,))
            with pytest.raises(ValueError):
                pool.map(fail, [thing])
        del thing
        # Without the GIL the frames of a call that failed go with a collection, in the stdlib's pool too.
        collect: Any = gc.collect if not getattr(sys, "_is_gil_enabled", lambda: True)() else int
        assert eventually(lambda: collect() >= 0 and all(reference() is None for reference in alive))
    finally:
        gc.enable()


def test_a_collected_pool_warns_and_ends_its_threads() -> None:
    pool = ThreadPool(2)
    threads = pool._pool
    pool.map(abs, [-1])
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        del pool
        gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_result_keeps_its_pool_until_it_is_ready() -> None:
    with pytest.warns(ResourceWarning):
        result = ThreadPool(1).apply_async(abs, (-3,))
        gc.collect()
        assert result.get(PATIENCE) == 3
        results = ThreadPool(1).imap(abs, (-number for number in range(10)))
        assert list(results) == list(range(10))
        gc.collect()


@pytest.mark.parametrize("busy", ["spin()", "time.sleep(60)", "libc.sleep(60)"])
def test_the_interpreter_ends_while_tasks_run_and_drops_the_rest(busy: str) -> None:
    code = f"""
import ctypes, threading, time
from offgil.pool import ThreadPool
libc = ctypes.CDLL(None)
begun = threading.Semaphore(0)
def spin():
    while True: pass
def task(_):
    begun.release()
    {busy}
pool = ThreadPool(2)
result = pool.map_async(task, range(8), 1)
begun.acquire()
begun.acquire()
native = pool.apply_async(libc.sleep, (60,))
print("end")
"""
    assert run_script(code) == (0, "end\n", "")


def test_a_thread_that_outlives_the_main_thread_may_use_a_pool() -> None:
    code = """
import threading, time
from offgil.pool import ThreadPool
pool = ThreadPool(2)
def late():
    threading.main_thread().join()
    print(pool.map(abs, [-1, -2]))
threading.Thread(target=late).start()
"""
    assert run_script(code) == (0, "[1, 2]\n", "")


# What needs to be told of the end of native tasks.
LATE_CALLS = {
    "callback": "pool.apply_async(libc.usleep, (1000,), callback=tell).get()",
    "imap_unordered": "list(pool.imap_unordered(libc.usleep, [1000, 1000]))",
    "map_async": "pool.map_async(libc.usleep, [1000, 1000], callback=tell).get()",
    "buffers": "[pool.apply_async(libc.memset, (bytearray(99), 0, 9)).wait() for _ in range(99)]",
}


@pytest.mark.parametrize("warm", ["", "list(pool.imap_unordered(libc.usleep, [1]))"], ids=["cold", "warm"])
@pytest.mark.parametrize("late", ["atexit.register(late)", "threading.Thread(target=outlive).start()"])
@pytest.mark.parametrize("call", list(LATE_CALLS))
def test_native_tasks_of_a_pool_are_told_of_after_the_main_thread_has_ended(
    call: str, late: str, warm: str
) -> None:
    code = f"""
import atexit, ctypes, threading, time
from offgil.pool import ThreadPool
libc = ctypes.CDLL(None)
pool = ThreadPool(2)
{warm}
def tell(value):
    print("told", value)
def late():
    {LATE_CALLS[call]}
    print("end")
def outlive():
    threading.main_thread().join()
    time.sleep(0.1)  # executors have ended by now
    late()
{late}
"""
    told = {"callback": "told 0\n", "map_async": "told [0, 0]\n"}.get(call, "")
    assert run_script(code) == (0, f"{told}end\n", "")


@pytest.mark.skipif(
    (3, 12, 0) <= sys.version_info[:3] < (3, 12, 2), reason="starts no thread once the main thread has ended"
)
def test_a_callback_of_a_task_that_outlives_the_executors_is_called() -> None:
    code = """
import ctypes, threading
from offgil.pool import ThreadPool
pool = ThreadPool(1)
result = pool.apply_async(ctypes.CDLL(None).usleep, (500_000,), callback=lambda value: print("told", value))
def outlive():
    result.get()
    print("end")
threading.Thread(target=outlive).start()
"""
    assert run_script(code) == (0, "told 0\nend\n", "")


def test_a_pool_works_in_the_child_of_a_fork(pool: ThreadPool) -> None:
    pool.map(abs, range(10))
    pool.apply_async(abs, (-1,), callback=abs).wait(PATIENCE)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            told: list[int] = []
            good = pool.map_async(abs, [-1, -2]).get(PATIENCE) == [1, 2]
            good &= list(pool.imap(abs, iter([-1, -2]))) == [1, 2] and pool.apply(libc.labs, (-3,)) == 3
            pool.apply_async(abs, (-4,), callback=told.append).wait(PATIENCE)
            pool.close()
            pool.join()
            status = 0 if good and told == [4] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_callbacks_are_called_where_their_thread_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def start_some(thread: threading.Thread) -> None:
        if thread.name == "offgil-callbacks":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    pool = ThreadPool(1)
    called: list[int] = []

    def callback(value: int) -> None:
        called.append(value)
        if value < 3:  # in the only worker of the pool
            pool.apply_async(abs, (-value - 1,), callback=callback).get(PATIENCE)

    assert pool.apply_async(abs, (-1,), callback=callback).get(PATIENCE) == 1
    assert pool.apply_async(libc.labs, (-4,), callback=callback).get(PATIENCE) == 4
    monkeypatch.undo()
    assert pool.apply_async(abs, (-5,), callback=callback).get(PATIENCE) == 5
    assert called == [1, 2, 3, 4, 5]
    pool.close()
    pool.join()
