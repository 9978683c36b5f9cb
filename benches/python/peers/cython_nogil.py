"""A Cython function that gives the GIL up, in concurrent.futures.ThreadPoolExecutor."""

from concurrent.futures import ThreadPoolExecutor

import kernels

PACKAGE = "Cython"


def make_pool(workers):
    return ThreadPoolExecutor(workers)


def integrate(pool, native, jobs):
    futures = [pool.submit(kernels.integrate, *job) for job in jobs]
    return sum([future.result() for future in futures])
