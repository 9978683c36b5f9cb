"""Progress bars, which tqdm draws where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    _T = TypeVar("_T")

    class Bar(Protocol):
        """What is used of a `tqdm`."""

        def update(self, n: int) -> object:
            """So many more are done."""

        def close(self) -> object:
            """No more will be."""


def bar_for(progress: bool | str) -> Callable[[int | None], Bar] | None:
    """Opens the bar that `progress` asks for, given its total: True, or a text that describes it.

    None for False. Raises ImportError without tqdm.
    """
    if not isinstance(progress, (bool, str)):
        raise TypeError(f"progress must be True, False or a text, not {type(progress).__name__}")
    if progress is False:
        return None
    try:
        tqdm = import_module("tqdm.auto").tqdm
    except ImportError as error:
        raise ImportError("progress is shown by tqdm, which is not installed: pip install tqdm") from error
    return partial(_open, tqdm, None if progress is True else progress)


def _open(tqdm: Callable[..., Bar], description: str | None, total: int | None) -> Bar:
    return tqdm(total=total, desc=description)


def total_of(*iterables: object) -> int | None:
    """How many items the shortest has; None if one has no length, or can't tell it."""
    try:
        return min((len(iterable) for iterable in iterables), default=0)  # type: ignore[arg-type]
    except Exception:  # of a `__len__` in Python any; OverflowError of a long range
        return None


def watched(results: Iterable[_T], bar: Bar) -> Iterator[_T]:
    """The results; the bar moves as they are taken."""
    try:
        for result in results:
            bar.update(1)
            yield result
    finally:
        bar.close()
