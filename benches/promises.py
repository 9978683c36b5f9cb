#!/usr/bin/env python3
"""Measures what offgil promises of itself, with no peer beside it, and writes docs/promises.md.

Each figure is the median of several fresh processes (benches/c/promises.c), with its range. The exit status
is 1 if a promise is not held.
"""

import json
import statistics
import sys
from collections.abc import Callable
from typing import NamedTuple

from harness import machine
from harness.base import CHECKOUT, run
from harness.command import parser_of

PROGRAM = CHECKOUT / "build" / "bench" / "promises"


class Promise(NamedTuple):
    """A figure of the program's, and what was promised of it."""

    run: str
    figure: str
    says: str
    unit: str
    limit: str
    holds: Callable[[float], bool]


PROMISES = [
    Promise("handle", "pool_check_ns", "checking a pool's handle, a call", "ns", "<= 3", lambda x: x <= 3),
    Promise(
        "handle", "future_check_ns", "checking a future's handle, a call", "ns", "<= 3", lambda x: x <= 3
    ),
    Promise(
        "completions",
        "wakeups_a_batch",
        "wake-ups of the loop a batch of completions",
        "",
        "<= 1",
        lambda x: x <= 1,
    ),
    Promise(
        "blocking",
        "ratio",
        "CPU lane with 512 sleeping blocking tasks, of what it was without",
        "",
        ">= 0.95",
        lambda x: x >= 0.95,
    ),
    Promise("timers", "threads", "threads while 100,000 delayed tasks wait", "", "<= 4", lambda x: x <= 4),
    Promise(
        "timers", "late_p99_us", "a delayed task starts late (99 %)", "us", "<= 1000", lambda x: x <= 1000
    ),
    Promise("timers", "earliest_us", "the earliest one, after its time", "us", ">= 0", lambda x: x >= 0),
]


def build() -> None:
    """Compiles the program against the release library."""
    library = CHECKOUT / "target" / "release"
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    source = CHECKOUT / "benches" / "c" / "promises.c"
    flags = ["-O2", f"-I{CHECKOUT / 'include'}", f"-L{library}", "-loffgil", f"-Wl,-rpath,{library}"]
    run(["cc", "-o", str(PROGRAM), str(source), *flags], CHECKOUT)


def measure(name: str) -> dict[str, float]:
    """The figures of one fresh process."""
    figures: dict[str, float] = json.loads(run([str(PROGRAM), name], CHECKOUT))
    if name == "completions":
        # Each wake-up takes a batch; more wake-ups than batches would be needless ones.
        figures["wakeups_a_batch"] = figures["wakeups"] / figures["batches"]
    return figures


def main() -> int:
    """Measures, prints and writes."""
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes a figure (default 7)")
    rounds = parser.parse_args().rounds
    build()
    seen: dict[str, list[dict[str, float]]] = {}
    for number in range(rounds):
        for name in dict.fromkeys(promise.run for promise in PROMISES):
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            seen.setdefault(name, []).append(measure(name))
    lines = ["| what | promised | median | range | |", "|---|---|---|---|---|"]
    held = True
    for promise in PROMISES:
        figures = [figures[promise.figure] for figures in seen[promise.run]]
        median = statistics.median(figures)
        held &= promise.holds(median)
        verdict = "held" if promise.holds(median) else "**not held**"
        unit = f" {promise.unit}" if promise.unit else ""
        spread = f"{min(figures):.4g} to {max(figures):.4g}"
        lines.append(
            f"| {promise.says} | {promise.limit}{unit} | {median:.4g}{unit} | {spread} | {verdict} |"
        )
    table = "\n".join(lines)
    print(table)
    described = "\n".join(f"- {name}: {value}" for name, value in machine.describe().items())
    (CHECKOUT / "docs" / "promises.md").write_text(
        "# Figures that offgil promises of itself\n\n"
        "Written by `make bench-promises`; the program is `benches/c/promises.c`. "
        f"Median and range of {rounds} fresh processes.\n\n{table}\n\n{described}\n"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
