"""What is told: the verdict of each workload, the Markdown page, and the table for the terminal."""

from collections.abc import Iterable
from dataclasses import dataclass

from .base import FASTEST, FASTEST_SLEEPER, Goal, Workload
from .cells import Row
from .results import Results

PHASES = {"submit_ns": "submit", "wait_ns": "wait", "release_ns": "release"}
CHARTS = {"C": "benchmarks-c.svg", "Python": "benchmarks-python.svg"}
# What the README shows of the many rows from C.
PICKED_CHART = "benchmarks-c-picked.svg"
PICKED = ("outside", "inside", "handoff", "memory", "for_trivial", "fib")
ALMOST_NOTHING = 1e-9

# What else a row may show, and under which title.
BURNT = "silence_cpu_percent"
EXTRA = {
    "slow_percent": "slow calls, %",
    "rss_kb_per_thread": "kB RSS a thread",
    "ran_p50_ns": "ran after, ns",
    BURNT: "CPU in the silence, %",
    "threads_left": "threads left",
}
SPINS_FROM = 50  # percent of one processor, burnt in the silence

HOW = """\
A fresh process for every cell, the peers of a workload in turns, {rounds} rounds from C and {python_rounds}
from Python. Every figure is the median, with its range. A warm-up has started the threads, except where a
start is what is measured. *CPU s* is the processor time of the whole process for the cell, without its
children."""

HOW_C = """\
From C: {tasks:,} tasks a cell, {workers} workers, unless said. The clock runs from the first submit until the
last task is waited for and its future given back. Every task counts itself, every index of a loop has a mark,
fib's value is looked at: a cell in which something is missing, or is there twice, fails. offgil is measured
through its C ABI, as the shared library of the release profile."""

HOW_PYTHON = """\
From Python: {workers} workers unless said. The clock runs from the first submit until the last result is
there and the futures are gone; the collector of garbage works as it does for everybody. The native tasks are
C functions called through ctypes; each counts itself, and every result is looked at. The interpreter is
CPython {reference}; rows "on 3.11" ran on CPython {older} in the same turns. A call of *integrate* is slow if
it takes over 1.6 times the least of its process."""


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


@dataclass(frozen=True)
class Verdict:
    """Our rows of one workload against its peers. `over`: how far the worst goal was missed (1: just held);
    `broken`: a row failed, or ours didn't end; `slow`: a row of ours is slower than the slowest peer."""

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
    verdicts = [_judge_one(group) for group in by_workload(rows).values()]
    return sorted(verdicts, key=lambda verdict: (not verdict.is_bad, -verdict.over))


def by_workload(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.workload.name, []).append(row)
    return groups


