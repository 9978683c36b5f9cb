#!/usr/bin/env python
"""Computes Bessel's J0 for many numbers by a numba `cfunc`, which is machine code with an address.

J0(x) is the mean of cos(x sin t). Each value is a task (`map`), or the whole array is one operation
(`map_array`). The standard library's pool calls the same machine code through ctypes, and each call takes
the GIL before and after. Every result is compared with that of one thread. (Where all the work is one array,
numba's own parallel loops do as well: a pool is for calls that come one by one, or beside others.)
"""

from __future__ import annotations

import argparse
import concurrent.futures
import math
from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
import offgil

import common

Array = npt.NDArray[np.float64]
STEPS = 400  # enough for all digits below x = 300


@numba.cfunc("float64(float64)")
def bessel(x: float) -> float:
    total = 0.0
    for i in range(STEPS):
        total += math.cos(x * math.sin(math.pi * (i + 0.5) / STEPS))
    return total / STEPS


native = offgil.native(bessel)


def one_thread(x: Array, workers: int) -> Array:
    return np.array([bessel.ctypes(value) for value in common.progress(x, len(x), "one thread")])


def stdlib_map(x: Array, workers: int) -> Array:
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return np.array(list(common.progress(pool.map(bessel.ctypes, x), len(x), "stdlib")))


def offgil_map(x: Array, workers: int) -> Array:
    with offgil.ThreadPoolExecutor(workers) as pool:
        return np.array(list(common.progress(pool.map(native, x), len(x), "offgil")))


def offgil_map_array(x: Array, workers: int) -> Array:
    with offgil.ThreadPoolExecutor(workers) as pool:
        result: Array = pool.map_array(native, x)
        return result


WAYS: dict[str, Callable[[Array, int], Array]] = {
    "one thread": one_thread,
    "stdlib, map": stdlib_map,
    "offgil, map": offgil_map,
    "offgil, map_array": offgil_map_array,
}


def compare(chosen: argparse.Namespace) -> list[common.Row]:
    x = np.linspace(0, 100, chosen.count)
    right = one_thread(x, 1)
    rows: list[common.Row] = []
    for busy in (False, True):
        for name, way in WAYS.items():
            with common.busy_python(busy):
                values, seconds = common.timed(lambda way=way: way(x, chosen.workers))  # type: ignore[misc]
            if not np.array_equal(values, right):
                raise common.Problem(f"{name}: not what one thread computes")
            rows.append({"how": name, "Python": "busy" if busy else "idle", "seconds": seconds})
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("-n", "--count", type=common.whole(1), default=5000, metavar="N", help="numbers (default: 5000)")
    add("--values", action="store_true", help="don't compare: print each number and its J0")
    chosen = parser.parse_args()
    if chosen.values:
        x = np.linspace(0, 100, chosen.count)
        pairs = zip(x.tolist(), offgil_map_array(x, chosen.workers).tolist(), strict=True)
        common.show([{"x": a, "J0": b} for a, b in pairs], chosen.shape)
    else:
        common.show(compare(chosen), chosen.shape)


if __name__ == "__main__":
    common.run(main)
