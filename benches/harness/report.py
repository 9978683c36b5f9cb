"""What is told: the verdict of each workload, the Markdown page and the machine-readable results."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from .cells import Row
from .peers import WORKERS, Workload

PHASES = {"submit_ns": "submit", "wait_ns": "wait", "release_ns": "release"}

HOW = """\
{tasks:,} tasks a cell, {workers} workers, a fresh process for every cell, the peers of a workload in
turns, {rounds} rounds. Every figure is the median, with its range. The clock runs from the first submit
until the last task is waited for and its future given back; a warm-up has started the threads. Every task
counts itself, and a cell in which one is missing fails. *CPU s* is the processor time of the whole
process for the cell. offgil is measured through its C ABI, as the shared library of the release profile."""


@dataclass(frozen=True)
class Settings:
    tasks: int
    rounds: int


@dataclass(frozen=True)
class Verdict:
    """Our rows of one workload against its peers. `over`: our cost as a multiple of the goal; `broken`: a row
    failed; `slow`: a row of ours is slower than the slowest peer."""

    workload: Workload
    text: str
    over: float
    broken: bool
    slow: bool

    @property
    def is_bad(self) -> bool:
        return self.broken or self.slow


def judge(rows: Iterable[Row]) -> list[Verdict]:
    """Per workload, the worst first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.workload.name, []).append(row)
    verdicts = [_judge_one(group) for group in groups.values()]
    return sorted(verdicts, key=lambda verdict: (not verdict.is_bad, -verdict.over))


def _judge_one(rows: list[Row]) -> Verdict:
    workload = rows[0].workload
    parts = [f"{row.peer.name} FAILED ({row.failures[0]})" for row in rows if row.failures]
    broken = bool(parts)
    slow = False
    over = 0.0
    ours = [row for row in rows if row.peer.ours and row.measured]
    peers = sorted((row for row in rows if not row.peer.ours and row.measured), key=lambda row: row.ns)
    if ours and peers:
        main, fastest, slowest = ours[0], peers[0], peers[-1]
        over = main.ns / workload.limit(fastest.ns)
        held = "held" if over <= 1 else f"missed, {over:.2f} times too much"
        parts.append(f"{main.peer.name} {main.ns:.0f} ns a task")
        parts.append(
            f"peers {fastest.ns:.0f} ({fastest.peer.name}) to {slowest.ns:.0f} ({slowest.peer.name})"
        )
        parts.append(f"goal at most {workload.limit_text(fastest.ns)}: {held}")
        for row in ours:
            if row.ns > slowest.ns:
                slow = True
                parts.append(f"{row.peer.name} with {row.ns:.0f} ns IS SLOWER than the slowest peer")
    return Verdict(workload, "; ".join(parts) or "nothing to compare", over, broken, slow)


def markdown(rows: list[Row], machine: dict[str, str], settings: Settings, skipped: list[str]) -> str:
    lines = ["# Benchmarks", "", "Written by `make bench` (`python3 benches/run.py`); don't edit.", ""]
    lines += ["## In short", ""]
    lines += [f"- **{verdict.workload.name}**: {verdict.text}." for verdict in judge(rows)]
    lines += [f"- not installed, so not measured: {name}." for name in skipped]
    lines += ["", "## How it was measured", ""]
    lines += [HOW.format(tasks=settings.tasks, rounds=settings.rounds, workers=WORKERS), ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    for workload in dict.fromkeys(row.workload for row in rows):
        lines += ["", *_section(workload, [row for row in rows if row.workload is workload])]
    return "\n".join(lines) + "\n"


def _section(workload: Workload, rows: list[Row]) -> list[str]:
    measured = sorted((row for row in rows if row.measured), key=lambda row: row.ns)
    fastest = min((row.ns for row in measured if not row.peer.ours), default=None)
    ours = min((row.ns for row in measured if row.peer.name == "offgil"), default=None)
    lines = [f"## {workload.name}: {workload.title}", ""]
    lines += ["| peer | version | how | futures | ns a task | range | CPU s | of fastest peer | of offgil |"]
    lines += ["|---|---|---|---|---:|---:|---:|---:|---:|"]
    for row in measured:
        low, high = row.range()
        name = f"**{row.peer.name}**" if row.peer.ours else row.peer.name
        cells = [name, row.version, row.peer.notes, "yes" if row.peer.futures else "no"]
        cells += [f"{row.ns:.0f}", f"{low:.0f}-{high:.0f}", f"{row.middle('cpu_s'):.3f}"]
        cells += [_ratio(row.ns, fastest), _ratio(row.ns, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"{row.peer.name} failed: {row.failures[0]}." for row in rows if row.failures]
    absent = (row.peer for row in rows if row.not_offered)
    notes += [f"{peer.name} is not here: it {peer.absent_because}." for peer in absent]
    notes += [text for row in rows if row.peer.ours and row.measured and (text := _phases(row))]
    for note in notes:
        lines += ["", note]
    return lines


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else ""


def _phases(row: Row) -> str:
    parts = [f"{name} {row.middle(key):.0f}" for key, name in PHASES.items() if key in row.values]
    return f"{row.peer.name}, ns a task: {', '.join(parts)}." if parts else ""


def results(rows: list[Row], machine: dict[str, str], settings: Settings, skipped: list[str]) -> str:
    """Everything that was measured, round by round: JSON with a line for each row."""
    head = {
        "machine": machine,
        "settings": {**asdict(settings), "workers": WORKERS},
        "not_installed": skipped,
    }
    lines = [
        {
            "workload": row.workload.name,
            "peer": row.peer.name,
            "version": row.version,
            "futures": row.peer.futures,
            "offered": not row.not_offered,
            "failures": row.failures,
            **row.values,
        }
        for row in rows
    ]
    body = ",\n  ".join(json.dumps(line) for line in lines)
    return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n  {body}\n ]\n}}\n'


def table(rows: list[Row]) -> str:
    """For the terminal."""
    lines = []
    for workload in dict.fromkeys(row.workload for row in rows):
        lines.append(f"{workload.name}: {workload.title}")
        own = [row for row in rows if row.workload is workload]
        for row in sorted((row for row in own if row.measured), key=lambda row: row.ns):
            low, high = row.range()
            mark = "*" if row.peer.ours else " "
            name = f"{row.peer.name} {row.version}"
            spread = f"{low:.0f}-{high:.0f}"
            lines.append(f" {mark}{name:<44}{row.ns:8.0f} ns {spread:>12} {row.middle('cpu_s'):8.3f} CPU s")
        lines += [f"  {row.peer.name}: FAILED, {row.failures[0]}" for row in own if row.failures]
        lines.append("")
    return "\n".join(lines)
