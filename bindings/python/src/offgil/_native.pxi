"""Native functions: what makes a `pool_call` of a function and its arguments.

    ctypes function                     `examine`
    cffi function                       `_cffi_functions`
    numba, SciPy, capsule, address      `_adapters`, with `_signatures` for the text of a signature

`recognise` is for calls that nobody declared native, so it takes only what is certain to end as the ordinary call would.
"""

import functools
import os
import sys
import weakref

cimport cython
from cpython.mem cimport PyMem_Free
from cpython.object cimport PyObject_TypeCheck, PyTypeObject, Py_TYPE
from libc.stdint cimport uint64_t
from libc.string cimport strncmp

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
    bint PyCFunction_Check(object value)

cdef extern from *:
    """
    static int offgil_refers_to(PyObject *reference, PyObject *object) {
    #if PY_VERSION_HEX >= 0x030D0000
        PyObject *found = NULL;
        PyWeakref_GetRef(reference, &found);
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
    MOST_ARGUMENTS = 127

# ctypes' letters, as their C types are on 64-bit systems. Exactly these classes: a subclass or another byte order converts
# otherwise.
cdef dict WORDS = {
    "b": "i8", "B": "u8", "h": "i16", "H": "u16", "i": "i32", "I": "u32", "l": "i64", "L": "u64", "?": "u8", "c": "i8",
    "f": "f32", "d": "f64", "P": "ptr", "z": "ptr", "v": "void",
}
# Of ctypes, from `need_ctypes` on: that was called before there is any `Call`.
cdef object Pointer = None
cdef object argtypes = None
cdef object restype = None
cdef object errcheck = None
cdef object CFuncPtr = None

cdef unsigned long epoch = 0
cdef dict signatures = {}
cdef dict recognised = {}  # by id: of ctypes' functions, and of cffi's
cdef dict recognised_cffi = {}


def _make_signatures_anew():
    global epoch
    epoch += 1


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
        cdef Py_ssize_t index, count = len(arguments)
        cdef future_t *future
        block[0] = NULL
        if self.letters is None:
            if count > MOST_ARGUMENTS:
                raise TypeError(f"a native function has at most {MOST_ARGUMENTS} arguments")
            for index in range(count):
                untold[index] = untold_letter(arguments[index])
                pack_untold(untold[index], arguments[index], &cells[index], keep)
        else:
            if count != len(self.letters) or self.fixed is not None:
                arguments = self.complete(arguments)
                count = len(arguments)
            letters = self.letters
            self.pack_all(arguments, cells, keep)
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

    cdef int pack_all(self, tuple arguments, uint64_t *cells, list keep) except -1:
        cdef Py_ssize_t index
        for index in range(len(arguments)):
            if put_number(self.letters[index], arguments[index], &cells[index]):
                continue
            try:
                pack(self.letters[index], <object>self.kinds[index], arguments[index], self.mode, &cells[index], keep)
            except (TypeError, ValueError, OverflowError) as error:
                raise type(error)(f"argument {index + 1}: {error}") from None
        return 0

    cdef tuple complete(self, tuple arguments):
        """The arguments with those that the caller doesn't give; TypeError if there are too few or too many."""
        cdef Py_ssize_t most = len(self.letters)
        cdef Py_ssize_t given = most - (0 if self.fixed is None else len(self.fixed))
        if len(arguments) == given:
            return arguments if self.fixed is None else arguments + self.fixed
        if len(arguments) == most and self.optional:
            return arguments
        raise TypeError(f"the native function takes {given} arguments ({len(arguments)} given)")

    cdef list new_keep(self):
        """For what must live until a task of it has ended; None if there is nothing."""
        if self.convert is not None:
            return [self.convert]
        # The function may be a thunk that its owner frees; else only pointers need anything kept.
        return [] if self.keeps or self.owner is not None else None

    cdef object make_here(self, tuple arguments):
        """The ordinary call, on this thread."""
        cdef uint64_t[MOST_ARGUMENTS] cells
        cdef list keep = [HERE]
        arguments = self.complete(arguments)
        self.pack_all(arguments, cells, keep)
        letters = self.letters.decode("ascii")
        values = tuple([to_python(self.letters[index], &cells[index]) for index in range(len(arguments))])
        from offgil._adapters import call_here

        return call_here(<size_t>self.address, chr(self.result), letters, values, self.convert)


