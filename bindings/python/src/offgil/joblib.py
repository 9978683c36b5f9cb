"""offgil as a backend of joblib: `offgil.joblib.register()`, then `parallel_config(backend="offgil")`."""

# joblib has no types; pyright takes those that it infers for what a method must be.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import concurrent.futures
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]
from typing import Any

import joblib
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

from offgil._core import ThreadPoolExecutor, goes_native, work_of_task
from offgil._waits import without_place

__all__ = ["OffgilBackend", "register"]

_Future = concurrent.futures.Future[Any]


class OffgilBackend(AutoBatchingMixin, ParallelBackendBase):
    """Runs joblib's batches on a `ThreadPoolExecutor`; calls of C functions in them run off the GIL.

    The executor has `n_jobs` threads, and ends with the call, without waiting for what still runs. With
    `executor=` it is that one, which stays open, and at most its `max_workers` tasks run at a time. Nested
    calls of `Parallel` share the executor of the outermost.
    """

    supports_retrieve_callback = True
    uses_threads = True
    supports_sharedmem = True

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        executor: ThreadPoolExecutor | None = None,
    ) -> None:
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            raise TypeError(f"executor must be an offgil.ThreadPoolExecutor, not {type(executor).__name__}")
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.parallel: Any = None
        self._given = executor
        self._own: ThreadPoolExecutor | None = None
        self._shares = executor is not None
        self._n_jobs = 1
        self._users = 0
        self._batches: dict[_Future, list[_Future]] = {}  # on a shared executor, with their native calls
        self._lock = threading.Lock()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many tasks run at a time: `n_jobs`, 1 for None; negative ones count from the CPUs down."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        most = joblib.cpu_count() if self._given is None else self._given._max_workers
        if n_jobs < 0:
            return max(most + 1 + n_jobs, 1)
        return n_jobs if self._given is None else min(n_jobs, most)

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **_: Any,
    ) -> int:
        """Makes ready for a call of `Parallel`; returns `effective_n_jobs`. One job needs no threads."""
        count = self.effective_n_jobs(n_jobs)
        if count == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._n_jobs = count
        self._users += 1
        # A generator's consumer is in a task here, and may wait for it in ways that can't be seen.
        inside = self._given is not None and work_of_task() is self._given._work
        self._shares = self._given is not None and not (inside and parallel.return_generator)
        return count

    def _executor(self) -> ThreadPoolExecutor:
        if self._shares and self._given is not None:
            return self._given
        with self._lock:
            if self._own is None:
                self._own = ThreadPoolExecutor(self._n_jobs, "joblib")
            return self._own

    def submit(
        self, func: Callable[[], list[Any]], callback: Callable[[_Future], object] | None = None
    ) -> _Future:
        """Submits a batch, and returns the future of the list of its results."""
        executor = self._executor()
        calls = getattr(func, "items", ())
        tasks: list[_Future] = []
        if all(goes_native(fn) and not kwargs for fn, _, kwargs in calls):
            tasks = [executor.submit(fn, *args) for fn, args, _ in calls]
        future: _Future = executor.submit(_results, tasks) if tasks else executor.submit(func)
        if self._shares:
            self._batches[future] = tasks
            future.add_done_callback(self._forget)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: _Future) -> Any:
        """The results of a batch that has ended; raises what a task did, its traceback as the cause."""
        return self.retrieve_result(out)

    def retrieve_result(self, out: _Future, timeout: float | None = None) -> Any:
        """The results of a batch, within `timeout` seconds; raises what a task did, or TimeoutError."""
        error = out.exception(timeout)
        if error is None:
            return out.result()
        # joblib drops the traceback itself.
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        error.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
        raise error

    def retrieval_context(self) -> AbstractContextManager[None]:
        """Where joblib waits for results: a task of ours that does gives its place up."""
        return nullcontext() if self.parallel.return_generator else without_place()

    def get_nested_backend(self) -> tuple[OffgilBackend, None]:
        """The backend of calls of `Parallel` inside tasks: this one's executor, at any depth."""
        return OffgilBackend((self.nesting_level or 0) + 1, executor=self._executor()), None

    def terminate(self) -> None:
        """A call of `Parallel` is over. The last one ends the threads, and waits for nothing."""
        self._users -= 1
        if self._users <= 0:
            self._cancel()
            self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancels what is queued and ends the threads; waits for nothing. A next batch starts others."""
        self._cancel()

    def _forget(self, future: _Future) -> None:
        self._batches.pop(future, None)

    def _cancel(self) -> None:
        with self._lock:
            executor, self._own = self._own, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        for future, tasks in list(self._batches.items()):
            for task in (*tasks, future):
                task.cancel()


def _results(tasks: Sequence[_Future]) -> list[Any]:
    # When the last has ended, few of the others have not.
    for task in reversed(tasks):
        task.exception()
    return [task.result() for task in tasks]


def register(make_default: bool = False) -> None:
    """Tells joblib of the backend "offgil"; with `make_default`, `Parallel` takes it by itself."""
    joblib.register_parallel_backend("offgil", OffgilBackend, make_default=make_default)
