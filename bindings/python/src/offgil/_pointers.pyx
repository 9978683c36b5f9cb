# cython: language_level=3, freethreading_compatible=True
"""Arguments that are pointers: what lies where, and stays there until the task has ended."""

import ctypes
import re
from _ctypes import CFuncPtr, _Pointer, _SimpleCData

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint64_t

cdef extern from "Python.h":
    bint PyLong_Check(object value)
    bint PyBytes_CheckExact(object value)
    unsigned long long PyLong_AsUnsignedLongLongMask(object value) except? 0xFFFFFFFFFFFFFFFF
    bint PyObject_CheckBuffer(object value)
    Py_buffer *PyMemoryView_GET_BUFFER(object view)

cdef enum:
    MOST_DEPTH = 8  # of data that points to data

# The first of what is kept for arguments of a call on a thread of Python's, where C may come back into Python.
HERE = object()

# ctypes' classes of numbers, and their letters.
SIMPLE = {
    getattr(ctypes, name): getattr(ctypes, name)._type_
    for name in (
        "c_byte", "c_ubyte", "c_short", "c_ushort", "c_int", "c_uint", "c_long", "c_ulong", "c_bool", "c_char", "c_float",
        "c_double", "c_void_p", "c_char_p",
    )
}
cdef object c_void_p = ctypes.c_void_p
cdef object cast = ctypes.cast
Array = ctypes.Array
ByReference = type(ctypes.byref(ctypes.c_int()))


class CallsBack(TypeError):
    """C would come back into Python through an argument."""


def is_here(list keep):
    """Whether what is kept is for a call on a thread of Python's."""
    return len(keep) > 0 and keep[0] is HERE


cdef int pack_pointer(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1:
    if mode >= DECLARED:
        return pack_declared_pointer(kind, value, mode, cell, keep)
    if value is None:
        cell[0] = 0
        return 0
    if PyBytes_CheckExact(value) and (kind is None or kind in SIMPLE):
        keep.append(value)
        cell[0] = <size_t>PyBytes_AS_STRING(value)
        return 0
    if letter == b"P" and PyLong_Check(value) and (kind is None or kind is c_void_p):
        cell[0] = PyLong_AsUnsignedLongLongMask(value)
        return 0
    if letter == b"z":
        raise TypeError(f"bytes or None is expected, not {type(value).__name__}")
    if is_plain_data(value):
        if calls_back(value, 0) and not is_here(keep):
            raise CallsBack(f"{value!r} has a function in Python")
        converted = (c_void_p if kind is None else kind).from_param(value)
        keep.append(value)
        keep.append(converted)
        try:
            cell[0] = cast(converted, c_void_p).value or 0
        except ctypes.ArgumentError:
            raise TypeError(f"{type(value).__name__} has no address") from None
        return 0
    if mode == AUTOMATIC or not PyObject_CheckBuffer(value):
        raise TypeError(f"{type(value).__name__} is no pointer")
    item = SIMPLE.get(None if kind is None or kind is c_void_p else kind._type_)
    size = 0 if item is None else ctypes.sizeof(kind._type_)
    return pack_buffer(value, size, item is not None and item in "fd", False, cell, keep)


cdef int pack_declared_pointer(object kind, object value, int mode, uint64_t *cell, list keep) except -1:
    """`kind` is the `Pointer` of the argument."""
    if value is None and mode == DECLARED:
        cell[0] = 0
    elif PyBytes_CheckExact(value) and kind.takes_bytes:
        keep.append(value)
        cell[0] = <size_t>PyBytes_AS_STRING(value)
    elif PyLong_Check(value) and mode == DECLARED:
        if not 0 <= value < 2**64:
            raise OverflowError(f"{value} is no address")
        cell[0] = PyLong_AsUnsignedLongLongMask(value)
    elif mode != CFFI and PyObject_CheckBuffer(value) and not is_plain_data(value):
        pack_buffer(value, kind.size, kind.floating, kind.const, cell, keep)
    else:
        if is_plain_data(value) and calls_back(value, 0) and not is_here(keep):
            raise CallsBack(f"{value!r} has a function in Python")
        keep.append(value)
        cell[0] = kind.address(value, keep)
    return 0


cdef int pack_buffer(object value, size_t size, bint floating, bint const, uint64_t *cell, list keep) except -1:
    """Writes where the buffer's items lie. They must be of the pointer's `size`, if it has one, and floating-point if its are.

    It can't be resized while it is kept.
    """
    view = memoryview(value)
    if not view.c_contiguous:
        raise ValueError("the buffer is not contiguous")
    if view.readonly and not const:
        raise ValueError("the buffer is read-only, and the function may write: a signature says that it reads by 'const'")
    format = view.format
    if ":" in format:
        format = re.sub(":[^:]*:", "", format)  # without the names of fields
    if "O" in format:
        raise TypeError("the buffer holds Python objects")
    if size > 1 and (
        view.itemsize != size
        or (format[-1:] in ("e", "f", "d", "g")) != floating
        or format[:1] in (">", "!")
    ):
        expected = f"{'floating-point numbers' if floating else 'integers'} of {size} bytes"
        raise TypeError(f"a buffer of {expected} is expected, not one of format {view.format!r}")
    keep.append(view)
    cell[0] = <size_t>PyMemoryView_GET_BUFFER(view).buf
    return 0


cdef bint calls_back(object value, int depth) except -1:
    """Whether C could come back into Python by it: a ctypes function made of a Python one, or data that has such."""
    if type(value) is ByReference:
        value = value._obj
    if type(value) is dict:
        for kept in value.values():
            if calls_back(kept, depth):
                return True
        return False
    if not is_plain_data(value):
        return type(value).__name__ == "CThunkObject"
    return value._objects is not None and depth < MOST_DEPTH and calls_back(value._objects, depth + 1)


cdef bint is_plain_data(object value):
    """Whether it is data of ctypes' own, which says itself where it lies."""
    return isinstance(value, (Array, _Pointer, ByReference, _SimpleCData, ctypes.Structure, ctypes.Union, CFuncPtr))
