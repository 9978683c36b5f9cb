"""offgil from C: runs the programs of examples/c, which time themselves."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from building import Built
from problems import Contender, Digest, Inputs, Measured

SERIAL = "serial C"
CALLER = "offgil from C"


class ProgramFailed(RuntimeError):
    """A program of examples/c ended with an error that is not about a file."""


def integrate(program: Path, inputs: Inputs, pool: list[str]) -> Measured:
    """Runs it three times in one process and believes the last: the first one starts the threads."""
    command = [str(program), *pool, "-j", str(inputs.jobs), "-n", str(inputs.points), "-r", "3"]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = re.findall(r"^integral (\S+) in (\S+) ms$", done.stdout, re.MULTILINE)
    if done.returncode or len(lines) != 3:
        raise ProgramFailed(done.stderr or done.stdout)
    area, ms = lines[-1]
    return Measured(float(ms), float(area))


def digest(program: Path, inputs: Inputs, pool: list[str]) -> Measured:
    """Names go in and digests come out ended by NUL, so that any name will do."""
    library = ["-l", inputs.libcrypto] if inputs.libcrypto else []
    names = b"".join(path + b"\0" for path in inputs.paths)
    done = subprocess.run([str(program), *pool, *library, "-z"], input=names, capture_output=True)
    took = re.search(rb"^\d+ of \d+ files in (\S+) ms$", done.stderr, re.MULTILINE)
    if not took:
        raise ProgramFailed(done.stderr.decode(errors="replace"))
    return Measured(float(took[1]), in_order(inputs.paths, done.stdout))


def in_order(paths: list[bytes], lines: bytes) -> list[Digest]:
    """The digests that `sha256sum -z` wrote, in the order of `paths`; None for a file that it left out."""
    digests = {}
    for line in lines.split(b"\0")[:-1]:
        digests[line[66:]] = bytes.fromhex(line[:64].decode())
    return [digests.get(path) for path in paths]


def serial(inputs: Inputs, programs: Built) -> Iterator[Contender]:
    """One thread, no pool."""
    return contenders(inputs, programs, SERIAL, ["-s"], "1")


def on_pool(inputs: Inputs, programs: Built, workers: int, label: str) -> Iterator[Contender]:
    """`workers` 0: one per CPU."""
    return contenders(inputs, programs, CALLER, ["-w", str(workers)], label)


def contenders(
    inputs: Inputs, programs: Built, caller: str, pool: list[str], label: str
) -> Iterator[Contender]:
    yield Contender("integrate", caller, label, SERIAL, lambda: integrate(programs.integrate, inputs, pool))
    yield Contender("digest", caller, label, SERIAL, lambda: digest(programs.digest, inputs, pool))
