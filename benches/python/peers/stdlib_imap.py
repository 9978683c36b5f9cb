"""multiprocessing.pool.ThreadPool.imap_unordered, an item a task."""

from multiprocessing.pool import ThreadPool


def make_pool(workers):
    return ThreadPool(workers)


def map_all(pool, fn, items):
    return list(pool.imap_unordered(fn, items))
