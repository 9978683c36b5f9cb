"""`ThreadPool`: that of `multiprocessing.pool`, with C functions that run off the GIL."""

from __future__ import annotations

import itertools
import multiprocessing.pool
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from multiprocessing import TimeoutError  # noqa: A004 - also of multiprocessing.pool
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, TypeVar

from offgil._core import Future, goes_native, usable_cpus
from offgil._jobs import Tasks, without_caller
from offgil._map import map_native
from offgil._progress import bar_for
from offgil._results import (
    ApplyResult,
    AsyncResult,
    Batch,
    CalledResult,
    IMapIterator,
    IMapUnorderedIterator,
    Length,
    MapResult,
    Results,
    Values,
)

if TYPE_CHECKING:
    from offgil._progress import Bar

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "ThreadPool",
    "TimeoutError",
]

_S = TypeVar("_S")
_T = TypeVar("_T")

_INIT, _RUN, _CLOSE, _TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"


def _map_chunk(function: Callable[[Any], Any], chunk: tuple[Any, ...]) -> list[Any]:
    return list(map(function, chunk))


def _starmap_chunk(function: Callable[..., Any], chunk: tuple[Any, ...]) -> list[Any]:
    return list(itertools.starmap(function, chunk))


class _Unpacked:
    """Stands for a function, by name, in a call that is to tell what the function would be called with."""

    def __init__(self, function: Any) -> None:
        self._function = function
        names = vars(self)
        names["__module__"] = getattr(function, "__module__", None)
        if hasattr(function, "__qualname__"):
            names["__qualname__"] = function.__qualname__

    def __str__(self) -> str:
        return str(self._function)

    def __call__(self, *args: Any, **kwds: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwds


class ThreadPool(multiprocessing.pool.ThreadPool):
    """All that `multiprocessing.pool.ThreadPool` is, and native functions run off the GIL.

    At most `processes` tasks run at a time (default: as many as there are usable CPUs), on so many daemon
    threads, each of which calls `initializer(*initargs)` when it starts. If that raises, all calls raise
    `concurrent.futures.thread.BrokenThreadPool`. A task may submit to its own pool and wait for what it gets.

    `progress=True`, or a text that describes it, shows a bar of tqdm's; ImportError without that.
    """

    _new_number = itertools.count().__next__

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        self._pool: list[Any] = []
        self._state = _INIT
        if processes is None:
            processes = usable_cpus()
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._processes = processes
        self._tasks = Tasks(processes, f"ThreadPool-{self._new_number()}", initializer, tuple(initargs))
        self._pool = self._tasks.threads
        # Also when this is collected, and when the interpreter ends.
        self._terminate = Finalize(self, self._tasks.stop, exitpriority=15)
        self._state = _RUN

    def _check_running(self) -> None:
        if self._state != _RUN:
            raise ValueError("Pool not running")

    def _submit(self, func: Any, args: Iterable[Any], kwds: Mapping[str, Any]) -> Future[Any]:
        self._check_running()
        if type(args) is not tuple or kwds or type(kwds) is not dict:
            try:
                args, kwds = _Unpacked(func)(*args, **kwds)
            except Exception as error:  # as multiprocessing: in the result
                failed: Future[Any] = Future()
                failed.set_exception(without_caller(error))
                return failed
        try:
            return self._tasks.submit(func, *args, **kwds)
        except RuntimeError:
            self._check_running()  # another thread has closed it
            raise

    def apply(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
    ) -> _T:
        """`func(*args, **kwds)` as a task; waits for it."""
        result: _T = self._submit(func, args, kwds).result()
        return result

    def apply_async(
        self,
        func: Callable[..., _T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callable[[_T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> AsyncResult[_T]:
        """Submits `func(*args, **kwds)`.

        `callback` gets the result, `error_callback` what was raised, in a thread of the pool's for that.
        """
        callbacks = self._tasks.callbacks
        if (callback is None and error_callback is None) or goes_native(func):
            result = ApplyResult(self, self._submit(func, args, kwds), callbacks, callback, error_callback)
            result.tell_when_done()
            return result
        called = CalledResult(self, Future(), callbacks, callback, error_callback)
        called.start(self._submit, func, args, kwds)
        return called

    def map(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        *,
        progress: bool | str = False,
    ) -> list[_T]:
        """`list(map(func, iterable))`, with `chunksize` calls a task (default: four tasks a thread)."""
        return self._map(func, iterable, False, chunksize, progress)

    def starmap(
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        progress: bool | str = False,
    ) -> list[_T]:
        """As `map`; the items are the arguments of a call each."""
        return self._map(func, iterable, True, chunksize, progress)

    def map_async(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = None,
        callback: Callable[[list[_T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[_T]:
        """As `map`, without waiting; the callbacks of `apply_async` get the list or the first error."""
        return self._map_async(func, iterable, False, chunksize, callback, error_callback)

    def starmap_async(
        self,
        func: Callable[..., _T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[_T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[_T]:
        """As `starmap`, without waiting; the callbacks are those of `map_async`."""
        return self._map_async(func, iterable, True, chunksize, callback, error_callback)

    def _map_async(
        self, func: Any, iterable: Any, star: bool, chunksize: int | None, callback: Any, error_callback: Any
    ) -> MapResult[Any]:
        work, count = self._start_map(func, iterable, star, chunksize)
        outcome = work if isinstance(work, Batch) else work.future
        if count == 0:
            callback = error_callback = None  # multiprocessing calls none, either
        result: MapResult[Any] = MapResult(self, outcome, self._tasks.callbacks, callback, error_callback)
        result.tell_when_done()
        return result

    def _map(
        self, func: Any, iterable: Iterable[Any], star: bool, chunksize: int | None, progress: bool | str
    ) -> list[Any]:
        open_bar = bar_for(progress)
        if not star and open_bar is None and goes_native(func):
            self._check_map(chunksize)
            if type(iterable) not in (list, tuple, range):
                iterable = list(iterable)
            results = self._map_numbers(func, iterable)
            if results is not None:
                return results
        work, count = self._start_map(func, iterable, star, chunksize)
        if open_bar is not None:
            with closing(open_bar(count)) as bar:
                work.follow(bar, count)
        outcome = work if isinstance(work, Batch) else work.future
        try:
            return outcome.result()
        finally:
            del work, outcome  # no cycle with the traceback

    def _map_numbers(self, func: Any, iterable: Iterable[Any]) -> list[Any] | None:
        """The map of a native function of numbers, whose calls go in together; None if `func` isn't one."""
        try:
            batch = map_native(self._tasks, self._tasks._work, func, (iterable,), None)
        except RuntimeError:
            self._check_running()  # another thread has closed it
            raise
        if batch is None:
            return None
        results: list[Any] = []
        first: Exception | None = None
        while True:
            try:
                results.extend(batch)
                break
            except Exception as error:  # the others are waited for
                first = error if first is None else first
        try:
            if first is not None:
                raise first
            return results
        finally:
            del first  # no cycle with the traceback

    def _check_map(self, chunksize: int | None) -> None:
        self._check_running()
        if chunksize is not None and chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize}")

    def _start_map(
        self, func: Any, iterable: Any, star: bool, chunksize: int | None
    ) -> tuple[Batch | Values, int]:
        """Sets about a map; what will come of it, and of how many items."""
        self._check_map(chunksize)
        if goes_native(func):
            batch = self._start_native_map(func, iterable, star)
            return batch, len(batch.futures)
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        count = len(iterable)
        if chunksize is None:
            chunksize = max(1, -(-count // (self._processes * 4)))
        chunk = partial(_starmap_chunk if star else _map_chunk, func)
        job = Values(self._tasks, chunk, chunksize)
        job.start(iterable, chunksize)
        return job, count

    def _start_native_map(self, func: Any, iterable: Iterable[Any], star: bool) -> Batch:
        futures: list[Future[Any]] = []
        try:
            for item in iterable:
                futures.append(self._submit(func, item if star else (item,), {}))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return Batch(futures)

    def imap(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = 1,
        *,
        progress: bool | str = False,
    ) -> IMapIterator[_T]:
        """`map(func, iterable)` in tasks of `chunksize` calls each; results come in order, when they can.

        The iterable is read in another thread, ahead of the results and without a bound.
        """
        job, chunked, length, bar = self._start_imap(func, iterable, chunksize, True, progress)
        return IMapIterator(self, job, chunked, length, bar)

    def imap_unordered(
        self,
        func: Callable[[_S], _T],
        iterable: Iterable[_S],
        chunksize: int | None = 1,
        *,
        progress: bool | str = False,
    ) -> IMapUnorderedIterator[_T]:
        """As `imap`; results come as they are ready."""
        job, chunked, length, bar = self._start_imap(func, iterable, chunksize, False, progress)
        return IMapUnorderedIterator(self, job, chunked, length, bar)

    def _start_imap(
        self, func: Any, iterable: Iterable[Any], chunksize: int | None, ordered: bool, progress: bool | str
    ) -> tuple[Results, bool, Length, Bar | None]:
        self._check_map(chunksize)
        if chunksize is None:
            chunksize = 1
        length = Length(iterable)
        open_bar = bar_for(progress)
        native = goes_native(func)
        chunked = chunksize > 1 and not native
        function = partial(_map_chunk, func) if chunked else func
        job = Results(self._tasks, function, native, ordered)
        job.start(iterable, chunksize if chunked else None)
        return job, chunked, length, None if open_bar is None else open_bar(length.get())

    def close(self) -> None:
        """Takes no more; the threads end when all is done."""
        if self._state == _RUN:
            self._state = _CLOSE
            self._tasks.close()

    def terminate(self) -> None:
        """Takes no more; what has not begun is dropped, and what runs is not waited for.

        Native tasks that run are asked to stop (`task_is_canceled`).
        """
        self._state = _TERMINATE
        self._tasks.stop()

    def join(self) -> None:
        """Waits until all is done and the threads have ended; ValueError before `close` or `terminate`."""
        if self._state == _RUN:
            raise ValueError("Pool is still running")
        if self._state == _INIT:
            raise ValueError("In unknown state")
        self._tasks.join()