def charts(results: Results) -> dict[str, list[list[Row]]]:
    """Under the names of their files, the panels of each chart."""
    every = by_workload(results.rows)
    drawn = {
        CHARTS[table]: [rows for rows in every.values() if rows[0].workload.table == table]
        for table in results.tables
    }
    if picked := [every[name] for name in PICKED if name in every]:
        drawn[PICKED_CHART] = picked
    return drawn


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Those that were measured, the best first."""
    measured = [row for row in rows if row.measured]
    return sorted(measured, key=lambda row: row.figure, reverse=_more(measured))


def compared(rows: Iterable[Row]) -> list[Row]:
    """The peers that ours is compared with, the best first."""
    peers = (row for row in rows if not row.peer.ours)
    return ranked(row for row in peers if not row.peer.aside_because(row.workload.name))


def _more(rows: list[Row]) -> bool:
    return bool(rows) and rows[0].workload.more_is_better


def _judge_one(rows: list[Row]) -> Verdict:
    workload = rows[0].workload
    parts = [f"{row.peer.name} FAILED ({row.failures[0]})" for row in rows if row.failures]
    broken = bool(parts)
    ours = [row for row in rows if row.peer.ours and row.measured]
    peers = compared(rows)
    over = 0.0
    if ours:
        parts.append(f"{ours[0].peer.name} {number(ours[0].figure)} {workload.unit}")
    if peers:
        best, worst = peers[0], peers[-1]
        told = f"peers {number(best.figure)} ({best.peer.name})"
        parts.append(told + (f" to {number(worst.figure)} ({worst.peer.name})" if worst is not best else ""))
    if stuck := [row for row in rows if row.deadlock]:
        broken = broken or any(row.peer.ours for row in stuck)
        parts.append(f"deadlock: {', '.join(row.peer.name for row in stuck)}")
    if workload.must_end and ours:
        parts.append("goal to end: held")
    for goal in workload.goals:
        told, missed_by = judge_goal(goal, rows)
        over = max(over, missed_by)
        parts += [told] if told else []
    slow = [row for row in ours if peers and _is_worse(row, peers[-1])]
    parts += [f"{row.peer.name} with {number(row.figure)} IS SLOWER than the slowest peer" for row in slow]
    return Verdict(workload, "; ".join(parts) or "nothing to compare", over, broken, bool(slow))


def _is_worse(row: Row, than: Row) -> bool:
    if row.workload.more_is_better:
        return row.figure < than.figure
    # Two programs that start, say, are as good as each other however they differ by chance.
    return row.figure > than.figure and not row.workload.by_chance


def spins(row: Row) -> bool:
    """Its workers never sleep, as far as the row shows."""
    return BURNT in row.values and row.middle(BURNT) >= SPINS_FROM


def sleepless(rows: Iterable[Row]) -> dict[str, float]:
    """The names of peers that spin in one of the rows, and the percentage of a processor that they burn."""
    found: dict[str, float] = {}
    for row in filter(spins, rows):
        found[row.peer.name] = max(row.middle(BURNT), found.get(row.peer.name, 0.0))
    return found


def rival(goal: Goal, rows: list[Row]) -> Row | None:
    """The peer whose figure the goal is a share of."""
    if goal.of in (FASTEST, FASTEST_SLEEPER):
        awake = goal.of == FASTEST
        others = [row for row in compared(rows) if awake or not spins(row)]
    else:
        others = [row for row in rows if row.peer.name == goal.of and row.measured]
    return others[0] if others else None


def judge_goal(goal: Goal, rows: list[Row]) -> tuple[str, float]:
    """A sentence, and the figure as a multiple of what the goal allows; 0 if it can't be judged."""
    own = [row for row in rows if row.peer.ours and row.peer.name == (goal.whose or row.peer.name)]
    if not own or not own[0].measured:
        return "", 0.0
    row = own[0]
    key = goal.figure or row.workload.figure
    unit = goal.unit or row.workload.unit
    allowed, whom = goal.limit, ""
    if goal.of:
        if (other := rival(goal, rows)) is None:
            return f"goal {_of(goal)}: can't be judged, it is not here", 0.0
        allowed *= other.middle(key)
        whom = f"{_of(goal)}, "
    value = max(row.middle(key), ALMOST_NOTHING)
    over = allowed / value if goal.at_least else value / allowed
    who = f"{row.peer.name} {number(row.middle(key))}, " if goal.whose or goal.figure else ""
    bound = "at least" if goal.at_least else "at most"
    held = "held" if over <= 1 else f"MISSED, by {over:.2f} times"
    return f"{who}goal {bound} {whom}{number(allowed)} {unit}: {held}", over


def _of(goal: Goal) -> str:
    return f"{goal.limit:.3g} of {goal.of}" if goal.limit != 1 else goal.of


def markdown(results: Results) -> str:
    """docs/benchmarks.md: a function of the results alone."""
    lines = ["# Benchmarks", "", "Written by `make bench` (`python3 benches/run.py`); don't edit.", ""]
    for table in results.tables:
        lines += [f"![{table}: each row a chart, ours in color]({CHARTS[table]})", ""]
    lines += ["## In short", ""]
    for table in results.tables:
        rows = [row for row in results.rows if row.workload.table == table]
        lines += [f"From {table}:", ""]
        lines += [f"- **{verdict.workload.name}**: {verdict.text}." for verdict in judge(rows)]
        lines += [""]
    lines += [f"- not measured: {name}." for name in results.skipped]
    lines += [""] if results.skipped else []
    lines += ["## How it was measured", ""]
    for text in (HOW, HOW_C, HOW_PYTHON):
        lines += [text.format_map(results.settings), ""]
    lines += [f"- {key}: {value}" for key, value in results.machine.items()]
    burnt = sleepless(results.rows)
    for group in by_workload(results.rows).values():
        lines += ["", *_section(group, burnt)]
    return "\n".join(lines) + "\n"


