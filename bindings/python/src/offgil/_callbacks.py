"""The thread of a pool that calls callbacks, one after the other."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from offgil._core import start_thread
from offgil._waits import away


class Told(ABC):
    """A result that is ready only when a callback has been told."""

    @abstractmethod
    def ended(self) -> bool:
        """Whether its task has ended, also before it ran."""

    @abstractmethod
    def tell(self, drop: bool) -> None:
        """Calls the callback, unless that is to be dropped; then it is ready."""


class Sleepers:
    """Threads that wait until something is so.

    Unlike a Condition's, they may be woken in the middle of what their own thread, or the waking one,
    does here: by a signal handler, or by a `__del__`.
    """

    def __init__(self) -> None:
        self._locks: deque[threading.Lock] = deque()

    def sleep_until(self, condition: Callable[[], bool]) -> None:
        """Returns when it is so."""
        lock = threading.Lock()
        lock.acquire()
        while not condition():
            # Whoever makes it so looks for sleepers after that: so it sees this one, or it is seen here.
            self._locks.append(lock)
            if not condition():
                lock.acquire()

    def wake(self) -> None:
        """Has them look again; it is so."""
        while True:
            try:
                self._locks.pop().release()
            except IndexError:
                return


class Callbacks:
    """The callbacks of a pool's results. It knows these, and not the pool.

    The thread is there from the first until the pool is closed and the last is called. Where it can't be
    started, as at exit, who adds a result tells it. Of its lock holds what `_jobs` says of those there.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Told | None] = SimpleQueue()
        self._lock = threading.RLock()
        self._telling = threading.Lock()  # held while somebody takes from the queue what is put into it
        self._teller: int | None = None
        self._thread: threading.Thread | None = None
        # By their ids: these have not been told; and of them these have not been added.
        self._expected: dict[int, Told] = {}
        self._not_added: dict[int, Told] = {}
        self._sleepers = Sleepers()  # until none is expected
        self._closed = False
        self._dropping = False

    def expect(self, result: Told) -> None:
        """It will be added."""
        with self._lock:
            self._expected[id(result)] = result
            self._not_added[id(result)] = result

    def forget(self, result: Told) -> None:
        """It was expected, and will not be added."""
        with self._lock:
            self._not_added.pop(id(result), None)
        self._remove(result)

    def _remove(self, result: Told) -> None:
        with self._lock:
            self._expected.pop(id(result), None)
            over = not self._expected
            if over and self._closed:
                self._queue.put(None)  # the thread may have had that of `close` before
        if over:
            self._sleepers.wake()

    def add(self, result: Told) -> None:
        """Has it told; it was expected."""
        with self._lock:
            if self._not_added.pop(id(result), None) is None:
                return
            self._queue.put(result)
            first = self._telling.acquire(blocking=False)
        if first:
            self._start()

    def _start(self) -> None:
        """For who holds `_telling`: gives it to a thread, or if none can be started tells what there is."""
        mine = threading.Lock()  # whoever takes it has that
        started = False
        try:
            started = start_thread(
                threading.Thread(target=self._run, args=(mine,), name="offgil-callbacks", daemon=True)
            )
        except RuntimeError:
            pass  # there are too many
        finally:
            # Ctrl-C may have come when the thread was there already.
            if not started and mine.acquire(blocking=False):
                self._tell_here()

    def _tell_here(self) -> None:
        over = False
        while not over:
            self._teller = threading.get_ident()
            try:
                while True:
                    result = self._queue.get_nowait()
                    if result is not None:
                        self._tell(result)
            except Empty:
                over = self._leave(self._queue.empty)
            except BaseException:  # Ctrl-C
                self._leave(lambda: True)
                raise

    def _leave(self, over: Callable[[], bool]) -> bool:
        """Gives `_telling` up, unless it isn't over yet."""
        with self._lock:
            if not over():
                return False
            self._teller = self._thread = None
            self._telling.release()
            return over() or not self._telling.acquire(blocking=False)

    def add_ended(self) -> None:
        """Adds those whose tasks never ran, so that nobody else does."""
        with self._lock:
            results = list(self._not_added.values())
        for result in results:
            if result.ended():
                self.add(result)

    def _run(self, mine: threading.Lock) -> None:
        if not mine.acquire(blocking=False):
            return
        while True:
            self._teller = threading.get_ident()
            self._thread = threading.current_thread()
            result = self._queue.get()
            if result is not None:
                self._tell(result)
            del result
            if self._leave(self._is_over):
                return

    def _is_over(self) -> bool:
        return self._closed and not self._expected

    def _tell(self, result: Told) -> None:
        try:
            result.tell(self._dropping)
        except BaseException as error:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
        finally:
            self._remove(result)

    def is_here(self) -> bool:
        """Whether the caller is a callback."""
        return threading.get_ident() == self._teller

    def tell_until(self, done: Callable[[], bool], timeout: float | None) -> None:
        """In a callback that waits for what another one precedes: tells others meanwhile."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                result = away(self._queue.get, True, left)
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
        self._sleepers.sleep_until(lambda: not self._expected)
        thread = self._thread
        if thread is not None:
            thread.join()
