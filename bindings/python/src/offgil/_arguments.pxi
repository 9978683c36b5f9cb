"""The arguments of a native call as C gets them: numbers, and pointers to what stays where it lies until the task has ended."""

import operator
import re

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.float cimport PyFloat_AsDouble
from libc.stdint cimport uint64_t

cdef extern from "Python.h":
    bint PyLong_Check(object value)
    bint PyFloat_Check(object value)
    bint PyBytes_CheckExact(object value)
    unsigned long long PyLong_AsUnsignedLongLongMask(object value) except? 0xFFFFFFFFFFFFFFFF
    bint PyObject_CheckBuffer(object value)
    Py_buffer *PyMemoryView_GET_BUFFER(object view)

cdef enum:
    MOST_OBJECTS = 1000  # that data of ctypes may lead to, or it is left to ctypes

cdef enum Mode:
    AUTOMATIC  # what plain ctypes takes, and no more
    CTYPES  # buffers as well
    DECLARED  # by a signature's text: numbers are checked, pointers are anything that has an address
    CFFI  # what cffi takes, and no more
    CFFI_DECLARED  # buffers as well

cdef dict RANGES = {
    "b": (-(2**7), 2**7), "B": (0, 2**8), "h": (-(2**15), 2**15), "H": (0, 2**16), "i": (-(2**31), 2**31),
    "I": (0, 2**32), "l": (-(2**63), 2**63), "L": (0, 2**64),
}

# The first of what is kept for arguments of a call on a thread of Python's, where C may come back into Python.
HERE = object()

# ctypes, and of it: its classes of numbers with their letters, and those of data. Here from `meet_ctypes` on.
cdef object ctypes = None
SIMPLE = {}
cdef object c_void_p = None
cdef tuple HOLDERS = ()
cdef object ByReference = None
cdef tuple POINTS = ()
cdef tuple TEXTS = ()
cdef tuple DATA = ()


class CallsBack(TypeError):
    """C would come back into Python through an argument, as far as is known."""


cdef int meet_ctypes() except -1:
    """Imports ctypes, which takes long, and so is put off until there is a native function; nothing else in here works before."""
    global ctypes, c_void_p, ByReference, POINTS, TEXTS, HOLDERS, DATA
    import _ctypes
    import ctypes

    for name in (
        "c_byte", "c_ubyte", "c_short", "c_ushort", "c_int", "c_uint", "c_long", "c_ulong", "c_bool", "c_char", "c_float",
        "c_double", "c_void_p", "c_char_p",
    ):
        kind = getattr(ctypes, name)
        SIMPLE[kind] = kind._type_
    c_void_p = ctypes.c_void_p
    ByReference = type(ctypes.byref(ctypes.c_int()))
    POINTS = (ctypes.Array, _ctypes._Pointer, ByReference)
    TEXTS = (ctypes.c_char_p, ctypes.c_wchar_p)
    HOLDERS = (_ctypes._Pointer, _ctypes.CFuncPtr, c_void_p, *TEXTS)
    DATA = (*POINTS, _ctypes._SimpleCData, ctypes.Structure, ctypes.Union, _ctypes.CFuncPtr)
    return 0


cpdef object address_in(object data):
    """The address that C gets for an argument of type `c_void_p`: of an array its own, else what is in it.

    `ctypes.cast` gives the same, but from then on a ctypes object keeps itself until garbage is collected.
    """
    if ctypes is None:
        meet_ctypes()
    if isinstance(data, ctypes.Array):
        return ctypes.addressof(data)
    if isinstance(data, HOLDERS):
        return c_void_p.from_address(ctypes.addressof(data)).value or 0
    return ctypes.cast(data, c_void_p).value or 0


cpdef object address_passed(object value, object converted):
    """The same, of a value and what `c_void_p.from_param` made of it: ctypes passes where a text lies."""
    if ctypes is None:
        meet_ctypes()
    return address_in(value if isinstance(value, TEXTS) else converted)


def is_here(list keep):
    """Whether what is kept is for a call on a thread of Python's."""
    return len(keep) > 0 and keep[0] is HERE


cdef char untold_letter(object value) except 0:
    """What ctypes passes the value as to a function without `argtypes`."""
    if PyLong_Check(value):
        return b"i"
    if value is None or PyBytes_CheckExact(value) or isinstance(value, POINTS):
        return b"P"
    letter = SIMPLE.get(type(value))
    if letter is None:
        raise TypeError(f"don't know how to pass {type(value).__name__}: set argtypes, or give a signature")
    return ord(letter)


cdef int pack_untold(char letter, object value, uint64_t *cell, list keep) except -1:
    if PyLong_Check(value):
        if not -(2**63) <= value < 2**64:
            raise OverflowError("int too long to convert")
    elif type(value) in SIMPLE:
        if letter == b"z":
            keep_data(value, keep)
            return pack(b"P", None, address_in(value), CTYPES, cell, keep)
        return pack(letter, type(value), value, CTYPES, cell, keep)
    return pack(letter, None, value, CTYPES, cell, keep)


