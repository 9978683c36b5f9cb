"""`map` of native functions of numbers, whose calls go in together: as the stdlib's, call by call."""

from __future__ import annotations

import array
import concurrent.futures
import ctypes
import enum
import gc
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Gate, Native

import offgil

PATIENCE = 30.0
libc, libm = ctypes.CDLL(None), ctypes.CDLL("libm.so.6")


class Size(enum.IntEnum):
    """Numbers of a class of their own."""

    SMALL = -3
    LARGE = 300


@pytest.fixture
def pool(gate: Gate) -> Iterator[offgil.ThreadPoolExecutor]:
    with offgil.ThreadPoolExecutor(2) as executor:
        yield executor
        gate.open(1000)  # a failed test must not hang


@pytest.fixture
def enter(native: Native) -> offgil.NativeFunction:
    """A call that stays until its gate, told by its number, is opened."""
    return offgil.native(native.gate_enter, "u64(u64)")


def function(name: str, result: Any, *arguments: Any, library: ctypes.CDLL = libc) -> Any:
    """A function of its own with these types."""
    made = library[name]
    made.restype, made.argtypes = result, list(arguments)
    return made


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("make", [list, tuple, iter])
def test_results_come_in_order_as_from_map(pool: offgil.ThreadPoolExecutor, make: Any, count: int) -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    numbers = [(-1) ** index * index for index in range(count)]
    assert list(pool.map(absolute, make(numbers))) == [abs(number) for number in numbers]
    assert list(pool.map(offgil.native(absolute), make(numbers))) == [abs(number) for number in numbers]


@pytest.mark.parametrize(
    "kind", [getattr(ctypes, f"c_{name}") for name in ("int8", "uint8", "int16", "uint32", "int64", "uint64")]
)
def test_integers_in_range_and_out_of_it_are_as_in_ctypes(pool: offgil.ThreadPoolExecutor, kind: Any) -> None:
    called = function("labs", ctypes.c_long, kind)
    values = [0, 1, -1, 127, 128, 255, 256, 2**31, -(2**31) - 1, 2**63, 2**64 - 1, 2**70, True, *Size]
    assert list(pool.map(called, values)) == [called(value) for value in values]


@pytest.mark.parametrize(("name", "kind"), [("ldexp", ctypes.c_double), ("ldexpf", ctypes.c_float)])
def test_floating_point_and_several_iterables_are_as_in_ctypes(
    pool: offgil.ThreadPoolExecutor, name: str, kind: Any
) -> None:
    scale = function(name, kind, kind, ctypes.c_int, library=libm)
    numbers = [0.5, -0.0, 3, True, 2**80, float("inf"), kind(2.5), 1.1]
    powers = range(3, 100)
    expected = [scale(number, power) for number, power in zip(numbers, powers)]  # noqa: B905
    assert list(pool.map(scale, numbers, powers)) == expected
    assert list(pool.map(scale, iter(numbers), powers)) == expected


