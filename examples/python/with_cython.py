"""offgil from Cython: the tasks are those of examples/cython/*.pyx, which were compiled without a flag."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from problems import Contender, CryptoMissing, Inputs, Measured, measure
from with_stdlib import CYTHON

CALLER = "offgil from Cython"
LIBCRYPTO = ("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so", "libcrypto.3.dylib")


class Modules(NamedTuple):
    """nogil_integrate and nogil_digest, compiled and imported."""

    integrate: ModuleType
    digest: ModuleType


def serial(inputs: Inputs, modules: Modules) -> Iterator[Contender]:
    """One thread: the pools that come along are never used, and have no threads."""
    return contenders(inputs, modules, CYTHON, 1, "1", method="serial")


def on_pool(inputs: Inputs, modules: Modules, workers: int, label: str) -> Iterator[Contender]:
    """`workers` 0: one per CPU."""
    return contenders(inputs, modules, CALLER, workers, label, method="parallel")


def contenders(
    inputs: Inputs, modules: Modules, caller: str, workers: int, label: str, method: str
) -> Iterator[Contender]:
    try:
        modules.digest.open_crypto([inputs.libcrypto] if inputs.libcrypto else LIBCRYPTO)
    except modules.digest.CryptoMissing as error:
        raise CryptoMissing(str(error)) from error
    integral = modules.integrate.Integral(inputs.points, inputs.jobs, workers)
    digests = modules.digest.Digests(inputs.paths, workers)
    integrate_all, digest_all = getattr(integral, method), getattr(digests, method)

    def integrate() -> Measured:
        areas: list[float] = []
        return measure(lambda: areas.append(integrate_all()), lambda: areas[0])

    def digest() -> Measured:
        return measure(digest_all, digests.result)

    yield Contender("integrate", caller, label, CYTHON, integrate)
    yield Contender("digest", caller, label, CYTHON, digest)
