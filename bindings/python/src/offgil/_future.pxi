"""`Future`: a `concurrent.futures.Future` whose task may be a C function that never touches Python.

    native, nobody looks      the library's future alone: no lock, no condition, no Python on the worker
    native, `_condition` used the same, and the completion thread tells when it has ended
    Python task               what the stdlib's Future does, word for word

The stdlib reaches for a future's `_condition` when it adds a callback or waits for several, so asking for it is what
turns the first kind into the second.
"""

import concurrent.futures
import os
import threading
import time
from concurrent.futures import CancelledError, TimeoutError
from types import FunctionType

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t

from offgil.capi cimport (
    FUTURE_QUEUED,
    FUTURE_RUNNING,
    OFFGIL_EBUSY,
    OFFGIL_ECANCELED,
    OFFGIL_EFAILED,
    OFFGIL_EHANDLE,
    OFFGIL_EPANIC,
    OFFGIL_ETIMEDOUT,
    OFFGIL_OK,
    future_cancel,
    future_error,
    future_get_state,
    future_release,
    future_t,
    offgil_status,
    offgil_status_message,
)

cdef extern from "Python.h":
    ctypedef object (*new_fn)(object type, object args, PyObject *kwargs)
    ctypedef struct type_t "PyTypeObject":
        new_fn tp_new
    int PyObject_GenericSetAttr(object target, object name, object value) except -1
    bint PyObject_GC_IsTracked(object target)
    void PyObject_GC_Track(object target)
    void PyObject_GC_UnTrack(object target)

cdef extern from *:
    """
    static _Thread_local void *offgil_current_work;
    """
    void *offgil_current_work

cdef str PENDING = "PENDING"
cdef str RUNNING = "RUNNING"
cdef str CANCELLED = "CANCELLED"
cdef str CANCELLED_AND_NOTIFIED = "CANCELLED_AND_NOTIFIED"
cdef str FINISHED = "FINISHED"

# In seconds: signals are looked at between slices of this length, on the main thread. Elsewhere there is nothing to see; but
# a wait that is timed runs no task itself, and any timeout fits.
cdef double SLICE = 0.1
cdef double LONG_SLICE = 3600
cdef object main_ident = threading.main_thread().ident

Base = concurrent.futures.Future
cdef object base_exception = Base.exception
cdef object base_cancel = Base.cancel
cdef object base_set_result = Base.set_result
cdef object base_set_exception = Base.set_exception
cdef object base_add_done_callback = Base.add_done_callback
cdef object monotonic = time.monotonic


class TaskFailed(RuntimeError):
    """A native task called `task_fail`, or panicked. `code` is what it told."""

    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code

    def __str__(self):
        return self.args[0]


cdef void enter_work(void *work) noexcept nogil:
    """The calling thread runs Python tasks of this `Work` from now on; NULL: of none."""
    global offgil_current_work
    offgil_current_work = work


cdef void *current_work() noexcept nogil:
    return offgil_current_work


def work_of_task():
    """The `Work` one of whose Python tasks calls this; None elsewhere."""
    cdef void *work = current_work()
    return None if work == NULL else <object><PyObject *>work


