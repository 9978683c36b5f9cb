# cython: language_level=3
"""What `_native` and `_executor` use of `_future`."""

from libc.stdint cimport int32_t

from offgil._call cimport call_t
from offgil._completions cimport Awaited, Keep
from offgil.capi cimport future_t, offgil_status


cdef class FutureCore(Awaited):
    cdef call_t *call
    cdef char letter
    cdef bint watched  # the thread of the completions calls the callbacks
    cdef bint told  # they are called
    cdef Keep keep
    cdef object condition
    cdef str state
    cdef int32_t saved_errno
    cdef public object _result
    cdef public object _exception
    cdef public object _waiters
    cdef public object _done_callbacks
    cdef readonly bint native

    cdef int adopt(self, future_t *handle, call_t *call, char letter, object objects) except -1
    cdef int track(self) except -1
    cdef int create_condition(self) except -1
    cdef int look(self) except -1
    cdef int wait_for_call(self, object timeout) except -1
    cdef int settle(self, offgil_status status, void *result, int32_t saved_errno) except -1
    cdef tuple made_of(self, offgil_status status, void *result)
    cdef Keep take(self, offgil_status status, object value, object error, int32_t saved_errno)
    cdef int tell(self) except -1
    cdef bint ended(self) except -1
    cdef object outcome(self)


cdef FutureCore new_future()
cdef bint begin(FutureCore future) except -1
cdef int finish(FutureCore future, object result) except -1
cdef void enter_work(void *work) noexcept nogil
cdef void *current_work() noexcept nogil
