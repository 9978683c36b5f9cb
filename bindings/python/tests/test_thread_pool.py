"""`offgil.pool.ThreadPool`: what that of `multiprocessing` does, and what ours promises beyond that."""

from __future__ import annotations

import collections
import concurrent.futures.thread
import ctypes
import itertools
import multiprocessing.pool
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from conftest import Gate, Native

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


def by_next(results: Any) -> list[Any]:
    return [results.next(PATIENCE) for _ in range(len(results))]


# Each way to map: of a pool, a function and a list.
WAYS: dict[str, Callable[[ThreadPool, Any, list[Any]], list[Any]]] = {
    "map": lambda pool, fn, items: pool.map(fn, items),
    "map in chunks": lambda pool, fn, items: pool.map(fn, items, 7),
    "map of an iterator": lambda pool, fn, items: pool.map(fn, iter(items)),
    "map of a deque": lambda pool, fn, items: pool.map(fn, collections.deque(items)),
    "map_async": lambda pool, fn, items: pool.map_async(fn, items).get(PATIENCE),
    "starmap": lambda pool, fn, items: pool.starmap(fn, zip(items, strict=True)),
    "starmap_async": lambda pool, fn, items: pool.starmap_async(fn, [(x,) for x in items], 3).get(PATIENCE),
    "imap": lambda pool, fn, items: list(pool.imap(fn, items)),
    "imap in chunks": lambda pool, fn, items: list(pool.imap(fn, items, 7)),
    "imap of an iterator": lambda pool, fn, items: list(pool.imap(fn, iter(items))),
    "imap of an iterator in chunks": lambda pool, fn, items: list(pool.imap(fn, iter(items), 7)),
    "imap by next": lambda pool, fn, items: by_next(pool.imap(fn, items, 7)),
    "imap_unordered": lambda pool, fn, items: sorted(pool.imap_unordered(fn, items), reverse=True),
    "imap_unordered in chunks": lambda pool, fn, items: sorted(
        pool.imap_unordered(fn, items, 7), reverse=True
    ),
    "apply": lambda pool, fn, items: [pool.apply(fn, (item,)) for item in items],
    "apply_async": lambda pool, fn, items: [
        result.get(PATIENCE) for result in [pool.apply_async(fn, (item,)) for item in items]
    ],
}


class Broken:
    """An iterable that raises after three items."""

    def __iter__(self) -> Iterator[int]:
        yield from (0, 1, 2)
        raise LookupError("no more")


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize(
    "function", [abs, libc.labs, offgil.native(libc.labs)], ids=["Python", "ctypes", "native"]
)
@pytest.mark.parametrize("count", [0, 1, 100])
def test_every_call_returns_what_the_function_returns(
    pool: ThreadPool, way: str, function: Any, count: int
) -> None:
    assert WAYS[way](pool, function, list(range(-count, 0))) == list(range(count, 0, -1))


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("size", [1, 2])
def test_a_task_may_call_its_own_pool_and_wait_at_any_depth(way: str, size: int) -> None:
    with ThreadPool(size) as pool:

        def depth(levels: int) -> int:
            return 0 if levels == 0 else 1 + sum(WAYS[way](pool, depth, [levels - 1]))

        assert pool.map_async(depth, [12, 12, 12], 1).get(PATIENCE) == [12, 12, 12]


def test_a_task_may_wait_for_results_with_callbacks() -> None:
    with ThreadPool(1) as pool:
        told: list[int] = []

        def task() -> int:
            return pool.apply_async(abs, (-3,), callback=told.append).get(PATIENCE)

        assert pool.apply_async(task).get(PATIENCE) == 3
        assert told == [3]


def test_a_task_that_has_waited_goes_on_before_those_that_have_not_begun() -> None:
    with ThreadPool(1) as pool:
        over = threading.Event()

        def again() -> None:
            if not over.is_set():
                pool.apply_async(again)

        def wait() -> int:
            value = pool.apply(abs, (-3,))
            over.set()
            return value

        for _ in range(3):
            pool.apply_async(again)
        try:
            assert pool.apply_async(wait).get(PATIENCE) == 3
        finally:
            over.set()


def test_a_map_of_a_native_function_of_numbers_waits_for_all_when_one_fails(native: Native) -> None:
    counter = ctypes.c_size_t(0)
    bump = ctypes.CDLL(native.path).bump
    bump.argtypes = [ctypes.c_size_t]
    bump.restype = ctypes.c_size_t
    address = ctypes.addressof(counter)
    with ThreadPool(2) as pool:
        assert pool.map(bump, [address] * 300) == [address] * 300
        assert pool.map(bump, (address for _ in range(3))) == [address] * 3
        assert pool.map(bump, []) == []
        counter.value = 0
        with pytest.raises(ctypes.ArgumentError):  # of the ordinary call
            pool.map(bump, [address, "no number", *[address] * 300])
        assert counter.value == 301
        pool.close()
        with pytest.raises(ValueError, match="Pool not running"):
            pool.map(bump, [address])


