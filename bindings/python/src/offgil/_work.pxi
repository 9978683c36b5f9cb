"""`Work`: an executor's pool, and the threads that run its Python tasks.

    submit(C function)       -> pool_call: the library's queue, its native threads, no GIL
    submit(Python function)  -> items -> an idle worker that is woken | a new thread, up to max_workers | who is done first

A worker is a `threading.Thread` that is lent to the pool and runs one task there, `run_token`, which goes on for as long as
the executor. It holds a place of the pool while it runs Python tasks, and gives it up while it has none or is blocked.
"""

import threading
from _thread import allocate_lock
from collections import deque
from concurrent.futures._base import LOGGER
from concurrent.futures.thread import BrokenThreadPool
from queue import Full

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint32_t

from offgil._turns cimport TURN_NS, give_turn, has_queued, now_ns
from offgil.capi cimport (
    OFFGIL_ECLOSED,
    OFFGIL_EFULL,
    OFFGIL_ETIMEDOUT,
    OFFGIL_OK,
    POOL_CANCEL,
    POOL_DRAIN,
    POOL_FULL_BLOCK,
    POOL_FULL_FAIL,
    future_cancel,
    future_release,
    future_t,
    offgil_last_message,
    offgil_last_status,
    offgil_status,
    pool_create_with,
    pool_options_init,
    pool_options_t,
    pool_release,
    pool_run_worker,
    pool_shutdown,
    pool_submit_with,
    pool_t,
    task_block_begin,
    task_block_end,
    task_options_init,
    task_options_t,
)

cdef enum:
    MOST_THREADS = 4096  # of the library
    LEAST_STACK = 65_536  # of its threads

BROKEN = "A thread initializer failed, the thread pool is not usable anymore"


