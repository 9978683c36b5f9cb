#!/usr/bin/env python
"""Many integrals of one function, by SciPy's quad and by the pool, from the same `LowLevelCallable`.

quad calls a LowLevelCallable without Python, but holds the GIL meanwhile: no pool of threads makes it faster,
ours neither (the rows of quad). So it is the integrand that goes off the GIL: `map_array` evaluates it at the
nodes of Gauss's rule for all integrals at once, and NumPy adds up. That rule has no estimate of its error, as
quad has. The integrand is the sum of cos(k x) / k^2, so each integral is known, and the results are compared.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import math
from collections.abc import Callable
from itertools import pairwise

import numba
import numpy as np
import numpy.typing as npt
import offgil
from scipy import LowLevelCallable
from scipy.integrate import quad

import common

Array = npt.NDArray[np.float64]
TERMS = 100
NODES = 16
TOLERANCE = 1e-9


@numba.cfunc("float64(float64)")
def integrand(x: float) -> float:
    total = 0.0
    for k in range(1, TERMS + 1):
        total += math.cos(k * x) / (k * k)
    return total


callable_ = LowLevelCallable(integrand.ctypes)
native = offgil.native(callable_)  # its own types: double (double)


def known(edges: Array) -> Array:
    """The integrals between neighbouring edges, by the antiderivative."""
    antiderivative: Array = sum((np.sin(k * edges) / k**3 for k in range(1, TERMS + 1)), np.zeros_like(edges))
    return np.diff(antiderivative)


def one(left: float, right: float) -> float:
    value: float = quad(callable_, left, right)[0]
    return value


def quad_one_thread(edges: Array, workers: int) -> Array:
    pairs = common.progress(pairwise(edges), len(edges) - 1, "one thread")
    return np.array([one(left, right) for left, right in pairs])


def quad_on(executor: type[concurrent.futures.ThreadPoolExecutor]) -> Callable[[Array, int], Array]:
    def way(edges: Array, workers: int) -> Array:
        with executor(workers) as pool:
            values = pool.map(one, edges[:-1], edges[1:])
            return np.array(list(common.progress(values, len(edges) - 1, executor.__module__)))

    return way


def gauss_on_offgil(edges: Array, workers: int) -> Array:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    with offgil.ThreadPoolExecutor(workers) as pool:
        values = pool.map_array(native, middle[:, None] + half[:, None] * nodes)
    result: Array = values @ weights * half
    return result


WAYS: dict[str, Callable[[Array, int], Array]] = {
    "quad, one thread": quad_one_thread,
    "quad, stdlib": quad_on(concurrent.futures.ThreadPoolExecutor),
    "quad, offgil": quad_on(offgil.ThreadPoolExecutor),
    "Gauss, map_array": gauss_on_offgil,
}


def compare(chosen: argparse.Namespace) -> list[common.Row]:
    edges = np.linspace(0, 2 * math.pi, chosen.count + 1)
    right = known(edges)
    rows: list[common.Row] = []
    for name, way in WAYS.items():
        values, seconds = common.timed(lambda way=way: way(edges, chosen.workers))  # type: ignore[misc]
        error = float(np.max(np.abs(values - right)))
        if error > TOLERANCE:
            raise common.Problem(f"{name}: {error} off")
        rows.append({"how": name, "integrals": chosen.count, "error": f"{error:.0e}", "seconds": seconds})
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("-n", "--count", type=common.whole(20), default=5000, metavar="N", help="integrals (default: 5000)")
    chosen = parser.parse_args()
    common.show(compare(chosen), chosen.shape)


if __name__ == "__main__":
    common.run(main)
