#!/usr/bin/env python
"""A grid of parameters by joblib: which smoothing fits best, `parallel_config(backend="offgil")`.

Kernel regression with a bandwidth and a power; each point of the grid is judged by leaving out one fold after
another, and the folds are a `Parallel` of their own inside the task. The backends are compared with a plain
loop: all must find the same errors. What to expect: NumPy lets go of the GIL in its large steps, so "offgil"
takes about the time of "threading"; "loky" has processes, and pays for their start.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import offgil.joblib
from joblib import Parallel, delayed, parallel_config

import common

Array = npt.NDArray[np.float64]
BANDWIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
POWERS = (1.0, 1.5, 2.0, 4.0)
FOLDS = 4
BACKENDS = ("threading", "loky", "offgil")
TOLERANCE = 1e-12


def samples(count: int) -> tuple[Array, Array]:
    """A curve with noise, always the same."""
    random = np.random.default_rng(1)
    x = np.sort(random.uniform(0, 1, count))
    return x, np.sin(12 * x) + random.normal(0, 0.3, count)


def fold_error(x: Array, y: Array, fold: int, bandwidth: float, power: float) -> float:
    """The mean square error of a fold, guessed from the other samples: the nearer, the more they weigh."""
    out = np.arange(len(x)) % FOLDS == fold
    weights = np.exp(-((abs(x[out][:, None] - x[~out]) / bandwidth) ** power))
    guess = (weights * y[~out]).sum(axis=1) / weights.sum(axis=1)
    return float(np.mean((guess - y[out]) ** 2))


def error(x: Array, y: Array, bandwidth: float, power: float) -> float:
    """Of one point of the grid: its folds are tasks as well."""
    folds = Parallel(n_jobs=2)(delayed(fold_error)(x, y, fold, bandwidth, power) for fold in range(FOLDS))
    return float(np.mean(folds))


def by_loop(x: Array, y: Array) -> list[float]:
    return [
        float(np.mean([fold_error(x, y, fold, *point) for fold in range(FOLDS)]))
        for point in product(BANDWIDTHS, POWERS)
    ]


def by_joblib(x: Array, y: Array, backend: str, workers: int) -> list[float]:
    points = list(product(BANDWIDTHS, POWERS))
    with parallel_config(backend=backend, n_jobs=workers):
        errors = Parallel(return_as="generator")(delayed(error)(x, y, *point) for point in points)
        return list(common.progress(errors, len(points), backend))


def compare(chosen: argparse.Namespace) -> list[common.Row]:
    x, y = samples(chosen.samples)
    right, seconds = common.timed(lambda: by_loop(x, y))
    rows = [row("a loop", right, seconds)]
    for backend in chosen.backends:
        errors, seconds = common.timed(partial(by_joblib, x, y, backend, chosen.workers))
        if not np.allclose(errors, right, rtol=TOLERANCE, atol=0):
            raise common.Problem(f"{backend}: not the errors that a loop finds")
        rows.append(row(backend, errors, seconds))
    return rows


def row(how: str, errors: list[float], seconds: float) -> common.Row:
    least = min(errors)
    bandwidth, power = list(product(BANDWIDTHS, POWERS))[errors.index(least)]
    return {"backend": how, "bandwidth": bandwidth, "power": power, "error": least, "seconds": seconds}


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("-n", "--samples", type=common.whole(20), default=2000, metavar="N", help="(default: 2000)")
    add("--backends", nargs="+", default=BACKENDS, choices=BACKENDS, help="(default: all)")
    chosen = parser.parse_args()
    offgil.joblib.register()
    common.show(compare(chosen), chosen.shape)


if __name__ == "__main__":
    common.run(main)
