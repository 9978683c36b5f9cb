#!/usr/bin/env python3
"""Measures offgil beside others, from C and from Python; writes docs/benchmarks.md and benches/results.json.

From C each peer is a dynamic library with the few functions of benches/c/adapter.h; benches/c/driver.c calls
them and holds the clock. From Python each is an adapter of benches/python/peers, called by
benches/python/driver.py, in virtual environments that are made in build/bench. A run of everything takes
some twenty minutes. Peers are installed first where that is possible (root and apt-get for those from Debian,
the package index for Python's); else they are left out, which is an error when CI=true.

The exit status is 1 if a peer failed, or if a row of ours is slower than the slowest peer or doesn't end
(--quick, whose figures mean little, looks at failures only).
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import c_peers, machine, python_peers, readme, report, results
from harness.base import BENCHES, CHECKOUT, WORKERS, Failure, Peer, Workload, run
from harness.cells import Row, measure, measure_c, measure_python
from harness.command import parser_of
from harness.python_env import DRAWING, Environments
from harness.results import PEERS, WORKLOADS, Results

ROUNDS = {"C": 5, "Python": 5}
QUICK_ROUNDS = {"C": 1, "Python": 1}


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--bench", action="append", choices=names, help="only this row; may be given again")
    parser.add_argument("--table", choices=list(PEERS), help="only the rows from C, or from Python")
    parser.add_argument("--peer", action="append", metavar="NAME", help="only peers whose name contains this")
    parser.add_argument("--rounds", type=int, help="fresh processes a cell (default 5; a row may have fewer)")
    parser.add_argument("--tasks", type=int, help="tasks a cell (default 1,000,000 from C)")
    quick = "one round of few tasks, to see that all works"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument(
        "--library", type=Path, help="measure this liboffgil.so from C instead of building one"
    )
    python = "measure from Python with this interpreter and what is installed in it"
    parser.add_argument("--python", type=Path, help=python)
    build = CHECKOUT / "build" / "bench"
    parser.add_argument("--build", type=Path, default=build, help="where the peers are built (build/bench)")
    parser.add_argument("--no-install", action="store_true", help="install no packages of the system")
    render = "measure nothing; write pages and charts out of benches/results.json"
    parser.add_argument("--render", action="store_true", help=render)
    chosen = parser.parse_args(arguments)
    for name in ("rounds", "tasks"):
        if (value := getattr(chosen, name)) is not None and value < 1:
            parser.error(f"--{name} is at least 1")
    return chosen


class Run:
    """What was asked for, what was left out, and the rows measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rows: list[Row] = []
        self.skipped: list[str] = []
        self.settings: dict[str, Any] = {
            "rounds": self.rounds("C"),
            "python_rounds": self.rounds("Python"),
            "tasks": c_peers.WORKLOADS[0].tasks(options.quick, options.tasks),
            "workers": WORKERS,
            "reference": "none",
            "older": "none",
        }

    def rounds(self, table: str) -> int:
        rounds: int = self.options.rounds or (QUICK_ROUNDS if self.options.quick else ROUNDS)[table]
        return rounds

    def workloads(self, table: str) -> list[Workload]:
        options = self.options
        if options.table not in (None, table):
            return []
        own = [workload for workload in WORKLOADS if workload.table == table]
        return [workload for workload in own if options.bench is None or workload.name in options.bench]

    def peers(self, table: str, workloads: list[Workload]) -> list[Any]:
        """Those that were asked for and have one of the workloads."""
        wanted: list[str] | None = self.options.peer
        return [
            peer
            for peer in PEERS[table]
            if wanted is None or any(part.lower() in peer.name.lower() for part in wanted)
            if any(peer.offers(workload) for workload in workloads)
        ]

    def skip(self, peer: Peer, why: str) -> None:
        print(f"skipped: {peer.name}, {why}", file=sys.stderr)
        self.skipped.append(f"{peer.name} ({why})")

    def measure(self, table: str, workloads: list[Workload], peers: Sequence[Peer], run_cell: Any) -> None:
        if self.skipped and os.environ.get("CI") == "true":
            raise Failure(f"CI=true, and not here: {', '.join(self.skipped)}")
        self.rows += measure(workloads, peers, self.rounds(table), run_cell)

    def c_rows(self) -> None:
        workloads = self.workloads("C")
        wanted = self.peers("C", workloads)
        if not wanted:
            return
        if not self.options.no_install:
            c_peers.install_peers()
        peers = []
        for peer in wanted:
            if c_peers.is_installed(peer):
                peers.append(peer)
            else:
                self.skip(peer, "not installed, see benches/install-peers.sh")
        builder = c_peers.Builder(self.options.build, self.options.library)
        print("building the peers from C", file=sys.stderr)
        builder.build(peers)

        def run_cell(row: Row) -> None:
            assert isinstance(row.peer, c_peers.CPeer)
            row.version = row.version or builder.version_of(row.peer)
            tasks = row.workload.tasks(self.options.quick, self.options.tasks)
            measure_c(builder.driver, builder.path_of(row.peer), row, tasks)

        self.measure("C", workloads, peers, run_cell)

    def python_rows(self) -> None:
        workloads = self.workloads("Python")
        wanted = self.peers("Python", workloads)
        if not wanted:
            return
        environments = Environments(self.options.build, self.options.python)
        print("building the peers from Python", file=sys.stderr)
        environments.build(wanted)
        environments.calibrate()
        self.settings["reference"] = environments.reference.version
        if environments.older:
            self.settings["older"] = environments.older.version
        peers = []
        for peer in wanted:
            if why := environments.absent(peer):
                self.skip(peer, why)
            else:
                peers.append(peer)
        variables = environments.variables()

        def run_cell(row: Row) -> None:
            assert isinstance(row.peer, python_peers.PythonPeer)
            count = row.workload.tasks(self.options.quick, self.options.tasks)
            measure_python(environments.command(row.peer, row.workload, count), variables, row)

        self.measure("Python", workloads, peers, run_cell)


