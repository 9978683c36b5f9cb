"""`ThreadPoolExecutor`: the stdlib's, with C functions that run off the GIL.

`Submitter` says which way a task goes. What the types are, `_core.pyi` says.
"""

import itertools
import os
import sys



def goes_native(function):
    """Whether `submit` calls this off the GIL, if the arguments fit."""
    return isinstance(function, NativeFunction) or (is_plain(function) and recognise(function) is not None)


cdef class Submitter:
    """The half of `ThreadPoolExecutor` that is compiled."""

    def _open(self, *options):
        self._work = Work(*options)

    def submit(self, fn, /, *args, **kwargs):
        """Submits `fn(*args, **kwargs)` and returns its `Future`.

        A `native` function, and a function of ctypes or cffi whose call off the GIL is certain to end as the ordinary call would, never
        touches the GIL (`future.native` tells). Anything else runs on one of the executor's Python threads.
        """
        cdef Work work = self._work
        cdef Call call
        if work is None:
            opened(work)
        if isinstance(fn, NativeFunction):
            if kwargs:
                raise TypeError("a native function takes no keyword arguments")
            return submit_declared(work, fn, args)
        if is_plain(fn) and not kwargs:
            call = recognise(fn)
            if call is not None:
                try:
                    return work.submit_call(call, fn, args)
                except (TypeError, ValueError, OverflowError, sys.modules["ctypes"].ArgumentError):
                    pass  # ctypes says itself what is wrong, in the future
        return work.submit_python(fn, args, kwargs)


cdef FutureCore submit_declared(Work work, NativeFunction function, tuple args):
    """Submits the call of a `native` function; what can't be carried off the GIL runs as a Python task."""
    if function.call is not None:
        try:
            return work.submit_call(function.call, function, args)
        except CallsBack:
            pass
    return work.submit_python(function, args, {})


cdef tuple WHEN_FULL = ("block", "fail", "run")


def usable_cpus():
    """`os.process_cpu_count` of CPython 3.13."""
    count = getattr(os, "process_cpu_count", None)
    return (count() if count is not None else len(os.sched_getaffinity(0))) or 1


class ThreadPoolExecutor(Submitter, concurrent.futures.ThreadPoolExecutor):
    """All that `concurrent.futures.ThreadPoolExecutor` is, and native functions run off the GIL.

    At most `max_workers` tasks run at a time, of both kinds together. `queue_limit` bounds how many of each
    kind may be queued (0: no limit); `when_full` says what a `submit` does then: "block" until there is room,
    "fail" with `queue.Full`, or "run" the task. A task is never blocked by its own executor.
    """

    _new_number = itertools.count().__next__

    def __init__(
        self,
        max_workers=None,
        thread_name_prefix="",
        initializer=None,
        initargs=(),
        *,
        queue_limit=0,
        when_full="block",
    ):
        if max_workers is None:
            max_workers = min(32, usable_cpus() + 4)
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if queue_limit < 0:
            raise ValueError("queue_limit must not be negative")
        if when_full not in WHEN_FULL:
            raise ValueError(f"when_full must be one of {', '.join(WHEN_FULL)}")
        self._max_workers = max_workers
        self._shutdown = False
        self._thread_name_prefix = thread_name_prefix or f"ThreadPoolExecutor-{self._new_number()}"
        self._open(
            max_workers, self._thread_name_prefix, initializer, tuple(initargs), queue_limit, when_full
        )

    @property
    def _threads(self):
        return self._work.threads

    @property
    def _broken(self):
        return self._work.broken or False

    @property
    def _work_queue(self):
        from offgil._work_queue import WorkQueue

        return WorkQueue(self.stats)

    @_work_queue.setter
    def _work_queue(self, queue):
        raise AttributeError("the queue can't be replaced: queue_limit= bounds it")

    @property
    def handle(self):
        """The pool, for `offgil.lib`, for cffi (`ffi.cast("pool_t *", handle)`) and Cython (`<pool_t *><size_t>handle`)."""
        from offgil.ctypes import pool_t

        return pool_t(self._work.handle)

    def map(self, fn, *iterables, timeout=None, chunksize=1, buffersize=None, progress=False):
        """`map(fn, *iterables)` with the calls as tasks; results come in order.

        What is given is read at once, or with `buffersize` so far ahead of the results. `timeout` is in
        seconds from the call on. `chunksize` is without effect, as in every executor of threads.

        `progress=True`, or a text that describes it, shows a bar of tqdm's, which moves as results are taken.
        Raises ImportError without tqdm.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        from offgil._map_results import map_all

        own = type(self).submit is ThreadPoolExecutor.submit and "submit" not in vars(self)
        if progress is False:
            return map_all(self, fn, iterables, timeout, buffersize, own)
        from offgil._progress import bar_for, total_of, watched

        open_bar = bar_for(progress)
        results = map_all(self, fn, iterables, timeout, buffersize, own)
        return results if open_bar is None else watched(results, open_bar(total_of(*iterables)))

    def map_array(self, fn, array, out=None, *, progress=False):
        """`out[i] = fn(array[i])` for all items of a buffer, off the GIL; returns `out`.

        `fn` is a native function of one number that returns one; the items of `array` and `out` are of its
        types, of any shape and stride. Without `out` a new NumPy array if `array` is one, else a memoryview.
        `progress` is that of `map`.

        Raises CancelledError if `shutdown(cancel_futures=True)` comes before all items are done: `out` has
        the results of some then.
        """
        from offgil._array import map_array
        from offgil._progress import bar_for

        return map_array(self._work, fn, array, out, bar_for(progress))

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Takes no more tasks; those that are queued are run, or cancelled, and waited for.

        With `cancel_futures` native tasks that run are asked to stop (`task_is_canceled`).
        """
        self._shutdown = True
        self._work.close(cancel_futures)
        if wait:
            self._work.join()

    def stats(self):
        """The fields of `pool_stats_t`, and how many Python tasks are queued and threads run such.

        In the numbers of the pool each Python thread is one task, blocked while it has nothing to do.
        """
        from offgil._library import fields_of_stats

        fields = fields_of_stats(self.handle)
        fields["python_queued"], fields["python_threads"] = self._work.counts()
        return fields

    def __del__(self):
        """Ends the threads of an executor that was collected, after what is queued."""
        work = getattr(self, "_work", None)
        if work is not None:
            work.close(False)
