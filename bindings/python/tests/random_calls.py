"""Random sequences of calls of executors and futures, by hypothesis: a script, as a crash ends it.

    python random_calls.py SEED EXAMPLES

Several threads take random steps on one executor, of random options. Afterwards each future must have ended,
with what its task gives, and each callback must have been called once.
"""

from __future__ import annotations

import concurrent.futures as cf
import ctypes
import faulthandler
import gc
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import offgil

PATIENCE = 60.0
libc = ctypes.CDLL(None)
typed_abs = ctypes.CDLL(None).abs
typed_abs.argtypes = [ctypes.c_int]
declared_abs = offgil.native(libc.abs, "i32(i32)")
fill = offgil.native(libc.memset, "ptr(ptr,i32,u64)")
TOO_LATE = (cf.CancelledError, cf.thread.BrokenThreadPool)


def fail(message: str) -> None:
    """A task that raises."""
    raise ValueError(message)


def nested(pool: offgil.ThreadPoolExecutor, depth: int) -> int:
    """A task that submits to its own executor and waits."""
    try:
        if depth == 0:
            return pool.submit(libc.abs, 0).result(PATIENCE)
        return 1 + pool.submit(nested, pool, depth - 1).result(PATIENCE)
    except (RuntimeError, queue.Full, cf.CancelledError):
        return -1


