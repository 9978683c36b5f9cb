# cython: language_level=3
"""What `_future`, `_native` and `_map` use of `_call`."""

from libc.stdint cimport int32_t, int64_t, uint64_t, uint8_t

from offgil.capi cimport future_t, offgil_status

cdef extern from *:
    """
    #ifndef OFFGIL_CALL
    #define OFFGIL_CALL
    #include <stdint.h>

    #if defined(__x86_64__) || defined(__aarch64__) && defined(__linux__)
    enum { OFFGIL_MOST_INTEGERS = 6, OFFGIL_MOST_FLOATS = 8 };
    #else
    enum { OFFGIL_MOST_INTEGERS = -1, OFFGIL_MOST_FLOATS = -1 };
    #endif

    typedef struct offgil_call_t {
        void *function;
        int32_t saved_errno;      /* 0 before the call */
        uint8_t integers;         /* of the values: as wide as a register */
        uint8_t floats;           /* those after them: in the first bytes */
        uint8_t returns_float;
        uint8_t result_bytes;     /* of the register, the rest of which may be anything */
        /* Of those whose futures are gone: */
        struct offgil_call_t *next;
        void *future;
        uint64_t values[];
    } offgil_call_t;
    #endif
    """
    ctypedef struct call_t "offgil_call_t":
        void *function
        int32_t saved_errno
        uint8_t integers
        uint8_t floats
        uint8_t returns_float
        uint8_t result_bytes
        call_t *next
        void *future
        uint64_t *values

    enum:
        MOST_INTEGERS "OFFGIL_MOST_INTEGERS"
        MOST_FLOATS "OFFGIL_MOST_FLOATS"


cdef call_t *new_call(void *function, int integers, int floats, char result) noexcept
cdef call_t *call_of(void *address, char result, const char *letters, const uint64_t *cells, Py_ssize_t count) noexcept
cdef bint is_float(char letter) noexcept
cdef bint put_number(char letter, object value, uint64_t *cell) except -1
cdef void *run_call(void *block) noexcept nogil
cdef offgil_status wait_for(
    future_t *handle, call_t *call, int64_t slice_ns, uint64_t *result, int32_t *saved_errno
) noexcept nogil
cdef bint has_ended(future_t *handle) noexcept nogil
cdef void drop_call(future_t *handle, call_t *call) noexcept
cdef object to_python(char letter, void *result)
