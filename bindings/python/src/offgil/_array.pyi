"""`map_array`."""

from collections.abc import Callable
from typing import Any

from offgil._core import Work
from offgil._progress import Bar

def map_array(
    work: Work, function: Any, array: Any, out: Any, open_bar: Callable[[int | None], Bar] | None
) -> Any:
    """`out[i] = function(array[i])` for all items, off the GIL."""