def test_native_functions_run_while_another_thread_holds_the_gil(pool: ThreadPool) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody else gets the GIL
    try:
        results = [pool.apply_async(libc.usleep, (1000,)), pool.map_async(libc.usleep, [1000] * 4)]
        deadline = time.monotonic() + PATIENCE
        while not all(result.ready() for result in results) and time.monotonic() < deadline:
            pass
        assert all(result.ready() for result in results)
    finally:
        sys.setswitchinterval(interval)


def test_a_result_tells_which_way_its_task_went(pool: ThreadPool) -> None:
    native = pool.apply_async(libc.close, (-1,))
    assert native.get(PATIENCE) == -1
    assert (native.native, native.errno) == (True, 9)
    python = pool.apply_async(abs, (-3,))
    assert python.get(PATIENCE) == 3
    assert (python.native, python.errno) == (False, None)


def test_wrong_arguments_of_a_declared_native_function_raise_before_anything_waits(pool: ThreadPool) -> None:
    function = offgil.native(libc.labs)
    for call in (
        lambda: pool.apply_async(function, ("x",)),
        lambda: pool.map_async(function, [1, "x"]),
        lambda: pool.starmap_async(function, [(1, 2)]),
    ):
        with pytest.raises(TypeError):
            call()
    results = pool.imap(function, [-1, "x", -3])  # type: ignore[list-item]
    assert results.next(PATIENCE) == 1
    with pytest.raises(TypeError):
        results.next(PATIENCE)
    assert results.next(PATIENCE) == 3


def test_wrong_arguments_of_a_recognised_function_are_ctypes_errors_in_the_result(pool: ThreadPool) -> None:
    result = pool.map_async(libc.labs, [-1, "x"])
    with pytest.raises(ctypes.ArgumentError):
        result.get(PATIENCE)


