"""Threads that C makes and that never touch Python."""


def make_pool(workers):
    return workers


def start(workers, native, count):
    """They work until the process ends: there is no queue that could run empty."""
    if native.start_working(workers) != 0:
        raise RuntimeError("no thread")


def integrate(workers, native, jobs):
    return native.integrate_threads(jobs[-1][1], jobs[0][2], workers)