def draw(data: Path, directory: Path, build: Path) -> None:
    """The charts, by an interpreter that has matplotlib: that of the Python rows."""
    for python in [*sorted(build.resolve().glob("python-*/bin/python"), reverse=True), Path(sys.executable)]:
        try:
            run([str(python), "-c", f"import {DRAWING}"], CHECKOUT)
        except Failure:
            continue
        run([str(python), str(BENCHES / "chart.py"), str(data), str(directory)], CHECKOUT)
        return
    if os.environ.get("CI") == "true":
        raise Failure(f"CI=true, and no {DRAWING} for the charts")
    print(f"no charts: {DRAWING} is missing", file=sys.stderr)


def write(found: Results, options: argparse.Namespace) -> None:
    whole = not (options.bench or options.table or options.peer or options.quick or options.tasks)
    # A part of the rows, or a small run, must not replace the figures that the documentation shows.
    docs, data = CHECKOUT / "docs", BENCHES / "results.json"
    if not whole:
        docs, data = options.build, options.build / "results.json"
    data.write_text(results.dump(found))
    page = docs / "benchmarks.md"
    page.write_text(report.markdown(found))
    draw(data, docs, options.build)
    if whole:
        readme.write(found)
    print(f"written: {page} and {data}, with charts", file=sys.stderr)


def bench(options: argparse.Namespace) -> bool:
    """Builds, measures, writes; whether all went well."""
    if options.render:
        write(results.load((BENCHES / "results.json").read_text()), options)
        return True
    if not any(Run(options).peers(table, Run(options).workloads(table)) for table in PEERS):
        raise Failure(
            f"no such peer; there are: {', '.join(peer.name for peers in PEERS.values() for peer in peers)}"
        )
    described = machine.describe()
    noise = machine.Noise()
    asked = Run(options)
    asked.c_rows()
    asked.python_rows()
    if not asked.rows:
        raise Failure("nothing to measure")
    described["other processes meanwhile"] = f"{noise.percent():.0f} % of all processor time"
    print(report.table(asked.rows))
    verdicts = report.judge(asked.rows)
    for verdict in verdicts:
        print(f"{'BAD ' if verdict.is_bad else ''}{verdict.workload.name}: {verdict.text}")
    print(f"other processes took {described['other processes meanwhile']}")
    write(Results(described, asked.settings, asked.skipped, asked.rows), options)
    return not any(verdict.broken if options.quick else verdict.is_bad for verdict in verdicts)


def main() -> int:
    began = time.monotonic()
    try:
        went_well = bench(parse(sys.argv[1:]))
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        print(f"took {minutes}:{seconds:02} minutes", file=sys.stderr)
        return 0 if went_well else 1
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
