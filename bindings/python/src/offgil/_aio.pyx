# cython: language_level=3, freethreading_compatible=True
"""How an asyncio loop learns that tasks have ended: one wake-up for all that have.

    native task ends -> completion queue of the loop -> its descriptor is readable -> take    \\
                                                                                               waiters, on the loop
    Python task ends -> arrived -> one call_soon_threadsafe, unless one is due     -> deliver /

Only the loop keeps its `Arrivals`, by the reader that it was given. A loop that is closed lets the reader go, and with it go
the queue, its descriptor, and all that was still awaited.
"""

import asyncio
import os
import weakref
from asyncio import CancelledError, futures
from collections import deque
from concurrent.futures import Future

cimport cython
from libc.stdint cimport uint64_t

from offgil._core cimport FutureCore
from offgil.capi cimport (
    OFFGIL_OK,
    completion_queue_add,
    completion_queue_create,
    completion_queue_fd,
    completion_queue_next,
    completion_queue_release,
    completion_queue_t,
    completion_t,
)

cdef enum:
    BATCH = 256

cdef object get_running_loop = asyncio.get_running_loop
cdef object running_loop_or_none = asyncio._get_running_loop
cdef object add_done_callback = Future.add_done_callback

# By the loop's id: a weak reference. What is alive keeps its loop, so the id is that loop's.
cdef dict opened = {}


@cython.final
cdef class Arrivals:
    """What is awaited on a loop, and what of it has ended. But for `arrive`, only the loop's thread is in here."""

    cdef completion_queue_t *queue
    cdef object loop
    cdef dict awaited  # by its tag: a future, and the asyncio future that waits for it
    cdef uint64_t next_tag
    cdef object arrived  # those of them that have ended
    cdef bint due  # `deliver` will be called
    cdef object __weakref__

    def __cinit__(self, loop):
        self.loop = loop
        self.awaited = {}
        self.arrived = deque()
        self.queue = completion_queue_create()
        if self.queue == NULL:
            raise MemoryError("no completion queue can be had")

    def __dealloc__(self):
        if self.queue != NULL:
            completion_queue_release(self.queue)

    cdef int expect(self, FutureCore future, object waiter) except -1:
        """Has `waiter` told when the future has ended."""
        cdef uint64_t tag = self.next_tag
        self.next_tag += 1
        self.awaited[tag] = (future, waiter)
        # With a condition somebody else is to be told first, who may take long.
        if future.handle != NULL and future.condition is None:
            if completion_queue_add(self.queue, future.handle, tag) == OFFGIL_OK:
                return 0
        add_done_callback(future, Arrival(weakref.ref(self), tag))
        return 0

    def take(self):
        """The reader: native tasks have ended."""
        cdef completion_t[BATCH] ended
        cdef size_t count = BATCH
        while count == BATCH and completion_queue_next(self.queue, 0, ended, BATCH, &count) == OFFGIL_OK:
            for index in range(count):
                self.arrived.append(self.awaited.pop(ended[index].tag))
        self.deliver()

    cdef int arrive(self, object tag, object reference) except -1:
        """A Python task has ended, on whatever thread. `reference`: weak, to this; a thread that sleeps may keep for long what
        it has handed to the loop, where there is no GIL.
        """
        cdef bint wake
        awaited = self.awaited.pop(tag)
        with cython.critical_section(self):
            self.arrived.append(awaited)
            wake = not self.due
            self.due = True
        if wake:
            try:
                self.loop.call_soon_threadsafe(deliver_to, reference)
            except RuntimeError:
                pass  # closed just now: nobody waits any more
        return 0

    def deliver(self):
        """Tells those who wait."""
        with cython.critical_section(self):
            self.due = False
        try:
            while self.arrived:
                future, waiter = self.arrived.popleft()
                hand_over(future, waiter)
        except BaseException:
            self.loop.call_soon(self.deliver)
            raise


def deliver_to(reference):
    """`deliver` of what the weak reference stands for, if that is still there."""
    arrivals = reference()
    if arrivals is not None:
        arrivals.deliver()


@cython.final
cdef class Arrival:
    """The callback of a Python task that is awaited. It keeps nothing of the loop's."""

    cdef object arrivals
    cdef uint64_t tag

    def __cinit__(self, arrivals, tag):
        self.arrivals = arrivals
        self.tag = tag

    def __call__(self, future):
        cdef Arrivals arrivals = self.arrivals()
        if arrivals is not None:
            arrivals.arrive(self.tag, self.arrivals)


cdef int hand_over(FutureCore future, object waiter) except -1:
    """Gives the outcome of a future that has ended to the asyncio future that waits for it."""
    if not future.ended() or waiter.done():
        return 0
    if future.state == "FINISHED" and future._exception is None:
        waiter.set_result(future._result)
    elif isinstance(future._exception, StopIteration):
        # asyncio before CPython 3.12 would leave who awaits it waiting.
        error = RuntimeError("StopIteration interacts badly with generators and cannot be raised into a Future")
        error.__cause__ = error.__context__ = future._exception
        waiter.set_exception(error)
    else:
        futures._copy_future_state(future, waiter)
    return 0


cdef Arrivals arrivals_of(object loop):
    """Those of the loop that runs on this thread; None if it takes no readers."""
    reference = opened.get(id(loop))
    arrivals = None if reference is None else reference()
    return open_arrivals(loop) if arrivals is None else arrivals


cdef Arrivals open_arrivals(object loop):
    arrivals = Arrivals(loop)
    descriptor = completion_queue_fd((<Arrivals>arrivals).queue)
    if descriptor < 0:
        return None
    try:
        loop.add_reader(descriptor, arrivals.take)
    except (AttributeError, NotImplementedError):
        return None
    number = id(loop)

    def forget(reference):
        if opened.get(number) is reference:
            del opened[number]

    opened[number] = weakref.ref(arrivals, forget)
    return arrivals


def awaiting(FutureCore future):
    """The generator behind `await future`; RuntimeError if no loop runs on this thread.

    If the task that awaits is cancelled, so is the future.
    """
    cdef Arrivals arrivals
    loop = get_running_loop()
    waiter = loop.create_future()
    if future.ended():
        hand_over(future, waiter)
    else:
        arrivals = arrivals_of(loop)
        if arrivals is None:
            waiter = asyncio.wrap_future(future, loop=loop)
        else:
            arrivals.expect(future, waiter)
        arrivals = None
    try:
        return (yield from waiter)
    except CancelledError:
        if waiter.cancelled():
            future.cancel()
        raise


def _chain_code():
    for constant in futures._chain_future.__code__.co_consts:
        if getattr(constant, "co_name", "") == "_call_set_state":
            return constant
    return None


# What `asyncio.wrap_future`, and with it `run_in_executor`, adds as a callback: it would wake the loop for each future.
cdef object chain_code = _chain_code()


def take_chain(FutureCore future, callback):
    """Whether the callback is asyncio's own for the loop of this thread: then the loop is told as for `await`."""
    cdef Arrivals arrivals
    if callback.__code__ is not chain_code:
        return False
    cells = dict(zip(chain_code.co_freevars, callback.__closure__))
    loop = running_loop_or_none()
    if loop is None or "dest_loop" not in cells or cells["dest_loop"].cell_contents is not loop:
        return False
    if "destination" not in cells:
        return False
    waiter = cells["destination"].cell_contents
    if future.ended():
        hand_over(future, waiter)
        return True
    arrivals = arrivals_of(loop)
    if arrivals is None:
        return False
    arrivals.expect(future, waiter)
    return True


os.register_at_fork(after_in_child=opened.clear)
