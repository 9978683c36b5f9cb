"""Measuring: one cell is one peer, one workload, one fresh process.

Cells are interleaved, so that a machine that gets slower meanwhile gets slower for everybody.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .peers import WORKERS, Peer, Workload

NOT_OFFERED = 3  # EXIT_NOT_OFFERED of driver.c
SECONDS_A_CELL = 120


@dataclass
class Row:
    """All that was measured of one peer in one workload."""

    workload: Workload
    peer: Peer
    version: str = ""
    not_offered: bool = False
    failures: list[str] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        return not self.failures and bool(self.values)

    @property
    def ns(self) -> float:
        return self.middle("ns_per_task")

    def middle(self, key: str) -> float:
        return median(self.values[key])

    def range(self) -> tuple[float, float]:
        return min(self.values["ns_per_task"]), max(self.values["ns_per_task"])


def measure_cell(driver: Path, library: Path, row: Row, tasks: int) -> None:
    command = [str(driver), str(library), row.workload.name, str(tasks), str(WORKERS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_CELL, check=False)
    except subprocess.TimeoutExpired:
        row.failures.append(f"not done after {SECONDS_A_CELL} s")
        return
    if done.returncode == NOT_OFFERED:
        row.not_offered = True
        return
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        row.failures.append(f"exit status {done.returncode}: {lines[-1]}")
        return
    told = dict(pair.split("=", 1) for pair in done.stdout.split())
    ran = told.pop("tasks_run")
    if ran != str(tasks):
        row.failures.append(f"ran {ran} of {tasks} tasks")
        return
    row.version = told.pop("version") or row.version
    for key, value in told.items():
        row.values.setdefault(key, []).append(float(value))


def schedule(rows: list[Row], rounds: int) -> Iterator[tuple[int, Row]]:
    """Every row once a round, until it fails; each round starts with another row."""
    for turn in range(rounds):
        first = turn % len(rows)
        for row in rows[first:] + rows[:first]:
            if not row.not_offered and not row.failures:
                yield turn, row


class Progress:
    """One line that overwrites itself, on a terminal only."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.began = time.monotonic()
        self.shown = sys.stderr.isatty()

    def step(self, text: str) -> None:
        if self.shown:
            left = ""
            if self.done:
                seconds = (time.monotonic() - self.began) / self.done * (self.total - self.done)
                left = f", about {seconds:.0f} s left"
            print(f"\r\033[K[{self.done}/{self.total}] {text}{left}", end="", file=sys.stderr, flush=True)
        self.done += 1

    def end(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(
    workloads: list[Workload],
    peers: list[Peer],
    rounds: int,
    run_cell: Callable[[Row], None],
) -> list[Row]:
    """Workload by workload, its peers in turns, `rounds` times."""
    progress = Progress(len(workloads) * len(peers) * rounds)
    result: list[Row] = []
    for workload in workloads:
        rows = [Row(workload, peer) for peer in peers]
        for turn, row in schedule(rows, rounds):
            progress.step(f"{workload.name}, round {turn + 1} of {rounds}: {row.peer.name}")
            run_cell(row)
        result += rows
    progress.end()
    return result
