"""`Item`: a Python task that an executor has queued, or runs at once."""

cimport cython



@cython.final
cdef class Item:
    """A Python task."""

    cdef int run(self) except -1:
        future = self.future
        if not begin(future):
            return 0
        try:
            result = self.function(*self.args, **self.kwargs)
        except BaseException as error:
            future.set_exception(error)
            self = future = None  # no cycle with the traceback
        else:
            finish(future, result)
        return 0


cdef FutureCore run_here(object function, tuple args, dict kwargs):
    """Runs a task for which the queue has no room on the thread that submits it."""
    cdef Item item = Item.__new__(Item)
    item.future = new_future()
    item.function = function
    item.args = args
    item.kwargs = kwargs
    item.run()
    return item.future
