"""The table, the JSON file and the progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

from tqdm import tqdm

from problems import Contender

COLUMNS = ("caller", "workload", "workers", "ms", "speed-up", "agrees")
COMPLAINTS_SHOWN = 10


@dataclass
class Row:
    """What was measured for one contender, in all rounds."""

    contender: Contender
    all_ms: list[float]
    disagreement: str | None = None

    @property
    def ms(self) -> float:
        return median(self.all_ms)


def progress_bar(total: int) -> tqdm[NoReturn]:
    """A bar on a terminal, once it has taken a second; nothing where the output goes elsewhere."""
    terminal = sys.stdout.isatty() and sys.stderr.isatty()
    layout = "{l_bar}{bar}| {elapsed}"
    return tqdm(total=total, disable=not terminal, delay=1, leave=False, bar_format=layout)


def speed_up(row: Row, rows: Sequence[Row]) -> float:
    """Over the serial row of the same code."""
    chosen = row.contender
    for other in rows:
        if other.contender.workload == chosen.workload and other.contender.caller == chosen.baseline:
            return other.ms / row.ms
    raise LookupError(f"no row {chosen.baseline!r} for {chosen.workload}")


def table(rows: Sequence[Row]) -> str:
    """The rows as text, a blank line between the workloads."""
    cells = []
    for row in rows:
        chosen = row.contender
        agrees = "no" if row.disagreement else "yes"
        speed = f"{speed_up(row, rows):.2f}"
        cells.append((chosen.caller, chosen.workload, chosen.workers, f"{row.ms:.2f}", speed, agrees))
    widths = [max(map(len, column)) for column in zip(COLUMNS, *cells, strict=True)]
    lines = [line(COLUMNS, widths), line(["-" * width for width in widths], widths)]
    for workload, group in groupby(cells, key=itemgetter(1)):
        lines += [""] if workload != cells[0][1] else []
        lines += [line(row, widths) for row in group]
    return "\n".join(lines)


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, the two columns of numbers to the right."""
    aligned = [
        cell.rjust(width) if COLUMNS[i] in ("ms", "speed-up") else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def complain(rows: Sequence[Row], unreadable: Sequence[str]) -> None:
    """Says on standard error who disagrees, and which files couldn't be read."""
    for row in rows:
        if row.disagreement:
            print(f"{row.contender.workload}, {row.contender.caller}: {row.disagreement}", file=sys.stderr)
    for complaint in unreadable[:COMPLAINTS_SHOWN]:
        print(f"not digested: {complaint}", file=sys.stderr)
    if len(unreadable) > COMPLAINTS_SHOWN:
        print(f"not digested: {len(unreadable) - COMPLAINTS_SHOWN} more", file=sys.stderr)


def write_json(path: Path, rows: Sequence[Row], about: dict[str, Any]) -> None:
    """Everything in the table, and each single measurement."""
    entries = []
    for row in rows:
        chosen = row.contender
        entries.append(
            {
                "caller": chosen.caller,
                "workload": chosen.workload,
                "workers": chosen.workers,
                "ms": row.ms,
                "all_ms": row.all_ms,
                "baseline": chosen.baseline,
                "speed_up": speed_up(row, rows),
                "agrees": row.disagreement is None,
                "disagreement": row.disagreement,
            }
        )
    path.write_text(json.dumps(about | {"rows": entries}, indent=2) + "\n", encoding="utf-8")
