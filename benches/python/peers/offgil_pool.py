"""offgil.pool.ThreadPool."""

import time

from offgil.pool import ThreadPool

PACKAGE = "offgil"


def make_pool(workers):
    return ThreadPool(workers)


def submit(pool, fn, count):
    results = [pool.apply_async(fn) for _ in range(count)]
    return [result.get() for result in results]


def start(pool, native, count):
    return [pool.apply_async(native.work) for _ in range(count)]


def map_all(pool, fn, items):
    return pool.map(fn, items)


def roundtrips(pool, fn, count, clock):
    return [(pool.apply_async(fn).get(), clock()) for _ in range(count)]


def nested(pool, fn):
    def outer():
        time.sleep(0.1)  # until both have begun
        return pool.apply_async(fn).get() + 1

    results = [pool.apply_async(outer) for _ in range(2)]
    return [result.get() for result in results]


def shutdown(pool):
    pool.close()
    pool.join()
