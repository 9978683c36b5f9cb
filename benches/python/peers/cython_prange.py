"""Cython's prange, on OpenMP."""

import kernels

PACKAGE = "Cython"


def make_pool(workers):
    return workers


def integrate(workers, native, jobs):
    return kernels.integrate_prange(jobs[-1][1], jobs[0][2], workers)
