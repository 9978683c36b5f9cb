"""numba's prange. The threads are those of NUMBA_NUM_THREADS."""

import math

import numba

PACKAGE = "numba"


@numba.njit(parallel=True, cache=True)
def kernel(points, width):
    total = 0.0
    for i in numba.prange(points):
        total += math.cos((i + 0.5) * width)
    return total * width


def make_pool(workers):
    numba.set_num_threads(workers)


def integrate(pool, native, jobs):
    return kernel(jobs[-1][1], jobs[0][2])