cdef class FutureCore(Awaited):
    """The fields of a `Future`, and what is compiled of it."""

    def __cinit__(self):
        self.state = PENDING

    def __init__(self):
        pass  # the stdlib's would make a condition

    def __dealloc__(self):
        if self.handle != NULL:
            drop_call(self.handle, self.call)

    cdef int adopt(self, future_t *handle, call_t *call, char letter, list objects) except -1:
        """Makes it the future of a call that has been submitted: it owns `handle` and `call`, and keeps `objects`."""
        self.handle = handle
        self.call = call
        self.letter = letter
        self.native = True
        if objects is None:
            # Of 100,000 futures that refer to nothing, the garbage collector would look at each several times.
            PyObject_GC_UnTrack(self)
        else:
            see_through_references(objects)
            self.keep = keep_for(handle, objects)
        return 0

    cdef int track(self) except -1:
        """It refers to something from now on, or may: the garbage collector is to know it. One thread at a time."""
        if not PyObject_GC_IsTracked(self):
            PyObject_GC_Track(self)
        return 0

    def __setattr__(self, name, value):
        with cython.critical_section(self):
            self.track()
        PyObject_GenericSetAttr(self, name, value)

    @property
    def _condition(self):
        if self.condition is None:
            self.create_condition()
        return self.condition

    cdef int create_condition(self) except -1:
        cdef bint due = False
        if self.handle != NULL:
            self.look()
            # What fails is to fail before there is a condition.
            if self.handle != NULL and not get_ready():
                wait_without_a_place(self, None)  # nobody else would tell of the end
        condition = threading.Condition()
        with cython.critical_section(self):
            if self.condition is None:
                self.track()
                self._waiters = []
                self._done_callbacks = []
                self.condition = condition
                due = self.handle != NULL
        if due:
            self.look()
        if due and self.handle != NULL:
            # From then on that thread calls the callbacks: another may hold a lock that they need.
            self.watched = watch(self)
            if not self.watched and self.handle != NULL:
                wait_without_a_place(self, None)  # it ended meanwhile, or the thread did
        return 0

    @property
    def _state(self):
        if self.handle != NULL:
            # With a condition the state changes under its lock only, as its holders rely on.
            if self.condition is None:
                self.look()
            state = future_get_state(self.handle)
            if state == FUTURE_QUEUED or state == FUTURE_RUNNING:
                return PENDING if state == FUTURE_QUEUED else RUNNING
            # Else another thread has taken the outcome over, or will do so under the condition's lock.
            if self.handle != NULL:
                return RUNNING
        return self.state

    @_state.setter
    def _state(self, value):
        self.state = value

    @property
    def errno(self):
        """What the native function left in `errno`; 0 if it left it alone, None without a result of a native task."""
        if self.handle != NULL:
            self.look()
        return self.saved_errno if self.native and self.state == FINISHED and self._exception is None else None

    cdef int look(self) except -1:
        """Takes the outcome over if the call has ended."""
        cdef uint64_t result = 0
        cdef int32_t saved_errno = 0
        status = wait_for(self.handle, self.call, 0, &result, &saved_errno)
        if status != OFFGIL_ETIMEDOUT:
            self.settle(status, &result, saved_errno)
        return 0

    cdef int wait_for_call(self, object timeout) except -1:
        """Returns when the call has ended and its outcome is taken over; TimeoutError if the time is over first."""
        cdef uint64_t result = 0
        cdef int32_t saved_errno = 0
        cdef int64_t slice_ns
        cdef future_t *handle
        cdef call_t *call
        deadline = None if timeout is None else monotonic() + timeout
        while self.handle != NULL:
            handle = self.handle
            call = self.call
            status = wait_for(handle, call, 0, &result, &saved_errno)
            if status == OFFGIL_ETIMEDOUT:
                left = next_slice(deadline)
                if left <= 0:
                    raise TimeoutError()
                slice_ns = <int64_t>(<double>left * 1e9) + 1
                with nogil:
                    status = wait_for(handle, call, slice_ns, &result, &saved_errno)
            if status == OFFGIL_ETIMEDOUT:
                PyErr_CheckSignals()
            elif status != OFFGIL_EHANDLE or self.handle != NULL:
                self.settle(status, &result, saved_errno)
        return 0

    cdef int settle(self, offgil_status status, void *result, int32_t saved_errno) except -1:
        """Takes the outcome over, and tells those who wait by the condition."""
        cdef bint alone = False
        cdef bint taken = False
        # To make these may run Python code, and so other threads, which may settle it first: so no field changes before.
        if status == OFFGIL_OK and self.letter != b"O":
            value = to_python(self.letter, result)
            error = None
        else:
            value, error = self.made_of(status, result)
        with cython.critical_section(self):
            if self.condition is None or self.handle == NULL:
                alone = True
                if self.handle != NULL:
                    keep = self.take(status, value, error, saved_errno)
        if alone:
            return 0
        with self.condition:
            with cython.critical_section(self):
                taken = self.handle != NULL
                if taken:
                    keep = self.take(status, value, error, saved_errno)
            if not taken:
                return 0
            for waiter in self._waiters:
                if self.state != FINISHED:
                    waiter.add_cancelled(self)
                elif self._exception is not None:
                    waiter.add_exception(self)
                else:
                    waiter.add_result(self)
            self.condition.notify_all()
        if not self.watched:
            self.tell()
        return 0

    cdef tuple made_of(self, offgil_status status, void *result):
        """The result and the exception that such an outcome is, if it is no plain number."""
        cdef int32_t code = 0
        cdef char[512] message
        cdef Keep keep = self.keep
        if status == OFFGIL_OK:
            if keep is None:  # another thread has settled it
                return None, None
            try:
                return (<list>keep.objects)[0]((<uint64_t *>result)[0]), None
            except Exception as error:
                return None, error
        if status == OFFGIL_EFAILED or status == OFFGIL_EPANIC:
            message[0] = 0
            future_error(self.handle, &code, message, sizeof(message))
            return None, TaskFailed((<bytes>message).decode("utf-8", "replace"), code)
        if status == OFFGIL_ECANCELED:
            return None, None
        return None, RuntimeError((<bytes>offgil_status_message(status)).decode("ascii"))

    cdef Keep take(self, offgil_status status, object value, object error, int32_t saved_errno):
        """Makes it its own; runs no code of anybody's. What it kept is to be dropped afterwards: that may run some."""
        keep = self.keep
        if error is not None or self.letter == b"O":
            self.track()
        self._result = value
        self._exception = error
        self.saved_errno = saved_errno if self.call == NULL else self.call.saved_errno
        self.state = CANCELLED_AND_NOTIFIED if status == OFFGIL_ECANCELED else FINISHED
        self.keep = None
        future_release(self.handle)
        PyMem_Free(self.call)
        self.handle = NULL
        self.call = NULL
        return keep

    cdef int learn(self) except -1:
        """The thread of the completions has learned that it has ended."""
        self.ended()
        return self.tell()

    cdef int tell(self) except -1:
        """It has ended: calls the callbacks, unless they were."""
        cdef bint due
        with cython.critical_section(self):
            due = self.condition is not None and not self.told
            self.told = self.told or due
        if due:
            self._invoke_callbacks()
        return 0

    cdef object outcome(self):
        """The result; raises what the task raised."""
        if self.state == FINISHED:
            if self._exception is None:
                return self._result
            try:
                raise self._exception
            finally:
                self = None  # no cycle with the traceback
        raise CancelledError()

    cdef bint ended(self) except -1:
        cdef bint pending
        if self.handle != NULL:
            self.look()
        # What the thread that ended it wrote before that is seen from here on, also without the GIL.
        with cython.critical_section(self):
            pending = self.handle != NULL
            if self.state is not FINISHED:  # most often it is this very string
                pending = pending or self.state == PENDING or self.state == RUNNING
        return not pending

    def done(self):
        """True if it was cancelled or has finished."""
        return self.ended()

    def cancelled(self):
        """True if it was cancelled."""
        return self.ended() and self.state != FINISHED

    def running(self):
        """True if it runs now."""
        return self._state == RUNNING

    def result(self, timeout=None):
        """The result of the task, after at most `timeout` seconds (None: for ever).

        Raises CancelledError, TimeoutError, or what the task raised. A task of an `offgil` executor that waits here
        gives its place to another.
        """
        if not self.ended():
            wait_without_a_place(self, timeout)
        try:
            return self.outcome()
        finally:
            self = None

    def exception(self, timeout=None):
        """What the task raised, None if it returned; waits, and raises of its own, as `result` does."""
        if not self.ended():
            wait_without_a_place(self, timeout)
        if self.state != FINISHED:
            raise CancelledError()
        return self._exception

    def set_result(self, result):
        """Ends it with a result; for whoever made it, or runs its task."""
        finish(self, result)

    def set_exception(self, exception):
        """Ends it with an exception, likewise."""
        if not end_unseen(self, None, exception):
            base_set_exception(self, exception)

    def cancel(self):
        """True if the task will never run. A native task that runs is asked to stop (`task_is_canceled`): False."""
        if self.handle == NULL:
            return base_cancel(self)
        status = future_cancel(self.handle)
        if status == OFFGIL_EBUSY:
            return False
        self.look()
        if not self.cancelled():
            return False
        self.tell()
        return True


