"""Native functions."""

from typing import Any

class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`."""

    @property
    def function(self) -> Any:
        """What it was made of."""

    @property
    def signature(self) -> str | None:
        """The text of its signature; None if it goes by what the function says of itself."""

    def __init__(self, function: Any, signature: str | None = None) -> None: ...
    def __call__(self, *arguments: Any) -> Any:
        """The ordinary call: here and now, without the GIL. Wrong arguments raise as at `submit`."""

def native(function: Any, signature: str | None = None) -> NativeFunction:
    """A native function for `submit` and the maps, of ctypes, cffi, numba, SciPy, a capsule or an address."""
