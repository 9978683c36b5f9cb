"""Native functions."""

from typing import Any

class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`."""

    @property
    def function(self) -> Any:
        """What it was made of."""

    @property
    def signature(self) -> str | None:
        """The text of its signature; None if it goes by ctypes' types."""

def native(function: Any, signature: str | None = None) -> NativeFunction:
    """A native function for `submit` and the maps."""
