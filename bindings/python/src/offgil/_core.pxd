# cython: language_level=3
"""What `_aio`, `_array` and `_map` use of `_core`, and the fields of its classes."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t, uint8_t

from offgil.capi cimport future_t, offgil_status, pool_t, signature_t

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
cdef bint is_float(char letter) noexcept
cdef bint put_number(char letter, object value, uint64_t *cell) except -1
cdef void *run_call(void *block) noexcept nogil
cdef void drop_call(future_t *handle, call_t *call) noexcept
cdef object to_python(char letter, void *result)


cdef class Awaited:
    cdef future_t *handle  # NULL: its outcome is taken over
    cdef pool_t *pool  # whose task it is: a number to compare, it may be gone

    cdef int learn(self) except -1


cdef class Keep:
    cdef future_t *handle
    cdef object objects

    cdef bint hand_over(self) noexcept


cdef Keep keep_for(future_t *handle, object objects)


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

    cdef int adopt(self, future_t *handle, call_t *call, char letter, list objects) except -1
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
cdef void *current_work() noexcept nogil


cdef class Signature:
    cdef signature_t *handle
    cdef bytes text
    cdef unsigned long epoch

    cdef signature_t *get(self) except NULL


cdef class Call:
    cdef void *address
    cdef Signature signature
    cdef bytes letters
    cdef char result
    cdef tuple kinds
    cdef int mode
    cdef bint keeps
    cdef object owner
    cdef object convert
    cdef tuple fixed
    cdef bint optional

    cdef future_t *submit(
        self, pool_t *pool, tuple arguments, list keep, bint may_block, call_t **block
    ) except? NULL
    cdef future_t *submit_as_signature(
        self, pool_t *pool, const char *letters, uint64_t *cells, Py_ssize_t count, bint may_block
    ) except? NULL
    cdef int pack_all(self, tuple arguments, uint64_t *cells, list keep) except -1
    cdef tuple complete(self, tuple arguments)
    cdef list new_keep(self)
    cdef object make_here(self, tuple arguments)


cdef class NativeFunction:
    cdef readonly object function
    cdef readonly object signature
    cdef object ordinary
    cdef Call call


cdef Call native_call(object function)


cdef class Item:
    cdef FutureCore future
    cdef object function
    cdef tuple args
    cdef dict kwargs

    cdef int run(self) except -1


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


cdef class Submitter:
    cdef readonly Work _work
