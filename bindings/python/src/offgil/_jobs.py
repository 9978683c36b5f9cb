"""What `offgil.pool` makes of its maps: jobs, which the workers of the pool take item by item.

    a short list    -> ready -> runners: tasks of the pool, of which one is queued while items are ready
    anything else   -> a feeder, which is a thread that reads it -> ready -> ...
    native function -> a feeder -> each item is a task of its own

A runner calls the function for one item after the other. So an item costs no future, no queue's turn and no
wake-up.

A lock here keeps other threads out, and not its own: a signal handler, or a `__del__` that the garbage
collector calls, may use the pool between any two steps of its thread. So what such code could see half done
or undo is done in one step, or first and looked at afterwards.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future as BaseFuture
from concurrent.futures.thread import BrokenThreadPool
from functools import partial
from queue import SimpleQueue
from typing import Any

from offgil._callbacks import Callbacks, Sleepers
from offgil._core import BROKEN, Future, Submitter, start_thread
from offgil._progress import total_of

# After so many items a runner lets others have their turn.
_TURN = 16
# Iterables of these tell their length at no cost, and are read by the caller, up to a length.
PLAIN = (list, tuple, range, str, bytes, set, frozenset, dict)
_MOST_READ = 2**20


class Failure:
    """Stands for an item that could not be had."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def plain(iterable: object) -> bool:
    """Whether reading it takes no time and runs nobody's code."""
    if type(iterable) not in PLAIN:
        return False
    length = total_of(iterable)
    return length is not None and length <= _MOST_READ


