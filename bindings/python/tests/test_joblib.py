"""joblib on `offgil.joblib`'s backend."""

from __future__ import annotations

import ctypes
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import joblib
import pytest
from conftest import Running
from joblib import Parallel, delayed, parallel_config

import offgil
import offgil.joblib

PATIENCE = 30.0
libc = ctypes.CDLL(None)
libc.labs.argtypes = [ctypes.c_long]
libc.labs.restype = ctypes.c_long


@pytest.fixture(autouse=True)
def backend() -> Iterator[None]:
    offgil.joblib.register()
    with parallel_config(backend="offgil"):
        yield


def thread_name(_: object = None) -> str:
    return threading.current_thread().name


def test_results_come_in_order_from_threads_of_an_executor() -> None:
    assert Parallel(n_jobs=2)(delayed(abs)(-number) for number in range(500)) == list(range(500))
    assert all(name.startswith("joblib_") for name in Parallel(n_jobs=2)([delayed(thread_name)()] * 10))


def test_one_job_runs_on_the_calling_thread() -> None:
    own = thread_name()
    for n_jobs in (1, None):
        assert Parallel(n_jobs=n_jobs)([delayed(thread_name)()] * 3) == [own] * 3


def test_effective_n_jobs_counts_from_the_cpus_down() -> None:
    cpus = joblib.cpu_count()
    assert [joblib.effective_n_jobs(number) for number in (3, -1, -cpus - 5)] == [3, cpus, 1]
    with pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)([delayed(abs)(-1)])
    with offgil.ThreadPoolExecutor(3) as pool, parallel_config(backend="offgil", executor=pool):
        assert [joblib.effective_n_jobs(number) for number in (2, 8, -1, -2)] == [2, 3, 3, 2]


def test_an_executor_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="not int"):
        parallel_config(backend="offgil", executor=2)


