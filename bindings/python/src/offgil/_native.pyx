# cython: language_level=3, freethreading_compatible=True
"""Native functions: what makes a `pool_call` of a ctypes function, or of an address and a signature, and its arguments.

`recognise` is for calls that nobody declared native, so it takes only what is certain to end as the ordinary call would.
"""

import ctypes
import os
import weakref
from _ctypes import CFuncPtr, _Pointer, _SimpleCData

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.float cimport PyFloat_AsDouble
from cpython.mem cimport PyMem_Free
from cpython.object cimport PyObject_TypeCheck, PyTypeObject
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport uint64_t

from offgil._call cimport call_t, call_of, run_call
from offgil._future cimport FutureCore
from offgil.capi cimport (
    future_t,
    offgil_last_message,
    pool_call,
    pool_submit,
    pool_t,
    signature_create,
    signature_release,
    signature_t,
)

cdef extern from "Python.h":
    bint PyLong_Check(object value)
    bint PyFloat_Check(object value)
    bint PyBytes_CheckExact(object value)
    unsigned long long PyLong_AsUnsignedLongLongMask(object value) except? 0xFFFFFFFFFFFFFFFF
    bint PyObject_CheckBuffer(object value)
    Py_buffer *PyMemoryView_GET_BUFFER(object view)

cdef extern from *:
    """
    static int offgil_refers_to(PyObject *reference, PyObject *object) {
    #if PY_VERSION_HEX >= 0x030D0000
        PyObject *found = NULL;
        if (PyWeakref_GetRef(reference, &found) < 0) {
            PyErr_Clear();
        }
        Py_XDECREF(found);
        return found == object;
    #else
        return PyWeakref_GetObject(reference) == object;
    #endif
    }

    /* What a descriptor of the C API's gives, without a look-up by its name. */
    static PyObject *offgil_get_plainly(PyObject *descriptor, PyObject *object) {
        PyGetSetDef *attribute = ((PyGetSetDescrObject *)descriptor)->d_getset;
        return attribute->get(object, attribute->closure);
    }
    """
    bint refers_to "offgil_refers_to"(object reference, object target) noexcept
    object get_plainly "offgil_get_plainly"(object descriptor, object target)

cdef enum:
    AUTOMATIC  # what plain ctypes takes, and no more
    CTYPES  # buffers as well
    DECLARED  # by a signature's text: numbers are checked, pointers are anything that has an address
    MOST_ARGUMENTS = 127

# ctypes' letters, as their C types are on 64-bit systems. Exactly these classes: a subclass or another byte order converts
# otherwise.
cdef dict WORDS = {
    "b": "i8", "B": "u8", "h": "i16", "H": "u16", "i": "i32", "I": "u32", "l": "i64", "L": "u64", "?": "u8", "c": "i8",
    "f": "f32", "d": "f64", "P": "ptr", "z": "ptr", "v": "void",
}
cdef dict DECLARED_LETTERS = {
    "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "i64": "l", "u64": "L", "f32": "f", "f64": "d",
    "ptr": "P", "void": "v",
}
cdef dict RANGES = {
    "b": (-(2**7), 2**7), "B": (0, 2**8), "h": (-(2**15), 2**15), "H": (0, 2**16), "i": (-(2**31), 2**31),
    "I": (0, 2**32), "l": (-(2**63), 2**63), "L": (0, 2**64),
}
cdef dict SIMPLE = {
    getattr(ctypes, name): getattr(ctypes, name)._type_
    for name in (
        "c_byte", "c_ubyte", "c_short", "c_ushort", "c_int", "c_uint", "c_long", "c_ulong", "c_bool", "c_char", "c_float",
        "c_double", "c_void_p", "c_char_p",
    )
}
cdef object c_void_p = ctypes.c_void_p
cdef object argtypes = vars(CFuncPtr)["argtypes"]
cdef object restype = vars(CFuncPtr)["restype"]
cdef object errcheck = vars(CFuncPtr)["errcheck"]
cdef object cast = ctypes.cast
cdef object Array = ctypes.Array
cdef object ByReference = type(ctypes.byref(ctypes.c_int()))

cdef unsigned long epoch = 0
cdef dict signatures = {}
cdef dict recognised = {}


cdef void new_epoch():
    global epoch
    epoch += 1


def _make_signatures_anew():
    new_epoch()


os.register_at_fork(after_in_child=_make_signatures_anew)


