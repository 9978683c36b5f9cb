"""What the programs share: options, a progress bar, a table, JSON, CSV, and how errors and Ctrl-C end."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from tqdm import tqdm

SIGINT_STATUS = 130  # what a shell reports for Ctrl-C

_T = TypeVar("_T")
Row = dict[str, object]


class Problem(Exception):
    """What the user is told in one line, without a traceback."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all have."""
    made = argparse.ArgumentParser(
        description=(description or "").strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    per_cpu = os.cpu_count() or 1
    made.add_argument(
        "-w",
        "--workers",
        type=whole(1, 4096),
        default=per_cpu,
        metavar="N",
        help="threads (default: one per CPU)",
    )
    shapes = made.add_mutually_exclusive_group()
    shapes.add_argument("--json", dest="shape", action="store_const", const="json", help="print JSON")
    shapes.add_argument("--csv", dest="shape", action="store_const", const="csv", help="print CSV")
    return made


def whole(least: int, most: int = 1_000_000) -> Callable[[str], int]:
    """A type for argparse: a whole number from `least` to `most`."""

    def parse_number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse_number


def progress(items: Iterable[_T], total: int, label: str) -> Iterator[_T]:
    """The items, with a bar on a terminal while they come; nothing where standard error goes elsewhere."""
    return iter(tqdm(items, total=total, desc=label, leave=False, delay=0.3, disable=None))


def timed(work: Callable[[], _T]) -> tuple[_T, float]:
    """What `work` returns, and how many seconds it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


@contextmanager
def busy_python(wanted: bool) -> Iterator[None]:
    """Meanwhile a thread computes in Python, and so holds the GIL, as a program's main thread often does."""
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if wanted:
            thread.join()


def show(rows: Sequence[Row], shape: str | None) -> None:
    """Prints rows with the same keys: for a reader, or as JSON or CSV."""
    columns = list(rows[0]) if rows else []
    if shape == "json":
        print(json.dumps(rows, indent=2))
    elif shape == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *(row.values() for row in rows)])
    else:
        lines = [columns, *([cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
            print("  ".join(padded).rstrip())


def cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def run(main: Callable[[], int | None]) -> NoReturn:
    """Runs a program and ends the process: errors are told in one line, and so is Ctrl-C."""
    status, message = 1, ""
    try:
        status = main() or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        status, message = SIGINT_STATUS, "interrupted"
    except BrokenPipeError:  # as `head` does to what it reads
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Problem, OSError, ImportError) as error:
        message = str(error)
    # Not before the exception is gone, and with it the progress bar.
    if message:
        name = os.path.basename(sys.argv[0]).removesuffix(".py")
        print(f"{name}: {message}", file=sys.stderr)
    sys.exit(status)
