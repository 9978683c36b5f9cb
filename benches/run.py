#!/usr/bin/env python3
"""Measures offgil beside other thread pools and writes docs/benchmarks.md and benches/results.json.

Each peer is a dynamic library with the few functions of benches/c/adapter.h; benches/c/driver.c calls them
and holds the clock. A run of everything takes some minutes. Peers from Debian are installed first where that
is possible (root and apt-get); else they are left out, which is an error when CI=true.

The exit status is 1 if a peer failed, or if a row of ours is slower than the slowest peer (--quick, whose
figures mean little, looks at failures only).
"""

import argparse
import os
import sys
from pathlib import Path

from harness import machine, report
from harness.cells import Row, measure, measure_cell
from harness.peers import (
    BENCHES,
    CHECKOUT,
    PEERS,
    WORKLOADS,
    Builder,
    Failure,
    Peer,
    install_peers,
    is_installed,
)

QUICK_TASKS, QUICK_ROUNDS = 100_000, 3


def parse(arguments: list[str]) -> argparse.Namespace:
    head, _, tail = (__doc__ or "").partition("\n\n")
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=head, epilog=tail, formatter_class=style)
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument("--bench", action="append", choices=names, help="only this row; may be given again")
    parser.add_argument("--peer", action="append", metavar="NAME", help="only peers whose name contains this")
    parser.add_argument("--rounds", type=int, help="fresh processes a cell (default 7)")
    parser.add_argument("--tasks", type=int, help="tasks a cell (default 1,000,000)")
    quick = f"{QUICK_ROUNDS} rounds of {QUICK_TASKS:,} tasks, to see that all works"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--library", type=Path, help="measure this liboffgil.so instead of building one")
    build = CHECKOUT / "build" / "bench"
    parser.add_argument("--build", type=Path, default=build, help="where the peers are built (build/bench)")
    parser.add_argument("--no-install", action="store_true", help="install no packages")
    chosen = parser.parse_args(arguments)
    for name in ("rounds", "tasks"):
        if (value := getattr(chosen, name)) is not None and value < 1:
            parser.error(f"--{name} is at least 1")
    return chosen


def choose_peers(wanted: list[str] | None) -> tuple[list[Peer], list[str]]:
    """The peers to measure, and the names of those that aren't installed."""
    chosen = [p for p in PEERS if wanted is None or any(part.lower() in p.name.lower() for part in wanted)]
    if not chosen:
        raise Failure(f"no such peer; there are: {', '.join(peer.name for peer in PEERS)}")
    missing = [peer.name for peer in chosen if not is_installed(peer)]
    for name in missing:
        print(f"skipped: {name} is not installed (see benches/install-peers.sh)", file=sys.stderr)
    if missing and os.environ.get("CI") == "true":
        raise Failure(f"CI=true, and not installed: {', '.join(missing)}")
    return [peer for peer in chosen if peer.name not in missing], missing


def bench(options: argparse.Namespace) -> bool:
    """Builds, measures, writes; whether all went well."""
    tasks = options.tasks or (QUICK_TASKS if options.quick else 1_000_000)
    settings = report.Settings(tasks, options.rounds or (QUICK_ROUNDS if options.quick else 7))
    workloads = [w for w in WORKLOADS if options.bench is None or w.name in options.bench]
    if not options.no_install:
        install_peers()
    peers, missing = choose_peers(options.peer)
    builder = Builder(options.build, options.library)
    print("building the peers", file=sys.stderr)
    builder.build(peers)
    described = machine.describe()

    def run_cell(row: Row) -> None:
        row.version = row.version or builder.version_of(row.peer)
        measure_cell(builder.driver, builder.path_of(row.peer), row, settings.tasks)

    noise = machine.Noise()
    rows = measure(workloads, peers, settings.rounds, run_cell)
    described["other processes meanwhile"] = f"{noise.percent():.0f} % of all processor time"
    print(report.table(rows))
    verdicts = report.judge(rows)
    for verdict in verdicts:
        print(f"{'BAD ' if verdict.is_bad else ''}{verdict.workload.name}: {verdict.text}")

    print(f"other processes took {described['other processes meanwhile']}")

    whole = not (options.bench or options.peer or options.quick or options.tasks)
    page, data = CHECKOUT / "docs" / "benchmarks.md", BENCHES / "results.json"
    if not whole:
        # A part of the rows, or a small run, must not replace the figures that the documentation shows.
        page, data = options.build / "benchmarks.md", options.build / "results.json"
    page.write_text(report.markdown(rows, described, settings, missing))
    data.write_text(report.results(rows, described, settings, missing))
    print(f"written: {page} and {data}", file=sys.stderr)
    return not any(verdict.broken if options.quick else verdict.is_bad for verdict in verdicts)


def main() -> int:
    try:
        return 0 if bench(parse(sys.argv[1:])) else 1
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
