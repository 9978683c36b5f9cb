"""The base classes of the types in `offgil.ctypes`."""

from __future__ import annotations

import ctypes
from _ctypes import FUNCFLAG_CDECL, CFuncPtr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Handle(ctypes.c_void_p):
    """An opaque C pointer. Handles of different types don't mix; equal values are equal.

    It goes for a number where cffi and Cython take one: `ffi.cast("pool_t *", handle)`,
    `<pool_t *><size_t>handle`.
    """

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __index__(self) -> int:
        return self.value or 0

    __int__ = __index__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value or 0:#x})"


class Function(CFuncPtr):
    """A C function pointer: made of a Python function, of an address, or of nothing (NULL)."""

    _flags_ = FUNCFLAG_CDECL
    _of: Any  # what it was made of, if it is the same function

    @classmethod
    def from_param(cls, value: Any) -> Function:
        """What a parameter of this type takes: itself, NULL, an address, a ctypes library's function."""
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        if isinstance(value, int):
            return cls(value)
        if isinstance(value, CFuncPtr) and not isinstance(value, Function):
            # As `_core.address_in`, above this module: after ctypes.cast it would keep itself.
            made = cls(ctypes.c_void_p.from_address(ctypes.addressof(value)).value or 0)
            made._of = value
            return made
        got = type(value).__name__
        raise TypeError(f"expected {cls.__name__}, a ctypes function, an address or None, got {got}")


def function_type(result: Any, *parameters: Any) -> type[Function]:
    """A function pointer type that has no name in the header."""
    members = {"_flags_": FUNCFLAG_CDECL, "_restype_": result, "_argtypes_": parameters}
    return type("Function", (Function,), members)
