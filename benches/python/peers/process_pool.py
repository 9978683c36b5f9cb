"""concurrent.futures.ProcessPoolExecutor, with a Python function."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from pure_python import strips


def make_pool(workers):
    return ProcessPoolExecutor(workers, get_context("fork"))


def integrate(pool, native, jobs):
    futures = [pool.submit(strips, *job) for job in jobs]
    return sum([future.result() for future in futures])
