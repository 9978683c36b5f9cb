"""Dask distributed with `offgil.dask`: a cluster of two worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster, get_worker, secede, wait, worker_client
from distributed.metrics import context_meter

import offgil
import offgil.dask

PATIENCE = 40.0
THREADS = "Dask-Offgil-Threads"
# And with a port that is free for the scheduler's other pages.
WITHOUT_DASHBOARD = {"scheduler_kwargs": {"dashboard": False}, "dashboard_address": ":0"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, **WITHOUT_DASHBOARD) as cluster,
        Client(cluster) as client,
    ):
        offgil.dask.setup(client)
        yield client


def where(number: int) -> tuple[str, str, str, int]:
    worker = get_worker()
    return threading.current_thread().name, worker.address, worker.get_current_task(), number


def on_offgil(client: Client, function: Any, numbers: range) -> list[Any]:
    with dask.annotate(executor="offgil"):
        futures = client.map(function, numbers, pure=False)
    return client.gather(futures)


def test_annotated_tasks_run_on_the_executors_of_both_workers(client: Client) -> None:
    workers = sorted(client.scheduler_info()["workers"])
    assert len(workers) == 2
    with dask.annotate(executor="offgil"):
        futures = [client.submit(where, number, workers=workers[number % 2]) for number in range(20)]
    for number, (name, address, key, result) in enumerate(client.gather(futures)):
        assert name.startswith(THREADS)
        assert (address, key, result) == (workers[number % 2], futures[number].key, number)
    assert not client.submit(where, 1, pure=False).result(PATIENCE)[0].startswith(THREADS)


def measured(number: int) -> int:
    context_meter.digest_metric("of-this-test", number, "things")
    return number


def test_context_variables_of_the_worker_are_those_of_the_task(client: Client) -> None:
    def things(dask_worker: Any) -> float:
        metrics = dask_worker.digests_total.items()
        return float(sum(value for key, value in metrics if "of-this-test" in key))

    assert on_offgil(client, measured, range(10)) == list(range(10))
    # A worker takes what a task has measured over after it has told that the task has ended.
    deadline = time.monotonic() + PATIENCE
    while sum(client.run(things).values()) != 45 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(client.run(things).values()) == 45


def test_what_a_task_raises_comes_back(client: Client) -> None:
    with dask.annotate(executor="offgil"):
        future = client.submit(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        future.result(PATIENCE)


def compute_inside(number: int) -> int:
    with dask.annotate(executor="offgil"):
        return int(dask.delayed(sum)([dask.delayed(abs)(-number) for _ in range(3)]).compute())


def submit_inside(number: int) -> int:
    with worker_client() as client, dask.annotate(executor="offgil"):
        return int(client.submit(abs, -number, pure=False).result(PATIENCE))


def test_tasks_that_wait_for_tasks_of_the_cluster_end(client: Client) -> None:
    assert on_offgil(client, compute_inside, range(16)) == [3 * number for number in range(16)]
    assert on_offgil(client, submit_inside, range(16)) == list(range(16))


def leave(number: int) -> int:
    secede()
    return number


running = [0]


def at_a_time(_: int) -> int:
    """How many of these ran at the same time in their process, as this one saw it."""
    running[0] += 1
    time.sleep(0.005)
    seen = running[0]
    running[0] -= 1
    return seen


def test_tasks_that_have_waited_go_on_in_their_places(client: Client) -> None:
    offgil.dask.setup(client, threads=1, executor="narrow")
    (worker, *_) = client.scheduler_info()["workers"]
    for function in (compute_inside, submit_inside, leave):
        with dask.annotate(executor="narrow", workers=[worker]):
            futures = client.map(function, range(4), pure=False)
        client.gather(futures)
    with dask.annotate(executor="narrow"):
        futures = client.map(at_a_time, range(20), workers=[worker], pure=False)
    assert set(client.gather(futures)) == {1}


def die_once(number: int, marker: str) -> int:
    time.sleep(0.01)
    if number == 7:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            return number
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_is_killed_in_the_middle_leaves_no_work_undone(client: Client, tmp_path: Path) -> None:
    before = set(client.scheduler_info()["workers"])
    marker = str(tmp_path / "died")
    with dask.annotate(executor="offgil"):
        futures = client.map(die_once, range(60), marker=marker, pure=False)
    assert client.gather(futures) == list(range(60))
    assert Path(marker).exists()
    # The one that was started in its place has the executor, too.
    client.wait_for_workers(2, timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while len(set(client.scheduler_info()["workers"]) - before) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    (new,) = set(client.scheduler_info()["workers"]) - before
    with dask.annotate(executor="offgil"):
        future = client.submit(where, 1, workers=[new], pure=False)
    assert future.result(PATIENCE)[:2] == (future.result()[0], new)
    assert future.result()[0].startswith(THREADS)


def test_taken_away_it_is_no_executor_any_more(client: Client) -> None:
    offgil.dask.setup(client, threads=1, executor="single")
    with dask.annotate(executor="single"):
        assert client.submit(where, 1, pure=False).result(PATIENCE)[0].startswith(THREADS)
    client.unregister_worker_plugin("offgil-executor-single")
    with dask.annotate(executor="single"):
        future = client.submit(where, 2, pure=False)
    with pytest.raises(ValueError, match="Invalid executor"):
        future.result(PATIENCE)
    wait(client.submit(where, 3, pure=False), PATIENCE)


def test_a_worker_that_is_closed_shuts_its_executor_down() -> None:
    async def main() -> None:
        local = {"n_workers": 1, "threads_per_worker": 3, "processes": False, "asynchronous": True}
        async with (
            LocalCluster(**local, **WITHOUT_DASHBOARD) as cluster,
            Client(cluster, asynchronous=True) as client,
        ):
            await offgil.dask.setup(client)
            first = cluster.workers[0].executors["offgil"]
            assert first._max_workers == 3
            with dask.annotate(executor="offgil"):
                assert (await client.submit(where, 5))[0].startswith(THREADS)
            await offgil.dask.setup(client, threads=2)
            second = cluster.workers[0].executors["offgil"]
            assert second._max_workers == 2
            with pytest.raises(RuntimeError, match="after shutdown"):
                first.submit(abs, -1)
            second.submit(abs, -1)
        with pytest.raises(RuntimeError, match="after shutdown"):
            second.submit(abs, -1)

    asyncio.run(main())


def test_what_is_no_cluster_and_no_number_of_threads_is_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="not str"):
        offgil.dask.setup("127.0.0.1:8786")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads must be greater than 0"):
        offgil.dask.setup(client, threads=0)
    with pytest.raises(ValueError, match="of Dask's own"):
        offgil.dask.setup(client, executor="default")
