"""Measuring: one cell is one peer, one workload, one fresh process.

Cells are interleaved, so that a machine that gets slower meanwhile gets slower for everybody.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .base import Failure, Peer, Workload

NOT_OFFERED = 3  # EXIT_NOT_OFFERED of driver.c
SECONDS_A_CELL = 120


@dataclass
class Row:
    """All that was measured of one peer in one workload."""

    workload: Workload
    peer: Peer
    version: str = ""
    not_offered: bool = False
    deadlock: bool = False
    failures: list[str] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, workload: Workload, peer: Peer) -> "Row":
        """Nothing measured yet."""
        return cls(workload, peer, not_offered=bool(peer.absent_because(workload.name)))

    @property
    def measured(self) -> bool:
        return not self.failures and not self.deadlock and self.workload.figure in self.values

    @property
    def figure(self) -> float:
        return self.middle(self.workload.figure)

    def middle(self, key: str) -> float:
        return median(self.values[key])

    def range(self, key: str = "") -> tuple[float, float]:
        values = self.values[key or self.workload.figure]
        return min(values), max(values)


def run_driver(command: list[str], row: Row, variables: Mapping[str, str] | None = None) -> str:
    """What the driver of a cell prints. Else empty, and the row says why."""
    pipe = subprocess.PIPE
    # A session of its own, so that its children go with it.
    cell = subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=variables, start_new_session=True
    )
    try:
        printed, complaints = cell.communicate(timeout=SECONDS_A_CELL)
    except subprocess.TimeoutExpired:
        row.failures.append(f"not done after {SECONDS_A_CELL} s")
        return ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(cell.pid, signal.SIGKILL)
        cell.wait()
    if cell.returncode == NOT_OFFERED:
        row.not_offered = True
        return ""
    if cell.returncode != 0:
        lines = complaints.strip().splitlines() or ["no message"]
        row.failures.append(f"exit status {cell.returncode}: {lines[-1]}")
        return ""
    return printed


def measure_c(driver: Path, library: Path, row: Row, tasks: int) -> None:
    """A cell of benches/c/driver.c."""
    command = [str(driver), str(library), row.workload.name, str(tasks), str(row.workload.workers)]
    told = dict(pair.split("=", 1) for pair in run_driver(command, row).split())
    if row.not_offered:
        row.failures.append("the adapter has no function for this row, and PEERS doesn't say why")
    if not told:
        return
    row.version = told.pop("version") or row.version
    for key, value in told.items():
        row.values.setdefault(key, []).append(float(value))


def measure_python(command: list[str], variables: Mapping[str, str], row: Row) -> None:
    """A cell of benches/python/driver.py."""
    if not (printed := run_driver(command, row, variables)):
        return
    told = json.loads(printed.splitlines()[-1])
    row.version = told.pop("version")
    row.deadlock = told.pop("deadlock", False)
    for key, value in told.items():
        row.values.setdefault(key, []).append(round(value, 6))


def schedule(rows: list[Row], rounds: int) -> Iterator[tuple[int, Row]]:
    """Every row once a round, until it fails; each round starts with another row."""
    for turn in range(rounds):
        first = turn % len(rows)
        for row in rows[first:] + rows[:first]:
            if not row.not_offered and not row.failures and not row.deadlock:
                yield turn, row


class Progress:
    """One line that overwrites itself on a terminal; elsewhere a line for each workload."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.began = time.monotonic()
        self.shown = sys.stderr.isatty()

    def begin(self, text: str) -> None:
        if not self.shown:
            minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
            print(f"{minutes}:{seconds:02} {text}", file=sys.stderr, flush=True)

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
    workloads: Sequence[Workload],
    peers: Sequence[Peer],
    rounds: int,
    run_cell: Callable[[Row], None],
) -> list[Row]:
    """Workload by workload, its peers in turns, `rounds` times."""
    groups = [[Row.of(workload, peer) for peer in peers if peer.offers(workload)] for workload in workloads]
    turns = [min(rounds, workload.rounds or rounds) for workload in workloads]
    progress = Progress(sum(len(rows) * own for rows, own in zip(groups, turns, strict=True)))
    for rows, own_rounds in zip(groups, turns, strict=True):
        if not rows:
            continue
        name = rows[0].workload.name
        progress.begin(f"{name}, {len(rows)} peers, {own_rounds} rounds")
        for turn, row in schedule(rows, own_rounds):
            progress.step(f"{name}, round {turn + 1} of {own_rounds}: {row.peer.name}")
            try:
                run_cell(row)
            except (Failure, OSError, ValueError, KeyError) as error:
                row.failures.append(f"{type(error).__name__}: {error}")
    progress.end()
    return [row for rows in groups for row in rows]