@cython.final
@cython.binding(False)
cdef class Work:
    """An executor's pool, its queue of Python tasks and its threads; these know it, and not the executor."""

    def __cinit__(self, most, prefix, initializer, initargs, limit, when_full, daemon=False):
        cdef pool_options_t options
        prefix = str(prefix)  # the stdlib takes anything
        name = prefix.encode("utf-8", "replace").replace(b"\0", b"?")
        self.most = min(most, MOST_THREADS)
        self.limit = limit
        self.when_full = when_full
        self.items = deque()
        self.idle = []
        self.room = []
        self.threads = set()
        self.prefix = prefix
        self.initializer = initializer
        self.initargs = initargs
        self.daemon = daemon
        pool_options_init(&options, sizeof(options))
        options.threads = self.most
        options.waiters_help = 0
        options.thread_name = name
        stack_size = threading.stack_size()
        options.stack_size = max(stack_size, LEAST_STACK) if stack_size else 0
        options.queue_limit = limit
        options.when_full = POOL_FULL_BLOCK if when_full == "block" else POOL_FULL_FAIL
        options.full_timeout_ns = 100_000_000  # a slice, between looks at signals
        self.pool = pool_create_with(&options)
        if self.pool == NULL:
            raise RuntimeError((<bytes>offgil_last_message()).decode("utf-8", "replace"))
        forget_what_is_over()
        works.add(self)

    def __dealloc__(self):
        if self.pool != NULL:
            pool_release(self.pool)

    @property
    def handle(self):
        """The number of the pool's handle."""
        return <size_t>self.pool

    cdef int check(self) except -1:
        """Raises as the stdlib's submit does."""
        if self.broken is not None:
            raise BrokenThreadPool(self.broken)
        if self.shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if exiting and not self.daemon:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        return 0

    cdef FutureCore submit_call(self, Call call, object function, tuple args):
        """Submits a native task; wrong arguments raise."""
        cdef list keep = call.new_keep()
        cdef FutureCore future
        cdef future_t *handle
        cdef call_t *block
        self.check()
        while True:
            handle = call.submit(self.pool, args, keep, self.limit != 0, &block)
            if handle != NULL:
                break
            status = offgil_last_status()
            if status == OFFGIL_ETIMEDOUT:
                PyErr_CheckSignals()
                keep = call.new_keep()
            elif status == OFFGIL_EFULL and self.when_full == "run":
                return run_here(function, args, {})
            else:
                self.refuse(status)
        if call.owner is not None:
            keep.append(call.owner)
        future = new_future()
        future.pool = self.pool
        future.adopt(handle, block, call.result if call.convert is None else <char>b"O", keep if keep else None)
        return future

    cdef int refuse(self, offgil_status status) except -1:
        """Raises what a refusal of the pool's is in Python."""
        if status == OFFGIL_EFULL:
            raise Full("the executor's queue is full")
        self.check()
        if status == OFFGIL_ECLOSED:
            raise RuntimeError("cannot schedule new futures after shutdown")
        raise RuntimeError((<bytes>offgil_last_message()).decode("utf-8", "replace"))

    cdef FutureCore submit_python(self, object function, tuple args, dict kwargs):
        """Queues a Python task, and sees to it that somebody takes it."""
        cdef Item item = Item.__new__(Item)
        cdef bint start
        if current_work() != NULL and getattr(function, "__module__", None) == "dask.local":
            from offgil._places import let_dask_give_places_up
            let_dask_give_places_up()
        item.future = new_future()
        item.function = function
        item.args = args
        item.kwargs = kwargs
        while True:
            room = wake = None
            start = False
            with cython.critical_section(self):
                self.check()
                if self.limit and len(self.items) >= self.limit:
                    room = allocate_lock()
                    room.acquire()
                    if self.when_full == "block" and current_work() != <void *>self:
                        self.room.append(room)
                else:
                    self.items.append(item)
                    wake = self.idle.pop() if self.idle else None
                    start = wake is None and self.alive - self.blocked < self.most
                    self.alive += start
            if room is None:
                break
            if self.when_full == "fail" and current_work() != <void *>self:
                self.refuse(OFFGIL_EFULL)
            if self.when_full == "run" or current_work() == <void *>self:
                item.run()
                return item.future
            self.wait_for_room(room)
        if wake is not None:
            wake.release()
        elif start:
            status = self.start()
            if status != OFFGIL_OK and self.take_back(item):
                self.refuse(status)
        return item.future

    cdef int wait_for_room(self, object room) except -1:
        try:
            room.acquire()
        except BaseException:  # Ctrl-C
            with cython.critical_section(self):
                if room in self.room:
                    self.room.remove(room)
                elif self.room:
                    self.room.pop(0).release()  # it was told of room that it won't use
            raise
        return 0

    cdef bint take_back(self, Item item) except -1:
        with cython.critical_section(self):
            if item not in self.items:
                return False
            self.items.remove(item)
        return True

    cdef int count_out(self) except -1:
        """A worker has ended, or was not to be had."""
        with cython.critical_section(self):
            self.alive -= 1
        return 0

    cdef offgil_status start(self) except? -1:
        """Starts a worker, which counts as alive already."""
        cdef task_options_t options
        cdef future_t *token
        cdef offgil_status status = OFFGIL_ETIMEDOUT
        task_options_init(&options, sizeof(options))
        options.lent_only = 1
        options.name = b"Python tasks"
        try:
            while status == OFFGIL_ETIMEDOUT:
                PyErr_CheckSignals()
                with nogil:
                    token = pool_submit_with(self.pool, &options, run_token_placeless, <void *>self)
                if token != NULL:
                    break
                status = offgil_last_status()
            if token == NULL:
                self.count_out()
                return status
        except BaseException:
            self.count_out()
            raise
        try:
            with cython.critical_section(self):
                number = self.started
                self.started += 1
            thread = threading.Thread(
                name=f"{self.prefix}_{number}", target=_lend, args=(self,), daemon=self.daemon or None
            )
            thread.start()
            self.threads.add(thread)
        except BaseException:
            if future_cancel(token) == OFFGIL_OK:
                self.count_out()
            raise
        finally:
            future_release(token)
        return OFFGIL_OK

    def start_workers(self):
        """Starts as many as there may be, which wait for tasks."""
        while self.alive < self.most:
            self.alive += 1
            status = self.start()
            if status != OFFGIL_OK:
                self.refuse(status)

    cdef int run_tasks(self) except -1:
        """A worker's life: it runs what is queued, and sleeps, until the executor is over. It begins without a place."""
        cdef Item item
        # A place is for tasks: whoever waits for one, or for the GIL, has none.
        cdef bint placed = False
        cdef bint some
        cdef bint over = False
        cdef pool_t *pool = self.pool
        cdef int64_t since = now_ns()
        wake = allocate_lock()
        wake.acquire()
        while True:
            item = room = None
            with cython.critical_section(self):
                some = bool(self.items)
                if some and placed:
                    item = self.items.popleft()
                    room = self.room.pop(0) if self.room else None
                elif not some:
                    over = self.closed or self.broken is not None
                    if over:
                        self.alive -= 1
                    else:
                        self.idle.append(wake)
            if over:
                break
            if item is None:
                if some:
                    with nogil:
                        task_block_end()
                    since = now_ns()
                elif placed:
                    with nogil:
                        task_block_begin()
                placed = some
                if not some:
                    wake.acquire()
                continue
            if room is not None:
                room.release()
            try:
                item.run()
            except BaseException:  # of a callback, as SystemExit: it ends no worker
                LOGGER.critical("Exception in worker", exc_info=True)
            if self.returning:
                self.give_way()
            if now_ns() - since >= TURN_NS:
                item = None
                if has_queued(pool):
                    with nogil:
                        give_turn(pool)
                since = now_ns()
        if not placed:
            with nogil:
                task_block_end()
        return 0

    def give_way(self):
        """In one of its threads, between tasks: those that have waited and want their place back have it first."""
        if self.returning:
            with nogil:
                task_block_begin()
                task_block_end()

    def block(self):
        """A Python task of these waits: its place is another's, and there is a thread for what it may wait for.

        If that thread can't be had, this raises, and nothing has changed: nobody would run what the task waits for.
        """
        cdef bint start = False
        with nogil:
            task_block_begin()
        with cython.critical_section(self):
            self.blocked += 1
            if self.items and not self.idle and self.alive - self.blocked < self.most:
                start = True
                self.alive += 1
        if start:
            try:
                status = self.start()
                # Closed to its own tasks: what was queued is cancelled, or the process ends.
                if status != OFFGIL_OK and status != OFFGIL_ECLOSED:
                    self.refuse(status)
            except BaseException:
                self.unblock()
                raise

    def unblock(self):
        """It has waited, and is to go on before tasks that have not begun."""
        with cython.critical_section(self):
            self.returning += 1
        with nogil:
            task_block_end()
        with cython.critical_section(self):
            self.returning -= 1
            self.blocked -= 1

    cdef int wake_all(self) except -1:
        for lock in [*self.idle, *self.room]:
            lock.release()
        self.idle.clear()
        self.room.clear()
        return 0

    def fail(self):
        """An initializer has failed: nothing more is run."""
        with cython.critical_section(self):
            self.broken = BROKEN
            items = list(self.items)
            self.items.clear()
            self.wake_all()
        for item in items:
            future = (<Item>item).future
            if future.set_running_or_notify_cancel():
                future.set_exception(BrokenThreadPool(BROKEN))

    def close(self, cancel, at_exit=False):
        """Takes no more; what is queued is run, or with `cancel` cancelled."""
        cdef int mode = POOL_CANCEL if cancel else POOL_DRAIN
        cdef pool_t *pool = self.pool
        items = []
        with cython.critical_section(self):
            self.closed = True
            self.shut = self.shut or not at_exit
            if cancel:
                items = list(self.items)
                self.items.clear()
            self.wake_all()
        for item in items:
            future = (<Item>item).future
            if future.cancel():
                future.set_running_or_notify_cancel()  # or `wait` would wait for that for ever
        with nogil:
            pool_shutdown(pool, mode, 0)

    def join(self):
        """Returns when all is done and the threads have ended; `close` was called."""
        cdef offgil_status status = OFFGIL_ETIMEDOUT
        cdef pool_t *pool = self.pool
        for thread in list(self.threads):
            join_thread(thread)
        while status == OFFGIL_ETIMEDOUT:
            with nogil:
                status = pool_shutdown(pool, POOL_DRAIN, 100_000_000)
            PyErr_CheckSignals()
        tell_all(pool)
        self.forget_if_over()

    cdef int forget_if_over(self) except -1:
        # Threads that are on their way out are joined by `threading` itself.
        if self.closed and pool_shutdown(self.pool, POOL_DRAIN, 0) == OFFGIL_OK:
            works.discard(self)
        return 0

    def start_anew(self):
        """As in the child of a fork, which has neither the threads nor the tasks of its parent."""
        self.items = deque()
        self.idle = []
        self.room = []
        self.threads = set()
        self.alive = self.blocked = self.returning = self.started = 0

    def give_up(self):
        """The interpreter ends and won't wait: of what is queued nothing begins any more."""
        cdef pool_t *pool = self.pool
        with nogil:
            pool_shutdown(pool, POOL_CANCEL, 0)

    def counts(self):
        """How many Python tasks are queued, and how many threads run, or could run, such."""
        return len(self.items), self.alive


cdef void *run_token(void *work) noexcept with gil:
    """The task that makes a lent thread a worker."""
    enter_work(work)
    try:
        (<Work>work).run_tasks()
    except BaseException:
        LOGGER.critical("Exception in worker", exc_info=True)
    enter_work(NULL)
    return NULL


cdef void *run_token_placeless(void *work) noexcept nogil:
    """So does this, and the thread waits for the GIL without a place of the pool."""
    task_block_begin()
    return run_token(work)


def _lend(Work work):
    """The target of the worker threads."""
    cdef pool_t *pool = work.pool
    if work.initializer is not None:
        try:
            work.initializer(*work.initargs)
        except BaseException:
            LOGGER.critical("Exception in initializer:", exc_info=True)
            work.fail()
    with nogil:
        pool_run_worker(pool)
    work.forget_if_over()


cdef Work opened(Work work):
    """The same, unless it is that of an executor whose `__init__` was not called."""
    if work is None:
        raise RuntimeError("ThreadPoolExecutor.__init__ was not called")
    return work
