"""concurrent.futures.ThreadPoolExecutor."""

import time
from concurrent.futures import ThreadPoolExecutor


def make_pool(workers):
    return ThreadPoolExecutor(workers)


def submit(pool, fn, count):
    futures = [pool.submit(fn) for _ in range(count)]
    return [future.result() for future in futures]


def start(pool, native, count):
    return [pool.submit(native.work) for _ in range(count)]


def map_all(pool, fn, items):
    return list(pool.map(fn, items))


def roundtrips(pool, fn, count, clock):
    return [(pool.submit(fn).result(), clock()) for _ in range(count)]


def integrate(pool, native, jobs):
    futures = [pool.submit(native.integrate, *job) for job in jobs]
    return sum([future.result() for future in futures])


def nested(pool, fn):
    def outer():
        time.sleep(0.1)  # until both have begun
        return pool.submit(fn).result() + 1

    futures = [pool.submit(outer) for _ in range(2)]
    return [future.result() for future in futures]


def shutdown(pool):
    pool.shutdown()
