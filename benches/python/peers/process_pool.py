"""concurrent.futures.ProcessPoolExecutor, with a Python function."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from pure_python import strips

pools = []


def make_pool(workers):
    pools.append(ProcessPoolExecutor(workers, get_context("fork")))
    return pools[0]


def end():
    """Its processes would stay."""
    pools[0].shutdown()


def integrate(pool, native, jobs):
    futures = [pool.submit(strips, *job) for job in jobs]
    return sum([future.result() for future in futures])
