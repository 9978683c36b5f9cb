"""Python alone, one thread."""

from math import cos


def strips(begin, end, width):
    return sum(cos((i + 0.5) * width) for i in range(begin, end)) * width


def make_pool(workers):
    return None


def integrate(pool, native, jobs):
    return sum([strips(*job) for job in jobs])
