#!/usr/bin/env python
"""A dask array whose blocks are worked on by native code: Lyapunov exponents of the logistic map.

For each r they say how fast neighbours part under x -> r x (1 - x): a loop in machine code, by numba. With
`dask.config.set(pool=...)` dask runs on our pool as it stands. Where blocks are many, both pools take the
same time. But in ours a function may give its block to the very pool that runs it (`map_array`) and wait,
where a pool of the standard library could wait for ever: so one large block uses all threads, too.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import dask
import dask.array as da
import numba
import numpy as np
import numpy.typing as npt
import offgil
from dask.diagnostics import ProgressBar

import common

Array = npt.NDArray[np.float64]
Block = Callable[[Array], Array]
SKIPPED, COUNTED = 200, 1000  # steps
MANY = 50  # blocks


def lyapunov(r: float) -> float:
    """The mean of log |f'(x)| along an orbit, once that has settled."""
    x, total = 0.4, 0.0
    for _ in range(SKIPPED):
        x = r * x * (1 - x)
    for _ in range(COUNTED):
        x = r * x * (1 - x)
        total += math.log(abs(r * (1 - 2 * x)) + 1e-300)
    return total / COUNTED


of_block = numba.vectorize(["float64(float64)"])(lyapunov)  # a ufunc, as NumPy's own: it lets go of the GIL
of_number = offgil.native(numba.cfunc("float64(float64)")(lyapunov))


def bar() -> AbstractContextManager[object]:
    """dask's own, on a terminal."""
    return ProgressBar(minimum=0.3, out=sys.stderr) if sys.stderr.isatty() else nullcontext()


def compute(pool: concurrent.futures.Executor, r: Array, blocks: int, function: Block) -> Array:
    lazy = da.from_array(r, chunks=-(-len(r) // blocks)).map_blocks(function, meta=r[:0])
    with dask.config.set(pool=pool), bar():
        result: Array = lazy.compute()
        return result


def compare(chosen: argparse.Namespace) -> list[common.Row]:
    r = np.linspace(3.5, 4, chosen.count)
    right: Array = of_block(r)
    rows: list[common.Row] = []
    with (
        concurrent.futures.ThreadPoolExecutor(chosen.workers) as stdlib,
        offgil.ThreadPoolExecutor(chosen.workers) as ours,
    ):

        def in_parts(block: Array) -> Array:
            """Runs in a task of `ours`, which waits for more tasks of `ours`."""
            mapped: Array = ours.map_array(of_number, block)
            return mapped

        for name, pool, blocks, function in (
            ("stdlib", stdlib, MANY, of_block),
            ("offgil", ours, MANY, of_block),
            ("stdlib", stdlib, 1, of_block),
            ("offgil", ours, 1, of_block),
            ("offgil, in parts", ours, 1, in_parts),
        ):
            values, seconds = common.timed(lambda: compute(pool, r, blocks, function))  # noqa: B023
            if not np.array_equal(values, right):
                raise common.Problem(f"{name}: not what one thread computes")
            rows.append({"pool": name, "blocks": blocks, "seconds": seconds})
    return rows


def main() -> None:
    parser = common.parser(__doc__)
    add = parser.add_argument
    add("-n", "--count", type=common.whole(50), default=50_000, metavar="N", help="numbers (default: 50000)")
    add("--values", action="store_true", help="don't compare: print each r and its exponent")
    chosen = parser.parse_args()
    if chosen.values:
        r = np.linspace(3.5, 4, chosen.count)
        with offgil.ThreadPoolExecutor(chosen.workers) as pool:
            values = compute(pool, r, MANY, lambda block: pool.map_array(of_number, block))
        pairs = zip(r.tolist(), values.tolist(), strict=True)
        common.show([{"r": a, "exponent": b} for a, b in pairs], chosen.shape)
    else:
        common.show(compare(chosen), chosen.shape)


if __name__ == "__main__":
    common.run(main)
