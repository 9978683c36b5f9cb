# cython: language_level=3
"""What `_executor`, `_array` and `_map` use of `_work`."""

from libc.stdint cimport uint32_t

from offgil._future cimport FutureCore
from offgil._item cimport Item
from offgil._native cimport Call
from offgil.capi cimport offgil_status, pool_t


cdef class Work:
    cdef pool_t *pool
    cdef uint32_t most
    cdef Py_ssize_t limit
    cdef readonly object when_full
    cdef object items
    cdef list idle  # locks of workers that sleep, the last to fall asleep last
    cdef list room  # locks of threads that wait for room
    cdef readonly set threads
    cdef object prefix
    cdef object initializer
    cdef tuple initargs
    cdef readonly bint daemon  # the threads end with the process, whatever they do
    cdef uint32_t alive  # workers
    cdef uint32_t blocked  # those of them whose task waits for another
    cdef uint32_t returning  # those of these that want their place back
    cdef uint32_t started  # threads so far: the next one's number
    cdef bint shut  # by its owner
    cdef bint closed  # takes no more: shut, or the interpreter ends
    cdef readonly object broken

    cdef int check(self) except -1
    cdef FutureCore submit_call(self, Call call, object function, tuple args)
    cdef int refuse(self, offgil_status status) except -1
    cdef FutureCore submit_python(self, object function, tuple args, dict kwargs)
    cdef bint take_back(self, Item item) except -1
    cdef int wait_for_room(self, object room) except -1
    cdef int count_out(self) except -1
    cdef offgil_status start(self) except? -1
    cdef int run_tasks(self) except -1
    cdef int wake_all(self) except -1
    cdef int forget_if_over(self) except -1


cdef Work opened(Work work)
