# cython: language_level=3, freethreading_compatible=True
"""The Cython binding under the tests' interface (see adapters.py): compiled by the session, with no flag at all."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free

cimport offgil
from offgil cimport future_t, pool_options_t, pool_t, range_fn, task_fn, thread_hook_fn

include "constants.pxi"  # CONSTANTS and SIZES: written by the session, everything that the header names

cdef int64_t PATIENCE_NS = 30 * 10**9


# Tasks in Python: the argument is the function, which the caller keeps alive.

cdef void *call_python(void *function) noexcept with gil:
    return <void *><uintptr_t>(<object>function)()


cdef void call_python_range(void *function, size_t begin, size_t end) noexcept with gil:
    (<object>function)(begin, end)


def python_task(function):
    return <uintptr_t>&call_python, <uintptr_t><void *>function


def python_range(function):
    return <uintptr_t>&call_python_range, <uintptr_t><void *>function


# A task in Cython: what this binding is for.

cdef void *triple(void *arg) noexcept nogil:
    return <void *>(<uintptr_t>arg * 3)


def triple_on_a_pool(uintptr_t number):
    """Pool, task, wait and clean-up in one nogil block."""
    cdef void *result = NULL
    cdef pool_t *pool
    cdef future_t *future
    with nogil:
        pool = offgil.pool_create(2)
        future = offgil.pool_submit(pool, triple, <void *>number)
        offgil.future_wait(future, offgil.OFFGIL_FOREVER, &result)
        offgil.future_release(future)
        offgil.pool_destroy(pool)
    return <uintptr_t>result


# Status functions

cdef object text(const char *string):
    return None if string == NULL else <bytes>string


def offgil_status_name(int32_t status):
    return text(offgil.offgil_status_name(status))


def offgil_status_message(int32_t status):
    return text(offgil.offgil_status_message(status))


def offgil_last_status():
    return offgil.offgil_last_status()


def offgil_last_message():
    return text(offgil.offgil_last_message())


def offgil_version():
    return offgil.offgil_version()


def offgil_version_string():
    return text(offgil.offgil_version_string())


def offgil_cpu_count():
    return offgil.offgil_cpu_count()


# Pools

cdef class Options:
    cdef pool_options_t value
    cdef bytes name

    def __init__(self):
        offgil.pool_options_init(&self.value, sizeof(pool_options_t))

    @property
    def address(self):
        return <uintptr_t>&self.value

    def __getitem__(self, field):
        return {
            "size": self.value.size,
            "threads": self.value.threads,
            "max_spare_threads": self.value.max_spare_threads,
            "stack_size": self.value.stack_size,
            "thread_name": text(self.value.thread_name) or 0,
            "queue_limit": self.value.queue_limit,
            "full_timeout_ns": self.value.full_timeout_ns,
            "when_full": self.value.when_full,
            "order": self.value.order,
            "waiters_help": self.value.waiters_help,
            "on_thread_start": <uintptr_t><void *>self.value.on_thread_start,
            "on_thread_stop": <uintptr_t><void *>self.value.on_thread_stop,
            "context": <uintptr_t>self.value.context,
        }[field]

    def __setitem__(self, field, value):
        if field == "size":
            self.value.size = value
        elif field == "threads":
            self.value.threads = value
        elif field == "max_spare_threads":
            self.value.max_spare_threads = value
        elif field == "stack_size":
            self.value.stack_size = value
        elif field == "thread_name":
            self.name = value
            self.value.thread_name = self.name
        elif field == "queue_limit":
            self.value.queue_limit = value
        elif field == "full_timeout_ns":
            self.value.full_timeout_ns = value
        elif field == "when_full":
            self.value.when_full = value
        elif field == "order":
            self.value.order = value
        elif field == "waiters_help":
            self.value.waiters_help = value
        elif field == "on_thread_start":
            self.value.on_thread_start = <thread_hook_fn><void *><uintptr_t>value
        elif field == "on_thread_stop":
            self.value.on_thread_stop = <thread_hook_fn><void *><uintptr_t>value
        elif field == "context":
            self.value.context = <void *><uintptr_t>value
        else:
            raise KeyError(field)


def pool_create(uint32_t threads):
    return <uintptr_t>offgil.pool_create(threads)


def pool_options_init(uintptr_t options, size_t size):
    offgil.pool_options_init(<pool_options_t *>options, size)


def pool_create_with(options):
    cdef uintptr_t address = options.address if isinstance(options, Options) else options
    return <uintptr_t>offgil.pool_create_with(<const pool_options_t *>address)


def pool_default():
    return <uintptr_t>offgil.pool_default()


def pool_shutdown(uintptr_t pool, int32_t mode, int64_t timeout_ns):
    with nogil:
        status = offgil.pool_shutdown(<pool_t *>pool, mode, timeout_ns)
    return status


def pool_destroy(uintptr_t pool):
    with nogil:
        status = offgil.pool_destroy(<pool_t *>pool)
    return status


def pool_release(uintptr_t pool):
    return offgil.pool_release(<pool_t *>pool)


def pool_wait_idle(uintptr_t pool, int64_t timeout_ns):
    with nogil:
        status = offgil.pool_wait_idle(<pool_t *>pool, timeout_ns)
    return status


def pool_thread_count(uintptr_t pool):
    return offgil.pool_thread_count(<pool_t *>pool)


def pool_worker_index(uintptr_t pool):
    return offgil.pool_worker_index(<pool_t *>pool)


# Tasks and futures

def pool_submit(uintptr_t pool, uintptr_t fn, uintptr_t arg):
    with nogil:
        future = offgil.pool_submit(<pool_t *>pool, <task_fn>fn, <void *>arg)
    return <uintptr_t>future


def pool_spawn(uintptr_t pool, uintptr_t fn, uintptr_t arg):
    with nogil:
        status = offgil.pool_spawn(<pool_t *>pool, <task_fn>fn, <void *>arg)
    return status


def pool_submit_many(uintptr_t pool, uintptr_t fn, args):
    cdef Array given = Array(args)
    cdef Array futures = Array([0] * len(args))
    with nogil:
        status = offgil.pool_submit_many(
            <pool_t *>pool, <task_fn>fn, given.items, given.count, <future_t **>futures.items
        )
    return status, futures.numbers()


def future_wait(uintptr_t future, int64_t timeout_ns=PATIENCE_NS):
    cdef void *result = NULL
    with nogil:
        status = offgil.future_wait(<future_t *>future, timeout_ns, &result)
    return status, <uintptr_t>result


def future_wait_all(futures, int64_t timeout_ns=PATIENCE_NS):
    cdef Array array = Array(futures)
    with nogil:
        status = offgil.future_wait_all(<future_t **>array.items, array.count, timeout_ns)
    return status


def future_wait_any(futures, int64_t timeout_ns=PATIENCE_NS):
    cdef Array array = Array(futures)
    cdef size_t index = array.count
    with nogil:
        status = offgil.future_wait_any(<future_t **>array.items, array.count, timeout_ns, &index)
    return status, index


def future_get_state(uintptr_t future):
    return offgil.future_get_state(<future_t *>future)


def future_cancel(uintptr_t future):
    return offgil.future_cancel(<future_t *>future)


def future_error(uintptr_t future, size_t length=256):
    cdef int32_t code = 0
    cdef char message[256]
    message[0] = 0
    status = offgil.future_error(<future_t *>future, &code, message, length)
    return status, code, <bytes>message


def future_retain(uintptr_t future):
    return <uintptr_t>offgil.future_retain(<future_t *>future)


def future_release(uintptr_t future):
    return offgil.future_release(<future_t *>future)


def task_is_canceled():
    return offgil.task_is_canceled()


def task_fail(int32_t code, message):
    cdef const char *words = NULL
    if message is not None:
        words = message
    return offgil.task_fail(code, words)


# Data-parallel calls

def pool_for(uintptr_t pool, size_t begin, size_t end, size_t grain, uintptr_t body, uintptr_t context):
    with nogil:
        status = offgil.pool_for(<pool_t *>pool, begin, end, grain, <range_fn>body, <void *>context)
    return status


def pool_map(uintptr_t pool, uintptr_t fn, args):
    cdef Array given = Array(args)
    cdef Array results = Array([0] * len(args))
    with nogil:
        status = offgil.pool_map(<pool_t *>pool, <task_fn>fn, given.items, results.items, given.count)
    return status, results.numbers()


def pool_invoke(uintptr_t pool, uintptr_t left, uintptr_t left_arg, uintptr_t right, uintptr_t right_arg):
    with nogil:
        status = offgil.pool_invoke(
            <pool_t *>pool, <task_fn>left, <void *>left_arg, <task_fn>right, <void *>right_arg
        )
    return status


cdef class Array:
    """Numbers as a C array of pointers."""

    cdef void **items
    cdef size_t count

    def __cinit__(self, numbers):
        self.count = len(numbers)
        self.items = <void **>calloc(self.count + 1, sizeof(void *))
        if self.items == NULL:
            raise MemoryError
        for index, number in enumerate(numbers):
            self.items[index] = <void *><uintptr_t>number

    def __dealloc__(self):
        free(self.items)

    def numbers(self):
        return [<uintptr_t>self.items[index] for index in range(self.count)]
