"""cffi's functions of both modes: their types, and which arguments go off the GIL as cffi itself passes them.

`lib.f` of ABI mode is a cdata of a function pointer, that of API mode a built-in function, whose C function
`addressof` gives. `ffi.callback` and `extern "Python"` are Python, and never native; so is what lies in no
shared library, where nobody declared it native.
"""

from __future__ import annotations

import _ctypes
import ctypes
import gc
import os
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any, NamedTuple

from offgil._core import CallsBack, is_here
from offgil._signatures import Pointer

backend: Any = import_module("_cffi_backend")
_ffi: Any = backend.FFI()
_cast, _typeof = backend.cast, backend.typeof
_uintptr_t: Any = backend.new_primitive_type("uintptr_t")
# The types of `ffi.callback` (and of handles), and of `ffi.from_buffer`.
_Owner, _FromBuffer = vars(backend)["__CDataOwnGC"], vars(backend)["__CDataFromBuf"]
_LETTERS = {(1, True): "b", (1, False): "B", (2, True): "h", (2, False): "H",
            (4, True): "i", (4, False): "I", (8, True): "l", (8, False): "L"}  # fmt: skip
_SPECIAL: dict[str, str | None] = {
    "char": "c", "_Bool": "?", "float": "f", "double": "d", "long double": None,
    "wchar_t": None, "char16_t": None, "char32_t": None,
}  # fmt: skip


class CffiTypes(NamedTuple):
    """How a function of cffi's is called."""

    address: int
    result: str
    letters: str
    kinds: tuple[Pointer | None, ...]
    convert: Callable[[int], Any] | None


class CffiPointer(Pointer):
    """What a pointer of cffi's takes: exactly what cffi would, as far as that is known here."""

    __slots__ = ("ctype", "declared", "fitting")

    def __init__(self, ctype: Any, declared: bool) -> None:
        item = ctype.item if ctype.kind in ("pointer", "array") else None
        letter = None if item is None or item.kind == "array" else _letter(item)
        super().__init__(0 if letter in (None, "v") else backend.sizeof(item), letter in ("f", "d"))
        self.ctype = ctype if ctype.kind != "array" else backend.new_pointer_type(item)
        self.takes_bytes = letter is not None and letter in "vcbB"
        self.declared = declared
        # The kind of each type that fits, "" for one that doesn't.
        self.fitting: dict[Any, str] = {}

    def address(self, value: Any, keep: list[Any]) -> int:
        """Where it lies; TypeError for what cffi would not pass, or not in a way that is known."""
        if self.declared and isinstance(value, (list, tuple)) and self.ctype.kind == "pointer":
            value = backend.newp(backend.new_array_type(self.ctype, None), value)
            keep.append(value)
        elif self.declared and is_function(value):
            value = pointer_of(value)
        if not isinstance(value, backend._CDataBase):
            raise TypeError(f"{type(value).__name__} is no cdata of {self.ctype.cname!r}")
        ctype = _typeof(value)
        fits = self.fitting.get(ctype)
        if fits is None:
            fits = self.fitting[ctype] = ctype.kind if self._fits(ctype) else ""
        if not fits:
            raise TypeError(f"a cdata of {self.ctype.cname!r} is expected, not of {ctype.cname!r}")
        if fits != "function":
            return _address(value, keep)
        if not self.declared and not is_machine_code(value):
            raise TypeError(f"{value!r} may be in Python")
        return address_of_data(value, keep)

    def _fits(self, ctype: Any) -> bool:
        if ctype.kind == "array":
            ctype = backend.new_pointer_type(ctype.item)
        if ctype.kind not in ("pointer", "function"):
            return False
        names = (self.ctype.cname, ctype.cname)
        if ctype is self.ctype or "void *" in names:
            return True
        return "char *" in names and all(
            pointer.kind == "pointer" and _letter(pointer.item) in ("c", "b", "B", "?")
            for pointer in (self.ctype, ctype)
        )


def address_of_data(value: Any, keep: list[Any]) -> int:
    """Where a cdata lies, or points to.

    Raises CallsBack for a function in Python, ValueError for a buffer that was released, TypeError for what
    has no address.
    """
    kind = _typeof(value).kind
    if kind not in ("pointer", "array", "function"):
        raise TypeError(f"{value!r} has no address")
    if kind == "function" and is_in_python(value) and not is_here(keep):
        raise CallsBack(f"{value!r} is in Python")
    return _address(value, keep)


def item_of(value: Any) -> tuple[int, bool] | None:
    """The size of what it points to, and whether that is floating-point; None for what is no number."""
    ctype = _typeof(value)
    item = ctype.item if ctype.kind in ("pointer", "array") else None
    while item is not None and item.kind == "array":
        item = item.item
    letter = None if item is None else _letter(item)
    return None if letter in (None, "v", "P") else (backend.sizeof(item), letter in ("f", "d"))


