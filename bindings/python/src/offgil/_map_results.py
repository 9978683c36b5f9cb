"""What `ThreadPoolExecutor.map` returns: the results in order, of a batch or of a future for each call."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from offgil._map import map_native

if TYPE_CHECKING:
    from offgil._core import Future, ThreadPoolExecutor
    from offgil._map import Batch

_T = TypeVar("_T")


def map_all(
    executor: ThreadPoolExecutor,
    fn: Callable[..., _T],
    iterables: tuple[Iterable[Any], ...],
    timeout: float | None,
    buffersize: int | None,
    own_submit: bool,
) -> Iterator[_T]:
    """`ThreadPoolExecutor.map`; an overridden `submit` gets every call."""
    deadline = None if timeout is None else time.monotonic() + timeout
    if own_submit and buffersize is None:
        batch = map_native(executor, executor._work, fn, iterables, deadline)
        if batch is not None:
            return _batch_results(batch)
    calls = zip(*iterables)  # noqa: B905 - as the built-in map: the shortest counts
    # In bytecode, so that signals are handled and threads take turns however many there are.
    futures = deque(executor.submit(fn, *args) for args in itertools.islice(calls, buffersize))
    # It must not keep the executor alive when nothing more is to be submitted.
    more = _submit_more(executor, fn, calls) if buffersize is not None else None
    return _results(futures, more, deadline)


def _submit_more(
    executor: ThreadPoolExecutor, fn: Callable[..., _T], calls: Iterator[tuple[Any, ...]]
) -> Callable[[], Future[_T] | None]:
    def submit() -> Future[_T] | None:
        for args in calls:
            return executor.submit(fn, *args)
        return None

    return submit


def _batch_results(batch: Batch) -> Iterator[Any]:
    """The same for calls that went in together."""
    try:
        yield from batch
    finally:
        batch.cancel()


def _results(
    futures: deque[Future[_T]], more: Callable[[], Future[_T] | None] | None, deadline: float | None
) -> Iterator[_T]:
    """The results in order; closed early, it cancels the rest."""
    try:
        while futures:
            if more is not None and (future := more()) is not None:
                futures.append(future)
            # No reference to a future while its result is out.
            yield _result_or_cancel(futures.popleft(), deadline)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel(future: Future[_T], deadline: float | None) -> _T:
    try:
        try:
            return future.result(None if deadline is None else deadline - time.monotonic())
        finally:
            future.cancel()
    finally:
        del future  # no cycle with the traceback of what it raised
