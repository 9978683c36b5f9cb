# cython: language_level=3
"""What `_future`, `_executor` and `_map` use of `_completions`."""

from offgil.capi cimport future_t, pool_t


cdef class Awaited:
    cdef future_t *handle  # NULL: its outcome is taken over
    cdef pool_t *pool  # whose task it is: a number to compare, it may be gone

    cdef int learn(self) except -1


cdef class Keep:
    cdef future_t *handle
    cdef object objects

    cdef bint hand_over(self) noexcept


cdef Keep keep_for(future_t *handle, object objects)
cdef int join_thread(object thread) except -1
cdef bint watch(Awaited future) except -1
cdef int get_ready() except -1
cdef int tell_all(pool_t *pool) except -1
