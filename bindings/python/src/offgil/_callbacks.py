"""The thread of a pool that calls callbacks, one after the other.

Nothing here waits for a lock: a signal handler, or a `__del__`, that uses the pool may run between any two
steps.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from offgil._core import start_thread


class Once:
    """What happens once. A signal handler may set it while its thread does, or waits, unlike an Event."""

    def __init__(self) -> None:
        self._set = threading.Lock()  # held from then on
        self._sleepers: deque[threading.Lock] = deque()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._set.locked()

    def set(self) -> bool:
        """It has happened; True for the first who says so."""
        first = self._set.acquire(blocking=False)
        while True:
            try:
                self._sleepers.pop().release()
            except IndexError:
                return first

    def wait(self) -> None:
        """Returns when it has happened."""
        sleeper = threading.Lock()
        sleeper.acquire()
        # Whoever sets it looks for sleepers after that: so it sees this one, or it is seen here.
        self._sleepers.append(sleeper)
        if not self.is_set():
            sleeper.acquire()


class Told(ABC):
    """A result that is ready only when a callback has been told."""

    @abstractmethod
    def ended(self) -> bool:
        """Whether its task has ended, also before it ran."""

    @abstractmethod
    def tell(self, drop: bool) -> None:
        """Calls the callback, unless that is to be dropped; then it is ready."""


class Callbacks:
    """The callbacks of a pool's results. It knows these, and not the pool.

    The thread is there from the first until the pool is closed and the last is called. At exit, where it may
    not be started any more, who adds a result tells it.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Told | None] = SimpleQueue()
        self._here = threading.Lock()  # held while there is a thread
        self._thread: threading.Thread | None = None
        # By their ids: these have not been told; and of them these have not been added.
        self._expected: dict[int, Told] = {}
        self._not_added: dict[int, Told] = {}
        self._closed = False
        self._none_left = Once()
        self._dropping = False

    def expect(self, result: Told) -> None:
        """It will be added."""
        self._expected[id(result)] = result
        self._not_added[id(result)] = result

    def forget(self, result: Told) -> None:
        """It was expected, and will not be added."""
        self._not_added.pop(id(result), None)
        self._expected.pop(id(result), None)
        self._finish_if_closed()

    def _finish_if_closed(self) -> None:
        if self._closed and not self._expected:
            self._none_left.set()
            self._queue.put(None)  # the thread may have seen that of `close` before

    def add(self, result: Told) -> None:
        """Has it told; it was expected."""
        if self._not_added.pop(id(result), None) is None:
            return
        self._queue.put(result)
        if self._here.acquire(blocking=False) and not self._start():
            self._tell_here()

    def _start(self) -> bool:
        """Starts the thread, for who holds `_here`; False at exit."""
        started = False
        try:
            started = start_thread(threading.Thread(target=self._run, name="offgil-callbacks", daemon=True))
        finally:
            if not started:
                self._here.release()
        return started

    def _tell_here(self) -> None:
        while not self._queue.empty():
            try:
                result = self._queue.get_nowait()
            except Empty:
                return
            if result is not None:
                self._tell(result)

    def add_ended(self) -> None:
        """Adds those whose tasks never ran, so that nobody else does."""
        for result in self._not_added.copy().values():
            if result.ended():
                self.add(result)

    def _run(self) -> None:
        self._thread = threading.current_thread()
        while True:
            result = self._queue.get()
            if result is not None:
                self._tell(result)
            del result
            if self._closed and not self._expected:
                self._here.release()
                # Who has put something before that relied on this thread.
                if self._queue.empty() or not self._here.acquire(blocking=False):
                    return

    def _tell(self, result: Told) -> None:
        try:
            result.tell(self._dropping)
        except BaseException as error:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
        finally:
            del self._expected[id(result)]
            self._finish_if_closed()

    def is_here(self) -> bool:
        """Whether the caller is a callback."""
        return threading.current_thread() is self._thread

    def tell_until(self, done: Callable[[], bool], timeout: float | None) -> None:
        """In a callback that waits for what another one precedes: tells others meanwhile."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                result = self._queue.get(timeout=left)
            except Empty:
                return
            if result is not None:
                self._tell(result)

    def close(self, drop: bool) -> None:
        """No more will be expected; with `drop` the rest is not called."""
        if drop:
            self._dropping = True
        self._closed = True
        self._finish_if_closed()
        self._queue.put(None)

    def join(self) -> None:
        """Returns when all that is expected has been told."""
        if self.is_here():
            raise RuntimeError("cannot join the pool in one of its callbacks")
        self._none_left.wait()
        thread = self._thread
        if thread is not None:
            thread.join()
