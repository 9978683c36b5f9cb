#!/usr/bin/env python3
"""Says in which libraries the instructions of a task from Python are, for docs/performance.md.

Counts (callgrind) what the thread that submits executes in benches/python/count.py, with the interpreter that
runs this and the offgil that is installed in it; what the workers do meanwhile is left out.
The tables go between the two marks of docs/performance.md.
"""

import platform
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from harness import counted
from harness.base import BENCHES, CHECKOUT, run
from harness.c_peers import compile_c

NATIVE = CHECKOUT / "build" / "bench" / "native.so"
# A cell: the driver's workload, the adapter, and what a task of it is.
CELLS = {
    "submit": ("submit", "offgil_executor", "a native task: submitted, its result taken"),
    "map": ("map", "offgil_executor", "an item of `map` over a native function"),
    "map_array": ("map", "offgil_array", "an item of `map_array`, its array made of a range"),
    "python": ("python", "offgil_executor", "a Python task: submitted, its result taken"),
}
FEWER = 2000
LEAST = 0.01


def library_of(path: str) -> str:
    """What an object file is called in the tables."""
    name = Path(path).name
    if name.startswith("liboffgil"):
        return "liboffgil"
    if "/offgil/" in path:
        return f"offgil.{name.split('.')[0]}"
    if re.match(r"(lib)?python\d", name):
        return "the interpreter"
    return "the C library" if name.startswith(("libc.", "ld-")) else name.split(".")[0]


def count(workload: str, adapter: str, tasks: int) -> Counter[str]:
    """Instructions of the main thread by library, of the whole process."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "out")
        command = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={output}"]
        peer = BENCHES / "python" / "peers" / f"{adapter}.py"
        program = [sys.executable, BENCHES / "python" / "count.py", workload, peer, tasks, NATIVE]
        run([*command, *map(str, program)], CHECKOUT)
        return counted.sums(Path(f"{output}-01").read_text(), counted.LIBRARY, library_of)


def table(cell: str) -> str:
    workload, adapter, title = CELLS[cell]
    more, fewer = count(workload, adapter, 2 * FEWER), count(workload, adapter, FEWER)
    return counted.table(title, more, fewer, FEWER, LEAST)


def build() -> None:
    """The native tasks."""
    NATIVE.parent.mkdir(parents=True, exist_ok=True)
    source = str(BENCHES / "python" / "native.c")
    compile_c([source], NATIVE, ["-fPIC", "-shared", "-lm", "-lpthread"])


if __name__ == "__main__":
    whose = f"On CPython {platform.python_version()}, what the thread that submits executes."
    sys.exit(counted.main(__doc__, CELLS, build, table, "counted from Python", (whose,)))