@cython.final
cdef class Signature:
    """A handle of a signature, which is made once a process."""

    def __dealloc__(self):
        if self.handle != NULL and self.epoch == epoch:
            signature_release(self.handle)

    cdef signature_t *get(self) except NULL:
        if self.handle == NULL or self.epoch != epoch:
            self.handle = signature_create(self.text)
            if self.handle == NULL:
                raise ValueError((<bytes>offgil_last_message()).decode("utf-8", "replace"))
            self.epoch = epoch
        return self.handle


cdef Signature signature_of(bytes letters, char result):
    """The one of these argument and result letters."""
    key = (letters, result)
    cdef Signature signature = signatures.get(key)
    if signature is None:
        signature = Signature()
        words = ",".join([WORDS[chr(letter)] for letter in letters])
        signature.text = f"{WORDS[chr(result)]}({words})".encode("ascii")
        signature.get()
        signatures[key] = signature
    return signature


@cython.final
cdef class Call:
    """How a function is called: its address, and what its arguments and its result are.

    `letters` is None where ctypes was not told the types: then each argument's own type says what it is.
    """

    cdef future_t *submit(self, pool_t *pool, tuple arguments, list keep, bint may_block, call_t **block) except? NULL:
        """Converts the arguments and submits the call; NULL without an exception if the pool refused it.

        What must live until the task has ended is put into `keep`, and is `block`, if that isn't NULL afterwards.
        """
        cdef uint64_t[MOST_ARGUMENTS] cells
        cdef char[MOST_ARGUMENTS] untold
        cdef const char *letters = untold
        cdef Py_ssize_t count = len(arguments)
        cdef Py_ssize_t index
        cdef future_t *future
        block[0] = NULL
        if self.letters is None:
            if count > MOST_ARGUMENTS:
                raise TypeError(f"a native function has at most {MOST_ARGUMENTS} arguments")
            for index in range(count):
                untold[index] = untold_letter(arguments[index])
                pack_untold(untold[index], arguments[index], &cells[index], keep)
        else:
            letters = PyBytes_AS_STRING(self.letters)
            if count != len(self.letters):
                raise TypeError(f"the native function takes {len(self.letters)} arguments ({count} given)")
            for index in range(count):
                try:
                    pack(letters[index], <object>self.kinds[index], arguments[index], self.mode, &cells[index], keep)
                except (TypeError, ValueError, OverflowError) as error:
                    raise type(error)(f"argument {index + 1}: {error}") from None
        block[0] = call_of(self.address, self.result, letters, cells, count)
        if block[0] == NULL:
            return self.submit_as_signature(pool, letters, cells, count, may_block)
        if may_block:
            with nogil:
                future = pool_submit(pool, run_call, block[0])
        else:
            future = pool_submit(pool, run_call, block[0])
        if future == NULL:
            PyMem_Free(block[0])
        return future

    cdef future_t *submit_as_signature(
        self, pool_t *pool, const char *letters, uint64_t *cells, Py_ssize_t count, bint may_block
    ) except? NULL:
        """The same for arguments that don't fit into the registers."""
        cdef const void *pointers[MOST_ARGUMENTS]
        cdef Signature signature = self.signature
        cdef Py_ssize_t index
        cdef future_t *future
        if signature is None:
            signature = signature_of(letters[:count], self.result)
        cdef signature_t *handle = signature.get()
        for index in range(count):
            pointers[index] = &cells[index]
        if not may_block:
            return pool_call(pool, NULL, handle, <void (*)() noexcept nogil>self.address, pointers)
        with nogil:
            future = pool_call(pool, NULL, handle, <void (*)() noexcept nogil>self.address, pointers)
        return future


cdef char untold_letter(object value) except 0:
    """What ctypes passes the value as to a function without `argtypes`."""
    if PyLong_Check(value):
        return b"i"
    if value is None or PyBytes_CheckExact(value) or isinstance(value, (Array, _Pointer, ByReference)):
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
            keep.append(value)
            return pack(b"P", None, cast(value, c_void_p).value, CTYPES, cell, keep)
        return pack(letter, type(value), value, CTYPES, cell, keep)
    return pack(letter, None, value, CTYPES, cell, keep)