cdef int need_ctypes() except -1:
    """Has ctypes imported."""
    global Pointer, argtypes, restype, errcheck, CFuncPtr
    if CFuncPtr is None:
        import _ctypes

        meet_ctypes()
        members = vars(_ctypes.CFuncPtr)
        argtypes, restype, errcheck = members["argtypes"], members["restype"], members["errcheck"]
        Pointer = _ctypes._Pointer
        CFuncPtr = _ctypes.CFuncPtr
    return 0


cdef bint is_plain(object function) except -1:
    """Whether it is a function of ctypes or cffi at all."""
    return is_ctypes(function) or is_cffi(function)


cdef bint is_ctypes(object function) except -1:
    if CFuncPtr is None:
        if "_ctypes" not in sys.modules:
            return False
        need_ctypes()
    return PyObject_TypeCheck(function, <PyTypeObject *>CFuncPtr)


cdef bint is_cffi(object function):
    """Whether it is a cdata, or a function of a `lib` that cffi compiled."""
    if PyCFunction_Check(function):
        function = function.__self__
        return strncmp(Py_TYPE(function).tp_name, b"_cffi_backend.Lib", 17) == 0
    return strncmp(Py_TYPE(function).tp_name, b"_cffi_backend.", 14) == 0


cdef object letter_of(object kind):
    """The letter of an argument type; None if it isn't one of those that convert in a known way."""
    letter = SIMPLE.get(kind)
    if letter is None and isinstance(kind, type) and kind.__bases__ == (Pointer,) and "from_param" not in vars(kind):
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
    call.address = <void *><size_t>address_in(function)
    letter = "v" if result is None else letter_of(result)
    if letter == "P" and result is not ctypes.c_void_p:
        call.convert = functools.partial(make_pointer, result)
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
    for owner in list((function._objects or {}).values()):  # another thread may add to them meanwhile
        if isinstance(owner, ctypes.CDLL) and owner._FuncPtr is kind:
            return True
    return False


@cython.final
cdef class Recognised:
    """What was found out about a function, as long as its types are the same."""

    cdef object reference
    cdef object kinds
    cdef object result
    cdef Call call


def make_pointer(kind, address):
    """What ctypes makes of a pointer that a function returned."""
    return kind.from_buffer_copy(address.to_bytes(8, "little"))


cdef Call recognise_cffi(object function):
    """As `recognise`. Types and address of a cdata never change."""
    cdef Recognised entry = recognised_cffi.get(<size_t><void *>function)
    if entry is not None and refers_to(entry.reference, function):
        return entry.call
    from offgil._cffi_functions import examine, is_function

    try:
        types = examine(function, False) if is_function(function) else None
    except Exception:
        types = None  # cffi says what is wrong when it calls it
    call = None if types is None else cffi_call(types, CFFI)
    remember(recognised_cffi, function, None, None, call)
    return call


cdef Call cffi_call(object types, int mode):
    """The call of a function with these types of cffi's."""
    need_ctypes()
    cdef Call call = Call()
    call.mode = mode
    call.address = <void *><size_t>types.address
    call.result = ord(types.result)
    call.letters = types.letters.encode("ascii")
    call.kinds = types.kinds
    call.convert = types.convert
    call.keeps = "P" in types.letters
    call.signature = signature_of(call.letters, call.result)
    return call


