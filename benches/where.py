#!/usr/bin/env python3
"""Says where the instructions of single operations are: in which file of src/, for docs/performance.md.

The operations are those of benches/instructions.py. They are counted (callgrind) with the library of the
release profile, built once more with line tables, so that what was inlined is still known by its file. The
tables go between the two marks of docs/performance.md.
"""

import argparse
import os
import re
import shutil
import sys
from collections import Counter

import instructions
from harness.base import CHECKOUT, Failure, run

PAGE = CHECKOUT / "docs" / "performance.md"
TARGET = CHECKOUT / "target" / "where"
PROGRAM = CHECKOUT / "build" / "bench" / "where"
BEGIN, END = "<!-- counted: begin -->", "<!-- counted: end -->"
# Files with a smaller share are one line together.
LEAST = 0.02
COST = re.compile(r"^(?:[+-]?\d+|\*) (\d+)$")


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
    names: dict[str, str] = {}
    rooms: Counter[str] = Counter()
    room, is_call = "", False
    for line in instructions.profile(operation, times, PROGRAM).splitlines():
        if file := re.match(r"f[lie]=(\(\d+\))(?: (.*))?$", line):
            names.setdefault(file[1], file[2] or "")
            room = room_of(names[file[1]])
        elif file := re.match(r"cf[li]=(\(\d+\)) (.*)$", line):
            names.setdefault(file[1], file[2])
        elif line.startswith("calls="):
            is_call = True
        elif cost := COST.match(line):
            if not is_call:
                rooms[room] += int(cost[1])
            is_call = False
    return rooms


def table(operation: str) -> str:
    more, fewer = count(operation, 2 * instructions.FEWER), count(operation, instructions.FEWER)
    costs = {room: (more[room] - fewer[room]) / instructions.FEWER for room in more}
    total = sum(costs.values())
    lines = [
        f"**{instructions.OPERATIONS[operation]}**: {total:,.0f} instructions",
        "",
        "| where | instructions |",
        "|---|---:|",
    ]
    shown = [
        room for room in sorted(costs, key=costs.__getitem__, reverse=True) if costs[room] >= LEAST * total
    ]
    lines += [f"| {room} | {costs[room]:,.0f} |" for room in shown]
    if rest := round(total - sum(costs[room] for room in shown)):
        lines.append(f"| elsewhere | {rest:,} |")
    return "\n".join(lines)


def main() -> int:
    head, _, tail = (__doc__ or "").partition("\n\n")
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=head, epilog=tail, formatter_class=style)
    parser.add_argument(
        "operations", nargs="*", metavar="OPERATION", help="print these only, and write nothing"
    )
    chosen = parser.parse_args().operations
    if unknown := [name for name in chosen if name not in instructions.OPERATIONS]:
        parser.error(f"{unknown[0]} is none of {', '.join(instructions.OPERATIONS)}")
    if shutil.which("valgrind") is None:
        print("valgrind is missing (Debian: apt-get install valgrind)")
        return 2
    tables = []
    try:
        build()
        for operation in chosen or instructions.OPERATIONS:
            tables.append(table(operation))
            print(tables[-1], end="\n\n", flush=True)
    except Failure as failure:
        print(f"where: {failure}", file=sys.stderr)
        return 1
    if not chosen:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text("\n\n".join([before + BEGIN, *tables, END]) + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
