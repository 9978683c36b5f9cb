"""How all executors end: with the interpreter, and in the child of a fork."""

import os
import threading

cdef bint exiting = False
# All that may still run something: who is in here is waited for at the interpreter's end.
cdef set works = set()


cdef int forget_what_is_over() except -1:
    for work in list(works):
        (<Work>work).forget_if_over()
    return 0


def start_thread(thread):
    """Starts it; False at exit, from where on CPython 3.12 and later start none."""
    try:
        thread.start()
    except RuntimeError:
        if not exiting:
            raise
        return False
    return True


def _drain_at_exit():
    """Before the interpreter ends: what is queued is run, and the threads are joined."""
    global exiting
    exiting = True
    ours = [work for work in works if not (<Work>work).daemon]
    for work in ours:
        work.close(False, True)
    try:
        for work in ours:
            work.join()
        stop_completions()
        for work in ours:
            (<Work>work).shut = True  # as the stdlib's executors are by then
    except BaseException:  # Ctrl-C
        for work in ours:
            work.give_up()
        raise


def _start_anew_in_child():
    for work in works:
        work.start_anew()


threading._register_atexit(_drain_at_exit)
os.register_at_fork(after_in_child=_start_anew_in_child)
