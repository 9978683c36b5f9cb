"""The thread of a pool that calls callbacks, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

# Calls the callback, or if told so drops it.
Tell = Callable[[bool], None]


class Callbacks:
    """The callbacks of a pool's results. The thread is there from the first until the pool is closed and the last is called.

    It knows the results that wait for it, and not the pool.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Tell | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._expected = 0
        self._closed = False
        self._dropping = False

    def expect(self) -> None:
        """One will be added."""
        with self._changed:
            self._expected += 1

    def add(self, tell: Tell) -> None:
        """Has it called; it was expected."""
        self._queue.put(tell)
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            tell = self._queue.get()
            if tell is not None:
                self._call(tell)
            del tell
            with self._changed:
                if self._closed and self._expected == 0:
                    self._thread = None
                    return

    def _call(self, tell: Tell) -> None:
        try:
            tell(self._dropping)
        except BaseException as error:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
        finally:
            with self._changed:
                self._expected -= 1
                self._changed.notify_all()

    def is_here(self) -> bool:
        """Whether the caller is a callback."""
        return threading.current_thread() is self._thread

    def call_until(self, done: Callable[[], bool], timeout: float | None) -> None:
        """In a callback that waits for what another one precedes: calls the others meanwhile."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            try:
                tell = self._queue.get(
                    timeout=None if deadline is None else max(0.0, deadline - time.monotonic())
                )
            except Empty:
                return
            if tell is not None:
                self._call(tell)

    def close(self, drop: bool) -> None:
        """No more will be expected; with `drop` the rest is not called."""
        with self._changed:
            self._closed = True
            self._dropping |= drop
        self._queue.put(None)

    def join(self) -> None:
        """Returns when all that is expected has been called."""
        if self.is_here():
            raise RuntimeError("cannot join the pool in one of its callbacks")
        with self._changed:
            self._changed.wait_for(lambda: self._expected == 0)
            thread = self._thread
        if thread is not None:
            thread.join()
