"""The thread of a pool that calls callbacks, one after the other."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import Empty, SimpleQueue

from offgil._core import start_thread


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
        self._lock = threading.Lock()
        self._none_left = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        # By their ids: these have not been told; and these will be, as they are in the queue or were.
        self._expected: dict[int, Told] = {}
        self._added: set[int] = set()
        self._closed = False
        self._dropping = False

    def expect(self, result: Told) -> None:
        """It will be added."""
        with self._lock:
            self._expected[id(result)] = result

    def forget(self, result: Told) -> None:
        """It was expected, and will not be added."""
        with self._lock:
            self._expected.pop(id(result), None)
            if not self._expected:
                self._none_left.notify_all()

    def add(self, result: Told) -> None:
        """Has it told; it was expected."""
        with self._lock:
            if id(result) not in self._expected or id(result) in self._added:
                return
            self._added.add(id(result))
            here = self._thread is None and not self._start()
        if here:
            self._tell(result)
        else:
            self._queue.put(result)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="offgil-callbacks", daemon=True)
        self._thread = thread
        started = False
        try:
            started = start_thread(thread)
        finally:
            if not started:
                self._thread = None
        return started

    def add_ended(self) -> None:
        """Adds those whose tasks never ran, so that nobody else does."""
        with self._lock:
            expected = list(self._expected.values())
        for result in expected:
            if result.ended():
                self.add(result)

    def _run(self) -> None:
        while True:
            result = self._queue.get()
            if result is not None:
                self._tell(result)
            del result
            with self._lock:
                if self._closed and not self._expected:
                    self._thread = None
                    return

    def _tell(self, result: Told) -> None:
        try:
            result.tell(self._dropping)
        except BaseException as error:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
        finally:
            with self._lock:
                del self._expected[id(result)]
                self._added.discard(id(result))
                if not self._expected:
                    self._none_left.notify_all()

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
        with self._lock:
            self._closed = True
            self._dropping |= drop
        self._queue.put(None)

    def join(self) -> None:
        """Returns when all that is expected has been told."""
        if self.is_here():
            raise RuntimeError("cannot join the pool in one of its callbacks")
        with self._lock:
            while self._expected:
                self._none_left.wait()
            thread = self._thread
        if thread is not None:
            thread.join()
