"""Waits that are not the library's: a task that is in one gives its place up, as in `Future.result`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from offgil._future import work_of_task


@contextmanager
def without_place() -> Iterator[None]:
    """What is in here only waits: if it is part of an executor's task, another task may run meanwhile.

    To be left by the thread that entered it. Leaving it may block until the task has its place again.
    """
    work = work_of_task()
    if work is None:
        yield
        return
    work.block()
    try:
        yield
    finally:
        work.unblock()


def let_dask_give_places_up() -> None:
    """Lets a task compute on its own pool: `dask.local` waits there by a queue, and would keep the place."""
    local: Any = sys.modules["dask.local"]
    wait = getattr(local, "queue_get", None)
    if wait is None or hasattr(wait, "gives_places_up"):
        return

    def queue_get(q: Any) -> Any:
        with without_place():
            return wait(q)

    queue_get.gives_places_up = True  # type: ignore[attr-defined]
    local.queue_get = queue_get
