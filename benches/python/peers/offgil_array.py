"""offgil.ThreadPoolExecutor.map_array: a buffer in, a buffer out."""

from array import array

import offgil

PACKAGE = "offgil"


def make_pool(workers):
    return offgil.ThreadPoolExecutor(workers)


def items(numbers):
    return array("l", numbers)


def map_all(pool, fn, items):
    return pool.map_array(fn, items, array("l", bytes(8 * len(items))))
