"""What the calls of `offgil.pool.ThreadPool` return: results to come, and iterators over them."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing.pool
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing import TimeoutError as PoolTimeoutError
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from offgil._callbacks import Callbacks
from offgil._future import Future
from offgil._jobs import Job, Tasks
from offgil._progress import Bar
from offgil._waits import away

_T = TypeVar("_T")

if TYPE_CHECKING:
    from multiprocessing.pool import IMapIterator as _IMapIterator
else:

    class _IMapIterator(multiprocessing.pool.IMapIterator, Generic[_T]):
        """One that can be subscribed."""


# Between looks at how far a map has come.
_SLICE = 0.1


def wait_for(future: Future[Any] | Batch, timeout: float | None) -> bool:
    """Whether it has ended after at most so many seconds."""
    if isinstance(future, Batch):
        return future.wait(timeout)
    try:
        future.exception(timeout)
    except (concurrent.futures.CancelledError, concurrent.futures.TimeoutError):
        return future.done()
    return True


class Values(Job):
    """The job of a map: a list of all results, or the first error."""

    def __init__(self, tasks: Tasks, function: Any, size: int) -> None:
        self.future: Future[list[Any]] = Future()
        self._size = size
        self._values: dict[int, list[Any]] = {}
        self._error: BaseException | None = None
        super().__init__(tasks, function, False)

    def keep(self, index: int, good: bool, value: Any) -> None:
        """Takes the results of a chunk."""
        if good:
            self._values[index] = value
        elif self._error is None:
            self._error = value

    def finish(self) -> None:
        """Hands them out in order."""
        values, self._values = self._values, {}
        if self._error is None:
            chunks = [values[index] for index in range(len(values))]
            self.future.set_result(list(itertools.chain.from_iterable(chunks)))
        else:
            self.future.set_exception(self._error)

    def give_up(self, error: BaseException | None) -> None:
        """Fails, or cancels, the whole."""
        if error is None:
            self.future.cancel()
        else:
            self.future.set_exception(error)

    def follow(self, bar: Bar, total: int) -> None:
        """Moves the bar until all is done."""
        shown = 0
        ended = False
        while not ended:
            ended = wait_for(self.future, _SLICE)
            done = min(self._done * self._size, total)
            bar.update(done - shown)
            shown = done


class Batch:
    """The futures of a map of a native function, as one."""

    def __init__(self, futures: list[Future[Any]]) -> None:
        self.futures = futures
        self._left = len(futures)
        self._lock = threading.Lock()

    def done(self) -> bool:
        """Whether all have ended."""
        return all(future.done() for future in self.futures)

    def wait(self, timeout: float | None) -> bool:
        """Whether all have after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for future in self.futures:
            if not wait_for(future, None if deadline is None else max(0.0, deadline - time.monotonic())):
                return False
        return True

    def result(self) -> list[Any]:
        """All results, when all have ended; raises the first error."""
        self.wait(None)
        return [future.result() for future in self.futures]

    def add_done_callback(self, told: Callable[[object], object]) -> None:
        """Calls it once, when all have ended."""

        def count(_: object) -> None:
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                told(self)

        for future in self.futures:
            future.add_done_callback(count)
        if not self.futures:
            told(self)

    def follow(self, bar: Bar, _: int) -> None:
        """Moves the bar until all is done."""
        for future in self.futures:
            wait_for(future, None)
            bar.update(1)


