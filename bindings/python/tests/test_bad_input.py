"""Bad input has a status, never a crash: over each binding."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from adapters import Binding
from conftest import Gate, Native, Pools

from offgil.ctypes import (
    FUTURE_INVALID,
    OFFGIL_ECLOSED,
    OFFGIL_EDEADLK,
    OFFGIL_EFAILED,
    OFFGIL_EHANDLE,
    OFFGIL_EINVAL,
    OFFGIL_FOREVER,
    OFFGIL_OK,
    POOL_DRAIN,
)

NULL = 0
INVENTED = [1, 8, 0xDEADBEEF, 0x7FFF_FFFF_F000, 2**48 + 1, 2**63, 2**64 - 1]

# Every function that takes a pool and answers a status, called with the pool given and all else in order.
POOL_CALLS: dict[str, Callable[[Binding, int, int], int]] = {
    "pool_shutdown": lambda api, pool, fn: api.pool_shutdown(pool, POOL_DRAIN, 0),
    "pool_destroy": lambda api, pool, fn: api.pool_destroy(pool),
    "pool_release": lambda api, pool, fn: api.pool_release(pool),
    "pool_wait_idle": lambda api, pool, fn: api.pool_wait_idle(pool, 0),
    "pool_spawn": lambda api, pool, fn: api.pool_spawn(pool, fn, 1),
    "pool_submit_many": lambda api, pool, fn: api.pool_submit_many(pool, fn, [1, 2])[0],
    "pool_map": lambda api, pool, fn: api.pool_map(pool, fn, [1, 2])[0],
    "pool_for": lambda api, pool, fn: api.pool_for(pool, 0, 10, 1, fn, 0),
    "pool_invoke": lambda api, pool, fn: api.pool_invoke(pool, fn, 1, fn, 2),
}

# Every function that takes a future and answers a status.
FUTURE_CALLS: dict[str, Callable[[Binding, int], int]] = {
    "future_wait": lambda api, future: api.future_wait(future, 0)[0],
    "future_wait for ever": lambda api, future: api.future_wait(future, OFFGIL_FOREVER)[0],
    "future_wait_all": lambda api, future: api.future_wait_all([future], 0),
    "future_wait_all for ever": lambda api, future: api.future_wait_all([future], OFFGIL_FOREVER),
    "future_wait_any": lambda api, future: api.future_wait_any([future], 0)[0],
    "future_cancel": lambda api, future: api.future_cancel(future),
    "future_error": lambda api, future: api.future_error(future)[0],
    "future_release": lambda api, future: api.future_release(future),
}


@pytest.fixture
def stale_pool(api: Binding) -> int:
    """A destroyed pool."""
    pool = api.pool_create(1)
    assert api.pool_destroy(pool) == OFFGIL_OK
    return pool


@pytest.fixture
def stale_future(api: Binding, pool: int, native: Native) -> int:
    """A released future whose task is done."""
    future = api.pool_submit(pool, native.twice, 1)
    assert api.future_wait(future) == (OFFGIL_OK, 2)
    assert api.future_release(future) == OFFGIL_OK
    return future


@pytest.mark.parametrize("call", POOL_CALLS.values(), ids=POOL_CALLS)
def test_a_null_pool_is_a_bad_argument(
    api: Binding, native: Native, call: Callable[[Binding, int, int], int]
) -> None:
    assert call(api, NULL, native.twice) == OFFGIL_EINVAL


@pytest.mark.parametrize("call", POOL_CALLS.values(), ids=POOL_CALLS)
def test_a_pool_that_never_was_is_no_handle(
    api: Binding, native: Native, call: Callable[[Binding, int, int], int]
) -> None:
    assert [call(api, value, native.twice) for value in INVENTED] == [OFFGIL_EHANDLE] * len(INVENTED)


@pytest.mark.parametrize("call", POOL_CALLS.values(), ids=POOL_CALLS)
def test_a_destroyed_pool_is_no_handle(
    api: Binding, native: Native, stale_pool: int, call: Callable[[Binding, int, int], int]
) -> None:
    assert call(api, stale_pool, native.twice) == OFFGIL_EHANDLE


@pytest.mark.parametrize("call", POOL_CALLS.values(), ids=POOL_CALLS)
def test_a_future_is_no_pool(
    api: Binding, pool: int, native: Native, call: Callable[[Binding, int, int], int]
) -> None:
    future = api.pool_submit(pool, native.twice, 1)
    assert call(api, future, native.twice) == OFFGIL_EHANDLE
    assert api.future_wait(future) == (OFFGIL_OK, 2)
    assert api.future_release(future) == OFFGIL_OK


def test_submit_to_a_bad_pool_gives_null_and_the_reason(
    api: Binding, native: Native, stale_pool: int
) -> None:
    for pool, status in ((NULL, OFFGIL_EINVAL), (stale_pool, OFFGIL_EHANDLE), (INVENTED[2], OFFGIL_EHANDLE)):
        assert api.pool_submit(pool, native.twice, 1) == NULL
        assert api.offgil_last_status() == status
        assert api.offgil_last_message()


def test_questions_about_a_bad_pool_have_an_answer_too(api: Binding, stale_pool: int) -> None:
    for pool in (NULL, stale_pool, *INVENTED):
        assert api.pool_thread_count(pool) == 0
        assert api.pool_worker_index(pool) == -1


@pytest.mark.parametrize("call", FUTURE_CALLS.values(), ids=FUTURE_CALLS)
def test_a_null_future_is_a_bad_argument(api: Binding, call: Callable[[Binding, int], int]) -> None:
    assert call(api, NULL) == OFFGIL_EINVAL


@pytest.mark.parametrize("call", FUTURE_CALLS.values(), ids=FUTURE_CALLS)
def test_a_future_that_never_was_is_no_handle(api: Binding, call: Callable[[Binding, int], int]) -> None:
    assert [call(api, value) for value in INVENTED] == [OFFGIL_EHANDLE] * len(INVENTED)


@pytest.mark.parametrize("call", FUTURE_CALLS.values(), ids=FUTURE_CALLS)
def test_a_released_future_is_no_handle(
    api: Binding, stale_future: int, call: Callable[[Binding, int], int]
) -> None:
    assert call(api, stale_future) == OFFGIL_EHANDLE


@pytest.mark.parametrize("call", FUTURE_CALLS.values(), ids=FUTURE_CALLS)
def test_a_pool_is_no_future(api: Binding, pool: int, call: Callable[[Binding, int], int]) -> None:
    assert call(api, pool) == OFFGIL_EHANDLE


def test_the_state_of_a_bad_future_is_invalid(api: Binding, pool: int, stale_future: int) -> None:
    for future in (NULL, stale_future, pool, *INVENTED):
        assert api.future_get_state(future) == FUTURE_INVALID


def test_a_bad_future_cannot_be_retained(api: Binding, pool: int, stale_future: int) -> None:
    assert api.future_retain(NULL) == NULL
    assert api.offgil_last_status() == OFFGIL_EINVAL
    for future in (stale_future, pool, *INVENTED):
        assert api.future_retain(future) == NULL
        assert api.offgil_last_status() == OFFGIL_EHANDLE


def test_a_stale_future_stays_stale_when_its_place_is_used_again(
    api: Binding, pool: int, native: Native, stale_future: int
) -> None:
    status, futures = api.pool_submit_many(pool, native.twice, range(1000))
    assert status == OFFGIL_OK
    assert stale_future not in futures
    assert api.future_wait(stale_future)[0] == OFFGIL_EHANDLE
    assert api.future_wait_all(futures) == OFFGIL_OK
    assert {api.future_release(future) for future in futures} == {OFFGIL_OK}


def test_of_many_releases_at_once_one_counts(api: Binding, pool: int, native: Native) -> None:
    for _ in range(20):
        future = api.pool_submit(pool, native.twice, 1)
        with ThreadPoolExecutor(4) as threads:
            statuses = list(threads.map(api.future_release, [future] * 4))
        assert sorted(statuses) == [OFFGIL_EHANDLE] * 3 + [OFFGIL_OK]


def test_a_release_during_a_wait_ends_the_wait(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    future = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    statuses: list[int] = []
    waiter = threading.Thread(target=lambda: statuses.append(api.future_wait(future, OFFGIL_FOREVER)[0]))
    waiter.start()
    assert api.future_release(future) == OFFGIL_OK
    waiter.join()
    assert statuses == [OFFGIL_EHANDLE]
    gate.open()


def test_a_null_function_is_a_bad_argument(api: Binding, pool: int, native: Native) -> None:
    assert api.pool_submit(pool, NULL, 1) == NULL
    assert api.offgil_last_status() == OFFGIL_EINVAL
    assert api.pool_spawn(pool, NULL, 1) == OFFGIL_EINVAL
    assert api.pool_submit_many(pool, NULL, [1, 2]) == (OFFGIL_EINVAL, [NULL, NULL])
    assert api.pool_map(pool, NULL, [1, 2])[0] == OFFGIL_EINVAL
    assert api.pool_for(pool, 0, 10, 1, NULL, 0) == OFFGIL_EINVAL
    assert api.pool_invoke(pool, NULL, 1, native.twice, 1) == OFFGIL_EINVAL
    assert api.pool_invoke(pool, native.twice, 1, NULL, 1) == OFFGIL_EINVAL


def test_a_range_that_ends_before_it_begins_is_a_bad_argument(
    api: Binding, pool: int, native: Native
) -> None:
    assert api.pool_for(pool, 10, 0, 1, native.visit_range, 0) == OFFGIL_EINVAL


def test_null_options_are_a_bad_argument(api: Binding) -> None:
    assert api.pool_create_with(NULL) == NULL
    assert api.offgil_last_status() == OFFGIL_EINVAL
    api.pool_options_init(NULL, 100)


@pytest.mark.parametrize("size", [0, 1, 8, 5000, 2**63])
def test_options_of_a_size_that_no_version_has_are_a_bad_argument(api: Binding, size: int) -> None:
    assert api.pool_create_with(api.options(size=size)) == NULL
    assert api.offgil_last_status() == OFFGIL_EINVAL


def test_options_of_an_older_size_are_filled_up_with_defaults(api: Binding, pools: Pools) -> None:
    options = api.options(threads=3, order=99, when_full=99)
    options["size"] = 16  # nobody looks at what lies beyond
    assert api.pool_thread_count(pools.keep(api.pool_create_with(options))) == 3


@pytest.mark.parametrize(("unknown", "status"), [(b"\0" * 64, OFFGIL_OK), (b"\1" * 64, OFFGIL_EINVAL)])
def test_options_of_a_newer_size_are_fine_unless_an_unknown_one_is_set(
    api: Binding, unknown: bytes, status: int
) -> None:
    options = api.options(threads=3)
    options["size"] += len(unknown)
    known = ctypes.string_at(options.address, api.sizeof("pool_options_t"))
    newer = ctypes.create_string_buffer(known + unknown, len(known + unknown))
    pool = api.pool_create_with(ctypes.addressof(newer))
    if status == OFFGIL_OK:
        assert api.pool_thread_count(pool) == 3
        assert api.pool_destroy(pool) == OFFGIL_OK
    else:
        assert pool == NULL
        assert api.offgil_last_status() == status


@pytest.mark.parametrize(
    "fields", [{"when_full": 99}, {"when_full": -1}, {"order": 99}, {"order": -1}], ids=str
)
def test_options_with_an_unknown_choice_are_a_bad_argument(api: Binding, fields: dict[str, int]) -> None:
    assert api.pool_create_with(api.options(**fields)) == NULL
    assert api.offgil_last_status() == OFFGIL_EINVAL


def test_an_absurd_thread_count_is_a_bad_argument(api: Binding) -> None:
    for threads in (4097, 2**31, 2**32 - 1):
        assert api.pool_create(threads) == NULL
        assert api.offgil_last_status() == OFFGIL_EINVAL
        assert api.pool_create_with(api.options(threads=threads)) == NULL
        assert api.offgil_last_status() == OFFGIL_EINVAL


def test_a_bad_number_of_threads_in_the_environment_is_a_bad_argument(
    api: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ("many", "-1", "0.5", "99999"):
        monkeypatch.setenv("OFFGIL_NUM_THREADS", words)
        assert api.pool_create(0) == NULL, words
        assert api.offgil_last_status() == OFFGIL_EINVAL
        assert api.offgil_last_message()


def test_an_unknown_shutdown_mode_is_a_bad_argument(api: Binding, pool: int) -> None:
    for mode in (-1, 2, 99):
        assert api.pool_shutdown(pool, mode, 0) == OFFGIL_EINVAL


@pytest.mark.parametrize("call", list(POOL_CALLS)[4:])
def test_a_pool_that_was_shut_down_takes_no_work(api: Binding, pool: int, native: Native, call: str) -> None:
    assert api.pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER) == OFFGIL_OK
    assert POOL_CALLS[call](api, pool, native.twice) == OFFGIL_ECLOSED
    assert api.pool_submit(pool, native.twice, 1) == NULL
    assert api.offgil_last_status() == OFFGIL_ECLOSED


def test_a_second_shutdown_is_fine(api: Binding, pool: int) -> None:
    assert api.pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER) == OFFGIL_OK
    assert api.pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER) == OFFGIL_OK


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_cannot_destroy_its_pool(api: Binding, pools: Pools, threads: int) -> None:
    pool = pools.create_with(threads=threads, waiters_help=0)
    statuses: list[int] = []
    task = api.python_task(lambda: statuses.append(api.pool_destroy(pool)) or 0)
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future)[0] == OFFGIL_OK
    assert statuses == [OFFGIL_EDEADLK]
    assert api.future_release(future) == OFFGIL_OK


def test_a_task_cannot_wait_for_ever_for_itself(api: Binding, pools: Pools) -> None:
    pool = pools.create_with(threads=1, waiters_help=0)
    own: list[int] = []
    known = threading.Event()
    statuses: list[int] = []

    def wait_for_myself() -> int:
        known.wait()
        statuses.append(api.future_wait(own[0], OFFGIL_FOREVER)[0])
        return 1

    task = api.python_task(wait_for_myself)
    own.append(api.pool_submit(pool, task.fn, task.arg))
    known.set()
    assert api.future_wait(own[0]) == (OFFGIL_OK, 1)
    assert statuses == [OFFGIL_EDEADLK]
    assert api.future_release(own[0]) == OFFGIL_OK


def test_of_two_tasks_that_wait_for_each_other_one_is_told(api: Binding, pools: Pools) -> None:
    pool = pools.create_with(threads=2, waiters_help=0)
    futures: list[int] = []
    known = threading.Event()
    statuses: list[int] = []

    def wait_for(other: int) -> int:
        known.wait()
        statuses.append(api.future_wait(futures[other], OFFGIL_FOREVER)[0])
        return 0

    tasks = [api.python_task(lambda other=other: wait_for(other)) for other in (1, 0)]
    futures += [api.pool_submit(pool, task.fn, task.arg) for task in tasks]
    known.set()
    assert api.future_wait_all(futures) == OFFGIL_OK
    assert sorted(statuses) == [OFFGIL_EDEADLK, OFFGIL_OK]
    assert {api.future_release(future) for future in futures} == {OFFGIL_OK}


def test_a_worker_cannot_wait_for_ever_for_its_pool_to_idle(api: Binding, pools: Pools) -> None:
    pool = pools.create_with(threads=1, waiters_help=0)
    task = api.python_task(lambda: -api.pool_wait_idle(pool, OFFGIL_FOREVER))
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future) == (OFFGIL_OK, -OFFGIL_EDEADLK)
    assert api.future_release(future) == OFFGIL_OK


def test_a_future_outlives_its_pool(api: Binding, native: Native) -> None:
    pool = api.pool_create(2)
    future = api.pool_submit(pool, native.twice, 21)
    assert api.pool_destroy(pool) == OFFGIL_OK
    assert api.future_wait(future) == (OFFGIL_OK, 42)
    assert api.future_release(future) == OFFGIL_OK
    assert api.future_wait(future)[0] == OFFGIL_EHANDLE


def test_a_wait_for_none_of_many_is_a_bad_argument_and_for_all_of_none_is_over(api: Binding) -> None:
    assert api.future_wait_any([], 0)[0] == OFFGIL_EINVAL
    assert api.future_wait_all([], 0) == OFFGIL_OK


def test_submit_of_nothing_is_fine(api: Binding, pool: int, native: Native) -> None:
    assert api.pool_submit_many(pool, native.twice, []) == (OFFGIL_OK, [])


def test_one_bad_future_among_good_ones_is_found(api: Binding, pool: int, native: Native) -> None:
    good = api.pool_submit(pool, native.twice, 1)
    assert api.future_wait(good) == (OFFGIL_OK, 2)
    assert api.future_wait_all([good, INVENTED[2]]) == OFFGIL_EHANDLE
    assert api.future_wait_all([good, NULL]) == OFFGIL_EINVAL
    assert api.future_wait_any([NULL, good], 0)[0] == OFFGIL_EINVAL
    assert api.future_release(good) == OFFGIL_OK


def test_outside_a_task_there_is_nothing_to_fail_or_to_cancel(api: Binding) -> None:
    assert api.task_fail(1, b"no task here") == OFFGIL_EINVAL
    assert api.task_is_canceled() == 0


def test_a_failure_may_come_without_words(api: Binding, pool: int) -> None:
    task = api.python_task(lambda: api.task_fail(5, None))
    future = api.pool_submit(pool, task.fn, task.arg)
    api.future_wait(future)
    assert api.future_error(future) == (OFFGIL_EFAILED, 5, b"")
    assert api.future_release(future) == OFFGIL_OK
