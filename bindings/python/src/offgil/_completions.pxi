"""The thread that learns of native tasks whose end somebody has to be told, and what it keeps until then."""

import os
import threading
import time
from concurrent.futures._base import LOGGER

cimport cython
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport uint64_t

from offgil.capi cimport (
    OFFGIL_OK,
    completion_queue_add,
    completion_queue_create,
    completion_queue_next,
    completion_queue_release,
    completion_queue_t,
    completion_t,
    future_release,
    future_retain,
    future_t,
    pool_t,
)

cdef extern from "Python.h":
    ctypedef int (*visit_fn "visitproc")(PyObject *, void *) noexcept
    ctypedef int (*traverse_fn "traverseproc")(PyObject *, visit_fn, void *) noexcept
    ctypedef struct traversed_t "PyTypeObject":
        traverse_fn tp_traverse

cdef object get_ident = threading.get_ident


cdef class Awaited:
    """A native task's future, as the thread sees it."""

    cdef int learn(self) except -1:
        """The task has ended."""
        return 0


@cython.final
@cython.no_gc_clear
cdef class Keep:
    """Keeps what a native task works on until the task has ended, also when its future is gone before.

    Till then the garbage collector doesn't see the objects in it, and so can't drop a buffer before its task is done.
    """

    def __dealloc__(self):
        if self.handle == NULL:
            return
        if not has_ended(self.handle) and not self.hand_over() and not has_ended(self.handle):
            Py_INCREF(self.objects)  # nobody will tell of the end: better kept for ever than dropped too soon
        future_release(self.handle)

    cdef bint hand_over(self) noexcept:
        """Has the thread of the completions keep the objects; False if it can't, at exit or out of memory."""
        if completions.queue == NULL:
            return False  # to start a thread is nothing for a destructor
        try:
            return completions.add(self.handle, self.objects)
        except BaseException:
            return False


cdef int visit_kept(PyObject *keep, visit_fn visit, void *argument) noexcept:
    """Tells the collector of the objects, if their task has ended. No count of references may change in here.

    If it ends in the middle of a collection, they are visited only by the later steps, which find what is still in use.
    """
    cdef PyObject *objects = <PyObject *>(<Keep>keep).objects
    if (<Keep>keep).handle == NULL or objects == NULL or not has_ended((<Keep>keep).handle):
        return 0
    return visit(objects, argument)


(<traversed_t *>Keep).tp_traverse = visit_kept


cdef Keep keep_for(future_t *handle, object objects):
    """Keeps `objects` until the task has ended; may be dropped before."""
    cdef Keep keep = Keep.__new__(Keep)
    keep.objects = objects
    keep.handle = future_retain(handle)
    completions.ready()
    return keep


cdef int join_thread(object thread) except -1:
    """`thread.join()`, which signals interrupt on every version: that of 3.13 alone would not look at them."""
    while thread.is_alive():
        thread.join(0.1)
    return 0


