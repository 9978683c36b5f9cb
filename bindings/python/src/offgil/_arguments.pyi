"""The arguments of a native call as C gets them."""

from typing import Any

class CallsBack(TypeError):
    """C would come back into Python through an argument."""

def is_here(keep: list[Any]) -> bool:
    """Whether what is kept is for a call on a thread of Python's."""
