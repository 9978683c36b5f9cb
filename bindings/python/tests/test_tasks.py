"""Tasks and futures, over each binding."""

from __future__ import annotations

import threading
import time

from adapters import Binding
from conftest import Gate, Native, Pools

from offgil.ctypes import (
    FUTURE_CANCELED,
    FUTURE_DONE,
    FUTURE_QUEUED,
    FUTURE_RUNNING,
    OFFGIL_EBUSY,
    OFFGIL_ECANCELED,
    OFFGIL_EDONE,
    OFFGIL_EFAILED,
    OFFGIL_ETIMEDOUT,
    OFFGIL_FOREVER,
    OFFGIL_OK,
)

NOW = 0


def test_wait_returns_the_result_of_a_c_function(api: Binding, pool: int, native: Native) -> None:
    future = api.pool_submit(pool, native.twice, 21)
    assert future != 0
    assert api.future_wait(future) == (OFFGIL_OK, 42)
    assert api.future_release(future) == OFFGIL_OK


def test_results_keep_64_bits(api: Binding, pool: int, native: Native) -> None:
    future = api.pool_submit(pool, native.twice, 2**62 + 3)
    assert api.future_wait(future) == (OFFGIL_OK, 2**63 + 6)
    assert api.future_release(future) == OFFGIL_OK


def test_null_is_an_argument_and_a_result(api: Binding, pool: int, native: Native) -> None:
    future = api.pool_submit(pool, native.twice, 0)
    assert api.future_wait(future) == (OFFGIL_OK, 0)
    assert api.future_release(future) == OFFGIL_OK


def test_wait_may_be_called_again_and_by_several_threads(api: Binding, pool: int, native: Native) -> None:
    future = api.pool_submit(pool, native.twice, 4)
    answers: list[tuple[int, int]] = []
    threads = [threading.Thread(target=lambda: answers.append(api.future_wait(future))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.append(api.future_wait(future))
    assert answers == [(OFFGIL_OK, 8)] * 5
    assert api.future_release(future) == OFFGIL_OK


def test_a_python_function_runs_as_a_task(api: Binding, pool: int) -> None:
    task = api.python_task(lambda: 5)
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future) == (OFFGIL_OK, 5)
    assert api.future_release(future) == OFFGIL_OK


def test_a_wait_for_ever_lets_a_python_task_have_the_gil(api: Binding, pools: Pools) -> None:
    pool = pools.create_with(threads=1, waiters_help=0)
    seen: list[int] = []
    task = api.python_task(lambda: seen.append(threading.get_ident()) or 1)
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future, OFFGIL_FOREVER) == (OFFGIL_OK, 1)
    assert seen != [threading.get_ident()]
    assert api.future_release(future) == OFFGIL_OK


