"""tbb4py's Pool. It has as many threads as there are processors."""

import time

from tbb import Pool

PACKAGE = "tbb4py"


def make_pool(workers):
    return Pool(workers)


def submit(pool, fn, count):
    results = [pool.apply_async(fn) for _ in range(count)]
    return [result.get() for result in results]


def start(pool, native, count):
    return [pool.apply_async(native.work) for _ in range(count)]


def roundtrips(pool, fn, count, clock):
    return [(pool.apply_async(fn).get(), clock()) for _ in range(count)]


def nested(pool, fn):
    def outer():
        time.sleep(0.1)  # until both have begun
        return pool.apply_async(fn).get() + 1

    results = [pool.apply_async(outer) for _ in range(2)]
    return [result.get() for result in results]