@cython.final
@cython.binding(False)
cdef class Completions:
    """The thread that learns of native tasks whose end somebody has to be told, started with the first of them."""

    cdef completion_queue_t *queue  # NULL: there is no thread
    cdef dict waiting
    cdef uint64_t last
    cdef object thread
    cdef object lock

    def __cinit__(self):
        self.reset()

    cdef int reset(self) except -1:
        """As in the child of a fork, which has neither the thread nor the tasks of its parent."""
        self.queue = NULL
        self.waiting = {}
        self.thread = None
        # A signal handler, or a `__del__`, may need the thread while its own thread is about to start it.
        self.lock = threading.RLock()
        return 0

    cdef bint ready(self) except -1:
        """Whether the thread is there: it is started, if it may be."""
        if self.queue == NULL:
            with self.lock:
                if self.queue == NULL:
                    return self.start()
        return True

    cdef bint start(self) except -1:
        queue = completion_queue_create()
        if queue == NULL:
            raise MemoryError("no completion queue can be had")
        try:
            # Nobody ends one that is started after `stop`, which waits for the lock, too.
            thread = threading.Thread(
                target=self.run, args=(<size_t>queue,), name="offgil-completions", daemon=bool(exiting)
            )
            started = start_thread(thread)
        except BaseException:
            completion_queue_release(queue)
            raise
        if not started or self.queue != NULL:
            completion_queue_release(queue)  # which ends the thread, if it was started
            return self.queue != NULL
        with cython.critical_section(self):
            self.thread = thread
        self.queue = queue
        return True

    cdef bint add(self, future_t *future, object waiting) except -1:
        """Holds `waiting` until the task has ended, then tells it if it is `Awaited`; False if that can't be."""
        cdef uint64_t number
        cdef completion_queue_t *queue
        while self.ready():
            queue = self.queue
            with cython.critical_section(self):
                self.last += 1
                number = self.last
            self.waiting[number] = waiting
            if completion_queue_add(queue, future, number) == OFFGIL_OK:
                return True
            self.waiting.pop(number, None)
            if queue == self.queue:  # else it was stopped meanwhile
                return False
        return False

    def run(self, size_t handle):
        """The thread."""
        cdef completion_t[256] ended
        cdef size_t count = 0
        cdef completion_queue_t *queue = <completion_queue_t *>handle
        while True:
            with nogil:
                status = completion_queue_next(queue, -1, ended, 256, &count)
            if status != OFFGIL_OK:
                return
            for index in range(count):
                waiting = self.waiting.get(ended[index].tag)
                if isinstance(waiting, Awaited):
                    tell_one(waiting)
                self.waiting.pop(ended[index].tag, None)
            waiting = None

    cdef bint owes(self, pool_t *pool) except -1:
        """Whether a task (of this pool; NULL: of any) has ended of which somebody is still to be told."""
        cdef Awaited future
        for waiting in self.waiting.copy().values():
            if isinstance(waiting, Awaited):
                future = waiting
                if (pool == NULL or future.pool == pool) and (future.handle == NULL or has_ended(future.handle)):
                    return True
        return False

    cdef int tell_all(self, pool_t *pool) except -1:
        """Returns when of all tasks that have ended it is told, or at once in a callback."""
        with cython.critical_section(self):
            thread = self.thread
        if thread is not None and thread.ident != get_ident():
            while self.owes(pool) and thread.is_alive():
                time.sleep(0.001)
        return 0

    def stop(self):
        """Ends the thread, when it has told of all tasks that have ended; who needs one later gets another."""
        self.tell_all(NULL)
        with self.lock:
            queue = self.queue
            thread = self.thread
            self.queue = NULL
        if queue != NULL:
            completion_queue_release(queue)
            join_thread(thread)
            self.take_along()

    cdef int take_along(self) except -1:
        """Has another thread tell of what the one that has ended would have told."""
        cdef Awaited future
        cdef future_t *handle
        cdef bint ended
        for number, waiting in self.waiting.copy().items():
            if not isinstance(waiting, Awaited):
                continue  # buffers: they are kept for ever
            future = waiting
            with cython.critical_section(future):
                handle = NULL if future.handle == NULL else future_retain(future.handle)
            ended = handle == NULL or (not self.add(handle, future) and has_ended(handle))
            future_release(handle)
            if ended:
                tell_one(future)
            self.waiting.pop(number, None)
        return 0


cdef int tell_one(Awaited future) except -1:
    try:
        future.learn()
    except BaseException:  # of a callback: no reason to leave the others untold
        LOGGER.critical("Exception in a callback", exc_info=True)
    return 0


cdef Completions completions = Completions()


cdef bint watch(Awaited future) except -1:
    """Has the thread of the completions tell the future of its end; False if that can't be, as it has ended."""
    return completions.add(future.handle, future)


cdef bint get_ready() except -1:
    """Has the thread started, so that `watch` starts none; False where none may be started."""
    return completions.ready()


cdef int tell_all(pool_t *pool) except -1:
    """Returns when all callbacks of the pool's native tasks that have ended are called, or at once in a callback."""
    return completions.tell_all(pool)


def stop_completions():
    """Ends the thread of the completions, once it has told of the tasks that have ended."""
    completions.stop()


def _forget_in_child():
    completions.reset()


os.register_at_fork(after_in_child=_forget_in_child)