def _address(value: Any, keep: list[Any]) -> int:
    if type(value) is _FromBuffer:
        if "RELEASED" in repr(value):
            raise ValueError("the buffer is released")
        # `release` must not free it before the task has ended.
        keep.extend(memoryview(owner) for owner in gc.get_referents(value) if not isinstance(owner, type))
    return int(_cast(_uintptr_t, value))


def _letter(ctype: Any) -> str | None:
    """The letter of a type; None if no native call can carry it."""
    if ctype.kind == "void":
        return "v"
    if ctype.kind in ("pointer", "function", "array"):
        return "P"
    if ctype.kind not in ("primitive", "enum"):
        return None
    if ctype.cname in _SPECIAL:
        return _SPECIAL[ctype.cname]
    if "omplex" in ctype.cname:
        return None
    return _LETTERS.get((backend.sizeof(ctype), int(_cast(ctype, -1)) < 0))


def _to_bool(word: int) -> bool:
    """As cffi reads the lowest byte, which is all that a function gives of it."""
    value = word & 0xFF
    if value > 1:
        raise ValueError(f"got a _Bool of value {value}, expected 0 or 1")
    return value == 1


def is_function(function: Any) -> bool:
    """Whether it is a function of cffi's: of a `lib`, or a cdata of a function pointer."""
    if isinstance(function, BuiltinFunctionType):
        return isinstance(function.__self__, backend.Lib)
    return isinstance(function, backend._CDataBase) and _typeof(function).kind == "function"


def pointer_of(function: Any) -> Any:
    """The function pointer of one that `is_function`."""
    if isinstance(function, BuiltinFunctionType):
        return _ffi.addressof(function.__self__, function.__name__)
    return function


def examine(function: Any, declared: bool) -> CffiTypes | None:
    """How one that `is_function` is called; None if it is in Python, or of types that no call can carry.

    Where nobody `declared` it native, also None if it may be in Python, or NULL; else NULL is a ValueError.
    """
    compiled = isinstance(function, BuiltinFunctionType)
    pointer = pointer_of(function)
    ctype = _typeof(pointer)
    address = int(_cast(_uintptr_t, pointer))
    if declared and not address:
        raise ValueError("NULL is no function")
    if ctype.ellipsis or ctype.abi != backend.FFI_DEFAULT_ABI or not address or is_in_python(pointer):
        return None
    if not compiled and not declared and not is_machine_code(pointer):
        return None
    result = _letter(ctype.result)
    letters = [_letter(kind) for kind in ctype.args]
    if result is None or None in letters:
        return None
    kinds = tuple(
        CffiPointer(kind, declared) if letter == "P" else None
        for kind, letter in zip(ctype.args, letters, strict=True)
    )
    convert: Callable[[int], Any] | None = None
    if result == "P":
        convert = partial(_cast, ctype.result)
    elif result == "?" and not compiled:
        convert = _to_bool
    return CffiTypes(address, result, "".join(filter(None, letters)), kinds, convert)


class _Symbol(ctypes.Structure):
    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


_dladdr: Any = ctypes.CDLL(None)["dladdr"]
_dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Symbol)]
_dladdr.restype = ctypes.c_int


def _library_of(pointer: Any) -> str | None:
    """The file of the shared library whose code the pointer is; None for what was made at run time."""
    symbol = _Symbol()
    if not _dladdr(int(_cast(_uintptr_t, pointer)), ctypes.byref(symbol)) or not symbol.file:
        return None
    return os.fsdecode(symbol.file)


@lru_cache(maxsize=64)
def _is_extension(path: str) -> bool:
    """Whether the shared library is a module of Python."""
    try:
        handle = _ctypes.dlopen(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
    except OSError:
        return False
    try:
        _ctypes.dlsym(handle, f"PyInit_{Path(path).name.partition('.')[0]}")
    except OSError:
        return False
    finally:
        _ctypes.dlclose(handle)
    return True


def _is_exported(pointer: Any, path: str) -> bool | None:
    """Whether it is a C function that cffi compiled into a module; None if the library is no such module."""
    if not _is_extension(path):
        return None
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        lib = names.get("lib")
        if isinstance(lib, backend.Lib) and names.get("__file__") == path:
            functions = (name for name in dir(lib) if isinstance(getattr(lib, name), BuiltinFunctionType))
            return any(_ffi.addressof(lib, name) == pointer for name in functions)
    return None


def is_in_python(pointer: Any) -> bool:
    """Whether a function pointer is known to be `ffi.callback` or `extern "Python"`."""
    if type(pointer) is _Owner:
        return True
    path = _library_of(pointer)
    return path is not None and _is_exported(pointer, path) is False


def is_machine_code(pointer: Any) -> bool:
    """Whether a function pointer is known to be in C.

    It is code of a shared library, but of a module of Python's only what cffi compiled into it. Callbacks lie
    in memory of libffi's, `extern "Python"` functions in a module.
    """
    path = _library_of(pointer)
    if path is None or type(pointer) is _Owner:
        return False
    exported = _is_exported(pointer, path)
    return exported if exported is not None else not _is_extension(path)