class Executor:
    """An executor, and all that was asked of it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.pool = offgil.ThreadPoolExecutor(**options)
        self.futures: list[tuple[cf.Future[Any], object]] = []
        self.callbacks = 0
        self.called: queue.SimpleQueue[cf.Future[Any]] = queue.SimpleQueue()
        self.lock = threading.Lock()

    def submit(self, expected: object, fn: Callable[..., object], *args: object) -> None:
        """Submits; `expected` is the result, or the class of what is raised."""
        try:
            future = self.pool.submit(fn, *args)
        except queue.Full:
            return
        except RuntimeError as error:  # BrokenThreadPool is one
            assert "shutdown" in str(error) or isinstance(error, cf.thread.BrokenThreadPool), error
            return
        self.futures.append((future, expected))

    def future(self, number: int) -> cf.Future[Any] | None:
        """One of them."""
        futures = self.futures
        return futures[number % len(futures)][0] if futures else None

    def refuse(self, kind: type[Exception], call: Callable[[], object]) -> None:
        """What is wrong raises before anything runs."""
        try:
            call()
        except kind:
            return
        except RuntimeError:
            return  # closed or broken before that
        raise AssertionError(f"no {kind.__name__} was raised")

    def add_callback(self, number: int) -> None:
        """One that is counted, and one in five raises."""
        future = self.future(number)
        if future is None:
            return
        with self.lock:
            self.callbacks += 1

        def called(future: cf.Future[Any]) -> None:
            self.called.put(future)
            if number % 5 == 0:
                raise ValueError("from a callback")

        future.add_done_callback(called)

    def check(self) -> None:
        """All has ended as it must."""
        lost = cf.wait([future for future, _ in self.futures[::2]], PATIENCE).not_done
        assert not lost, lost
        for future, expected in self.futures:
            try:
                result = future.result(PATIENCE)
            except cf.TimeoutError:
                raise AssertionError(f"{future} has not ended") from None
            except TOO_LATE:
                assert future.done()
            except Exception as error:
                assert type(error) is expected, (error, expected)
            else:
                assert expected == "nested" or result == expected, (result, expected)
        for _ in range(self.callbacks):
            self.called.get(timeout=PATIENCE)
        assert self.called.empty()


def submit(on: Executor, name: str, number: int) -> None:
    """A step that submits."""
    if name == "native":
        on.submit(number, libc.abs, -number)
    elif name == "declared":
        on.submit(number, declared_abs, -number)
    elif name == "sleep":
        on.submit(0, libc.usleep, number)
    elif name == "buffer":
        on.submit(None, lambda: None)
        target = bytearray(64 + number)
        with suppress(RuntimeError, queue.Full):
            on.pool.submit(fill, target, number % 256, len(target))  # nobody keeps the future
    elif name == "python":
        on.submit(number, abs, -number)
    elif name == "sleep-in-python":
        on.submit(None, time.sleep, number / 1e6)
    elif name == "raises":
        on.submit(ValueError, fail, "on purpose")
    elif name == "nested":
        on.submit("nested", nested, on.pool, number % 5)
    elif name == "wrong-for-ctypes":
        on.submit(ctypes.ArgumentError, typed_abs, "three")
    elif name == "wrong":
        on.refuse(TypeError, lambda: on.pool.submit(declared_abs, "three"))
        on.refuse(OverflowError, lambda: on.pool.submit(declared_abs, 2**40))
        on.refuse(TypeError, lambda: on.pool.submit(declared_abs))
    else:
        raise AssertionError(name)


def map_over(on: Executor, name: str, number: int) -> None:
    """A step of many tasks."""
    if name == "map":
        results: Any = []
        with suppress(RuntimeError, queue.Full, *TOO_LATE):
            results = list(on.pool.map((libc.abs, abs)[number % 2], range(number % 7)))
        assert results in ([], list(range(number % 7)))
    elif name == "map-left-early":
        with suppress(RuntimeError, queue.Full, *TOO_LATE):
            results = on.pool.map(libc.usleep, [number] * 5, buffersize=(None, 2)[number % 2])
            next(results)
            results.close()
    elif name == "map_array":
        with suppress(RuntimeError, queue.Full):
            source = memoryview(bytearray(number * 4)).cast("i")
            assert list(on.pool.map_array(declared_abs, source)) == [0] * number
        on.refuse(TypeError, lambda: on.pool.map_array(declared_abs, b"bytes"))
    else:
        raise AssertionError(name)


def look(on: Executor, name: str, number: int) -> None:
    """A step that concerns the executor, or one of the futures so far."""
    future = on.future(number)
    short = (0, 0.0001, 0.002, -1)[number % 4]
    if name == "stats":
        assert on.pool.stats()["python_threads"] >= 0
    elif name == "shutdown":
        on.pool.shutdown(wait=number % 2 == 0, cancel_futures=number % 3 == 0)
    elif name == "collect":
        gc.collect(number % 3)
    elif name == "callback":
        on.add_callback(number)
    elif future is None:
        return
    elif name == "cancel":
        future.cancel()
    elif name == "result":
        with suppress(cf.TimeoutError, ValueError, ctypes.ArgumentError, *TOO_LATE):
            future.result(short)
    elif name == "exception":
        with suppress(cf.TimeoutError, cf.CancelledError):
            future.exception(short)
    elif name == "look":
        assert not (future.cancelled() and future.running())
        assert repr(future)
    elif name == "wait":
        several = {f for f in map(on.future, range(number, number + 4)) if f is not None}
        cf.wait(several, abs(short), (cf.FIRST_COMPLETED, cf.ALL_COMPLETED)[number % 2])
    elif name == "as_completed":
        with suppress(cf.TimeoutError):
            for _ in cf.as_completed({future}, abs(short)):
                pass
    else:
        raise AssertionError(name)


SUBMIT = [
    "native",
    "declared",
    "sleep",
    "buffer",
    "python",
    "sleep-in-python",
    "raises",
    "nested",
    "wrong-for-ctypes",
    "wrong",
]
MAP = ["map", "map-left-early", "map_array"]
LOOK = ["stats", "collect", "callback", "cancel", "result", "exception", "look", "wait", "as_completed"]
STEP = st.tuples(st.sampled_from([*SUBMIT, *MAP, *LOOK, *SUBMIT, *LOOK, "shutdown"]), st.integers(0, 2000))
OPTIONS = st.fixed_dictionaries(
    {"max_workers": st.integers(1, 4)},
    optional={
        "thread_name_prefix": st.sampled_from(["", "reader", "a\0b", "ü" * 40]),
        "initializer": st.sampled_from([None, None, gc.isenabled, lambda: fail("in the initializer")]),
        "queue_limit": st.integers(0, 3),
        "when_full": st.sampled_from(["block", "fail", "run"]),
    },
)


def run(options: dict[str, Any], steps: list[list[tuple[str, int]]], collected: bool) -> None:
    """Takes the steps, each list on a thread, then sees what has become of it all."""
    faulthandler.dump_traceback_later(4 * PATIENCE, exit=True)
    on = Executor(options)
    failures: list[BaseException] = []

    def take(mine: list[tuple[str, int]]) -> None:
        try:
            for name, number in mine:
                take_one = submit if name in SUBMIT else map_over if name in MAP else look
                take_one(on, name, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=take, args=(mine,)) for mine in steps[1:]]
    for thread in threads:
        thread.start()
    take(steps[0])
    for thread in threads:
        thread.join()
    if collected:
        del on.pool
        gc.collect()
    else:
        on.pool.shutdown(wait=False)
    on.check()
    if failures:
        raise failures[0]


def main(number: int, examples: int) -> None:
    """Draws that many examples from the seed."""
    print(f"seed {number}", flush=True)
    test = given(OPTIONS, st.lists(st.lists(STEP, max_size=25), min_size=1, max_size=3), st.booleans())(run)
    # No smaller example is looked for: threads never do the same twice.
    test = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(test)
    seed(number)(test)()


if __name__ == "__main__":
    import logging

    logging.disable()  # of initializers and callbacks that raise
    faulthandler.enable()
    main(int(sys.argv[1]), int(sys.argv[2]))
