"""What programs look for in the stdlib's executor: its `_work_queue`."""

from __future__ import annotations

from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class WorkQueue:
    """How much is queued. The tasks themselves can't be taken out: their queue is no Python object."""

    def __init__(self, stats: Callable[[], dict[str, Any]]) -> None:
        self._stats = stats

    def qsize(self) -> int:
        """How many tasks are queued, native and Python."""
        stats = self._stats()
        return int(stats["tasks_queued"]) + int(stats["python_queued"])

    def empty(self) -> bool:
        """Whether none is."""
        return self.qsize() == 0