cdef int remember(dict recognised, object function, object kinds, object result, Call call) except -1:
    """Keeps what was found out about the function as long as that lives."""
    cdef Recognised entry = Recognised()
    number = id(function)

    def forget(reference):
        entry = recognised.get(number)
        if entry is not None and (<Recognised>entry).reference is reference:
            del recognised[number]

    entry.reference = weakref.ref(function, forget)
    entry.kinds = kinds
    entry.result = result
    entry.call = call
    recognised[number] = entry
    return 0


cdef Call recognise(object function):
    """How a function that nobody declared native is called as a task; None if it is not certain to be the same."""
    if not is_ctypes(function):
        return recognise_cffi(function)
    cdef Recognised entry = recognised.get(<size_t><void *>function)
    if (
        entry is not None
        and refers_to(entry.reference, function)
        and get_plainly(argtypes, function) is entry.kinds
        and get_plainly(restype, function) is entry.result
        and get_plainly(errcheck, function) is None
    ):
        return entry.call
    cdef Call call = examine(function, AUTOMATIC) if is_of_a_library(function) else None
    if call is not None:
        call.owner = None  # whoever submits has the function
    if function.errcheck is None:
        remember(recognised, function, function.argtypes, function.restype, call)
    return call


cdef class NativeFunction:
    """A function in machine code that executors call off the GIL. Made by `native`.

    `function` is what it was made of, `signature` its text, None if it goes by what the function says of itself.
    """

    def __init__(self, function, signature=None):
        from offgil._adapters import Ordinary, ctypes_of, is_python, plan, refuse_python_api

        need_ctypes()
        self.function = self.ordinary = function
        self.signature = signature
        refuse_python_api(function)
        if signature is None:
            plain = ctypes_of(function)
            if isinstance(plain, CFuncPtr):
                if not address_in(plain):
                    raise ValueError("NULL is no function")
                self.call = None if is_python(plain) else examine(plain, CTYPES)
            if (plain is None and function is not None) or isinstance(plain, CFuncPtr):
                if self.call is not None:
                    # A library stays loaded.
                    self.call.owner = None if plain is function and is_of_a_library(plain) else function
                return
        made = plan(function, signature)
        if isinstance(made, Ordinary):
            self.ordinary = made.function
            return
        self.call = cffi_call(made, CFFI_DECLARED if made.is_cffi else DECLARED)
        self.call.owner = None if PyLong_Check(function) else function
        if made.fixed:
            self.call.fixed = made.fixed
            self.call.optional = made.optional

    def __call__(self, *arguments):
        """The ordinary call: here and now, by ctypes, without the GIL."""
        return self.ordinary(*arguments) if self.call is None else self.call.make_here(arguments)

    def __repr__(self):
        return f"offgil.native({self.function!r}{'' if self.signature is None else f', {self.signature!r}'})"


cdef Call native_call(object function):
    """How a function is called off the GIL, declared native or recognised; None if it runs the ordinary way."""
    if isinstance(function, NativeFunction):
        return (<NativeFunction>function).call
    return recognise(function) if is_plain(function) else None


def native(function, signature=None):
    """A native function for `submit` and the maps: wrong arguments raise there, and it is called without the GIL.

    `function` is one that has its types: of ctypes, of cffi (ABI or API mode), a numba `cfunc`, a SciPy `LowLevelCallable`
    (whose user data go last), a PyCapsule that is named by its C signature, as Cython's `__pyx_capi__` has them. Or it is any
    of these, or an address, with a signature: "f64(f64,i32,ptr)", or C, "double (double, int, const void *)". Pointers are
    then whatever has an address: None, int, bytes, buffers (bytearray, memoryview, NumPy arrays; not copied; read-only ones
    where the signature says `const`), and data of ctypes and cffi. All is kept until the task has ended.

    What no native call can carry (structs by value, variable arguments, functions made in Python, also as an argument) runs
    the ordinary way, as a Python task: `Future.native` tells. Raises TypeError for what is no native function or has no
    signature, ValueError for a signature that can't be read, and for NULL.
    """
    return NativeFunction(function, signature)
