# cython: language_level=3
"""What `_work` uses of `_item`."""

from offgil._future cimport FutureCore


cdef class Item:
    cdef FutureCore future
    cdef object function
    cdef tuple args
    cdef dict kwargs

    cdef int run(self) except -1


cdef FutureCore run_here(object function, tuple args, dict kwargs)
