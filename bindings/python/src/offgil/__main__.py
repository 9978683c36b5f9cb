"""`python -m offgil`: what this is and sees, what it is worth here, and what a pool did."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import offgil


def info(_: argparse.Namespace) -> None:
    """Prints the facts that a bug report needs, one a line."""
    threads, _hard = resource.getrlimit(resource.RLIMIT_NPROC)
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows = {
        "offgil": offgil.__version__,
        "library": offgil.get_library(),
        "header": f"{offgil.get_include()}/offgil.h",
        "python": f"{platform.python_implementation()} {platform.python_version()} {sys.executable}",
        "GIL": "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off",
        "system": f"{platform.platform()}",
        "CPUs": f"{offgil.lib.offgil_cpu_count()} usable of {os.cpu_count()}",
        "thread limit": _limit(threads),
        "file limit": _limit(files),
        "OFFGIL_NUM_THREADS": os.environ.get("OFFGIL_NUM_THREADS", "not set"),
        "OFFGIL_TRACE": os.environ.get("OFFGIL_TRACE", "not set"),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")


def _limit(number: int) -> str:
    return "none" if number == resource.RLIM_INFINITY else str(number)


def bench(arguments: argparse.Namespace) -> None:
    """Measures, and writes what was asked for."""
    from offgil import _bench, _bench_child
    from offgil._bench_chart import chart

    # What can't be written is said before, not after.
    for path in filter(None, (arguments.json, arguments.chart)):
        path.touch()
    rows = list(dict.fromkeys(arguments.rows)) or list(_bench_child.ROWS)
    cells = _bench.measure(rows, arguments.threads, arguments.rounds, arguments.seconds)
    print(_bench.heading(arguments.threads, cells))
    print(_bench.table(cells))
    if arguments.json:
        arguments.json.write_text(_bench.to_json(cells, arguments.threads), encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(cells, arguments.threads), encoding="utf-8")


def trace(arguments: argparse.Namespace) -> None:
    """Makes a page of a trace."""
    from offgil import _trace

    output = arguments.output or arguments.file.with_suffix(".html")
    if output.exists() and output.samefile(arguments.file):
        raise ValueError("the page would overwrite the trace: name another file with -o")
    events = _trace.read(arguments.file)
    output.write_text(_trace.page(events, arguments.file.name), encoding="utf-8")
    print(output)


def _positive(kind: type[float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < 1e6:
            raise ValueError
        return value

    number.__name__ = f"positive {kind.__name__}"
    return number


def _row(text: str) -> str:
    from offgil._bench_child import ROWS

    if text not in ROWS:
        raise argparse.ArgumentTypeError(f"there is no row {text!r}, but {', '.join(ROWS)}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m offgil", description="A thread pool off the GIL.")
    commands = parser.add_subparsers(dest="command", required=True)

    help_text = "version, library, CPUs seen, limits"
    command = commands.add_parser("info", help=help_text, description=f"Prints {help_text}.")
    command.set_defaults(run=info)

    command = commands.add_parser(
        "bench",
        help="measures against the other pools of threads that are installed",
        description="Measures microseconds a task, here and with the other pools of threads that are "
        "installed, in fresh processes that take turns. Prints a table of medians and ranges.",
        epilog="Rows: python, native (C functions), trip (one task at a time), busy (C functions beside "
        "a thread that is busy in Python), nested (tasks that wait for tasks).",
    )
    command.add_argument(
        "rows", nargs="*", type=_row, metavar="ROW", help="what to measure (default: everything)"
    )
    command.add_argument(
        "--threads", type=_positive(int), default=2, help="of each pool (default: %(default)s)"
    )
    command.add_argument("--rounds", type=_positive(int), help="processes for each figure")
    command.add_argument(
        "--seconds",
        type=_positive(float),
        default=15.0,
        help="without --rounds: as many rounds as fit, but one at least (default: %(default)s)",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="writes every figure")
    command.add_argument("--chart", type=Path, metavar="FILE.svg", help="writes a chart")
    command.set_defaults(run=bench)

    command = commands.add_parser(
        "trace",
        help="makes a page of a trace",
        description="Makes one self-contained HTML page, a timeline of threads, of a trace: what a "
        "program leaves with OFFGIL_TRACE=FILE in its environment, or pool_trace_start writes. "
        "Prints the page's name.",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="the trace")
    command.add_argument(
        "-o", "--output", type=Path, metavar="PAGE", help="the page (default: FILE with .html)"
    )
    command.set_defaults(run=trace)
    return parser


def main() -> None:
    """Runs the command that the command line names."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except (OSError, ValueError) as error:
        sys.exit(f"offgil {arguments.command}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
