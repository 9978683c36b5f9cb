"""What the calls of `offgil.pool.ThreadPool` return: results to come, and iterators over them."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing.pool
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import TimeoutError as PoolTimeoutError
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from offgil._callbacks import Callbacks, Told
from offgil._core import Future
from offgil._jobs import PLAIN, Job, Tasks, without_caller
from offgil._progress import total_of
from offgil._waits import away

_T = TypeVar("_T")

if TYPE_CHECKING:
    from multiprocessing.pool import IMapIterator as _IMapIterator

    from offgil._progress import Bar
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
            error, self._error = self._error, None
            self.future.set_exception(error)

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
        self._others = deque(futures[1:])  # than the last to end: one is taken out for each that does

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
        try:
            return [future.result() for future in self.futures]
        finally:
            del self  # no cycle with the traceback

    def exception(self) -> BaseException | None:
        """The first error, when all have ended. Raises CancelledError if that is what comes first."""
        self.wait(None)
        errors = (future.exception() for future in self.futures)
        return next((error for error in errors if error is not None), None)

    def add_done_callback(self, told: Callable[[object], object]) -> None:
        """Calls it once, when all have ended."""

        def count(_: object) -> None:
            try:
                self._others.pop()
            except IndexError:
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


class ApplyResult(multiprocessing.pool.ApplyResult[_T], Told):
    """What will come of an `apply_async`, `map_async` or `starmap_async`.

    A task of a pool that waits for one gives its place to another.
    """

    def __init__(
        self,
        pool: object,
        outcome: Future[Any] | Batch,
        callbacks: Callbacks,
        callback: Callable[[_T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._pool = pool  # which must not be collected before
        self._outcome = outcome
        self._told: Future[None] | None = None
        if callback is not None or error_callback is not None:
            self._callbacks = callbacks
            self._callback = callback
            self._error_callback = error_callback
            self._told = Future()
            callbacks.expect(self)

    @property
    def native(self) -> bool:
        """Whether the task of an `apply_async` is a C function that runs off the GIL."""
        return isinstance(self._outcome, Future) and self._outcome.native

    @property
    def errno(self) -> int | None:
        """What the native function of an `apply_async` left in `errno`, else 0; None without its result."""
        return self._outcome.errno if isinstance(self._outcome, Future) else None

    def tell_when_done(self) -> None:
        """Has a callback called when the outcome is there."""
        if self._told is not None:
            self._outcome.add_done_callback(lambda _: self._callbacks.add(self))

    def ended(self) -> bool:
        """Whether there is an outcome."""
        return self._outcome.done()

    def tell(self, drop: bool) -> None:
        """Calls the callback that fits; after that this is ready."""
        assert self._told is not None
        try:
            if not drop:
                self._call_back()
        finally:
            self._pool = self._callback = self._error_callback = None
            self._told.set_result(None)

    def _call_back(self) -> None:
        error = self._outcome.exception()
        if error is None:
            if self._callback is not None:
                self._callback(self._outcome.result())  # type: ignore[arg-type]
        elif self._error_callback is not None:
            self._error_callback(error)

    def ready(self) -> bool:
        """Whether the tasks have ended, and a callback has returned."""
        return self._outcome.done() if self._told is None else self._told.done()

    def successful(self) -> bool:
        """Whether nothing was raised. Raises ValueError if it isn't ready."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        try:
            return self._outcome.exception() is None
        except concurrent.futures.CancelledError:
            return False

    def wait(self, timeout: float | None = None) -> None:
        """Returns when it is ready, or after `timeout` seconds."""
        if self._told is None:
            wait_for(self._outcome, timeout)
        elif self._callbacks.is_here():
            self._callbacks.tell_until(self._told.done, timeout)
        else:
            wait_for(self._told, timeout)

    def get(self, timeout: float | None = None) -> _T:
        """The result; raises what the task raised.

        multiprocessing.TimeoutError if it isn't ready after `timeout` seconds, and CancelledError of
        concurrent.futures if it was dropped when the pool was terminated.
        """
        if timeout is not None or self._told is not None:
            self.wait(timeout)
            if not self.ready():
                raise PoolTimeoutError
        try:
            return self._outcome.result()  # type: ignore[return-value]
        finally:
            self._pool = None
            del self  # no cycle with the traceback


class CalledResult(ApplyResult[_T]):
    """That of a Python function with a callback: the worker that calls the one brings this to the other."""

    _outcome: Future[Any]
    _runner: Future[Any] | None = None

    def start(self, submit: Callable[..., Future[Any]], func: Any, args: Any, kwds: Any) -> None:
        """Submits `func(*args, **kwds)` by `submit`."""
        try:
            self._runner = submit(self._run, (func, args, kwds), {})
        except BaseException:
            self._callbacks.forget(self)
            raise
        if self.ended():
            self._callbacks.add(self)

    def _run(self, func: Any, args: Any, kwds: Any) -> None:
        try:
            self._outcome.set_result(func(*args, **kwds))
        except BaseException as error:
            self._outcome.set_exception(without_caller(error))
        self._callbacks.add(self)
        del self  # no cycle with the traceback

    def ended(self) -> bool:
        """Whether there is an outcome, or will be none as the pool has come to an end."""
        runner = self._runner
        if runner is not None and runner.done() and not self._outcome.done():
            if runner.cancelled():
                self._outcome.cancel()
            else:
                with suppress(concurrent.futures.InvalidStateError):  # somebody else has
                    self._outcome.set_exception(runner.exception())
        return self._outcome.done()


