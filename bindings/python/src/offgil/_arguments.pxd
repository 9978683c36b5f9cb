# cython: language_level=3
"""What `_native` uses of `_arguments`."""

from libc.stdint cimport uint64_t


cdef enum Mode:
    AUTOMATIC  # what plain ctypes takes, and no more
    CTYPES  # buffers as well
    DECLARED  # by a signature's text: numbers are checked, pointers are anything that has an address
    CFFI  # what cffi takes, and no more
    CFFI_DECLARED  # buffers as well

cdef int meet_ctypes() except -1
cdef char untold_letter(object value) except 0
cdef int pack_untold(char letter, object value, uint64_t *cell, list keep) except -1
cdef int pack(char letter, object kind, object value, int mode, uint64_t *cell, list keep) except -1
