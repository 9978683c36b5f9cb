# cython: language_level=3, freethreading_compatible=True
"""What is compiled of `ThreadPoolExecutor`: which way a task goes."""

import sys

from offgil._future cimport FutureCore
from offgil._native cimport Call, NativeFunction, is_plain, recognise
from offgil._arguments import CallsBack
from offgil._work cimport Work, opened


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
