"""`python -m offgil bench`: what a task costs here, beside the other pools of threads that are installed.

Each figure is of a fresh process (`_bench_child`). They take turns, round by round, so that what else the
machine does falls on all alike; what is shown is the median, and the range.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import offgil
from offgil._bench_child import PEERS, ROWS

# They run nested calls on the caller's thread, or have a pool for each: there is nothing to compare.
_NOT_NESTED = ("asyncio", "joblib", "dask")

_IDLE = 1.5  # seconds after which a child whose threads all sleep hangs
_LONGEST = 60.0  # and any other


@dataclass
class Cell:
    """A peer in a row."""

    row: str
    peer: str
    samples: list[float] = field(default_factory=list)
    """Microseconds a task, one of each process."""
    failure: str | None = None

    @property
    def median(self) -> float | None:
        """Microseconds; None if there is nothing."""
        return statistics.median(self.samples) if self.samples and self.failure is None else None


def peers() -> list[str]:
    """Those that are installed."""
    return [name for name, (module, _) in PEERS.items() if importlib.util.find_spec(module) is not None]


def measure(rows: list[str], threads: int, rounds: int | None, seconds: float) -> list[Cell]:
    """Measures so many rounds, or as many whole rounds as there is time for."""
    cells = [
        Cell(row, peer) for row in rows for peer in peers() if row != "nested" or peer not in _NOT_NESTED
    ]
    begin, done, needed = time.monotonic(), 0, 0.0
    while done < rounds if rounds is not None else time.monotonic() - begin + needed <= seconds:
        needed = sum(_measure_one(cell, threads) for cell in _progress(cells, done + 1, rounds))
        done += 1
    return cells


def _measure_one(cell: Cell, threads: int) -> float:
    """Takes one sample; returns the seconds that the next one may take, which is none if there was none."""
    if cell.failure is not None:
        return 0.0
    begin = time.monotonic()
    command = [sys.executable, "-m", "offgil._bench_child", cell.row, cell.peer, str(threads)]
    child = subprocess.Popen(command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        text = _line(child, _LONGEST)
        if text == "ready":
            text = _line(child, _IDLE)
        if text:
            cell.samples.append(float(text))
            return time.monotonic() - begin
    finally:
        child.kill()
        _, errors = child.communicate()
    words = errors.decode("utf-8", "replace").strip().splitlines()
    cell.failure = "hangs" if text is None else (words[-1] if words else "ended without a figure")
    return 0.0


def _line(child: subprocess.Popen[bytes], idle: float) -> str | None:
    """The next line of a child; empty if it has ended, None if it hangs: if it does nothing for so long."""
    assert child.stdout is not None
    begin = busy = time.monotonic()
    ticks = _ticks(child.pid)
    while True:
        if select.select([child.stdout], [], [], idle / 8)[0]:
            return child.stdout.readline().decode("ascii").strip()
        now, used = time.monotonic(), _ticks(child.pid)
        # A pool's housekeeping is a tick now and then. Who waits for a CPU is not idle.
        if used is None or used > (ticks or 0) + 1:
            busy, ticks = now, used
        if now - busy >= idle or now - begin >= _LONGEST:
            return None


def _ticks(process: int) -> int | None:
    """The CPU time of a process; None if one of its threads runs, or would like to."""
    ticks = 0
    for path in Path(f"/proc/{process}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            state, *numbers = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if state == "R":
                return None
            ticks += int(numbers[10]) + int(numbers[11])
    return ticks


def _progress(cells: list[Cell], number: int, rounds: int | None) -> Iterator[Cell]:
    """The cells, with a bar for those who watch."""
    title = f"round {number}" + (f" of {rounds}" if rounds is not None else "")
    with contextlib.suppress(ImportError):
        yield from import_module("tqdm").tqdm(cells, desc=title, leave=False, disable=None)
        return
    for index, cell in enumerate(cells, 1):
        if sys.stderr.isatty():
            print(
                f"\r\x1b[K{title}: {index}/{len(cells)} {cell.row} {cell.peer}",
                end="",
                file=sys.stderr,
                flush=True,
            )
        yield cell
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def table(cells: list[Cell]) -> str:
    """A table for people."""
    lines = []
    width = max(len(cell.peer) for cell in cells)
    for row in dict.fromkeys(cell.row for cell in cells):
        lines += [
            "",
            f"{row}: {ROWS[row][0]}",
            f"  {'':{width}}   median us           range   times offgil's",
        ]
        mine = next((cell.median for cell in cells if cell.row == row and cell.peer == "offgil"), None)
        for cell in (cell for cell in cells if cell.row == row):
            if cell.median is None:
                lines.append(f"  {cell.peer:{width}}   {cell.failure}")
                continue
            span = f"{number(min(cell.samples))} - {number(max(cell.samples))}"
            times = f"{cell.median / mine:.1f}" if mine else ""
            lines.append(f"  {cell.peer:{width}}  {number(cell.median):>10}  {span:>14}  {times:>14}")
    return "\n".join(lines[1:])


def number(value: float) -> str:
    """Three digits or so."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def results(cells: list[Cell], threads: int) -> dict[str, Any]:
    """All that was measured, for JSON."""
    return {
        "offgil": offgil.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cpus": offgil.lib.offgil_cpu_count(),
        "threads": threads,
        "unit": "microseconds a task",
        "results": [
            {
                "row": cell.row,
                "title": ROWS[cell.row][0],
                "peer": cell.peer,
                "median": cell.median,
                "samples": cell.samples,
                "failure": cell.failure,
            }
            for cell in cells
        ],
    }


def heading(threads: int, cells: list[Cell]) -> str:
    """What the figures are of."""
    rounds = max(len(cell.samples) for cell in cells)
    return (
        f"Microseconds a task, pools of {threads} threads, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}, offgil {offgil.__version__}. "
        f"Less is better. Medians of {rounds} process{'es' * (rounds > 1)}."
    )


def to_json(cells: list[Cell], threads: int) -> str:
    """All that was measured, as text."""
    return json.dumps(results(cells, threads), indent=1) + "\n"
