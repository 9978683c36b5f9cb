# cython: language_level=3, freethreading_compatible=True
"""`map` of a native function of numbers: its calls go in by the dozen, and no Python object is made for one.

    [x, y, z, ...] -> blocks -> pool_submit_many -> slots { future, block } -> results, each made when it is asked for

Each call is still a task of its own, in order, so that it fails, is cancelled and waits for others as it would alone.
What is no plain number in range is submitted as ever, and only its future is kept.
"""

import time

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport uint64_t

from offgil._core cimport (
    MOST_FLOATS,
    MOST_INTEGERS,
    Call,
    FutureCore,
    Work,
    call_t,
    drop_call,
    is_float,
    keep_for,
    native_call,
    new_call,
    new_future,
    opened,
    put_number,
    run_call,
    to_python,
)
from offgil.capi cimport (
    OFFGIL_OK,
    future_cancel,
    future_release,
    future_t,
    future_wait,
    offgil_last_status,
    pool_submit,
    pool_submit_many,
)

cdef enum:
    MOST_AT_ONCE = 64

cdef object monotonic = time.monotonic
cdef bytes NUMBERS = b"bBhHiIlLfd"
# To ask them for the next item runs no code of anybody's.
cdef tuple IN_MEMORY = (list, tuple, range)

ctypedef struct slot_t:
    future_t *future  # NULL: not submitted yet, or among the odd ones
    call_t *call


@cython.final
@cython.no_gc_clear  # the end needs `call`
cdef class Batch:
    """The calls of one `map`. Iterating gives their results, in order; one that failed raises."""

    cdef Work work
    cdef Call call
    cdef int integers  # arguments
    cdef int floats
    cdef object deadline
    cdef slot_t *slots
    cdef Py_ssize_t room
    cdef Py_ssize_t count
    cdef Py_ssize_t submitted
    cdef Py_ssize_t next  # to be asked for
    cdef dict odd  # futures by index

    def __cinit__(self):
        self.odd = {}

    def __dealloc__(self):
        cdef Py_ssize_t index
        for index in range(self.next, self.count):
            if self.slots[index].future != NULL:
                if self.call.owner is not None:
                    keep_for(self.slots[index].future, self.call)
                drop_call(self.slots[index].future, self.slots[index].call)
            else:
                PyMem_Free(self.slots[index].call)
        PyMem_Free(self.slots)

    cdef int read(self, object submit, object function, object calls, bint at_once) except -1:
        """Submits all the calls. Unless `at_once`, each is on its way before the next is asked for."""
        cdef Py_ssize_t most = 1
        cdef call_t *call
        for arguments in calls:
            if self.count == self.room:
                self.grow()
            call = self.block_of(arguments)
            if call == NULL:
                self.flush()
                self.odd[self.count] = submit(function, *arguments)
                self.submitted += 1
            self.slots[self.count].future = NULL
            self.slots[self.count].call = call
            self.count += 1
            if self.count - self.submitted >= most:
                self.flush()
                # A worker that has nothing to do doesn't wait for more than the first.
                if at_once and most < MOST_AT_ONCE:
                    most *= 2
            arguments = None  # zip uses it again
        return self.flush()

    cdef call_t *block_of(self, tuple arguments) except? NULL:
        """The block of a call; NULL if the arguments aren't as many plain numbers as it takes, and in range."""
        cdef bytes letters = self.call.letters
        cdef int integers = 0
        cdef int floats = self.integers
        cdef Py_ssize_t index
        cdef bint fits
        if len(arguments) != len(letters):
            return NULL
        block = new_call(self.call.address, self.integers, self.floats, self.call.result)
        if block == NULL:
            raise MemoryError()
        for index in range(len(arguments)):
            if is_float(letters[index]):
                fits = put_number(letters[index], arguments[index], &block.values[floats])
                floats += 1
            else:
                fits = put_number(letters[index], arguments[index], &block.values[integers])
                integers += 1
            if not fits:
                PyMem_Free(block)
                return NULL
        return block

    cdef int grow(self) except -1:
        cdef Py_ssize_t room = 2 * self.room + MOST_AT_ONCE
        slots = <slot_t *>PyMem_Realloc(self.slots, room * sizeof(slot_t))
        if slots == NULL:
            raise MemoryError()
        self.slots = slots
        self.room = room
        return 0

    cdef int flush(self) except -1:
        """Submits what was added."""
        cdef void *blocks[MOST_AT_ONCE]
        cdef future_t *futures[MOST_AT_ONCE]
        cdef Py_ssize_t count = self.count - self.submitted
        cdef slot_t *slots = &self.slots[self.submitted]
        cdef Py_ssize_t index
        if count == 0:
            return 0
        self.work.check()
        if count == 1:
            slots.future = pool_submit(self.work.pool, run_call, slots.call)
            status = OFFGIL_OK if slots.future != NULL else offgil_last_status()
        else:
            for index in range(count):
                blocks[index] = slots[index].call
            status = pool_submit_many(self.work.pool, run_call, blocks, count, futures)
            for index in range(count):
                # On failure some may run, and nobody can tell when they have ended: their blocks are left alone.
                slots[index].future = futures[index] if status == OFFGIL_OK else NULL
                slots[index].call = slots[index].call if status == OFFGIL_OK else NULL
        if status != OFFGIL_OK:
            self.work.refuse(status)
        self.submitted += count
        PyErr_CheckSignals()
        return 0

    def __iter__(self):
        return self

    def __next__(self):
        cdef uint64_t result = 0
        cdef FutureCore future
        cdef slot_t slot = slot_t(NULL, NULL)
        cdef Py_ssize_t index
        with cython.critical_section(self):
            index = self.next
            if index < self.count:
                slot = self.slots[index]
                self.next += 1
        if index >= self.count:
            raise StopIteration
        if slot.future == NULL:
            return outcome(self.odd.pop(index), self.deadline)
        if future_wait(slot.future, 0, <void **>&result) == OFFGIL_OK:
            future_release(slot.future)
            PyMem_Free(slot.call)
            return to_python(self.call.result, &result)
        future = new_future()
        future.adopt(slot.future, slot.call, self.call.result, None if self.call.owner is None else [self.call])
        return outcome(future, self.deadline)

    def cancel(self):
        """Cancels what has not begun of the calls that nobody has asked for."""
        cdef Py_ssize_t index
        for index in range(self.next, self.count):
            if self.slots[index].future != NULL:
                future_cancel(self.slots[index].future)
            elif index in self.odd:
                self.odd[index].cancel()


cdef object outcome(object future, object deadline):
    try:
        return future.result(None if deadline is None else deadline - monotonic())
    finally:
        future.cancel()


def map_native(executor, Work work, function, tuple iterables, deadline):
    """The calls of `map(function, *iterables)`, submitted: an iterator of their results. None if it isn't for this."""
    cdef Call call = native_call(function)
    cdef Batch batch = Batch()
    # A queue's limit counts them one by one.
    if opened(work).limit != 0:
        return None
    if call is None or call.letters is None or call.convert is not None or call.fixed is not None:
        return None
    for letter in call.letters:
        if letter not in NUMBERS:
            return None
        batch.floats += is_float(letter)
    batch.integers = <int>len(call.letters) - batch.floats
    if batch.integers > MOST_INTEGERS or batch.floats > MOST_FLOATS:
        return None
    batch.work = work
    batch.call = call
    batch.deadline = deadline
    at_once = all([type(iterable) in IN_MEMORY for iterable in iterables])
    batch.read(executor.submit, function, zip(*iterables), at_once)
    return batch