class ApplyResult(multiprocessing.pool.ApplyResult[_T]):
    """What will come of an `apply_async`, `map_async` or `starmap_async`.

    A task of a pool that waits for one gives its place to another.
    """

    def __init__(
        self,
        pool: object,
        callbacks: Callbacks,
        outcome: Future[Any] | Batch,
        callback: Callable[[_T], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._pool = pool  # which must not be collected before
        self._outcome = outcome
        self._callbacks = callbacks
        self._told: Future[None] | None = None
        if callback is not None or error_callback is not None:
            self._callback = callback
            self._error_callback = error_callback
            self._told = Future()
            callbacks.expect()
            outcome.add_done_callback(lambda _: callbacks.add(self._tell))

    @property
    def native(self) -> bool:
        """Whether the task of an `apply_async` is a C function that runs off the GIL."""
        return isinstance(self._outcome, Future) and self._outcome.native

    @property
    def errno(self) -> int | None:
        """What the native function of an `apply_async` left in `errno`, else 0; None without a result of a native task."""
        return self._outcome.errno if isinstance(self._outcome, Future) else None

    def _tell(self, drop: bool) -> None:
        """In the thread of the callbacks: calls the one that fits; after that this is ready."""
        assert self._told is not None
        try:
            if not drop:
                self._call_back()
        finally:
            self._pool = self._callback = self._error_callback = None
            self._told.set_result(None)

    def _call_back(self) -> None:
        try:
            value: Any = self._outcome.result()
        except concurrent.futures.CancelledError:
            return
        except BaseException as error:
            if self._error_callback is not None:
                self._error_callback(error)
        else:
            if self._callback is not None:
                self._callback(value)

    def ready(self) -> bool:
        """Whether the tasks have ended, and a callback has returned."""
        return self._outcome.done() if self._told is None else self._told.done()

    def successful(self) -> bool:
        """Whether nothing was raised. Raises ValueError if it isn't ready."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        try:
            self._outcome.result()
        except BaseException:
            return False
        return True

    def wait(self, timeout: float | None = None) -> None:
        """Returns when it is ready, or after `timeout` seconds."""
        if self._told is None:
            wait_for(self._outcome, timeout)
        elif self._callbacks.is_here():
            self._callbacks.call_until(self._told.done, timeout)
        else:
            wait_for(self._told, timeout)

    def get(self, timeout: float | None = None) -> _T:
        """The result; raises what the task raised, and multiprocessing.TimeoutError if it isn't ready after `timeout` seconds.

        What was dropped when the pool was terminated raises concurrent.futures.CancelledError.
        """
        if timeout is not None or self._told is not None:
            self.wait(timeout)
            if not self.ready():
                raise PoolTimeoutError
        try:
            return self._outcome.result()  # type: ignore[return-value]
        finally:
            self._pool = None


AsyncResult = ApplyResult


class MapResult(ApplyResult[list[_T]], multiprocessing.pool.MapResult[_T]):
    """What will come of a `map_async` or `starmap_async`."""


class Results(Job):
    """The job of an `imap`: results as they come, or in order."""

    def __init__(self, tasks: Tasks, function: Any, native: bool, ordered: bool) -> None:
        # (good, value) each; None as the last
        self.queue: SimpleQueue[tuple[bool, Any] | None] = SimpleQueue()
        self.error: BaseException | None = None  # at the end
        self._ordered = ordered
        self._next = 0
        self._early: dict[int, tuple[bool, Any]] = {}
        super().__init__(tasks, function, native)

    def keep(self, index: int, good: bool, value: Any) -> None:
        """Puts it into the queue, if its turn has come."""
        if not self._ordered:
            self.queue.put((good, value))
            return
        self._early[index] = (good, value)
        while self._next in self._early:
            self.queue.put(self._early.pop(self._next))
            self._next += 1

    def finish(self) -> None:
        """Ends the iteration."""
        self.queue.put(None)

    def give_up(self, error: BaseException | None) -> None:
        """Ends the iteration with an error."""
        self.error = concurrent.futures.CancelledError() if error is None else error
        self.queue.put(None)


class IMapIterator(_IMapIterator[_T]):
    """Iterates over the results of an `imap`. `len` of it is how many there will be, if that was known before.

    A task of a pool that waits here gives its place to another.
    """

    def __init__(self, pool: object, job: Results, chunked: bool, length: int | None, bar: Bar | None) -> None:
        self._pool = pool  # which must not be collected before
        self._job = job
        self._chunked = chunked
        self._items: deque[_T] = deque()
        self._length = length
        self._bar = bar

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError(f"this {type(self).__name__} has no length")
        return self._length

    def __bool__(self) -> bool:
        return True  # as every iterator

    def __iter__(self) -> IMapIterator[_T]:
        return self

    def next(self, timeout: float | None = None) -> _T:
        """The next result; raises what the function raised for it, StopIteration at the end.

        After `timeout` seconds multiprocessing.TimeoutError. What was dropped when the pool was terminated raises
        concurrent.futures.CancelledError.
        """
        while True:
            try:
                value = self._items.popleft()
            except IndexError:
                value = self._next_entry(timeout)
                if self._chunked:
                    self._items.extend(value)
                    continue
            if self._bar is not None:
                self._bar.update(1)
            return value

    __next__ = next

    def _next_entry(self, timeout: float | None) -> Any:
        queue = self._job.queue
        try:
            entry = queue.get_nowait()
        except Empty:
            try:
                entry = away(queue.get, True, None if timeout is None else max(0.0, timeout))
            except Empty:
                raise PoolTimeoutError from None
        if entry is None:
            queue.put(None)  # for the next who asks
            self._pool = None
            if self._bar is not None:
                self._bar.close()
            raise StopIteration if self._job.error is None else self._job.error
        good, value = entry
        if not good:
            try:
                raise value
            finally:
                del value, entry  # no cycle with the traceback
        return value


class IMapUnorderedIterator(IMapIterator[_T]):
    """Iterates over the results of an `imap_unordered`."""
