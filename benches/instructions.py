#!/usr/bin/env python3
"""Counts the instructions of single operations and compares them with benches/instructions.json.

A count doesn't depend on how busy the machine is, so it can be checked where a time can't: callgrind (of
valgrind) runs benches/c/instructions.c with so many operations and with twice as many, and the difference is
what one costs. More than 3 % away from the file is an error, also for the better: then `make instructions`
writes the file anew, and it is part of the change. Counts of another compiler or C library are not compared,
as the file says which it was made with.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from harness import machine
from harness.base import BENCHES, CHECKOUT, Failure, run
from harness.c_peers import compile_c
from harness.command import parser_of

COUNTS = BENCHES / "instructions.json"
LIBRARY = CHECKOUT / "target" / "release"
PROGRAM = CHECKOUT / "build" / "bench" / "instructions"
OPERATIONS = {
    "submit": "a submit from outside",
    "outside": "a task from outside: submitted, run by a worker, released",
    "wait": "a wait for what is done",
    "claim": "a child: submitted in a task, claimed and run by its waiter, released",
    "steal": "a child: spawned in a task, stolen and run by another worker",
    "pool_for": "a pool_for over 1,000 indices that do nothing, in a pool of one",
    "pool_invoke": "a pool_invoke of two functions that do nothing, in a pool of one",
}
FEWER = 5000
TOLERANCE = 0.03


def build(program: Path = PROGRAM, library: Path = LIBRARY) -> None:
    """The program, for the library in that directory."""
    program.parent.mkdir(parents=True, exist_ok=True)
    flags = [
        "-g",
        f"-I{CHECKOUT / 'include'}",
        f"-L{library}",
        "-loffgil",
        f"-Wl,-rpath,{library}",
        "-pthread",
    ]
    compile_c(["instructions.c"], program, flags)


def profile(operation: str, times: int, program: Path = PROGRAM) -> str:
    """What callgrind writes of the whole process."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--compress-pos=no"]
        run([*command, str(program), operation, str(times)], Path(directory))
        return output.read_text()


def instructions(operation: str, times: int) -> int:
    """Of the whole process."""
    found = re.search(r"^totals: (\d+)$", profile(operation, times), re.MULTILINE)
    if found is None:
        raise Failure("callgrind told no count")
    return int(found[1])


def count() -> dict[str, int]:
    counts = {}
    for operation, what in OPERATIONS.items():
        more, fewer = instructions(operation, 2 * FEWER), instructions(operation, FEWER)
        counts[operation] = round((more - fewer) / FEWER)
        print(f"{counts[operation]:6,} instructions: {what}", flush=True)
    return counts


def toolchain() -> dict[str, str]:
    told = machine.describe()
    return {key: told[key] for key in ("system", "compilers")} | {
        "system": re.sub(r", Linux [^,]*", "", told["system"])  # the kernel's instructions aren't counted
    }


def compare(counts: dict[str, int]) -> bool:
    """Whether they are as the file has them."""
    kept = json.loads(COUNTS.read_text())
    made_with = toolchain()
    if kept["made with"] != made_with:
        print(f"not compared: the file was made with {kept['made with']}, this is {made_with}")
        return True
    good = True
    for operation, instructions in counts.items():
        before = kept["instructions"].get(operation, 0)
        if abs(instructions - before) > TOLERANCE * before:
            good = False
            print(f"{operation}: {instructions:,} instructions instead of {before:,}", file=sys.stderr)
    if not good:
        print("if that is meant, `make instructions` writes benches/instructions.json anew", file=sys.stderr)
    return good


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help="write the file instead of comparing with it")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        skipped = not options.write and not os.environ.get("OFFGIL_CI")
        print(
            "skipped: " if skipped else "", "valgrind is missing (Debian: apt-get install valgrind)", sep=""
        )
        return 0 if skipped else 2
    try:
        build()
        counts = count()
    except Failure as failure:
        print(f"instructions: {failure}", file=sys.stderr)
        return 1
    if options.write:
        kept = {"made with": toolchain(), "instructions": counts}
        COUNTS.write_text(json.dumps(kept, indent=2) + "\n")
        return 0
    return 0 if compare(counts) else 1


if __name__ == "__main__":
    sys.exit(main())
