# cython: language_level=3
"""What `_executor` uses of `_native`."""

from libc.stdint cimport uint64_t

from offgil._call cimport call_t
from offgil.capi cimport future_t, pool_t, signature_t


cdef class Signature:
    cdef signature_t *handle
    cdef bytes text
    cdef unsigned long epoch

    cdef signature_t *get(self) except NULL


cdef class Call:
    cdef void *address
    cdef Signature signature
    cdef bytes letters
    cdef char result
    cdef tuple kinds
    cdef int mode
    cdef bint keeps
    cdef object owner
    cdef object convert
    cdef tuple fixed
    cdef bint optional

    cdef future_t *submit(
        self, pool_t *pool, tuple arguments, list keep, bint may_block, call_t **block
    ) except? NULL
    cdef future_t *submit_as_signature(
        self, pool_t *pool, const char *letters, uint64_t *cells, Py_ssize_t count, bint may_block
    ) except? NULL
    cdef int pack_all(self, tuple arguments, uint64_t *cells, list keep) except -1
    cdef tuple complete(self, tuple arguments)
    cdef list new_keep(self)
    cdef object make_here(self, tuple arguments)


cdef class NativeFunction:
    cdef readonly object function
    cdef readonly object signature
    cdef object ordinary
    cdef Call call


cdef Call recognise(object function)
cdef bint is_plain(object function) except -1
cdef Call native_call(object function)
