"""The README's section of measured figures: three comparisons with what others do, out of the results."""

from pathlib import Path

from .base import CHECKOUT
from .cells import Row
from .python_peers import C_THREADS, OURS, STDLIB
from .report import number
from .results import Results

README = CHECKOUT / "README.md"
BEGIN = "<!-- figures: written by `make bench` from benches/results.json -->\n"
END = "<!-- end of the figures -->\n"

LONGER = {"ThreadPool": "multiprocessing's ThreadPool", "asyncio": "asyncio's executor"}

TEXT = """\
Median of {python_rounds} fresh processes, CPython {reference}; {processor}.

| | `concurrent.futures.ThreadPoolExecutor` | `offgil.ThreadPoolExecutor` |
|---|---:|---:|
| submit a C function that does nothing and collect its result, one of 100,000 | {submit_peer} us | **{submit} us** |
| C functions of 90 us while the main thread is busy in Python: what gets done, next to two C threads | {busy_peer} % | **{busy} %** |
| two tasks that each submit to their own pool of two, and wait for it | {nested_peer} | **{nested}** |

{stuck}`make bench` measures anew; [docs/benchmarks.md](docs/benchmarks.md) has all rows, from C too, and how they were measured.

![offgil next to others from Python](docs/benchmarks-python.svg)

![offgil next to others from C](docs/benchmarks-c-picked.svg)
"""  # noqa: E501 - the rows of a table


def _end(row: Row) -> str:
    return "deadlock" if row.deadlock else "ends"


def section(results: Results) -> str:
    """KeyError: a row isn't in the results, or wasn't measured."""
    share = {
        name: 100 * results.row("busy", name).figure / results.row("busy", C_THREADS).figure
        for name in (OURS, STDLIB)
    }
    nested = [row for row in results.rows if row.workload.name == "nested" and row.deadlock]
    others = [row.peer.name for row in nested if row.peer.name != STDLIB]
    named = ", ".join(LONGER.get(name, name) for name in others)
    stuck = f"The last hangs with {named} too.\n" if others else ""
    return BEGIN + TEXT.format(
        **results.settings,
        processor=results.machine["processor"],
        submit=number(results.row("submit", OURS).figure),
        submit_peer=number(results.row("submit", STDLIB).figure),
        busy=f"{share[OURS]:.0f}",
        busy_peer=f"{share[STDLIB]:.0f}",
        nested=_end(results.row("nested", OURS)),
        nested_peer=_end(results.row("nested", STDLIB)),
        stuck=stuck,
    )


def parts(page: str) -> tuple[str, str, str]:
    """What stands before the section, the section, and what comes after."""
    before, begin, rest = page.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the README has lost the marks of its figures")
    return before, begin + inside, end + after


def write(results: Results, readme: Path = README) -> None:
    before, _, after = parts(readme.read_text())
    readme.write_text(before + section(results) + after)
