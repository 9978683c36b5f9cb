"""What `offgil.as_completed` returns."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Generic, TypeVar

from offgil._waits import away

_T = TypeVar("_T")
_Future = concurrent.futures.Future


class AsCompleted(Generic[_T]):
    """The iterator of `as_completed`. `len` of it is how many futures there are, yielded or not."""

    def __init__(self, futures: set[_Future[_T]], timeout: float | None) -> None:
        self._length = len(futures)
        self._futures = concurrent.futures.as_completed(futures, timeout)

    def __len__(self) -> int:
        return self._length

    def __bool__(self) -> bool:
        return True  # as every iterator

    def __iter__(self) -> Iterator[_Future[_T]]:
        return self

    def __next__(self) -> _Future[_T]:
        return away(self._futures.__next__)
