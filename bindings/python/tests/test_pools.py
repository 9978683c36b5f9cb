"""Pools: options, idling, shutdown, over each binding."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

import pytest
from adapters import Binding
from conftest import Gate, Native, Pools

from offgil.ctypes import (
    OFFGIL_ECANCELED,
    OFFGIL_ECLOSED,
    OFFGIL_EFULL,
    OFFGIL_EINVAL,
    OFFGIL_ETIMEDOUT,
    OFFGIL_FOREVER,
    OFFGIL_OK,
    POOL_CANCEL,
    POOL_DRAIN,
    POOL_FIFO,
    POOL_FULL_BLOCK,
    POOL_FULL_FAIL,
    POOL_FULL_RUN,
    POOL_LIFO,
)


def test_thread_count_is_what_was_asked_for(api: Binding, pools: Pools) -> None:
    assert [api.pool_thread_count(pools.create(count)) for count in (1, 2, 7)] == [1, 2, 7]


def test_zero_threads_are_one_per_usable_cpu(
    api: Binding, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OFFGIL_NUM_THREADS", raising=False)
    assert 1 <= api.offgil_cpu_count() <= len(os.sched_getaffinity(0))
    assert api.pool_thread_count(pools.create(0)) == api.offgil_cpu_count()


def test_the_environment_overrides_zero_threads_only(
    api: Binding, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFGIL_NUM_THREADS", "3")
    assert api.pool_thread_count(pools.create(0)) == 3
    assert api.pool_thread_count(pools.create(2)) == 2


def test_options_start_with_the_documented_defaults(api: Binding) -> None:
    options = api.options()
    assert options["size"] == api.sizeof("pool_options_t")
    assert options["threads"] == 0
    assert options["max_spare_threads"] == 256
    assert options["queue_limit"] == 0
    assert options["when_full"] == POOL_FULL_BLOCK
    assert options["order"] == POOL_FIFO
    for pointer in ("thread_name", "on_thread_start", "on_thread_stop", "context"):
        assert options[pointer] == 0


def test_threads_bear_the_name_of_the_options(api: Binding, pools: Pools) -> None:
    pool = pools.create_with(threads=1, thread_name=b"wanda", waiters_help=0)
    names: list[str] = []
    task = api.python_task(lambda: names.append(Path("/proc/thread-self/comm").read_text()) or 0)
    assert api.pool_spawn(pool, task.fn, task.arg) == OFFGIL_OK
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert names[0].startswith("wanda")


def test_hooks_run_once_at_both_ends_of_each_thread(api: Binding, pools: Pools, native: Native) -> None:
    counter = ctypes.c_size_t()
    context = ctypes.addressof(counter)
    pool = pools.create_with(threads=1, on_thread_start=native.bump_hook, context=context)
    future = api.pool_submit(pool, native.twice, 1)
    assert api.future_wait(future)[0] == OFFGIL_OK
    assert counter.value == 1
    assert api.future_release(future) == OFFGIL_OK
    assert api.pool_destroy(pool) == OFFGIL_OK
    assert counter.value == 1

    pool = pools.create_with(threads=1, on_thread_stop=native.bump_hook, context=context)
    future = api.pool_submit(pool, native.twice, 1)
    assert api.future_wait(future)[0] == OFFGIL_OK
    assert api.future_release(future) == OFFGIL_OK
    assert counter.value == 1
    assert api.pool_destroy(pool) == OFFGIL_OK
    assert counter.value == 2


@pytest.mark.parametrize(("order", "expected"), [(POOL_FIFO, [0, 1, 2, 3]), (POOL_LIFO, [3, 2, 1, 0])])
def test_one_worker_takes_outside_tasks_in_the_order_of_the_options(
    api: Binding, pools: Pools, native: Native, gate: Gate, order: int, expected: list[int]
) -> None:
    pool = pools.create_with(threads=1, order=order, waiters_help=0)
    ran: list[int] = []
    tasks = [api.python_task(lambda n=n: ran.append(n) or 0) for n in range(4)]
    assert api.pool_spawn(pool, native.gate_enter, gate.address) == OFFGIL_OK
    gate.await_entered()
    for task in tasks:
        assert api.pool_spawn(pool, task.fn, task.arg) == OFFGIL_OK
    gate.open()
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert ran == expected


def test_a_full_queue_that_fails_says_full(api: Binding, pools: Pools, native: Native, gate: Gate) -> None:
    pool = pools.create_with(threads=1, queue_limit=1, when_full=POOL_FULL_FAIL)
    holder = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    waiting = api.pool_submit(pool, native.twice, 1)
    assert waiting
    assert api.pool_submit(pool, native.twice, 2) == 0
    assert api.offgil_last_status() == OFFGIL_EFULL
    assert api.pool_spawn(pool, native.twice, 2) == OFFGIL_EFULL
    gate.open()
    assert api.future_wait_all([holder, waiting]) == OFFGIL_OK
    for future in (holder, waiting):
        assert api.future_release(future) == OFFGIL_OK


def test_a_full_queue_that_blocks_gives_up_after_the_timeout(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create_with(threads=1, queue_limit=1, when_full=POOL_FULL_BLOCK, full_timeout_ns=1_000_000)
    assert api.pool_spawn(pool, native.gate_enter, gate.address) == OFFGIL_OK
    gate.await_entered()
    assert api.pool_spawn(pool, native.twice, 1) == OFFGIL_OK
    assert api.pool_spawn(pool, native.twice, 2) == OFFGIL_ETIMEDOUT
    gate.open()


def test_a_full_queue_that_blocks_goes_on_when_there_is_room(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create_with(threads=1, queue_limit=1, when_full=POOL_FULL_BLOCK, full_timeout_ns=-1)
    assert api.pool_spawn(pool, native.gate_enter, gate.address) == OFFGIL_OK
    gate.await_entered()
    assert api.pool_spawn(pool, native.twice, 1) == OFFGIL_OK
    statuses: list[int] = []
    submitter = threading.Thread(target=lambda: statuses.append(api.pool_spawn(pool, native.twice, 2)))
    submitter.start()
    gate.open()
    submitter.join()
    assert statuses == [OFFGIL_OK]


def test_a_full_queue_that_runs_lets_the_submitter_do_it(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create_with(threads=2, queue_limit=1, when_full=POOL_FULL_RUN)
    seen: list[int] = []
    task = api.python_task(lambda: seen.append(threading.get_ident()) or 0)
    first = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    assert api.pool_wait_idle(pool, 0) == OFFGIL_ETIMEDOUT
    futures = [api.pool_submit(pool, task.fn, task.arg) for _ in range(50)]
    assert all(futures)
    gate.open()
    assert api.future_wait_all([first, *futures]) == OFFGIL_OK
    assert len(seen) == 50
    for future in (first, *futures):
        assert api.future_release(future) == OFFGIL_OK


def test_wait_idle_returns_when_all_is_done(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    assert api.pool_wait_idle(pool, 0) == OFFGIL_OK
    assert api.pool_spawn(pool, native.gate_enter, gate.address) == OFFGIL_OK
    assert api.pool_wait_idle(pool, 1_000_000) == OFFGIL_ETIMEDOUT
    gate.open()
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK


def test_shutdown_drains_what_is_queued(api: Binding, pools: Pools, native: Native) -> None:
    pool = pools.create(1)
    counter = ctypes.c_size_t()
    for _ in range(50):
        assert api.pool_spawn(pool, native.bump, ctypes.addressof(counter)) == OFFGIL_OK
    assert api.pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER) == OFFGIL_OK
    assert counter.value == 50


def test_shutdown_with_cancel_drops_what_is_queued(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create(1)
    counter = ctypes.c_size_t()
    running = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    queued = api.pool_submit(pool, native.bump, ctypes.addressof(counter))
    assert api.pool_shutdown(pool, POOL_CANCEL, 0) == OFFGIL_ETIMEDOUT
    assert api.future_wait(queued)[0] == OFFGIL_ECANCELED
    gate.open()
    assert api.pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER) == OFFGIL_OK
    assert api.future_wait(running)[0] == OFFGIL_OK
    assert counter.value == 0
    for future in (running, queued):
        assert api.future_release(future) == OFFGIL_OK


def test_shutdown_wakes_a_blocked_submitter(api: Binding, pools: Pools, native: Native, gate: Gate) -> None:
    pool = pools.create_with(threads=1, queue_limit=1, when_full=POOL_FULL_BLOCK, full_timeout_ns=-1)
    assert api.pool_spawn(pool, native.gate_enter, gate.address) == OFFGIL_OK
    gate.await_entered()
    assert api.pool_spawn(pool, native.twice, 1) == OFFGIL_OK
    statuses: list[int] = []
    submitter = threading.Thread(target=lambda: statuses.append(api.pool_spawn(pool, native.twice, 2)))
    submitter.start()
    assert api.pool_shutdown(pool, POOL_DRAIN, 0) == OFFGIL_ETIMEDOUT
    submitter.join()
    assert statuses == [OFFGIL_ECLOSED]
    gate.open()


def test_release_never_waits_and_what_is_queued_still_runs(api: Binding, native: Native, gate: Gate) -> None:
    pool = api.pool_create(1)
    counter = ctypes.c_size_t()
    running = api.pool_submit(pool, native.gate_enter, gate.address)
    queued = api.pool_submit(pool, native.bump, ctypes.addressof(counter))
    assert api.pool_release(pool) == OFFGIL_OK
    gate.open()
    assert api.future_wait_all([running, queued]) == OFFGIL_OK
    assert counter.value == 1
    for future in (running, queued):
        assert api.future_release(future) == OFFGIL_OK


def test_the_default_pool_is_one_for_the_process(api: Binding, native: Native) -> None:
    pool = api.pool_default()
    assert pool == api.pool_default() != 0
    assert api.pool_thread_count(pool) >= 1
    future = api.pool_submit(pool, native.twice, 9)
    assert api.future_wait(future) == (OFFGIL_OK, 18)
    assert api.future_release(future) == OFFGIL_OK


def test_the_default_pool_cannot_be_ended(api: Binding) -> None:
    pool = api.pool_default()
    assert api.pool_shutdown(pool, POOL_DRAIN, 0) == OFFGIL_EINVAL
    assert api.pool_destroy(pool) == OFFGIL_EINVAL
    assert api.pool_release(pool) == OFFGIL_EINVAL


def test_workers_have_an_index_below_the_thread_count_and_others_have_none(
    api: Binding, pools: Pools
) -> None:
    pool = pools.create_with(threads=3, waiters_help=0)
    seen: set[int] = set()
    task = api.python_task(lambda: seen.add(api.pool_worker_index(pool)) or 0)
    for _ in range(20):
        assert api.pool_spawn(pool, task.fn, task.arg) == OFFGIL_OK
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert seen
    assert seen <= {0, 1, 2}
    assert api.pool_worker_index(pool) == -1


def test_every_status_has_a_name_and_a_message(api: Binding) -> None:
    for status in range(OFFGIL_OK, -15, -1):
        name = api.offgil_status_name(status).decode()
        assert api.constant(name) == status
        assert api.offgil_status_message(status)


def test_an_unknown_status_still_has_words(api: Binding) -> None:
    for status in (1, -1000, 2**31 - 1, -(2**31)):
        assert api.offgil_status_name(status)
        assert api.offgil_status_message(status)