cdef int pack(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1:
    """Writes the argument as C gets it into the cell. `kind` is its ctypes class, None for one of a signature's text."""
    if letter == b"P" or letter == b"z":
        return pack_pointer(letter, kind, value, mode, cell, keep)
    if kind is not None and type(value) is kind:
        value = value.value
    if letter == b"d" or letter == b"f":
        if not PyFloat_Check(value) and not PyLong_Check(value) and (
            mode == AUTOMATIC or mode == CFFI or not hasattr(value, "__float__")
        ):
            raise TypeError(f"must be real number, not {type(value).__name__}")
        if letter == b"d":
            (<double *>cell)[0] = PyFloat_AsDouble(value)
        else:
            (<float *>cell)[0] = <float>PyFloat_AsDouble(value)
        return 0
    if letter == b"c":
        if not PyBytes_CheckExact(value) or len(value) != 1:
            raise TypeError("one character bytes expected")
        (<char *>cell)[0] = value[0]
        return 0
    if not PyLong_Check(value):
        if mode == AUTOMATIC or mode == CFFI or not hasattr(value, "__index__"):
            raise TypeError(f"an integer is expected, not {type(value).__name__}")
        value = operator.index(value)
    if letter == b"?":
        if mode >= CFFI and value != 0 and value != 1:
            raise OverflowError(f"{value} is no _Bool")
        cell[0] = 1 if value else 0
        return 0
    if mode >= DECLARED:
        low, past = RANGES[chr(letter)]
        if not low <= value < past:
            raise OverflowError(f"{value} is out of range")
    # Little endian: the narrower types are the first bytes of it.
    cell[0] = PyLong_AsUnsignedLongLongMask(value)
    return 0


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
        converted = (c_void_p if kind is None else kind).from_param(value)
        # For POINTER(POINTER(...)) C gets where a pointer lies, and so those beside it in an array.
        keep_data(converted if type(converted) is ByReference else value, keep)
        keep.append(converted)
        try:
            # For POINTER(c_char_p) ctypes passes where the object has it noted down where the text lies.
            cell[0] = address_passed(value, converted) if kind is None or kind is c_void_p else address_in(converted)
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
        if is_plain_data(value):
            keep_data(value, keep)
        else:
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


cdef int see_through_references(list kept) except -1:
    """Puts what `byref` and the like refer to in their place: CPython up to 3.11 doesn't tell its garbage collector of that."""
    for index in range(len(kept)):
        if type(kept[index]) is ByReference:
            kept[index] = kept[index]._obj
    return 0


cdef int keep_data(object value, list keep) except -1:
    """Keeps data of ctypes, and all that it leads to now: its owner may point it elsewhere before the task has ended.

    Raises CallsBack if a function in Python is among that, by which C could come back, or if it is too much to look through.
    """
    keep.append(value)
    owner = value._obj if type(value) is ByReference else value
    if not is_plain_data(owner):  # `c_void_p.from_param` of an address, a text
        return 0
    base = owner._b_base_
    if (base is None and owner._objects is None) or is_here(keep):
        return 0
    if is_row(value, base):
        keep_row(value, base, keep)
        return 0
    cdef list found = [owner]
    cdef set seen = {<size_t><void *>owner}
    cdef Py_ssize_t place = 0
    while place < len(found):
        for item in led_to(found[place]):
            # What is found lives, so its address is its own.
            if item is not None and <size_t><void *>item not in seen:
                seen.add(<size_t><void *>item)
                found.append(item)
        place += 1
        if len(found) > MOST_OBJECTS:
            raise CallsBack("ctypes data lead to too many objects")
    keep.extend(found)
    return 0


cdef int keep_row(object value, object base, list keep) except -1:
    """Keeps what the array has for its pointers, and what this one points to now."""
    objects = base._objects
    kept = led_to(objects)
    keep.extend(kept)
    if type(objects) is dict:
        # Of a pointer that was put there it has that one's dict, which changes with it. They are kept by their indices.
        own = (<dict>objects).get(f"{(ctypes.addressof(value) - ctypes.addressof(base)) // ctypes.sizeof(value):x}")
        for item in kept if own is None else (own,):
            if type(item) is dict:
                keep.extend(led_to(item))
    return 0


cdef object led_to(object item):
    """What ctypes keeps for it. That is in dicts, also in each other and in circles, which another thread may change meanwhile."""
    if type(item) is dict:
        if len(<dict>item) > MOST_OBJECTS:
            raise CallsBack("ctypes data lead to too many objects")
        return list((<dict>item).values())
    if type(item) is ByReference:
        return (item._obj,)
    if is_plain_data(item):
        return (item._objects, item._b_base_)  # what a part of other data leads to is kept there
    if type(item).__name__ == "CThunkObject":
        raise CallsBack("ctypes data lead to a function in Python")
    return ()


cdef bint is_row(object value, object base):
    """Whether it is a pointer to numbers in an array of such, whose others C doesn't get."""
    return (
        base is not None
        and isinstance(base, ctypes.Array)
        and base._b_base_ is None
        and isinstance(value, POINTS[1])
        and SIMPLE.get(value._type_, "P") not in "Pz"
    )


cdef bint is_plain_data(object value):
    """Whether it is data of ctypes' own, which says itself where it lies."""
    return isinstance(value, DATA)