def fail_for_three(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return number


def test_what_a_task_raises_is_raised_with_its_traceback_as_the_cause() -> None:
    with pytest.raises(LookupError, match="three") as caught:
        Parallel(n_jobs=2)(delayed(fail_for_three)(number) for number in range(10))
    assert "in fail_for_three" in str(caught.value.__cause__)


def test_a_failure_waits_for_no_task_that_runs() -> None:
    go = threading.Event()

    def wait_or_fail(number: int) -> None:
        if number == 0:
            go.wait(PATIENCE)
        else:
            fail_for_three(3)

    try:
        with pytest.raises(LookupError):
            Parallel(n_jobs=2)(delayed(wait_or_fail)(number) for number in range(10))
        assert not go.is_set()
    finally:
        go.set()


def test_a_timeout_waits_for_no_task_that_runs() -> None:
    go = threading.Event()
    try:
        with pytest.raises(multiprocessing.TimeoutError):
            Parallel(n_jobs=2, timeout=0.05)(delayed(go.wait)(PATIENCE) for _ in range(5))
        assert not go.is_set()
    finally:
        go.set()


def test_a_parallel_keeps_its_threads_for_several_calls() -> None:
    with Parallel(n_jobs=2) as parallel:
        threads = {thread for _ in range(3) for thread in parallel([delayed(threading.get_ident)()] * 10)}
    assert len(threads) <= 2


def test_a_backend_is_good_for_other_calls_after_a_failure() -> None:
    for _ in range(3):
        with pytest.raises(LookupError):
            Parallel(n_jobs=2)(delayed(fail_for_three)(number) for number in range(10))
        with Parallel(n_jobs=2) as parallel, pytest.raises(LookupError):
            parallel(delayed(fail_for_three)(number) for number in range(10))
        assert Parallel(n_jobs=2)(delayed(abs)(-number) for number in range(10)) == list(range(10))


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_results_can_be_a_generator(return_as: str) -> None:
    results = Parallel(n_jobs=2, return_as=return_as)(delayed(abs)(-number) for number in range(100))
    assert iter(results) is results
    found = list(results)
    assert sorted(found) == list(range(100))
    assert return_as != "generator" or found == list(range(100))


def test_a_generator_unordered_gives_first_what_ended_first() -> None:
    go = threading.Event()
    tasks = [delayed(go.wait)(PATIENCE), delayed(abs)(-1)]
    results = Parallel(n_jobs=2, return_as="generator_unordered")(tasks)
    assert next(results) == 1
    go.set()
    assert list(results) == [True]


def test_a_generator_that_is_closed_early_cancels_the_rest() -> None:
    ran: list[int] = []
    go = threading.Event()

    def run(number: int) -> None:
        ran.append(number)
        assert number == 0 or go.wait(PATIENCE)

    results = Parallel(n_jobs=2, return_as="generator", pre_dispatch=4, batch_size=1)(
        delayed(run)(number) for number in range(1000)
    )
    next(results)
    with pytest.warns(UserWarning, match="tasks"):
        results.close()
    go.set()
    assert len(ran) < 1000


def test_a_generator_that_has_ended_cancels_nothing_of_another() -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def hold() -> bool:
        begun.release()
        return go.wait(PATIENCE)

    first = Parallel(n_jobs=2, return_as="generator")([delayed(begun.release)()] * 5)
    for _ in range(5):
        begun.acquire(timeout=PATIENCE)
    tasks = [delayed(hold)()] * 2 + [delayed(abs)(-1)] * 5
    second = Parallel(n_jobs=2, return_as="generator", pre_dispatch="all", batch_size=1)(tasks)
    for _ in range(2):
        begun.acquire(timeout=PATIENCE)
    assert list(first) == [None] * 5
    go.set()
    assert list(second) == [True, True, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("return_as", ["list", "generator"])
def test_nested_calls_end_and_share_the_executor(return_as: str) -> None:
    running = Running()

    def level(depth: int) -> int:
        if depth == 0:
            return running.task(1)
        return sum(Parallel(n_jobs=2, return_as=return_as)(delayed(level)(depth - 1) for _ in range(3)))

    with offgil.ThreadPoolExecutor(2) as pool, parallel_config(backend="offgil", executor=pool):
        assert sum(Parallel(n_jobs=2)(delayed(level)(2) for _ in range(3))) == 27
    assert return_as == "generator" or running.most <= 2


def test_a_task_of_the_executor_may_call_parallel_on_it() -> None:
    with offgil.ThreadPoolExecutor(2) as pool:

        def task() -> list[int]:
            with parallel_config(backend="offgil", executor=pool):
                return Parallel(n_jobs=2)(delayed(abs)(-number) for number in range(5))

        futures = [pool.submit(task) for _ in range(4)]
        assert [future.result(PATIENCE) for future in futures] == [list(range(5))] * 4


def test_an_executor_that_was_given_stays_open() -> None:
    with offgil.ThreadPoolExecutor(2, "given") as pool, parallel_config(backend="offgil", executor=pool):
        names = Parallel(n_jobs=2)([delayed(thread_name)()] * 4)
        assert all(name.startswith("given_") for name in names)
        with pytest.raises(LookupError):
            Parallel(n_jobs=2)(delayed(fail_for_three)(number) for number in range(10))
        assert pool.submit(abs, -1).result(PATIENCE) == 1


@pytest.mark.parametrize("late", [libc.labs, abs], ids=["native", "python"])
def test_a_failure_cancels_what_is_queued_on_an_executor_that_was_given(late: Any) -> None:
    go, all_in = threading.Event(), threading.Event()
    made: list[Any] = []

    def hold() -> None:
        go.wait(PATIENCE)

    def fail() -> None:
        all_in.wait(PATIENCE)
        raise LookupError

    class Pool(offgil.ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            made.append(super().submit(*args, **kwargs))
            if sum(not future.native for future in made) == 13:
                all_in.set()
            return made[-1]

    with Pool(2) as pool, parallel_config(backend="offgil", executor=pool):
        # The thread of the one that fails goes on with another that holds.
        tasks = [delayed(hold)(), delayed(fail)(), delayed(hold)()] + [delayed(late)(-1)] * 10
        with pytest.raises(LookupError):
            Parallel(n_jobs=2, pre_dispatch="all", batch_size=1)(tasks)
        waiting = [future for future in made if not future.native][3:]
        states = [future._state for future in waiting]
        go.set()
    assert states == ["CANCELLED"] * 10


@pytest.mark.parametrize("batch_size", [1, 10, "auto"])
@pytest.mark.parametrize("fn", [libc.labs, offgil.native(libc.labs)], ids=["ctypes", "declared"])
def test_calls_of_c_functions_run_off_the_gil(fn: Any, batch_size: int | str) -> None:
    with offgil.ThreadPoolExecutor(2) as pool, parallel_config(backend="offgil", executor=pool):
        results = Parallel(n_jobs=2, batch_size=batch_size)(delayed(fn)(-number) for number in range(100))
        assert results == list(range(100))
        # A thread for Python tasks is a task that goes on.
        assert pool.stats()["tasks_completed"] == 100


def test_what_a_c_function_refuses_is_raised() -> None:
    with pytest.raises(ctypes.ArgumentError):
        Parallel(n_jobs=2, batch_size=2)(delayed(libc.labs)(number) for number in (1, "two"))
    fail = offgil.native(ctypes.cast(offgil.lib.task_fail, ctypes.c_void_p).value, "i32(i32,ptr)")
    with pytest.raises(offgil.TaskFailed, match="no"):
        Parallel(n_jobs=2, batch_size=2)(delayed(fail)(number, b"no") for number in range(4))


def test_quick_batches_become_longer() -> None:
    backend = offgil.joblib.OffgilBackend()
    backend.parallel = Parallel(n_jobs=2)
    assert backend.compute_batch_size() == 1
    backend.batch_completed(1, 0.001)
    assert backend.compute_batch_size() == 2


def test_no_thread_is_left_when_the_call_is_over() -> None:
    before = set(threading.enumerate())
    Parallel(n_jobs=3)(delayed(abs)(-number) for number in range(20))
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_it_can_be_the_default() -> None:
    code = """
import threading, offgil.joblib
from joblib import Parallel, delayed
offgil.joblib.register(make_default=True)
def name(): return threading.current_thread().name
print(*{n.split("_")[0] for n in Parallel(n_jobs=2)([delayed(name)()] * 4)})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "joblib\n", "")


def test_importing_offgil_imports_neither_joblib_nor_dask_nor_asyncio() -> None:
    code = "import sys, offgil; print(*{'joblib', 'dask', 'distributed', 'asyncio'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
