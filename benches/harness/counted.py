"""Of what callgrind has counted: the sums by file or library, and the tables of docs/performance.md."""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping

from .base import CHECKOUT, Failure
from .command import parser_of

PAGE = CHECKOUT / "docs" / "performance.md"
# In callgrind's format: the lines that say where what follows was executed, and where what is called is.
FILE = r"f[lie]", r"cf[li]"
LIBRARY = r"ob", r"cob"
COST = re.compile(r"(?:[+-]?\d+|\*) (\d+)$")


def sums(profile: str, places: tuple[str, str], name: Callable[[str], str]) -> Counter[str]:
    """Instructions by FILE or LIBRARY of a profile, under the name that each path is given."""
    here = re.compile(rf"(?:({places[0]})|{places[1]})=(\(\d+\))(?: (.*))?$")
    paths: dict[str, str] = {}
    found: Counter[str] = Counter()
    place, is_call = "", False
    for line in profile.splitlines():
        if at := here.match(line):
            paths.setdefault(at[2], at[3] or "")
            if at[1]:
                place = name(paths[at[2]])
        elif line.startswith("calls="):
            is_call = True
        elif cost := COST.match(line):
            if not is_call:  # else it is what the call took, which is counted where it was executed
                found[place] += int(cost[1])
            is_call = False
    return found


def table(title: str, more: Counter[str], fewer: Counter[str], times: int, least: float) -> str:
    """What one operation costs, of which there were `times` more; shares below `least` are one line."""
    costs = {place: (more[place] - fewer[place]) / times for place in more}
    total = sum(costs.values())
    lines = [f"**{title}**: {total:,.0f} instructions", "", "| where | instructions |", "|---|---:|"]
    in_order = sorted(costs, key=costs.__getitem__, reverse=True)
    shown = [place for place in in_order if costs[place] >= least * total]
    lines += [f"| {place} | {costs[place]:,.0f} |" for place in shown]
    if (rest := round(total - sum(costs[place] for place in shown))) > 0:
        lines.append(f"| elsewhere | {rest:,} |")
    return "\n".join(lines)


def write(tables: list[str], mark: str) -> None:
    """Puts the tables between the marks of that name."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text("\n\n".join([before + begin, *tables, end]) + rest.partition(end)[2])


def main(
    doc: str | None,
    titles: Mapping[str, object],
    build: Callable[[], None],
    table_of: Callable[[str], str],
    mark: str,
    preface: tuple[str, ...] = (),
) -> int:
    """A script that prints the tables of all titles and writes them to the page, or prints the named ones."""
    parser = parser_of(doc)
    parser.add_argument("names", nargs="*", metavar="NAME", help="print these only, and write nothing")
    chosen = parser.parse_args().names
    if unknown := [name for name in chosen if name not in titles]:
        parser.error(f"{unknown[0]} is none of {', '.join(titles)}")
    if shutil.which("valgrind") is None:
        print("valgrind is missing (Debian: apt-get install valgrind)")
        return 2
    tables = []
    try:
        build()
        for name in chosen or titles:
            tables.append(table_of(name))
            print(tables[-1], end="\n\n", flush=True)
    except Failure as failure:
        print(f"where: {failure}", file=sys.stderr)
        return 1
    if not chosen:
        write([*preface, *tables], mark)
    return 0