def _section(rows: list[Row], burnt: dict[str, float]) -> list[str]:
    workload = rows[0].workload
    best = next((row.figure for row in compared(rows)), None)
    ours = next((row.figure for row in rows if row.peer.name == "offgil" and row.measured), None)
    more = "; more is better" if workload.more_is_better else ""
    lines = [f"## {workload.name}: {workload.title}", ""]
    lines += [workload.how, ""] if workload.how else []
    extra = [key for key in EXTRA if any(key in row.values for row in rows)]
    titles = ["peer", "version", "how", f"{workload.unit}{more}", "range", "CPU s"]
    titles += [EXTRA[key] for key in extra]
    titles += ["of best peer", "of offgil"]
    lines += [f"| {' | '.join(titles)} |", f"|---|---|---|{'---:|' * (len(titles) - 3)}"]
    for row in [*ranked(rows), *(row for row in rows if row.deadlock)]:
        name = f"**{row.peer.name}**" if row.peer.ours else row.peer.name
        cells = [name, row.version, _how(row, burnt.get(row.peer.name))]
        if row.deadlock:
            cells += ["deadlock"] + [""] * (len(titles) - 4)
        else:
            low, high = map(number, row.range())
            cells += [number(row.figure), f"{low}-{high}", f"{row.middle('cpu_s'):.3f}"]
            cells += [number(row.middle(key)) for key in extra]
            cells += [_ratio(row.figure, best), _ratio(row.figure, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    for note in _notes(rows):
        lines += ["", note]
    return lines


def _how(row: Row, burnt: float | None) -> str:
    workload = row.workload
    parts = [row.peer.notes_on(workload.name)]
    if row.peer.futures and workload.table == "C" and workload.counts == "tasks":
        parts.append("a future each")
    if burnt is not None:
        parts.append(f"ITS WORKERS NEVER SLEEP, and burn {burnt:.0f} % of a processor with nothing to do")
    return "; ".join(filter(None, parts))


def _notes(rows: list[Row]) -> list[str]:
    notes = [f"{row.peer.name} failed: {row.failures[0]}." for row in rows if row.failures]
    absent: dict[str, list[str]] = {}
    for row in rows:
        if row.not_offered and not row.failures:
            absent.setdefault(row.peer.absent_because(row.workload.name), []).append(row.peer.name)
    notes += [f"Not here, because it {why}: {', '.join(names)}." for why, names in absent.items()]
    aside: dict[str, list[str]] = {}
    for row in rows:
        if row.measured and (why := row.peer.aside_because(row.workload.name)):
            aside.setdefault(why, []).append(row.peer.name)
    notes += [f"Not compared with, because it {why}: {', '.join(names)}." for why, names in aside.items()]
    return notes + [text for row in rows if row.peer.ours and row.measured and (text := _phases(row))]


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else ""


def _phases(row: Row) -> str:
    parts = [f"{name} {row.middle(key):.0f}" for key, name in PHASES.items() if key in row.values]
    return f"{row.peer.name}, ns a task: {', '.join(parts)}." if parts else ""


def table(rows: list[Row]) -> str:
    """For the terminal."""
    lines = []
    for own in by_workload(rows).values():
        workload = own[0].workload
        lines.append(f"{workload.name}: {workload.title}, {workload.unit}")
        for row in ranked(own):
            low, high = map(number, row.range())
            mark = "*" if row.peer.ours else " "
            name = f"{row.peer.name} {row.version}"
            lines.append(
                f" {mark}{name:<44}{number(row.figure):>10} {f'{low}-{high}':>20}"
                f" {row.middle('cpu_s'):8.3f} CPU s"
            )
        lines += [f"  {row.peer.name}: deadlock" for row in own if row.deadlock]
        lines += [f"  {row.peer.name}: FAILED, {row.failures[0]}" for row in own if row.failures]
        lines.append("")
    return "\n".join(lines)
