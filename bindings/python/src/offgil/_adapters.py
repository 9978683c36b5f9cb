"""What `native` takes besides ctypes' functions: of cffi, numba, SciPy, capsules, addresses.

Of each a `Plan` is made, out of which the compiled `Call` is made.
"""

from __future__ import annotations

import ctypes
import sys
from _ctypes import FUNCFLAG_PYTHONAPI, CFuncPtr
from collections.abc import Callable
from typing import Any, NamedTuple

from offgil import _signatures, capi
from offgil._core import address_in
from offgil._signatures import Pointer

_Capsule = type(next(iter(capi.__pyx_capi__.values())))
_api = ctypes.PyDLL(None)
_name_of, _pointer_of, _context_of = (_api[f"PyCapsule_Get{part}"] for part in ("Name", "Pointer", "Context"))
_name_of.argtypes, _name_of.restype = [ctypes.py_object], ctypes.c_char_p
_pointer_of.argtypes, _pointer_of.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
_context_of.argtypes, _context_of.restype = [ctypes.py_object], ctypes.c_void_p
# ctypes' name of each letter.
_KINDS: dict[str, Any] = {
    "b": ctypes.c_byte, "B": ctypes.c_ubyte, "h": ctypes.c_short, "H": ctypes.c_ushort, "i": ctypes.c_int,
    "I": ctypes.c_uint, "l": ctypes.c_long, "L": ctypes.c_ulong, "?": ctypes.c_bool, "c": ctypes.c_char,
    "f": ctypes.c_float, "d": ctypes.c_double, "P": ctypes.c_void_p, "z": ctypes.c_char_p, "v": None,
}  # fmt: skip


class Plan(NamedTuple):
    """How a function is called."""

    address: int
    result: str
    letters: str
    kinds: tuple[Pointer | None, ...]
    convert: Callable[[int], Any] | None = None
    """Makes the result of what C returned, for those that no letter tells."""
    fixed: tuple[Any, ...] = ()
    """The last arguments, which the caller doesn't give."""
    optional: bool = False
    """Whether the caller may give them all the same."""
    is_cffi: bool = False


class Ordinary(NamedTuple):
    """A function that no native call can carry."""

    function: Callable[..., Any]


def plan(function: Any, signature: str | None) -> Plan | Ordinary:
    """How it is called, by the signature, or by what it says of itself.

    Raises TypeError for what is no native function or of types that can't be carried, ValueError for a text
    that is no signature and for NULL.
    """
    is_scipy = _is_low_level_callable(function)
    refuse_python_api(function.function if is_scipy else function)
    if is_python(function):
        return Ordinary(function)
    if is_scipy and is_python(function.function):
        return _with_data(function.function, function.user_data)
    if signature is None and _is_cffi(function):
        return _by_cffi(function)
    text = _text_of(function) if signature is None else signature
    if not isinstance(text, str):
        raise TypeError(f"a signature is a text such as 'f64(f64,i32,ptr)', not {type(text).__name__}")
    types = _signatures.parse(text)
    fixed: tuple[Any, ...] = (0,) * types.hidden
    optional = False
    if is_scipy and _is_void_pointer(types.kinds):
        data = _context_of(tuple.__getitem__(function, 0))
        fixed, optional = (data,), function.user_data is None and data is None
    return Plan(_address_of(function), types.result, types.letters, types.kinds, None, fixed, optional)


def ctypes_of(function: Any) -> Any:
    """The ctypes function of a numba `cfunc`, None if its types are beyond ctypes; anything else as it is."""
    if type(function).__module__.partition(".")[0] != "numba":
        return function
    if not hasattr(function, "address"):
        raise TypeError("numba's compiled functions are Python's, and need the GIL: declare a cfunc")
    try:
        return function.ctypes
    except (TypeError, NotImplementedError):
        return None


def refuse_python_api(function: Any) -> None:
    """Raises TypeError for a function of `PyDLL`, as those of `pythonapi`."""
    if isinstance(function, CFuncPtr) and type(function)._flags_ & FUNCFLAG_PYTHONAPI:
        raise TypeError("a function of Python's own API needs the GIL")


def is_python(function: Any) -> bool:
    """Whether it is known to be a Python function behind a C type."""
    if isinstance(function, CFuncPtr):
        return any(type(kept).__name__ == "CThunkObject" for kept in (function._objects or {}).values())
    if _is_cffi(function):
        from offgil._cffi_functions import is_in_python, pointer_of

        return is_in_python(pointer_of(function))
    return False


def call_here(
    address: int, result: str, letters: str, values: tuple[Any, ...], convert: Callable[[int], Any] | None
) -> Any:
    """The ordinary call of a function that was declared native, on the calling thread without the GIL."""
    kind = ctypes.CFUNCTYPE(_KINDS[result], *(_KINDS[letter] for letter in letters))
    returned = kind(address)(*values)
    return returned if convert is None else convert(returned or 0)


def _is_cffi(function: Any) -> bool:
    if "_cffi_backend" not in sys.modules:
        return False
    from offgil._cffi_functions import is_function

    return is_function(function)


def _is_low_level_callable(function: Any) -> bool:
    kind = type(function)
    return kind.__name__ == "LowLevelCallable" and kind.__module__.startswith("scipy.")


def _is_void_pointer(kinds: tuple[Pointer | None, ...]) -> bool:
    last = kinds[-1] if kinds else None
    return last is not None and last.size == 0


def _with_data(function: Callable[..., Any], data: Any) -> Ordinary:
    """A `LowLevelCallable` of a Python function."""
    return Ordinary(function if data is None else lambda *arguments: function(*arguments, data))


def _by_cffi(function: Any) -> Plan | Ordinary:
    from offgil._cffi_functions import examine

    types = examine(function, declared=True)
    if types is None:
        return Ordinary(function)
    return Plan(*types, is_cffi=True)


def _text_of(function: Any) -> str:
    """The signature that a capsule is named by."""
    capsule = tuple.__getitem__(function, 0) if _is_low_level_callable(function) else function
    if not isinstance(capsule, _Capsule):
        raise TypeError(f"{type(function).__name__} needs a signature, such as 'f64(f64,i32,ptr)'")
    name = _name_of(capsule)
    text = "" if name is None else name.decode("utf-8", "replace")
    if not text.rstrip().endswith(")"):
        raise TypeError(f"a capsule named {text!r} needs a signature, such as 'f64(f64,i32,ptr)'")
    return text


def _address_of(function: Any) -> int:
    if _is_low_level_callable(function):
        function = tuple.__getitem__(function, 0)
    if isinstance(function, int):
        address = int(function)
    elif isinstance(function, _Capsule):
        address = _pointer_of(function, _name_of(function)) or 0
    elif isinstance(function, CFuncPtr):
        address = address_in(function)
    elif _is_cffi(function):
        from offgil._cffi_functions import address_of_data, pointer_of

        address = address_of_data(pointer_of(function), [])
    else:
        found = getattr(function, "address", None)  # numba's cfunc
        if not isinstance(found, int):
            raise TypeError(f"{type(function).__name__} is no native function")
        address = found
    if not 0 < address < 2**64:
        raise ValueError("NULL is no function" if not address else f"{address} is no address")
    return address
