"""What is right, from sources that have nothing to do with offgil: analysis, and the program sha256sum."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

from files import shown
from problems import Digest, Inputs, Result, Workload
from with_c import in_order
from with_stdlib import integrate

BATCH = 500  # names on one command line
EXAMPLES_SHOWN = 3


class ReferenceMissing(RuntimeError):
    """The reference can't be computed here."""


class Reference(Protocol):
    """Knows the right result of one workload."""

    def disagreement(self, result: Result) -> str | None:
        """What is wrong with a result, in words; None if nothing is."""


References: TypeAlias = "dict[Workload, Reference]"


class Integral:
    """The integral of the cosine from 0 to pi/2 is 1, and a serial sum of the same terms says nearly so.

    How near: the midpoint rule is wrong by at most (pi/2)^3 / (24 n^2), 1.6e-13 for a million points. Adding
    n numbers one after the other loses at most n half-units in the last place of the sum, 1.1e-10 of it,
    however it is cut into jobs; twice that leaves room for the rounding of the cosine itself.
    """

    def __init__(self, points: int) -> None:
        self.tolerance = (math.pi / 2) ** 3 / (24 * points**2) + 2 * points * 2.0**-53
        self.serial = integrate(0, points, math.pi / 2 / points)

    def disagreement(self, result: Result) -> str | None:
        if not isinstance(result, float):
            return f"{result!r} is not a number"
        for name, value in (("1", 1.0), ("the serial sum", self.serial)):
            if not abs(result - value) <= self.tolerance:
                return (
                    f"{result!r} is {abs(result - value):.1e} from {name}, not {self.tolerance:.1e} or less"
                )
        return None


class Digests:
    """What sha256sum says of every file; a file that it can't read has no digest."""

    def __init__(self, inputs: Inputs) -> None:
        self.paths = inputs.paths
        self.digests: list[Digest] = []
        self.complaints: list[str] = []

    def batches(self) -> Iterator[int]:
        """Asks sha256sum about all files, some at a time, and yields how many are done."""
        rest = iter(self.paths)
        while batch := list(islice(rest, BATCH)):
            digests, complaints = sha256sum(batch)
            self.digests += digests
            self.complaints += complaints
            yield len(self.digests)

    def disagreement(self, result: Result) -> str | None:
        """As everywhere. A file may change or vanish meanwhile, so sha256sum looks again at what differs."""
        if not isinstance(result, list) or len(result) != len(self.paths):
            return "there isn't one digest for each file"
        differing = [i for i, digest in enumerate(result) if digest != self.digests[i]]
        for start in range(0, len(differing), BATCH):
            self.look_again(differing[start : start + BATCH])
        wrong = [shown(self.paths[i]) for i in differing if result[i] != self.digests[i]]
        if not wrong:
            return None
        more = f" and {len(wrong) - EXAMPLES_SHOWN} more" if len(wrong) > EXAMPLES_SHOWN else ""
        return f"not what sha256sum says: {', '.join(wrong[:EXAMPLES_SHOWN])}{more}"

    def look_again(self, indices: Sequence[int]) -> None:
        digests, complaints = sha256sum([self.paths[i] for i in indices])
        for index, digest in zip(indices, digests, strict=True):
            self.digests[index] = digest
        self.complaints += [complaint for complaint in complaints if complaint not in self.complaints]


def sha256sum(paths: list[bytes]) -> tuple[list[Digest], list[str]]:
    """The digests in the order of the paths, and what sha256sum complained about."""
    command: list[bytes | str] = ["sha256sum", "--zero", "--", *paths]
    try:
        done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise ReferenceMissing("the program sha256sum, of GNU coreutils, is needed to compare with") from None
    return in_order(paths, done.stdout), shown(done.stderr).splitlines()
