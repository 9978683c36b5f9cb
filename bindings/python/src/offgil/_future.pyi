"""`Future`; its compiled half."""

import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from offgil._work import Work

_T = TypeVar("_T")

class TaskFailed(RuntimeError):
    """A native task called `task_fail`, or panicked."""

    def __init__(self, message: str, code: int) -> None: ...

    code: int
    """What it told; 0 for a panic."""

def work_of_task() -> Work | None:
    """The `Work` one of whose Python tasks calls this; None elsewhere."""

class Future(concurrent.futures.Future[_T]):
    """A task's result to come."""

    @property
    def native(self) -> bool:
        """Whether the task is a C function that runs off the GIL."""

    @property
    def errno(self) -> int | None:
        """What the native function left in `errno`, else 0; None without a result of a native task."""

    def add_done_callback(self, fn: Callable[[Future[_T]], object]) -> None:
        """Calls `fn(future)` when the task has ended or is cancelled; at once if that is so."""

    def __await__(self) -> Generator[Any, None, _T]: ...