@pytest.mark.parametrize("way", list(WAYS))
def test_what_a_function_raises_is_raised(pool: ThreadPool, way: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        WAYS[way](pool, int, ["1", "2", "x", "4"])
    assert sorted(WAYS[way](pool, int, ["1", "2"])) == [1, 2]


def test_a_map_is_ready_when_all_its_tasks_have_ended(pool: ThreadPool) -> None:
    go = threading.Event()

    def task(number: int) -> None:
        if number == 0:
            raise KeyError("first")
        go.wait(PATIENCE)
        raise ValueError("second")

    result = pool.map_async(task, [0, 1], 1)
    assert not result.ready()
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(0.05)
    go.set()
    with pytest.raises(KeyError):  # the first that was raised
        result.get(PATIENCE)
    assert not result.successful()


@pytest.mark.parametrize("function", [abs, libc.labs], ids=["Python", "ctypes"])
def test_what_an_iterable_raises_comes_after_its_items(pool: ThreadPool, function: Any) -> None:
    results = pool.imap(function, Broken())
    assert [results.next(PATIENCE) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError):
        results.next(PATIENCE)
    with pytest.raises(StopIteration):
        results.next(PATIENCE)
    with pytest.raises(LookupError):
        pool.map(function, Broken())


def test_imap_reads_its_iterable_in_another_thread_and_waits_for_nobody(pool: ThreadPool) -> None:
    more: collections.deque[int] = collections.deque([-1])
    over = threading.Event()

    def numbers() -> Iterator[int]:
        while not over.is_set():
            while more:
                yield more.popleft()
            time.sleep(0.001)

    results = pool.imap(abs, numbers())
    chained = pool.imap(str, results)
    assert chained.next(PATIENCE) == "1"
    with pytest.raises(multiprocessing.TimeoutError):
        chained.next(0.01)
    more.append(-2)
    assert chained.next(PATIENCE) == "2"
    over.set()
    with pytest.raises(StopIteration):
        chained.next(PATIENCE)


def test_an_endless_imap_ends_with_its_pool() -> None:
    with ThreadPool(2) as pool:
        results = pool.imap_unordered(abs, itertools.count())
        assert {results.next(PATIENCE) for _ in range(3)} < set(range(1000))
    with pytest.raises(concurrent.futures.CancelledError):
        while True:
            results.next(PATIENCE)


def test_callbacks_are_called_in_a_thread_for_them_before_the_result_is_ready(pool: ThreadPool) -> None:
    told: list[Any] = []

    def note(value: object) -> None:
        told.append((value if isinstance(value, list) else repr(value), threading.current_thread()))

    good: list[AsyncResult[Any]] = [
        pool.apply_async(abs, (-3,), callback=note),
        pool.apply_async(libc.labs, (-4,), callback=note),
        pool.map_async(abs, [-5], callback=note),
        pool.map_async(libc.labs, [-6, -7], callback=note),
    ]
    bad: list[AsyncResult[Any]] = [
        pool.apply_async(int, ("x",), callback=note, error_callback=note),
        pool.map_async(int, ["x"], error_callback=note),
    ]
    for result in good + bad:
        result.wait(PATIENCE)
        assert result.ready()
    assert [value for value, _ in told if isinstance(value, list)].count([6, 7]) == 1
    assert sorted(value for value, _ in told if isinstance(value, list)) == [[5], [6, 7]]
    assert sum("invalid literal" in value for value, _ in told if isinstance(value, str)) == 2
    assert {"3", "4"} <= {value for value, _ in told if isinstance(value, str)}
    (thread,) = {thread for _, thread in told}
    assert thread not in [threading.main_thread(), *pool._pool]


def test_a_callback_may_wait_for_a_result_with_a_callback(pool: ThreadPool) -> None:
    told: list[int] = []

    def more(value: int) -> None:
        inner = pool.apply_async(abs, (value - 10,), callback=told.append)
        told.append(inner.get(PATIENCE) * 100)

    pool.apply_async(abs, (-3,), callback=more).wait(PATIENCE)
    assert told == [7, 700]


def test_what_a_callback_raises_goes_to_the_excepthook_and_the_result_is_ready(
    pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    result = pool.apply_async(abs, (-3,), callback=lambda value: value["x"])
    assert result.get(PATIENCE) == 3
    assert [arguments.exc_type for arguments in seen] == [TypeError]
    assert pool.apply_async(abs, (-4,), callback=lambda value: None).get(PATIENCE) == 4


def test_a_result_says_when_it_is_ready(pool: ThreadPool, gate: Gate, enter: offgil.NativeFunction) -> None:
    event = threading.Event()
    waiting: list[AsyncResult[Any]] = [
        pool.apply_async(event.wait, (PATIENCE,)),
        pool.apply_async(enter, (gate.address,)),
        pool.apply_async(abs, (-3,), callback=lambda _: event.wait(PATIENCE)),
    ]
    for result in waiting:
        assert isinstance(result, multiprocessing.pool.AsyncResult)
        assert not result.ready()
        for timeout in (0, 0.01, -1):
            result.wait(timeout)
            with pytest.raises(multiprocessing.TimeoutError):
                result.get(timeout)
        with pytest.raises(ValueError, match="not ready"):
            result.successful()
    gate.open()
    event.set()
    for result in waiting:
        result.wait(PATIENCE)
        assert result.ready()
        assert result.successful()


@pytest.mark.parametrize("function", [abs, libc.labs], ids=["Python", "ctypes"])
@pytest.mark.parametrize("arguments", [(5,), ((1,), None), ((1,), {1: 2})], ids=repr)
@pytest.mark.parametrize("callback", [None, id])
def test_what_cannot_be_called_is_an_error_in_the_result(
    pool: ThreadPool, function: Any, arguments: Any, callback: Any
) -> None:
    result = pool.apply_async(function, *arguments, callback=callback)
    with pytest.raises(TypeError):
        result.get(PATIENCE)


def test_an_empty_map_calls_no_callback(pool: ThreadPool) -> None:
    told: list[Any] = []
    for function in (abs, libc.labs):
        assert pool.map_async(function, [], callback=told.append).get(PATIENCE) == []
        assert pool.starmap_async(function, [], callback=told.append).get(PATIENCE) == []
    pool.close()
    pool.join()
    assert told == []


@pytest.mark.parametrize("ordered", [True, False])
def test_an_imap_in_chunks_ends_with_the_first_error(pool: ThreadPool, ordered: bool) -> None:
    results = (pool.imap if ordered else pool.imap_unordered)(int, ["x", "x", "x", "4"], 2)
    with pytest.raises(ValueError, match="invalid literal"):
        results.next(PATIENCE)
    with pytest.raises(StopIteration):
        results.next(PATIENCE)
    assert list(results) == []


def test_get_tells_its_timeout_from_one_that_the_task_raised(pool: ThreadPool) -> None:
    def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        pool.apply_async(fail).get(PATIENCE)


@pytest.mark.parametrize("function", [int, str.upper, partial(int), os.getpid], ids=repr)
@pytest.mark.parametrize("given", [(3,), ((), None), ((), {1: 2})], ids=repr)
def test_an_error_of_unpacking_names_the_function_as_multiprocessing_does(function: Any, given: Any) -> None:
    errors: list[str] = []
    for kind in (multiprocessing.pool.ThreadPool, ThreadPool):
        with kind(1) as pool, pytest.raises(TypeError) as caught:
            pool.apply_async(function, *given).get(PATIENCE)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
