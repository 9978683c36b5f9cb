"""Of what callgrind has counted: the sums by file or library, and the tables of docs/performance.md."""

import re
from collections import Counter
from collections.abc import Callable

from .base import CHECKOUT

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