def test_timed_wait_on_a_running_task_times_out(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    future = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    assert api.future_wait(future, NOW)[0] == OFFGIL_ETIMEDOUT
    assert api.future_wait(future, 1_000_000)[0] == OFFGIL_ETIMEDOUT
    gate.open()
    assert api.future_wait(future) == (OFFGIL_OK, gate.address)
    assert api.future_release(future) == OFFGIL_OK


def test_state_goes_from_queued_to_running_to_done(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create(1)
    first = api.pool_submit(pool, native.gate_enter, gate.address)
    second = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    assert api.future_get_state(first) == FUTURE_RUNNING
    assert api.future_get_state(second) == FUTURE_QUEUED
    gate.open(2)
    assert api.future_wait_all([first, second]) == OFFGIL_OK
    assert api.future_get_state(first) == api.future_get_state(second) == FUTURE_DONE
    for future in (first, second):
        assert api.future_release(future) == OFFGIL_OK


def test_cancel_of_a_queued_task_means_it_never_runs(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create(1)
    ran: list[int] = []
    task = api.python_task(lambda: ran.append(1) or 0)
    holder = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_cancel(future) == OFFGIL_OK
    assert api.future_get_state(future) == FUTURE_CANCELED
    assert api.future_wait(future)[0] == OFFGIL_ECANCELED
    gate.open()
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert ran == []
    for each in (holder, future):
        assert api.future_release(each) == OFFGIL_OK


def test_cancel_of_a_running_task_asks_it_to_stop(api: Binding, pool: int) -> None:
    entered = threading.Event()

    def until_asked() -> int:
        before = api.task_is_canceled()
        entered.set()
        while not api.task_is_canceled():
            time.sleep(0.001)
        return 10 + before

    task = api.python_task(until_asked)
    future = api.pool_submit(pool, task.fn, task.arg)
    entered.wait()
    assert api.future_cancel(future) == OFFGIL_EBUSY
    assert api.future_wait(future) == (OFFGIL_OK, 10)
    assert api.future_release(future) == OFFGIL_OK


def test_cancel_of_a_finished_task_says_done(api: Binding, pool: int, native: Native) -> None:
    future = api.pool_submit(pool, native.twice, 1)
    assert api.future_wait(future) == (OFFGIL_OK, 2)
    assert api.future_cancel(future) == OFFGIL_EDONE
    assert api.future_wait(future) == (OFFGIL_OK, 2)
    assert api.future_release(future) == OFFGIL_OK


def test_a_retained_handle_is_the_same_and_takes_one_more_release(
    api: Binding, pool: int, native: Native
) -> None:
    future = api.pool_submit(pool, native.twice, 3)
    assert api.future_retain(future) == future
    assert api.future_release(future) == OFFGIL_OK
    assert api.future_wait(future) == (OFFGIL_OK, 6)
    assert api.future_release(future) == OFFGIL_OK


def test_a_task_still_runs_after_its_handle_is_released(api: Binding, pool: int) -> None:
    ran = threading.Event()
    task = api.python_task(lambda: ran.set() or 0)
    assert api.future_release(api.pool_submit(pool, task.fn, task.arg)) == OFFGIL_OK
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert ran.is_set()


def test_spawn_runs_the_task_without_a_future(api: Binding, pool: int) -> None:
    ran: list[int] = []
    task = api.python_task(lambda: ran.append(1) or 0)
    for _ in range(5):
        assert api.pool_spawn(pool, task.fn, task.arg) == OFFGIL_OK
    assert api.pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK
    assert ran == [1] * 5


def test_submit_many_gives_a_future_for_each_argument(api: Binding, pool: int, native: Native) -> None:
    status, futures = api.pool_submit_many(pool, native.twice, range(100))
    assert status == OFFGIL_OK
    assert len(set(futures)) == 100
    assert api.future_wait_all(futures) == OFFGIL_OK
    assert [api.future_wait(future) for future in futures] == [(OFFGIL_OK, 2 * n) for n in range(100)]
    assert {api.future_release(future) for future in futures} == {OFFGIL_OK}


def test_wait_all_answers_the_status_of_the_first_that_failed(
    api: Binding, pool: int, native: Native
) -> None:
    fails = api.python_task(lambda: api.task_fail(1, b"no"))
    futures = [
        api.pool_submit(pool, native.twice, 1),
        api.pool_submit(pool, fails.fn, fails.arg),
        api.pool_submit(pool, native.twice, 2),
    ]
    assert api.future_wait_all(futures) == OFFGIL_EFAILED
    assert [api.future_get_state(future) for future in futures] == [FUTURE_DONE] * 3
    assert {api.future_release(future) for future in futures} == {OFFGIL_OK}


def test_wait_all_times_out_while_one_still_runs(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    futures = [api.pool_submit(pool, native.gate_enter, gate.address) for _ in range(2)]
    gate.open()
    assert api.future_wait_all(futures, 1_000_000) == OFFGIL_ETIMEDOUT
    gate.open()
    assert api.future_wait_all(futures) == OFFGIL_OK
    assert {api.future_release(future) for future in futures} == {OFFGIL_OK}


def test_wait_any_names_the_one_that_is_done(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    slow = api.pool_submit(pool, native.gate_enter, gate.address)
    quick = api.pool_submit(pool, native.twice, 7)
    assert api.future_wait_any([slow, quick]) == (OFFGIL_OK, 1)
    gate.open()
    assert api.future_wait(slow)[0] == OFFGIL_OK
    for future in (slow, quick):
        assert api.future_release(future) == OFFGIL_OK


def test_wait_any_times_out_while_all_still_run(api: Binding, pool: int, native: Native, gate: Gate) -> None:
    future = api.pool_submit(pool, native.gate_enter, gate.address)
    assert api.future_wait_any([future], 1_000_000)[0] == OFFGIL_ETIMEDOUT
    gate.open()
    assert api.future_wait(future)[0] == OFFGIL_OK
    assert api.future_release(future) == OFFGIL_OK


def test_a_failed_task_keeps_its_code_and_message(api: Binding, pool: int) -> None:
    task = api.python_task(lambda: api.task_fail(-77, "no such planet: Tatoöine".encode()))
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future)[0] == OFFGIL_EFAILED
    status, code, message = api.future_error(future)
    assert (status, code, message.decode()) == (OFFGIL_EFAILED, -77, "no such planet: Tatoöine")
    assert api.future_release(future) == OFFGIL_OK


def test_an_error_message_is_cut_to_the_buffer(api: Binding, pool: int) -> None:
    task = api.python_task(lambda: api.task_fail(1, b"0123456789"))
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future)[0] == OFFGIL_EFAILED
    assert api.future_error(future, length=5) == (OFFGIL_EFAILED, 1, b"0123")
    assert api.future_error(future, length=0) == (OFFGIL_EFAILED, 1, b"")
    assert api.future_release(future) == OFFGIL_OK


def test_a_task_that_went_well_or_was_canceled_has_no_error(
    api: Binding, pools: Pools, native: Native, gate: Gate
) -> None:
    pool = pools.create(1)
    running = api.pool_submit(pool, native.gate_enter, gate.address)
    gate.await_entered()
    queued = api.pool_submit(pool, native.twice, 1)
    assert api.future_error(running) == (OFFGIL_ETIMEDOUT, 0, b"")
    assert api.future_cancel(queued) == OFFGIL_OK
    assert api.future_error(queued) == (OFFGIL_ECANCELED, 0, b"")
    gate.open()
    assert api.future_wait(running)[0] == OFFGIL_OK
    assert api.future_error(running) == (OFFGIL_OK, 0, b"")
    for future in (running, queued):
        assert api.future_release(future) == OFFGIL_OK


def test_tasks_of_a_pool_of_one_wait_for_their_children(api: Binding, pools: Pools) -> None:
    pool = pools.create(1)

    def descend(depth: int) -> int:
        if depth == 0:
            return 1
        child = api.python_task(lambda: descend(depth - 1))
        future = api.pool_submit(pool, child.fn, child.arg)
        status, result = api.future_wait(future, OFFGIL_FOREVER)
        assert api.future_release(future) == status == OFFGIL_OK
        return result + 1

    task = api.python_task(lambda: descend(20))
    future = api.pool_submit(pool, task.fn, task.arg)
    assert api.future_wait(future) == (OFFGIL_OK, 21)
    assert api.future_release(future) == OFFGIL_OK