cdef object next_slice(object deadline):
    """How long to wait until signals, or the clock, are looked at again."""
    longest = SLICE if get_ident() == main_ident else LONG_SLICE
    return longest if deadline is None else min(longest, deadline - monotonic())


cdef int wait_for_python(FutureCore future, object timeout) except -1:
    """Returns when a Python task has ended; TimeoutError if the time is over first, CancelledError."""
    deadline = None if timeout is None else monotonic() + timeout
    while True:
        try:
            base_exception(future, next_slice(deadline))
            return 0
        except TimeoutError:
            PyErr_CheckSignals()
            if deadline is not None and monotonic() >= deadline:
                raise


cdef int wait_without_a_place(FutureCore future, object timeout) except -1:
    """Waits until the future has ended; a task of ours that waits lets others run meanwhile."""
    cdef void *work = current_work()
    if work != NULL:
        (<object><PyObject *>work).block()
    try:
        if future.native:
            future.wait_for_call(timeout)
        else:
            wait_for_python(future, timeout)
    except CancelledError:
        pass
    finally:
        if work != NULL:
            (<object><PyObject *>work).unblock()
    return 0


cdef bint begin(FutureCore future) except -1:
    """As set_running_or_notify_cancel: whether the task is to be run. Without a condition nobody is to be told."""
    with cython.critical_section(future):
        if future.condition is None and future.state == PENDING:
            future.state = RUNNING
            return True
    return future.set_running_or_notify_cancel()


