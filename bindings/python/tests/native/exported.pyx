# cython: language_level=3
"""Functions that Cython exports in `__pyx_capi__`."""


cdef api double halved(double value) noexcept nogil:
    return value / 2


cdef api double total(const double *numbers, Py_ssize_t count) noexcept nogil:
    cdef double total = 0
    for index in range(count):
        total += numbers[index]
    return total


cdef api void fill(double *numbers, size_t count, double value) noexcept nogil:
    for index in range(count):
        numbers[index] = value


cdef api unsigned long long widest(signed char first, unsigned short second, bint third) noexcept nogil:
    return first + second + third


cdef api object of_objects(object value):
    return value


cdef api double complex of_complex(double complex value) noexcept nogil:
    return value


cpdef api double both(double value) noexcept nogil:
    return value + 1
