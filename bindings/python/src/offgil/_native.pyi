"""Native functions."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, overload

from typing_extensions import CapsuleType

class _LowLevelCallable(Protocol):
    """What is common to SciPy's, which is a tuple."""

    @property
    def function(self) -> Any: ...
    @property
    def user_data(self) -> Any: ...
    @property
    def signature(self) -> Any: ...

class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`."""

    @property
    def function(self) -> Any:
        """What it was made of."""

    @property
    def signature(self) -> str | None:
        """The text of its signature; None if it goes by what the function says of itself."""

    def __call__(self, *arguments: Any) -> Any:
        """The ordinary call: here and now, without the GIL. Wrong arguments raise as at `submit`."""

    def __call__(self, *arguments: Any) -> Any:
        """The ordinary call: here and now, by ctypes, without the GIL."""

_NativeObject: TypeAlias = NativeFunction | CapsuleType | _LowLevelCallable
"""What an executor takes for a native function although Python can't call it."""

@overload
def native(function: Callable[..., Any] | _NativeObject, signature: str | None = None) -> NativeFunction:
    """A native function for `submit` and the maps, of a function, or of an address with its signature.

    `signature` is in the words of `signature_create` in `offgil.h`, "f64(f64,i32,ptr)", or in C. Raises
    `TypeError` for what is no native function, and `ValueError` for a signature that is none.
    """

@overload
def native(function: int, signature: str) -> NativeFunction: ...
