# cython: language_level=3
"""What `_native` uses of `_pointers`."""

from libc.stdint cimport uint64_t


cdef enum Mode:
    AUTOMATIC  # what plain ctypes takes, and no more
    CTYPES  # buffers as well
    DECLARED  # by a signature's text: numbers are checked, pointers are anything that has an address
    CFFI  # what cffi takes, and no more
    CFFI_DECLARED  # buffers as well

cdef int pack_pointer(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1