AsyncResult = ApplyResult


class MapResult(ApplyResult[list[_T]], multiprocessing.pool.MapResult[_T]):
    """What will come of a `map_async` or `starmap_async`."""


class Results(Job):
    """The job of an `imap`: results as they come, or in order."""

    def __init__(self, tasks: Tasks, function: Any, native: bool, ordered: bool) -> None:
        # (good, value) each; None as the last
        self.queue: SimpleQueue[tuple[bool, Any] | None] = SimpleQueue()
        self.error: BaseException | None = None  # at the end
        self.ordered = ordered
        self._next = 0
        self._early: dict[int, tuple[bool, Any]] = {}
        super().__init__(tasks, function, native)

    def keep(self, index: int, good: bool, value: Any) -> None:
        """Puts it into the queue, if its turn has come."""
        if not self.ordered:
            self.queue.put((good, value))
            return
        self._early[index] = (good, value)
        while self._next in self._early:
            self.queue.put(self._early.pop(self._next))
            self._next += 1

    def await_native(self, index: int, future: Future[Any]) -> None:
        """In order, the iterator waits for the future itself."""
        if self.ordered:
            self.deliver(index, True, future)
        else:
            super().await_native(index, future)

    def finish(self) -> None:
        """Ends the iteration."""
        self.queue.put(None)

    def give_up(self, error: BaseException | None) -> None:
        """Ends the iteration with an error."""
        self.error = concurrent.futures.CancelledError() if error is None else error
        self.queue.put(None)


class Length:
    """How many items an iterable has. It is asked when somebody wants to know: that may run a query."""

    def __init__(self, iterable: object) -> None:
        self._iterable = iterable  # None: it was asked, or is over
        self._known: int | None = None
        if type(iterable) in PLAIN:
            self.get()

    def get(self) -> int | None:
        """The length; None if there is none."""
        iterable = self._iterable
        if iterable is not None:
            self._known = total_of(iterable)
            self._iterable = None
        return self._known

    def forget(self) -> None:
        """Keeps the iterable no longer."""
        self._iterable = None


class IMapIterator(_IMapIterator[_T]):
    """Iterates over the results of an `imap`. `len` of it asks the iterable, while there are results to come.

    A task of a pool that waits here gives its place to another.
    """

    def __init__(self, pool: object, job: Results, chunked: bool, length: Length, bar: Bar | None) -> None:
        self._pool = pool  # which must not be collected before
        self._job = job
        self._chunked = chunked
        self._stopped = False
        self._chunk: Iterator[_T] = iter(())
        self._held: deque[tuple[bool, Any]] = deque()
        self._futures = job.native and job.ordered
        self._length = length
        self._bar = bar

    def __len__(self) -> int:
        length = self._length.get()
        if length is None:
            raise TypeError(f"this {type(self).__name__} has no length")
        return length

    def __bool__(self) -> bool:
        return True  # as every iterator

    def __iter__(self) -> Iterator[_T]:  # type: ignore[override]
        return self._flatten() if self._chunked else self

    def _flatten(self) -> Iterator[_T]:
        """As `next` again and again, and quicker."""
        while True:
            yield from self._chunk
            try:
                self._chunk = iter(self._next_entry(None))
            except StopIteration:
                return

    def next(self, timeout: float | None = None) -> _T:
        """The next result; raises what the function raised for it, StopIteration at the end.

        multiprocessing.TimeoutError after `timeout` seconds, and CancelledError of concurrent.futures if the
        rest was dropped when the pool was terminated.
        """
        for value in self._chunk:
            return value
        while True:
            value = self._next_entry(timeout)
            if not self._chunked:
                return value
            self._chunk = iter(value)
            for value in self._chunk:
                return value

    __next__ = next  # noqa: A003

    def _next_entry(self, timeout: float | None) -> Any:
        if self._stopped:
            raise StopIteration
        queue = self._job.queue
        try:
            entry = self._held.popleft() if self._held else queue.get_nowait()
        except (Empty, IndexError):
            try:
                entry = away(queue.get, True, None if timeout is None else max(0.0, timeout))
            except Empty:
                raise PoolTimeoutError from None
        if entry is None:
            queue.put(None)  # for the next who asks
            self._let_go()
            raise StopIteration if self._job.error is None else self._job.error
        good, value = entry
        self._stopped = self._chunked and not good  # as that of multiprocessing
        if self._bar is not None:
            self._bar.update(len(value) if good and self._chunked else 1)
        if self._stopped:
            self._let_go()
        if self._futures and good:
            if not wait_for(value, timeout):
                self._held.appendleft(entry)
                raise PoolTimeoutError
            return value.result()
        try:
            if good:
                return value
            raise value
        finally:
            del value, entry  # no cycle with the traceback

    def _let_go(self) -> None:
        """Nothing more will come."""
        self._pool = None
        self._length.forget()
        if self._bar is not None:
            self._bar.close()


class IMapUnorderedIterator(IMapIterator[_T]):
    """Iterates over the results of an `imap_unordered`."""