def batches(iterable: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """The items in tuples of this size."""
    items = iter(iterable)
    while batch := tuple(itertools.islice(items, size)):
        yield batch


def without_caller(error: BaseException) -> BaseException:
    """The error without the frame that caught it, which would keep it alive, and be kept by it."""
    traceback = error.__traceback__
    return error.with_traceback(None if traceback is None else traceback.tb_next)


class Tasks(Submitter):
    """What a pool does, without being it: jobs and feeders know this, so that the pool can be collected."""

    everybody: weakref.WeakSet[Tasks] = weakref.WeakSet()

    def __init__(
        self, processes: int, name: str, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
    ) -> None:
        self._initializer = initializer
        self._initargs = initargs
        self._failed = self._closed = False
        self.start_anew()
        self.everybody.add(self)
        self._open(processes, name, None if initializer is None else self._initialize, (), 0, "block", True)
        try:
            self._work.start_workers()
        except BaseException:
            self.stop()
            raise

    def start_anew(self) -> None:
        """As in the child of a fork, which has neither the threads nor the jobs of its parent."""
        self._lock = threading.RLock()
        self._jobs: set[Job] = set()
        self._idle_feeders: deque[None] = deque()  # one each
        self._to_feed: SimpleQueue[tuple[Job, Iterable[Any]] | None] = SimpleQueue()
        self._over = self._closed  # and all jobs are done
        self._sleepers = Sleepers()  # until that
        self.callbacks: Callbacks = Callbacks()

    @property
    def threads(self) -> list[threading.Thread]:
        """The workers."""
        return list(self._work.threads)

    def _initialize(self) -> None:
        assert self._initializer is not None
        try:
            self._initializer(*self._initargs)
        except BaseException:
            with self._lock:
                self._failed = True
                jobs = self._jobs.copy()
            self._work.fail()
            for job in jobs:
                job.stop(BrokenThreadPool(BROKEN))
            self.callbacks.add_ended()
            self._finish_if_closed()
            raise

    def begin(self, job: Job) -> None:
        """A job is to be done before the pool ends."""
        with self._lock:
            self._jobs.add(job)  # before the look: who closes the pool in between sees it
            if not self._closed and not self._failed:
                return
        self.end(job)
        raise ValueError("Pool not running") if self._closed else BrokenThreadPool(BROKEN)

    def end(self, job: Job) -> None:
        """It is done."""
        with self._lock:
            self._jobs.discard(job)
        self._finish_if_closed()

    def _finish_if_closed(self) -> None:
        with self._lock:
            if not self._closed or self._jobs:
                return
        # To do this again does no harm. Who joins the pool meanwhile relies on the first of it.
        self._work.close(False)
        with self._lock:
            self._over = True
            while self._take_idle_feeder():
                self._to_feed.put(None)
        self._sleepers.wake()

    def close(self) -> None:
        """Takes no more; what there is is done."""
        with self._lock:
            self._closed = True
        self.callbacks.close(False)
        self._finish_if_closed()

    def stop(self) -> None:
        """Takes no more; what has not begun is dropped, what runs is not waited for."""
        with self._lock:
            self._closed = True
            jobs = self._jobs.copy()  # each takes itself out: all are stopped before anything is refused
        self.callbacks.close(True)
        for job in jobs:
            job.stop(None)
        self._work.close(True)
        self.callbacks.add_ended()
        self._finish_if_closed()

    def join(self) -> None:
        """Returns when all is done and the workers have ended."""
        if threading.current_thread() in self._work.threads:
            raise RuntimeError("cannot join the pool in one of its tasks")
        self._sleepers.sleep_until(lambda: self._over)
        self._work.join()
        self.callbacks.join()

    def feed(self, job: Job, items: Iterable[Any]) -> None:
        """Has a feeder read the items for the job; at exit, where none may be started, the caller does."""
        if self._take_idle_feeder():
            self._to_feed.put((job, items))
        elif not start_thread(threading.Thread(target=self._run_feeder, args=([(job, items)],), daemon=True)):
            job.read(items)

    def _take_idle_feeder(self) -> bool:
        """Whether there was one; it waits for what is to be fed."""
        try:
            self._idle_feeders.pop()
        except IndexError:
            return False
        return True

    def _run_feeder(self, first: list[tuple[Job, Iterable[Any]]]) -> None:
        job, items = first.pop()  # the thread keeps what it was started with
        while True:
            job.read(items)
            del job, items
            with self._lock:
                self._idle_feeders.append(None)
                # Else whoever has taken it has something for it, if only None.
                if self._over and self._take_idle_feeder():
                    return
            more = self._to_feed.get()
            if more is None:
                return
            job, items = more
            del more


class Job(ABC):
    """A function of one argument over items."""

    def __init__(self, tasks: Tasks, function: Any, native: bool) -> None:
        self._tasks = tasks
        self._work = tasks._work
        self._function = function
        self.native = native
        self._lock = threading.RLock()
        self._ready: deque[Any] = deque()
        self._queued = False  # a runner that has not begun
        self._taken = 0
        self._done = 0
        self._whole = False  # nothing more will be ready
        self._over = False
        self._ending = threading.Lock()  # held from its end on
        tasks.begin(self)

    @abstractmethod
    def keep(self, index: int, good: bool, value: Any) -> None:
        """Takes what came out of an item; the lock is held."""

    @abstractmethod
    def finish(self) -> None:
        """All items are done."""

    @abstractmethod
    def give_up(self, error: BaseException | None) -> None:
        """No more will be done, because of this; None: the pool was terminated."""

    def start(self, iterable: Iterable[Any], size: int | None) -> None:
        """Sets about all items, or tuples of `size`; a feeder reads them if they can't be had at once."""
        items = iterable if size is None else batches(iterable, size)
        try:
            if self.native or not plain(iterable):
                self._tasks.feed(self, items)
                return
            self._ready.extend(items)
            with self._lock:
                self._whole = True
                self._queued = queue = bool(self._ready)
                ended = self._ended()
            if queue:
                self._tasks.submit(self._run)
            if ended:
                self._end()
        except BaseException as error:
            self.stop(error)
            raise

    def read(self, items: Iterable[Any]) -> None:
        """The work of a feeder."""
        put = self._submit if self.native else self._put
        try:
            for item in items:
                if self._over:
                    return
                put(item)
        except BaseException as error:
            self._put(Failure(without_caller(error)))
        with self._lock:
            self._whole = True
            ended = self._ended()
        if ended:
            self._end()

    def _put(self, item: Any) -> None:
        with self._lock:
            self._ready.append(item)
            if self._over:
                self._ready.clear()
            if self._over or self._queued:
                return
            self._queued = True
        self._queue_runner()

    def _queue_runner(self) -> None:
        try:
            self._tasks.submit(self._run)
        except BaseException as error:
            self.stop(error)

    def _run(self) -> None:
        """A task of the pool: works through what is ready."""
        try:
            with self._lock:
                self._queued = False
            for _ in range(_TURN):
                if not self._run_next():
                    return
                self._work.give_way()
            with self._lock:
                queue = bool(self._ready) and not self._queued
                self._queued |= queue
            if queue:
                self._queue_runner()
        finally:
            del self  # no cycle with the tracebacks of what was raised

    def _run_next(self) -> bool:
        """Runs the function for the next item; False if none is ready."""
        with self._lock:
            try:
                item = self._ready.popleft()
            except IndexError:
                return False
            index = self._taken
            self._taken += 1
            queue = bool(self._ready) and not self._queued
            self._queued |= queue
        if queue:
            self._queue_runner()
        try:
            if type(item) is Failure:
                self.deliver(index, False, item.error)
            else:
                self.deliver(index, True, self._function(item))
        except BaseException as error:
            self.deliver(index, False, without_caller(error))
        finally:
            del self
        return True

    def _submit(self, item: Any) -> None:
        """Makes a task of its own for a native item."""
        index = self._taken
        self._taken += 1
        try:
            future = self._tasks.submit(self._function, item)
        except Exception as error:
            self.deliver(index, False, without_caller(error))
        else:
            self.await_native(index, future)

    def await_native(self, index: int, future: Future[Any]) -> None:
        """Has the outcome of a native item delivered."""
        future.add_done_callback(partial(self._take_over, index))

    def _take_over(self, index: int, future: BaseFuture[Any]) -> None:
        if not future.cancelled():
            error = future.exception()
            self.deliver(index, error is None, future.result() if error is None else error)

    def deliver(self, index: int, good: bool, value: Any) -> None:
        """What came out of an item."""
        with self._lock:
            if self._over:
                return
            self.keep(index, good, value)
            self._done += 1
            ended = self._ended()
        if ended:
            self._end()

    def _ended(self) -> bool:
        """Whether all is done, said once."""
        if not self._whole or self._ready or self._done < self._taken:
            return False
        return self._is_to_end()

    def _is_to_end(self) -> bool:
        """Whether the caller ends it: nobody else has."""
        if not self._ending.acquire(blocking=False):
            return False
        self._over = True
        return True

    def _end(self) -> None:
        self._tasks.end(self)
        self.finish()

    def stop(self, error: BaseException | None) -> None:
        """Ends it before it is done; None: the pool was terminated."""
        with self._lock:
            if not self._is_to_end():
                return
            self._ready.clear()
        self._tasks.end(self)
        self.give_up(error)


def _start_anew_in_child() -> None:
    for tasks in Tasks.everybody:
        tasks.start_anew()


os.register_at_fork(after_in_child=_start_anew_in_child)