cdef bint end_unseen(FutureCore future, object result, object exception) except -1:
    """Ends a future that has no condition, so that nobody is to be told. False: it has, or can't be ended."""
    with cython.critical_section(future):
        if future.condition is None and (future.state == RUNNING or future.state == PENDING) and future.handle == NULL:
            future._result = result
            future._exception = exception
            future.state = FINISHED
            return True
    return False


cdef int finish(FutureCore future, object result) except -1:
    """As set_result."""
    if not end_unseen(future, result, None):
        base_set_result(future, result)
    return 0


class Future(FutureCore, Base):
    """A task's result to come: a `concurrent.futures.Future` that can also be awaited.

    `native` tells whether the task is a C function that runs off the GIL, `errno` what that left there.
    """

    def __await__(self):
        from offgil._aio import awaiting

        return awaiting(self)

    def add_done_callback(self, fn):
        """Has `fn(self)` called when the task has ended: at once if it has, else by a thread for that.

        If it is cancelled, the thread that cancels it does so.
        """
        if type(fn) is FunctionType and fn.__module__ == "asyncio.futures":
            from offgil._aio import take_chain
            if take_chain(self, fn):
                return
        base_add_done_callback(self, fn)


cdef FutureCore new_future():
    return (<type_t *>Future).tp_new(Future, (), NULL)


def _be_main_in_child():
    global main_ident
    main_ident = get_ident()


os.register_at_fork(after_in_child=_be_main_in_child)