def test_a_call_that_ctypes_refuses_raises_where_its_result_would_be(pool: offgil.ThreadPoolExecutor) -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    results = pool.map(absolute, [-1, -2, "three", -4])
    assert next(results) == 1
    assert next(results) == 2
    with pytest.raises(ctypes.ArgumentError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_more_iterables_than_argtypes_and_none_are_as_in_ctypes(pool: offgil.ThreadPoolExecutor) -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    assert list(pool.map(absolute, [-1, -2], [2, 3], ["three", None])) == [1, 2]
    assert list(pool.map(absolute)) == []
    with pytest.raises(TypeError):
        next(pool.map(function("ldexp", ctypes.c_double, ctypes.c_double, ctypes.c_int, library=libm), [1]))


def test_a_wrong_argument_of_a_native_function_raises_at_the_map(pool: offgil.ThreadPoolExecutor) -> None:
    absolute = offgil.native(function("labs", ctypes.c_long, ctypes.c_long))
    with pytest.raises(TypeError, match="argument 1"):
        pool.map(absolute, [-1, "two"])
    with pytest.raises(TypeError, match="takes 1 argument"):
        pool.map(absolute, [1], [2])
    narrow = offgil.native(function("labs", ctypes.c_long, ctypes.c_long), "i64(i8)")
    with pytest.raises(OverflowError, match="200"):
        pool.map(narrow, [100, 200])


def test_a_call_that_fails_raises_at_its_own_result(pool: offgil.ThreadPoolExecutor) -> None:
    text = ctypes.create_string_buffer(b"no such thing")
    task_fail = ctypes.cast(offgil.lib.task_fail, ctypes.c_void_p).value
    fail = offgil.native(task_fail, "i32(i32,u64)")
    results = pool.map(fail, [7, 8], [ctypes.addressof(text)] * 2)
    with pytest.raises(offgil.TaskFailed, match="no such thing") as caught:
        next(results)
    assert caught.value.code == 7


def test_calls_of_one_map_may_wait_for_each_other(pool: offgil.ThreadPoolExecutor) -> None:
    barrier = (ctypes.c_char * 64)()
    assert libc.pthread_barrier_init(barrier, None, 2) == 0
    meet = offgil.native(libc.pthread_barrier_wait, "i32(u64)")
    results = list(pool.map(meet, [ctypes.addressof(barrier)] * 200, timeout=PATIENCE))
    assert sorted(results) == [-1] * 100 + [0] * 100
    libc.pthread_barrier_destroy(barrier)


@pytest.mark.parametrize("declared", [True, False])
def test_each_call_is_on_its_way_before_the_next_is_asked_for(
    pool: offgil.ThreadPoolExecutor, native: Native, declared: bool
) -> None:
    counter = ctypes.c_size_t()
    bump = offgil.native(native.bump, "u64(u64)")

    def addresses() -> Iterator[int]:
        for index in range(100):
            yield ctypes.addressof(counter)
            deadline = time.monotonic() + PATIENCE
            while counter.value <= index:
                assert time.monotonic() < deadline
                time.sleep(0)

    if not declared:
        called = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(native.bump)
        bump = offgil.native(called)
    assert list(pool.map(bump, addresses())) == [ctypes.addressof(counter)] * 100


def test_an_input_that_raises_leaves_what_went_in_before(
    pool: offgil.ThreadPoolExecutor, native: Native
) -> None:
    counter = ctypes.c_size_t()

    def addresses() -> Iterator[int]:
        yield from [ctypes.addressof(counter)] * 10
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        pool.map(offgil.native(native.bump, "u64(u64)"), addresses())
    pool.shutdown()
    assert counter.value == 10


def test_timeout_counts_from_the_call_and_only_for_what_has_not_ended(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        results = pool.map(enter, [gate.address] * 3, timeout=0.05)
        gate.open(2)
        for _ in range(3):
            gate.await_entered()
        time.sleep(0.05)
        assert next(results) == gate.address
        assert next(results) == gate.address
        with pytest.raises(concurrent.futures.TimeoutError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)
        gate.open()


def test_closing_cancels_what_has_not_begun(native: Native, gate: Gate, enter: offgil.NativeFunction) -> None:
    with offgil.ThreadPoolExecutor(1) as pool:
        results = pool.map(enter, [gate.address] * 100)
        gate.open()
        assert next(results) == gate.address
        gate.await_entered()
        gate.await_entered()
        results.close()  # type: ignore[attr-defined]
        assert pool.stats()["tasks_canceled"] == 98
        gate.open()
    # No third one came.
    assert pool.stats()["tasks_queued"] == 0


def test_what_nobody_iterates_over_runs_all_the_same(native: Native) -> None:
    counter = ctypes.c_size_t()
    with offgil.ThreadPoolExecutor(2) as pool:
        pool.map(offgil.native(native.bump, "u64(u64)"), [ctypes.addressof(counter)] * 1000)
        gc.collect()
    assert counter.value == 1000


def test_the_results_outlive_the_executor() -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    results = offgil.ThreadPoolExecutor(2).map(absolute, range(-1000, 0))
    gc.collect()
    assert list(results) == list(range(1000, 0, -1))


def test_what_shutdown_cancels_raises_where_its_result_would_be(
    gate: Gate, enter: offgil.NativeFunction
) -> None:
    pool = offgil.ThreadPoolExecutor(1)
    results = pool.map(enter, [gate.address] * 10)
    gate.await_entered()
    pool.shutdown(wait=False, cancel_futures=True)
    gate.open()
    assert next(results) == gate.address
    with pytest.raises(concurrent.futures.CancelledError):
        next(results)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.map(enter, [gate.address] * 10)


def test_a_task_may_map_on_its_own_pool_of_one() -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    with offgil.ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: list(pool.map(absolute, range(-100, 0))))
        assert future.result(PATIENCE) == list(range(100, 0, -1))


def test_an_overridden_submit_gets_every_call() -> None:
    absolute = function("labs", ctypes.c_long, ctypes.c_long)
    seen = []

    class Counting(offgil.ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> offgil.Future[Any]:
            seen.append(args)
            return super().submit(fn, *args, **kwargs)

    with Counting(2) as pool:
        assert list(pool.map(absolute, [-1, -2, -3])) == [1, 2, 3]
    assert seen == [(-1,), (-2,), (-3,)]
    with offgil.ThreadPoolExecutor(2) as plain:
        submit = plain.submit
        plain.submit = lambda fn, *args: submit(fn, *[-2 * arg for arg in args])  # type: ignore[method-assign]
        assert list(plain.map(absolute, [-1, -2, -3])) == [2, 4, 6]


def test_a_queue_limit_holds(gate: Gate, enter: offgil.NativeFunction) -> None:
    with offgil.ThreadPoolExecutor(1, queue_limit=3, when_full="fail") as pool:
        with pytest.raises(queue.Full):
            pool.map(enter, [gate.address] * 100)
        gate.open(100)
    with offgil.ThreadPoolExecutor(1, queue_limit=3) as pool:
        absolute = function("labs", ctypes.c_long, ctypes.c_long)
        assert list(pool.map(absolute, range(-100, 0))) == list(range(100, 0, -1))
        assert pool.stats()["queue_high_water"] <= 3


def test_results_that_are_dropped_while_calls_run_are_no_danger(pool: offgil.ThreadPoolExecutor) -> None:
    usleep = function("usleep", ctypes.c_int, ctypes.c_uint)
    for taken in range(200):
        results = pool.map(usleep, [0, 20] * 40)
        for _ in range(taken % 80):
            next(results)
        del results


INTERRUPTED = """
import ctypes, offgil, os, signal
usleep = ctypes.CDLL(None).usleep
usleep.argtypes = [ctypes.c_uint]
pool = offgil.ThreadPoolExecutor(1)
results = pool.map(usleep, [60_000_000, 0])
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    next(results)
except KeyboardInterrupt:
    print("interrupted", pool.stats()["tasks_canceled"], flush=True)
os._exit(0)
"""


def test_ctrl_c_interrupts_the_wait_for_a_result_and_cancels_the_rest() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, "interrupted 1\n"), done.stderr


def test_an_executor_that_was_not_initialised_says_so() -> None:
    class Hollow(offgil.ThreadPoolExecutor):
        def __init__(self) -> None:
            pass

    pool = Hollow()
    function = offgil.native(ctypes.CDLL(None).labs, "i64(i64)")
    for call in (
        lambda: pool.submit(abs, 1),
        lambda: pool.submit(function, 1),
        lambda: pool.map(function, [1]),
        lambda: pool.map_array(function, array.array("l", [1])),
    ):
        with pytest.raises(RuntimeError, match="__init__ was not called"):
            call()
