"""gevent's threadpool."""

from gevent.threadpool import ThreadPool

PACKAGE = "gevent"


def make_pool(workers):
    return ThreadPool(workers)


def submit(pool, fn, count):
    results = [pool.spawn(fn) for _ in range(count)]
    return [result.get() for result in results]


def roundtrips(pool, fn, count, clock):
    return [(pool.spawn(fn).get(), clock()) for _ in range(count)]
