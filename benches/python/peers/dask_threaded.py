"""dask's threaded scheduler, with a pool that all share."""

import time
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.threaded

PACKAGE = "dask"


def make_pool(workers):
    pool = ThreadPoolExecutor(workers)
    dask.config.set(pool=pool, scheduler="threads")
    return pool


def submit(pool, fn, count):
    """The graph itself: half of what `delayed` costs."""
    keys = [("noop", i) for i in range(count)]
    return list(dask.threaded.get(dict.fromkeys(keys, (fn,)), keys, pool=pool))


def nested(pool, fn):
    def outer():
        time.sleep(0.1)  # until both have begun
        (result,) = dask.compute(dask.delayed(fn, name="noop", pure=False)())
        return result + 1

    task = dask.delayed(outer, name="outer", pure=False)
    return list(dask.compute(*[task() for _ in range(2)]))
