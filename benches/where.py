#!/usr/bin/env python3
"""Says where the instructions of single operations are: in which file of src/, for docs/performance.md.

The operations are those of benches/instructions.py. They are counted (callgrind) with the library of the
release profile, built once more with line tables, so that what was inlined is still known by its file. The
tables go between the two marks of docs/performance.md.
"""

import os
import re
import sys
from collections import Counter

import instructions
from harness import counted
from harness.base import CHECKOUT, run

TARGET = CHECKOUT / "target" / "where"
PROGRAM = CHECKOUT / "build" / "bench" / "where"
# Files with a smaller share are one line together.
LEAST = 0.02


def build() -> None:
    os.environ["CARGO_PROFILE_RELEASE_DEBUG"] = "line-tables-only"
    command = ["cargo", "rustc", "--release", "--locked", "--lib", "--crate-type=cdylib"]
    run([*command, f"--target-dir={TARGET}"], CHECKOUT)
    instructions.build(PROGRAM, TARGET / "release")


def room_of(file: str) -> str:
    """What a source file is called in the tables."""
    if (ours := re.search(r"(?:^|/)src/((?:\w+/)*\w+)\.rs$", file)) and "/library/" not in file:
        if "/registry/" not in file:
            return ours[1]
        return file.split("/registry/src/")[1].split("/")[1]
    if "/library/" in file:
        return "Rust's library"
    return "the caller" if file.endswith("instructions.c") else "the C library"


def count(operation: str, times: int) -> Counter[str]:
    """Instructions by room, of the whole process."""
    return counted.sums(instructions.profile(operation, times, PROGRAM), counted.FILE, room_of)


def table(operation: str) -> str:
    more, fewer = count(operation, 2 * instructions.FEWER), count(operation, instructions.FEWER)
    return counted.table(instructions.OPERATIONS[operation], more, fewer, instructions.FEWER, LEAST)


if __name__ == "__main__":
    sys.exit(counted.main(__doc__, instructions.OPERATIONS, build, table, "counted"))
