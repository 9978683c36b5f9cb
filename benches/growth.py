#!/usr/bin/env python3
"""How the cost of a task grows, and where two jobs are placed; writes docs/growth.md with its chart.

Each point is a fresh process of benches/c/growth.c, points in turns, so that the machine's moods fall on all
alike. `--render` makes page and chart anew out of benches/growth.json. The exit status is 1 if a target is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import c_peers, machine
from harness.base import BENCHES, CHECKOUT, Failure, run
from harness.command import parser_of

DATA, PAGE, CHART = BENCHES / "growth.json", CHECKOUT / "docs" / "growth.md", "growth.svg"
OURS, BARE = "offgil", "bare threads"
PEERS = (OURS, "rayon", "oneTBB", "libgomp")
JOB_NS = 2_000_000
SECONDS = 100  # a guard against a cell that hangs


@dataclass(frozen=True)
class Series:
    """One line a peer. `flat`: the highest of our points is at most so many times the lowest."""

    name: str
    title: str
    unit: str
    xs: tuple[int, ...]
    quick_xs: tuple[int, ...]
    peers: tuple[str, ...] = PEERS
    figure: str = "ns_per_task"
    flat: float = 0.0


SERIES = (
    Series(
        "queued",
        "tasks queued at once, from outside",
        "ns a task",
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        (1_000, 10_000),
        flat=1.5,
    ),
    Series("workers", "workers", "ns a task", (1, 2, 4, 8, 16, 32, 64), (1, 4), flat=2.0),
    Series("producers", "threads that submit at once", "ns a task", (1, 2, 4, 8, 16), (1, 4), PEERS[:3]),
    Series(
        "depth",
        "tasks inside one another, each waited for",
        "ns a task",
        (1, 10, 100, 1000),
        (1, 10),
        PEERS[:3],
    ),
    Series(
        "length",
        "length of a task in ns",
        "of the ideal on two workers",
        (100, 300, 1_000, 3_000, 10_000, 100_000, 1_000_000),
        (1_000, 100_000),
        figure="efficiency",
    ),
)
PLACES = {
    "alone": "alone",
    "two pools": "two pools in one process at once",
    "two processes": "two processes at once",
}
PLACED = (OURS, "oneTBB", BARE)
SLOW = 0.05  # of the calls


@dataclass
class Point:
    """What was measured at one x (or place), a value a process."""

    series: str
    peer: str
    x: str
    values: list[float] = field(default_factory=list)
    medians_us: list[float] = field(default_factory=list)

    @property
    def figure(self) -> float:
        return statistics.median(self.values)


@dataclass
class Found:
    """All that page and chart are made of."""

    machine: dict[str, str]
    rounds: int
    others_percent: float
    absent: list[str]
    points: list[Point]

    def line(self, series: str, peer: str) -> list[Point]:
        return [point for point in self.points if (point.series, point.peer) == (series, peer)]


def load(text: str) -> Found:
    told = json.loads(text)
    return Found(**{**told, "points": [Point(**point) for point in told["points"]]})


def dump(found: Found) -> str:
    return json.dumps(asdict(found), indent=1) + "\n"


# Measuring


class Cells:
    """The program and the peers, built into a directory."""

    def __init__(self, directory: Path, library: Path | None) -> None:
        here = [peer for peer in c_peers.PEERS if peer.name in PEERS and c_peers.is_installed(peer)]
        self.builder = c_peers.Builder(directory, library)
        self.builder.build(here)
        self.program = directory / "growth"
        c_peers.compile_c(["growth.c"], self.program, ["-ldl", "-lpthread"])
        bare = directory / "threads.so"
        c_peers.compile_c(["threads.c"], bare, ["-fPIC", "-shared", "-lpthread"])
        self.paths = {peer.name: self.builder.path_of(peer) for peer in here} | {BARE: bare}

    def command(self, peer: str, series: str, x: int, *more: Path) -> list[str]:
        return [str(word) for word in (self.program, self.paths[peer].resolve(), series, x, *more)]

    def copy_of(self, peer: str) -> Path:
        """The same library under another name: it has a pool of its own."""
        copy = self.program.parent.resolve() / f"again-{self.paths[peer].name}"
        shutil.copyfile(self.paths[peer], copy)
        return copy


def figures(text: str) -> dict[str, float]:
    return {key: float(value) for key, value in (word.split("=") for word in text.split())}


def run_at_once(commands: list[list[str]]) -> list[dict[str, float]]:
    """Several processes at the same time."""
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [process.communicate(timeout=SECONDS)[0] for process in started]
    if any(process.returncode for process in started):
        raise Failure(f"{' '.join(commands[0])} failed")
    return [figures(text) for text in told]


def measure_place(cells: Cells, point: Point) -> None:
    more = [cells.copy_of(point.peer)] if point.x == "two pools" else []
    command = cells.command(point.peer, "placement", JOB_NS, *more)
    told = run_at_once([command] * (2 if point.x == "two processes" else 1))
    point.values.append(statistics.mean(figure["slow"] for figure in told))
    point.medians_us.append(statistics.mean(figure["median_us"] for figure in told))


def plan(peers: set[str], quick: bool) -> Iterator[Point]:
    for series in SERIES:
        for x in series.quick_xs if quick else series.xs:
            yield from (Point(series.name, peer, str(x)) for peer in series.peers if peer in peers)
    for place in PLACES:
        yield from (Point("placement", peer, place) for peer in PLACED if peer in peers)


def measure(options: argparse.Namespace) -> Found:
    cells = Cells(options.build, options.library)
    rounds = options.rounds or (1 if options.quick else 3)
    points = list(plan(set(cells.paths), options.quick))
    noise = machine.Noise()
    by_name = {series.name: series for series in SERIES}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}: {len(points)} points", file=sys.stderr)
        for point in points:
            if point.series == "placement":
                measure_place(cells, point)
                continue
            (told,) = run_at_once([cells.command(point.peer, point.series, int(point.x))])
            point.values.append(told[by_name[point.series].figure])
    absent = [name for name in PEERS if name not in cells.paths]
    return Found(machine.describe(), rounds, round(noise.percent(), 1), absent, points)


# The page


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def spread(point: Point) -> str:
    return f"{number(point.figure)} ({number(min(point.values))} - {number(max(point.values))})"


def flatness(found: Found, series: Series) -> tuple[str, bool]:
    """How much the dearest of our points costs of the cheapest, and whether that holds."""
    points = found.line(series.name, OURS)
    costs = [point.figure for point in points]
    ratio = max(costs) / min(costs)
    held = ratio <= series.flat
    verdict = "held" if held else f"MISSED, by {ratio / series.flat:.2f} times"
    ends = f"{int(points[0].x):,} to {int(points[-1].x):,}"
    return f"{series.title}, {ends}: {ratio:.2f} times, at most {series.flat:g}: {verdict}", held


def placed(found: Found) -> tuple[str, bool]:
    (alone,) = [point for point in found.line("placement", OURS) if point.x == "alone"]
    held = alone.figure <= SLOW
    verdict = "held" if held else f"MISSED, by {alone.figure / SLOW:.2f} times"
    return f"slow calls of two jobs, alone: {alone.figure:.1%}, at most {SLOW:.0%}: {verdict}", held


def targets(found: Found) -> list[tuple[str, bool]]:
    return [*(flatness(found, series) for series in SERIES if series.flat), placed(found)]


def table(found: Found, series: Series) -> list[str]:
    lines = {peer: found.line(series.name, peer) for peer in series.peers}
    shown = {peer: points for peer, points in lines.items() if points}
    rows = [f"| {series.title} | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}"]
    for same in zip(*shown.values(), strict=True):
        rows.append(f"| {int(same[0].x):,} | {' | '.join(map(spread, same))} |")
    return [f"## {series.name}: {series.unit}", "", *rows, ""]


def placement_table(found: Found) -> list[str]:
    lines = [
        "## placement: share of slow calls",
        "",
        f"Two jobs of {JOB_NS / 1e6:g} ms, handed in and waited for together, 250 times a process. "
        "A call is slow if it took over 1.6 times the least of its process. In brackets the range; then the "
        "median call.",
        "",
        f"| | {' | '.join(PLACED)} |",
        f"|---|{'---|' * len(PLACED)}",
    ]
    for place, says in PLACES.items():
        told = []
        for peer in PLACED:
            for point in found.line("placement", peer):
                if point.x == place:
                    low, high = min(point.values), max(point.values)
                    middle = statistics.median(point.medians_us) / 1000
                    told.append(f"{point.figure:.1%} ({low:.1%} - {high:.1%}), {middle:.2f} ms")
        lines.append(f"| {says} | {' | '.join(told)} |")
    return [*lines, ""]


def markdown(found: Found) -> str:
    lines = [
        "# How the cost of a task grows",
        "",
        "Written by `make bench-growth` out of `benches/growth.json`; the program is `benches/c/growth.c`. "
        "Tasks do nothing unless said, on 2 workers unless said; a future each with offgil, none with the "
        f"others. Median of {found.rounds} fresh processes a point, with the range. Others kept the "
        f"machine's processors busy for {found.others_percent:g} % of the time.",
        "",
        f"![a panel for each series, offgil in blue]({CHART})",
        "",
        "## Targets",
        "",
        *(f"- {text}" for text, _ in targets(found)),
        *(f"- not measured: {name}, which isn't installed" for name in found.absent),
        "",
    ]
    for series in SERIES:
        lines += table(found, series)
    lines += placement_table(found)
    lines += ["## Machine", "", *(f"- {name}: {value}" for name, value in found.machine.items())]
    return "\n".join(lines) + "\n"


def draw(data: Path, directory: Path, build: Path) -> None:
    """By an interpreter that has matplotlib: that of the Python rows of `make bench`."""
    for python in [*sorted(build.resolve().glob("python-*/bin/python"), reverse=True), Path(sys.executable)]:
        try:
            run([str(python), "-c", "import matplotlib"], CHECKOUT)
        except Failure:
            continue
        run([str(python), str(BENCHES / "growth_chart.py"), str(data), str(directory / CHART)], CHECKOUT)
        return
    if os.environ.get("CI") == "true":
        raise Failure("CI=true, and no matplotlib for the chart")
    print("no chart: matplotlib is missing (`make bench` installs it)", file=sys.stderr)


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--rounds", type=int, help="fresh processes a point (default 3)")
    parser.add_argument(
        "--quick", action="store_true", help="few points, once; written to the build directory"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing; write page and chart anew")
    parser.add_argument("--build", type=Path, default=CHECKOUT / "build" / "bench", help="where to build")
    parser.add_argument("--library", type=Path, help="the library to measure instead of building it")
    options = parser.parse_args()
    if options.render:
        found, data, page = load(DATA.read_text()), DATA, PAGE
    else:
        options.build.mkdir(parents=True, exist_ok=True)
        found = measure(options)
        data, page = (options.build / DATA.name, options.build / PAGE.name) if options.quick else (DATA, PAGE)
        data.write_text(dump(found))
    page.write_text(markdown(found))
    draw(data, page.parent, options.build)
    print("\n".join(text for text, _ in targets(found)))
    return 0 if options.quick or all(held for _, held in targets(found)) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"growth.py: {failure}")
