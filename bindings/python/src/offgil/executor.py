"""`ThreadPoolExecutor`: the stdlib's, with C functions that run off the GIL."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import time
from collections import deque

from offgil._executor import Submitter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

    from typing_extensions import Buffer

    from offgil._future import Future
    from offgil._map import Batch
    from offgil._native import _NativeObject
    from offgil._work_queue import WorkQueue
    from offgil.ctypes import pool_t

    NativeCode: TypeAlias = Callable[..., Any] | _NativeObject

    class NumpyArray(Protocol):
        """What NumPy's arrays have, which are no `Buffer` before CPython 3.12, and other buffers have not."""

        def __array__(self, *args: Any, **kwargs: Any) -> Any: ...

    _T = TypeVar("_T")
    _B = TypeVar("_B", bound="Buffer | NumpyArray")

_WHEN_FULL = ("block", "fail", "run")


def usable_cpus() -> int:
    """`os.process_cpu_count` of CPython 3.13."""
    count: Callable[[], int | None] | None = getattr(os, "process_cpu_count", None)
    return (count() if count is not None else len(os.sched_getaffinity(0))) or 1


class ThreadPoolExecutor(Submitter, concurrent.futures.ThreadPoolExecutor):
    """All that `concurrent.futures.ThreadPoolExecutor` is, and native functions run off the GIL.

    At most `max_workers` tasks run at a time, of both kinds together. `queue_limit` bounds how many of each
    kind may be queued (0: no limit); `when_full` says what a `submit` does then: "block" until there is room,
    "fail" with `queue.Full`, or "run" the task. A task is never blocked by its own executor.
    """

    _new_number = itertools.count().__next__

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        queue_limit: int = 0,
        when_full: Literal["block", "fail", "run"] = "block",
    ) -> None:
        if max_workers is None:
            max_workers = min(32, usable_cpus() + 4)
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if queue_limit < 0:
            raise ValueError("queue_limit must not be negative")
        if when_full not in _WHEN_FULL:
            raise ValueError(f"when_full must be one of {', '.join(_WHEN_FULL)}")
        self._max_workers = max_workers
        self._shutdown = False
        self._thread_name_prefix = thread_name_prefix or f"ThreadPoolExecutor-{self._new_number()}"
        self._open(
            max_workers, self._thread_name_prefix, initializer, tuple(initargs), queue_limit, when_full
        )

    @property
    def _threads(self) -> set[Any]:  # type: ignore[override]
        return self._work.threads

    @property
    def _broken(self) -> str | bool:  # type: ignore[override]
        return self._work.broken or False

    @property  # type: ignore[override]
    def _work_queue(self) -> WorkQueue:
        from offgil._work_queue import WorkQueue

        return WorkQueue(self.stats)

    @_work_queue.setter
    def _work_queue(self, queue: object) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        raise AttributeError("the queue can't be replaced: queue_limit= bounds it")

    @property
    def handle(self) -> pool_t:
        """The pool, for `offgil.lib`; `handle.value` is the number for cffi and Cython."""
        from offgil.ctypes import pool_t

        return pool_t(self._work.handle)

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        progress: bool | str = False,
    ) -> Iterator[_T]:
        """`map(fn, *iterables)` with the calls as tasks; results come in order.

        What is given is read at once, or with `buffersize` so far ahead of the results. `timeout` is in
        seconds from the call on. `chunksize` is without effect, as in every executor of threads.

        `progress=True`, or a text that describes it, shows a bar of tqdm's, which moves as results are taken.
        Raises ImportError without tqdm.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        if progress is False:
            return self._map(fn, iterables, timeout, buffersize)
        from offgil._progress import bar_for, total_of, watched

        open_bar = bar_for(progress)
        results = self._map(fn, iterables, timeout, buffersize)
        return results if open_bar is None else watched(results, open_bar(total_of(*iterables)))

    def _map(
        self,
        fn: Callable[..., _T],
        iterables: tuple[Iterable[Any], ...],
        timeout: float | None,
        buffersize: int | None,
    ) -> Iterator[_T]:
        from offgil._map import map_native

        deadline = None if timeout is None else time.monotonic() + timeout
        # An overridden `submit` gets every call.
        own = type(self).submit is ThreadPoolExecutor.submit and "submit" not in vars(self)
        if own and buffersize is None:
            batch = map_native(self, self._work, fn, iterables, deadline)
            if batch is not None:
                return _batch_results(batch)
        calls = zip(*iterables)  # noqa: B905 - as the built-in map: the shortest counts
        futures = deque(self.submit(fn, *args) for args in itertools.islice(calls, buffersize))
        # It must not keep the executor alive when nothing more is to be submitted.
        more = self._submit_more(fn, calls) if buffersize is not None else None
        return _results(futures, more, deadline)

    def _submit_more(
        self, fn: Callable[..., _T], calls: Iterator[tuple[Any, ...]]
    ) -> Callable[[], Future[_T] | None]:
        def submit() -> Future[_T] | None:
            for args in calls:
                return self.submit(fn, *args)
            return None

        return submit

    if TYPE_CHECKING:

        @overload
        def map_array(
            self, fn: NativeCode, array: Buffer | NumpyArray, out: _B, *, progress: bool | str = False
        ) -> _B: ...

        @overload
        def map_array(
            self, fn: NativeCode, array: NumpyArray, out: None = None, *, progress: bool | str = False
        ) -> Any: ...

        @overload
        def map_array(
            self, fn: NativeCode, array: Buffer, out: None = None, *, progress: bool | str = False
        ) -> memoryview: ...

    def map_array(
        self, fn: NativeCode, array: Buffer | NumpyArray, out: Any = None, *, progress: bool | str = False
    ) -> Any:
        """`out[i] = fn(array[i])` for all items of a buffer, off the GIL; returns `out`.

        `fn` is a native function of one number that returns one; the items of `array` and `out` are of its
        types, of any shape and stride. Without `out` a new NumPy array if `array` is one, else a memoryview.
        `progress` is that of `map`.
        """
        from offgil._array import map_array
        from offgil._progress import bar_for

        return map_array(self._work, fn, array, out, bar_for(progress))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more tasks; those that are queued are run, or cancelled, and waited for.

        With `cancel_futures` native tasks that run are asked to stop (`task_is_canceled`).
        """
        self._shutdown = True
        self._work.close(cancel_futures)
        if wait:
            self._work.join()

    def stats(self) -> dict[str, Any]:
        """The fields of `pool_stats_t`, and how many Python tasks are queued and threads run such.

        In the numbers of the pool each Python thread is one task, blocked while it has nothing to do.
        """
        from ctypes import byref, sizeof

        from offgil._library import lib
        from offgil.ctypes import pool_stats_t

        stats = pool_stats_t()
        lib.pool_stats(self.handle, byref(stats), sizeof(stats))
        fields = {
            name: getattr(stats, name) for name, *_ in stats._fields_ if name not in ("size", "reserved")
        }
        for name in ("time_queued", "time_run"):
            fields[name] = list(fields[name])
        fields["python_queued"], fields["python_threads"] = self._work.counts()
        return fields

    def __del__(self) -> None:
        """Ends the threads of an executor that was collected, after what is queued."""
        work = getattr(self, "_work", None)
        if work is not None:
            work.close(False)


def _batch_results(batch: Batch) -> Iterator[Any]:
    """The same for calls that went in together."""
    try:
        yield from batch
    finally:
        batch.cancel()


def _results(
    futures: deque[Future[_T]], more: Callable[[], Future[_T] | None] | None, deadline: float | None
) -> Iterator[_T]:
    """The results in order; closed early, it cancels the rest."""
    try:
        while futures:
            if more is not None and (future := more()) is not None:
                futures.append(future)
            # No reference to a future while its result is out.
            yield _result_or_cancel(futures.popleft(), deadline)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel(future: Future[_T], deadline: float | None) -> _T:
    try:
        try:
            return future.result(None if deadline is None else deadline - time.monotonic())
        finally:
            future.cancel()
    finally:
        del future  # no cycle with the traceback of what it raised
