from collections.abc import Iterable, Iterator
from typing import Any, final

from offgil._core import Submitter

@final
class Batch(Iterator[Any]):
    """The calls of one `map`."""

    def __next__(self) -> Any: ...
    def cancel(self) -> None: ...

def map_native(
    executor: Submitter,
    work: Any,
    function: Any,
    iterables: tuple[Iterable[Any], ...],
    deadline: float | None,
) -> Batch | None: ...
