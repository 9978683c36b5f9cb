"""The base classes of the types in `offgil.ctypes`."""

from __future__ import annotations

import ctypes
from _ctypes import FUNCFLAG_CDECL, Array, CFuncPtr, _Pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# For `c_void_p`, ctypes passes where the text of one lies.
TEXTS = (ctypes.c_char_p, ctypes.c_wchar_p)


def address_in(data: Any) -> int:
    """The address that C gets for an argument of type `c_void_p`: of an array its own, else what is in it.

    `ctypes.cast` gives the same, but from then on a ctypes object keeps itself until garbage is collected.
    """
    if isinstance(data, Array):
        return ctypes.addressof(data)
    if isinstance(data, (_Pointer, CFuncPtr, ctypes.c_void_p, *TEXTS)):
        return ctypes.c_void_p.from_address(ctypes.addressof(data)).value or 0
    return ctypes.cast(data, ctypes.c_void_p).value or 0


class Handle(ctypes.c_void_p):
    """An opaque C pointer. Handles of different types don't mix; equal values are equal."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)

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
            made = cls(address_in(value))
            made._of = value
            return made
        got = type(value).__name__
        raise TypeError(f"expected {cls.__name__}, a ctypes function, an address or None, got {got}")


def function_type(result: Any, *parameters: Any) -> type[Function]:
    """A function pointer type that has no name in the header."""
    members = {"_flags_": FUNCFLAG_CDECL, "_restype_": result, "_argtypes_": parameters}
    return type("Function", (Function,), members)
