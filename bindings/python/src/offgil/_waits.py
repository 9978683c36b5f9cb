"""Waiting for several futures as `concurrent.futures` does; a task that waits gives its place to another."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable

from offgil._core import work_of_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from offgil._as_completed import AsCompleted

    _T = TypeVar("_T")
    _Future = concurrent.futures.Future


class without_place:
    """What is in this block only waits: if it is part of an executor's task, another task may run meanwhile.

    To be left by the thread that entered it. Leaving it may block until the task has its place again.
    """

    def __enter__(self) -> None:
        self._work = work_of_task()
        if self._work is not None:
            self._work.block()

    def __exit__(self, *exception: object) -> None:
        if self._work is not None:
            self._work.unblock()


def away(wait: Callable[..., _T], *args: Any) -> _T:
    """`wait(*args)`; a Python task of ours in which it is called has no place meanwhile."""
    with without_place():
        return wait(*args)


def wait(
    fs: Iterable[_Future[_T]],
    timeout: float | None = None,
    return_when: str = concurrent.futures.ALL_COMPLETED,
) -> concurrent.futures._base.DoneAndNotDoneFutures[_T]:
    """Waits as `concurrent.futures.wait` does, for at most `timeout` seconds (None: for ever).

    A task that waits gives its place to another, so that it may wait for tasks of its own executor.
    """
    return away(concurrent.futures.wait, fs, timeout, return_when)


def as_completed(fs: Iterable[_Future[_T]], timeout: float | None = None) -> AsCompleted[_T]:
    """Iterates over the futures as they end, each once, as `concurrent.futures.as_completed` does.

    The iterator has a length, so that `tqdm(as_completed(futures))` knows its total. A task that waits here
    gives its place to another. Raises TimeoutError `timeout` seconds after it was first asked.
    """
    from offgil._as_completed import AsCompleted

    return AsCompleted(set(fs), timeout)
