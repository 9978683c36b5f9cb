# cython: language_level=3, cdivision=True
# distutils: extra_compile_args = -O2 -fopenmp
# distutils: extra_link_args = -fopenmp
"""What a Cython programmer writes to integrate the cosine: one function without the GIL, one with prange."""

from cython.parallel cimport prange
from libc.math cimport cos


def integrate(long begin, long end, double width):
    """The midpoint rule, strips begin to end, without the GIL."""
    cdef long i
    cdef double sum = 0.0
    with nogil:
        for i in range(begin, end):
            sum += cos((i + 0.5) * width)
    return sum * width


def integrate_prange(long points, double width, int jobs):
    """The same over all strips, on OpenMP's threads."""
    cdef long i
    cdef double sum = 0.0
    for i in prange(points, nogil=True, num_threads=jobs, schedule="static"):
        sum += cos((i + 0.5) * width)
    return sum * width
