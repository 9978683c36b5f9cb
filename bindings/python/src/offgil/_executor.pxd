# cython: language_level=3
"""The fields of `Submitter`."""

from offgil._work cimport Work


cdef class Submitter:
    cdef readonly Work _work
