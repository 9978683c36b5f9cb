"""`map_array`."""

from typing import Any

from offgil._executor import Work

def map_array(work: Work, function: Any, array: Any, out: Any) -> Any:
    """`out[i] = function(array[i])` for all items, off the GIL."""
