"""The compiled half of `ThreadPoolExecutor`."""

import threading
from collections.abc import Callable
from typing import Any

from offgil._future import Future

class Work:
    """An executor's pool, its queue of Python tasks and its threads."""

    @property
    def handle(self) -> int: ...
    @property
    def threads(self) -> set[threading.Thread]: ...
    @property
    def broken(self) -> str | None: ...
    def close(self, cancel: bool, at_exit: bool = False, /) -> None: ...
    def join(self) -> None: ...
    def counts(self) -> tuple[int, int]: ...

class Submitter:
    """The half of `ThreadPoolExecutor` that is compiled."""

    _work: Work

    def _open(
        self,
        most: int,
        prefix: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        limit: int,
        when_full: str,
        /,
    ) -> None: ...
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]: ...
