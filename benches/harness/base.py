"""What all tables are made of: workloads with their goals, peers, and running a command."""

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
CHECKOUT = BENCHES.parent
WORKERS = 2
FASTEST = "the fastest peer"
FASTEST_SLEEPER = "the fastest peer whose workers sleep"


class Failure(Exception):
    """Something that ends the run, or one cell of it, with a message."""


@dataclass(frozen=True)
class Goal:
    """What a figure of ours should be: at most (or at least) `limit`, or so much of a peer's figure.

    `of` is that peer's name, FASTEST, or FASTEST_SLEEPER. `figure` and `whose` are the workload's figure and
    our first row unless given.
    """

    limit: float
    of: str = ""
    at_least: bool = False
    figure: str = ""
    unit: str = ""
    whose: str = ""


@dataclass(frozen=True)
class Workload:
    """A row of a table: what the driver calls it, what it is, what is measured, and our goals.

    Of `figure` less is better, unless `more_is_better`. `count` is that of the tasks in a cell, `quick_count`
    that of --quick; where they are no tasks, `counts` says what, and --tasks changes nothing. With `must_end`
    the goal is to end at all. `by_chance`: peers that do their best differ by chance alone. `rounds`: no more
    than so many. `how` it is measured, beyond what the page says of all rows.
    """

    name: str
    title: str
    goals: tuple[Goal, ...]
    table: str = "C"
    figure: str = "ns_per_task"
    unit: str = "ns a task"
    count: int = 1_000_000
    quick_count: int = 100_000
    workers: int = WORKERS
    more_is_better: bool = False
    must_end: bool = False
    counts: str = "tasks"
    by_chance: bool = False
    rounds: int | None = None
    how: str = ""

    def tasks(self, quick: bool, wanted: int | None) -> int:
        """How many tasks a cell has. Where --quick takes as many as ever, no other number does."""
        if self.quick_count == self.count:
            return self.count
        default = self.quick_count if quick else self.count
        return wanted or default if self.counts == "tasks" else default


@dataclass(frozen=True)
class Peer:
    """One library to measure. `futures`: a handle for each task, and all waited for; else for the batch."""

    name: str
    source: str
    futures: bool = False
    ours: bool = False
    notes: str = ""

    def offers(self, workload: Workload) -> bool:
        return workload.table == "C"

    def absent_because(self, workload: str) -> str:
        return ""

    def aside_because(self, workload: str) -> str:
        """Why its figure is shown, but isn't one that ours is compared with; mostly empty."""
        return ""

    def notes_on(self, workload: str) -> str:
        return self.notes


def run(command: list[str], directory: Path) -> str:
    """The command's standard output; its standard error only when it fails, in the message."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is not installed") from error
    if done.returncode != 0:
        raise Failure(f"`{shlex.join(command)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
