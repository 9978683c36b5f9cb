"""What is computed, and what comes out: the vocabulary that all callers share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

POINTS = 1_000_000

Workload = Literal["integrate", "digest"]
Digest: TypeAlias = "bytes | None"  # None: the file couldn't be read
Result: TypeAlias = "float | list[Digest]"


class CryptoMissing(RuntimeError):
    """OpenSSL's libcrypto can't be opened, or isn't what it should be."""


class Measured(NamedTuple):
    """One run: how long from the first submit to the last result, and what came out."""

    ms: float
    result: Result


@dataclass(frozen=True)
class Inputs:
    """What every caller gets. Paths are bytes: a file's name need not be text."""

    jobs: int
    paths: list[bytes]
    libcrypto: str | None = None
    points: int = POINTS

    def strips(self) -> list[tuple[int, int]]:
        """The midpoints cut into jobs of (almost) equal size."""
        bounds = [self.points * i // self.jobs for i in range(self.jobs + 1)]
        return list(pairwise(bounds))

    @property
    def width(self) -> float:
        return math.pi / 2 / self.points


@dataclass(frozen=True)
class Contender:
    """One row of the table. `baseline` names the serial row that runs the same code without a pool."""

    workload: Workload
    caller: str
    workers: str
    baseline: str
    run: Callable[[], Measured]


def measure(work: Callable[[], object], result: Callable[[], Result]) -> Measured:
    """Times `work`; fetching what it left behind is not part of it."""
    started = time.perf_counter()
    work()
    return Measured((time.perf_counter() - started) * 1e3, result())
