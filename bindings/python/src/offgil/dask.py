"""offgil under Dask distributed: `setup(client)`, then `with dask.annotate(executor="offgil"):`.

Without distributed nothing of this is needed: `dask.config.set(pool=offgil.ThreadPoolExecutor(8))`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

from distributed import Client, WorkerPlugin
from distributed.threadpoolexecutor import thread_state

from offgil._core import ThreadPoolExecutor, work_of_task

__all__ = ["OffgilPlugin", "WorkerThreadPoolExecutor", "setup"]


class _Seat:
    """A thread of ours as `distributed.secede` and `rejoin` see it, which expect an executor of Dask's there.

    A task that secedes, as one does that waits for other tasks of the cluster, gives its place up.
    """

    def __init__(self) -> None:
        self._threads = self
        self._rejoin_list = self
        self._rejoin_lock = threading.Lock()
        self._left = False

    def remove(self, thread: threading.Thread) -> None:
        """It secedes; KeyError if it has before."""
        if self._left:
            raise KeyError(thread)
        work = work_of_task()
        if work is not None:
            work.block()
            self._left = True

    def _adjust_thread_count(self) -> None:
        """There is a thread for its place already."""

    def append(self, waiting: tuple[threading.Thread, threading.Event]) -> None:
        """It rejoins: returns when it has a place again."""
        self.take()
        waiting[1].set()

    def submit(self, fn: Callable[[], object]) -> None:
        """Would wake a thread of Dask's that makes room."""

    def take(self) -> None:
        """Takes a place again if it was given up."""
        work = work_of_task()
        if self._left and work is not None:
            self._left = False
            work.unblock()


def _sit_down() -> None:
    thread_state.executor = _Seat()
    thread_state.proceed = True


def _run(fn: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    try:
        return fn(*args, **kwargs)
    finally:
        thread_state.executor.take()


class WorkerThreadPoolExecutor(ThreadPoolExecutor):
    """The executor of a Dask worker. Its tasks may secede, also by a nested `compute`, and rejoin."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers, "Dask-Offgil-Threads", _sit_down)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """As that of `ThreadPoolExecutor`."""
        if isinstance(fn, FunctionType):
            return super().submit(_run, fn, args, kwargs)
        return super().submit(fn, *args, **kwargs)


class OffgilPlugin(WorkerPlugin):
    """Gives a worker an executor of `threads` threads (None: as many as the worker runs tasks)."""

    def __init__(self, threads: int | None = None, executor: str = "offgil") -> None:
        if threads is not None and threads <= 0:
            raise ValueError("threads must be greater than 0")
        if executor in ("default", "offload", "actor", "gpu"):
            raise ValueError(f"{executor!r} is an executor of Dask's own")
        self.name: str = f"offgil-executor-{executor}"
        self.threads = threads
        self.executor = executor

    def setup(self, worker: Any) -> None:
        """The worker has started, or the plugin was registered."""
        worker.executors[self.executor] = WorkerThreadPoolExecutor(self.threads or worker.state.nthreads)

    def teardown(self, worker: Any) -> None:
        """The worker ends, or the plugin is taken away: cancels what is queued, and waits for nothing."""
        executor = worker.executors.pop(self.executor, None)
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)


def setup(client: Client, threads: int | None = None, executor: str = "offgil") -> Any:
    """Gives every worker of the cluster, also those to come, a `ThreadPoolExecutor` named `executor`.

    Tasks made in `with dask.annotate(executor="offgil"):` run there, at most `threads` at a time on a worker
    (None: as many as it runs tasks). The workers need offgil installed. Called again, it replaces them;
    `client.unregister_worker_plugin("offgil-executor-offgil")` takes them away. Returns what
    `client.register_plugin` does, which is to be awaited with an asynchronous client. Raises TypeError for
    what is no `distributed.Client`, ValueError for `threads` of 0 or less and for a name that is Dask's own.
    """
    if not isinstance(client, Client):
        raise TypeError(f"a distributed.Client is expected, not {type(client).__name__}")
    return client.register_plugin(OffgilPlugin(threads, executor))