cdef int pack(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1:
    """Writes the argument as C gets it into the cell. `kind` is its ctypes class, None for one of a signature's text."""
    if letter == b"P" or letter == b"z":
        return pack_pointer(letter, kind, value, mode, cell, keep)
    if kind is not None and type(value) is kind:
        value = value.value
    if letter == b"d" or letter == b"f":
        if not PyFloat_Check(value) and not PyLong_Check(value):
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
        raise TypeError(f"an integer is expected, not {type(value).__name__}")
    if letter == b"?":
        cell[0] = 1 if value else 0
        return 0
    if mode == DECLARED:
        low, past = RANGES[chr(letter)]
        if not low <= value < past:
            raise OverflowError(f"{value} is out of range")
    # Little endian: the narrower types are the first bytes of it.
    cell[0] = PyLong_AsUnsignedLongLongMask(value)
    return 0


cdef int pack_pointer(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1:
    if value is None:
        cell[0] = 0
        return 0
    if PyBytes_CheckExact(value) and (kind is None or kind in SIMPLE):
        keep.append(value)
        cell[0] = <size_t>PyBytes_AS_STRING(value)
        return 0
    if letter == b"P" and PyLong_Check(value) and (kind is None or kind is c_void_p):
        if mode == DECLARED and not 0 <= value < 2**64:
            raise OverflowError(f"{value} is no address")
        cell[0] = PyLong_AsUnsignedLongLongMask(value)
        return 0
    if letter == b"z":
        raise TypeError(f"bytes or None is expected, not {type(value).__name__}")
    if is_plain_data(value) or not PyObject_CheckBuffer(value) or mode == AUTOMATIC:
        if mode == AUTOMATIC and not is_plain_data(value):
            raise TypeError(f"{type(value).__name__} is no pointer")
        converted = (c_void_p if kind is None else kind).from_param(value)
        keep.append(value)
        keep.append(converted)
        cell[0] = cast(converted, c_void_p).value or 0
        return 0
    view = memoryview(value)
    if not view.c_contiguous:
        raise ValueError("the buffer is not contiguous")
    if kind is not None and kind is not c_void_p:
        check_items(view, kind._type_)
    keep.append(view)
    cell[0] = <size_t>PyMemoryView_GET_BUFFER(view).buf
    return 0


cdef bint is_plain_data(object value):
    """Whether it is data of ctypes' own, which says itself where it lies."""
    return isinstance(value, (Array, _Pointer, ByReference, _SimpleCData, ctypes.Structure, ctypes.Union, CFuncPtr))


cdef int check_items(object view, object item) except -1:
    """The buffer's items must be of the size that the pointer's have, and floating-point where these are."""
    letter = SIMPLE.get(item)
    if letter is None or letter in "bBc":
        return 0
    floating = view.format[-1:] in ("e", "f", "d", "g")
    if view.itemsize != ctypes.sizeof(item) or floating != (letter in "fd"):
        raise TypeError(f"a buffer of {item.__name__} is expected, not one of format {view.format!r}")
    return 0


cdef bint is_plain(object function):
    """Whether it is a ctypes function at all."""
    return PyObject_TypeCheck(function, <PyTypeObject *>CFuncPtr)


cdef object letter_of(object kind):
    """The letter of an argument type; None if it isn't one of those that convert in a known way."""
    letter = SIMPLE.get(kind)
    if letter is None and isinstance(kind, type) and kind.__bases__ == (_Pointer,) and "from_param" not in vars(kind):
        return "P"
    return letter


cdef Call examine(object function, int mode):
    """How a ctypes function is called; None if it can't be called as plain ctypes would."""
    kinds, result = function.argtypes, function.restype
    if function.errcheck is not None:
        return None
    cdef Call call = Call()
    call.mode = mode
    call.owner = function
    call.address = <void *><size_t>cast(function, c_void_p).value
    letter = "v" if result is None else SIMPLE.get(result)
    # A text that the function returned must be read before anything else runs on its thread.
    if letter is None or (letter == "z" and mode == AUTOMATIC):
        return None
    call.result = ord(letter)
    if kinds is not None:
        letters = [letter_of(kind) for kind in kinds]
        if None in letters or len(letters) > MOST_ARGUMENTS:
            return None
        call.kinds = tuple(kinds)
        call.letters = "".join(letters).encode("ascii")
        call.signature = signature_of(call.letters, call.result)
    call.keeps = kinds is None or "P" in letters or "z" in letters
    return call


cdef bint is_of_a_library(object function):
    """Whether it came out of a `CDLL` by its name: not of PyDLL, not made in Python, not with parameter flags."""
    kind = type(function)
    if kind.__bases__ != (CFuncPtr,) or "__call__" in vars(kind) or kind._flags_ & 4:  # FUNCFLAG_PYTHONAPI
        return False
    for owner in (function._objects or {}).values():
        if isinstance(owner, ctypes.CDLL) and owner._FuncPtr is kind:
            return True
    return False


@cython.final
cdef class Recognised:
    """What `recognise` found for a function, as long as its types are the same."""

    cdef object reference
    cdef object kinds
    cdef object result
    cdef Call call


cdef Call recognise(object function):
    """How a function that nobody declared native is called as a task; None if it is not certain to be the same."""
    cdef Recognised entry = recognised.get(<size_t><void *>function)
    if (
        entry is not None
        and refers_to(entry.reference, function)
        and get_plainly(argtypes, function) is entry.kinds
        and get_plainly(restype, function) is entry.result
        and get_plainly(errcheck, function) is None
    ):
        return entry.call
    return recognise_anew(function)


cdef Call recognise_anew(object function):
    cdef Call call = examine(function, AUTOMATIC) if is_of_a_library(function) else None
    cdef Recognised entry
    number = id(function)

    def forget(reference):
        entry = recognised.get(number)
        if entry is not None and (<Recognised>entry).reference is reference:
            del recognised[number]

    if call is not None:
        call.owner = None  # whoever submits has the function
    if function.errcheck is None:
        entry = Recognised()
        entry.reference = weakref.ref(function, forget)
        entry.kinds = function.argtypes
        entry.result = function.restype
        entry.call = call
        recognised[number] = entry
    return call


cdef object parse(str text):
    """The letters of a signature's text: of the result, and of the arguments."""
    signature = Signature()
    (<Signature>signature).text = text.encode("utf-8")
    (<Signature>signature).get()  # says what is wrong with it
    result, _, rest = text.replace(" ", "").rstrip(")").partition("(")
    words = [] if rest in ("", "void") else rest.split(",")
    return DECLARED_LETTERS[result], "".join([DECLARED_LETTERS[word] for word in words])


cdef size_t address_of(object function) except 0:
    if PyLong_Check(function):
        address = function
    elif PyCapsule_CheckExact(function):
        return <size_t>PyCapsule_GetPointer(function, PyCapsule_GetName(function))
    elif isinstance(function, CFuncPtr):
        address = cast(function, c_void_p).value
    else:
        address = getattr(function, "address", None)  # numba's cfunc
        if not PyLong_Check(address):
            raise TypeError(f"{type(function).__name__} is no native function")
    if not address or not 0 < address < 2**64:
        raise ValueError("NULL is no function" if not address else f"{address} is no address")
    return address


cdef class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`.

    `function` is what it was made of, `signature` its text, None if it goes by ctypes' types.
    """

    def __init__(self, function, signature=None):
        self.function = function
        self.signature = signature
        if signature is None:
            if not isinstance(function, CFuncPtr):
                raise TypeError(f"{type(function).__name__} needs a signature, such as 'f64(f64,i32,ptr)'")
            if type(function)._flags_ & 4:
                raise TypeError("a function of Python's own API needs the GIL")
            self.call = examine(function, CTYPES)
            if self.call is None:
                raise TypeError("errcheck, restype or argtypes of the function are beyond a native call: give a signature")
            if is_of_a_library(function):
                self.call.owner = None  # which stays loaded
            return
        result, letters = parse(signature)
        self.call = Call()
        self.call.mode = DECLARED
        self.call.owner = None if PyLong_Check(function) else function
        self.call.address = <void *>address_of(function)
        self.call.keeps = "P" in letters
        self.call.letters = letters.encode("ascii")
        self.call.result = ord(result)
        self.call.kinds = (None,) * len(letters)
        self.call.signature = signature_of(self.call.letters, self.call.result)

    def __repr__(self):
        return f"offgil.native({self.function!r}{'' if self.signature is None else f', {self.signature!r}'})"


cdef Call declared(object function):
    """The call of a `NativeFunction`, None for anything else."""
    return (<NativeFunction>function).call if isinstance(function, NativeFunction) else None


def native(function, signature=None):
    """A native function for `submit` and the maps: wrong arguments raise there, and it is called without the GIL.

    `function` is a ctypes function, whose `argtypes` and `restype` hold, or with a signature such as "f64(f64,i32,ptr)"
    an address, a ctypes function, a PyCapsule or a numba `cfunc`. Pointers are then whatever has an address: None, int,
    bytes, buffers (bytearray, memoryview, NumPy arrays; not copied), and ctypes data.
    """
    return NativeFunction(function, signature)
