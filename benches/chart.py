"""chart.py RESULTS.json DIRECTORY: draws the SVG charts, a panel for each row. Needs matplotlib."""

import sys
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from harness.base import Workload
from harness.cells import Row
from harness.report import charts, number, ranked, rival
from harness.results import Results, load

OURS, ALSO_OURS, OTHERS, GOAL = "#1769aa", "#7db3dc", "#b0b7bf", "#c0392b"
LOGARITHMIC_FROM = 15  # the largest bar as a multiple of the least
STYLE = {
    "svg.hashsalt": "offgil",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def limit_of(rows: list[Row]) -> float | None:
    """Where the bar of ours has to end, by the first goal that is about it."""
    for goal in rows[0].workload.goals:
        if goal.whose or goal.figure:
            continue
        if not goal.of:
            return goal.limit
        if (other := rival(goal, rows)) is not None:
            return goal.limit * other.figure
    return None


def title(workload: Workload) -> str:
    wrapped = textwrap.fill(f"{workload.name}: {workload.title}", 64)
    return f"{wrapped}\n{workload.unit}, {'more' if workload.more_is_better else 'less'} is better"


def set_scale(axes: Axes, values: list[float], high: float) -> None:
    """Up to `high`, a little more; logarithmic if the least value is far from that."""
    if high > LOGARITHMIC_FROM * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(min(values) / 3, high * 4)
    else:
        axes.set_xlim(0, high * 1.18)


def shown_of(rows: list[Row]) -> list[Row]:
    """Those that have a place, from top to bottom."""
    return [*ranked(rows), *(row for row in rows if row.deadlock)]


def draw_panel(axes: Axes, rows: list[Row], places_there: int) -> None:
    """The bars of one row of the table, the best on top; whoever hangs has a word instead of a bar."""
    workload = rows[0].workload
    shown = shown_of(rows)
    axes.set_title(title(workload), loc="left", fontsize=9)
    values = [row.figure if row.measured else 0.0 for row in shown]
    main = next((row.peer for row in rows if row.peer.ours), None)
    colors = [OURS if row.peer is main else ALSO_OURS if row.peer.ours else OTHERS for row in shown]
    spread = [
        [value - row.range()[0], row.range()[1] - value] if row.measured else [0.0, 0.0]
        for row, value in zip(shown, values, strict=True)
    ]
    places = range(len(shown))
    axes.barh(
        places,
        values,
        color=colors,
        xerr=list(zip(*spread, strict=True)),
        error_kw={"ecolor": "#555555", "elinewidth": 0.8, "capsize": 2},
    )
    axes.set_yticks(places, [row.peer.name for row in shown])
    for label, row in zip(axes.get_yticklabels(), shown, strict=True):
        label.set_color(OURS if row.peer.ours else "black")
        label.set_fontweight("bold" if row.peer.ours else "normal")
    axes.set_ylim(places_there - 0.4, -0.6)
    limit = limit_of(rows)
    if positive := [value for value in values if value > 0]:
        highest = max(row.range()[1] for row in shown if row.measured)
        set_scale(axes, positive, max(highest, limit or 0.0))
    for place, row in zip(places, shown, strict=True):
        if row.measured:
            # Nothing is at 0 where the scale is logarithmic.
            end = max(row.range()[1], axes.get_xlim()[0])
            text = "ends" if workload.must_end else number(row.figure)
        else:
            end, text = axes.get_xlim()[0], "deadlock"
        axes.annotate(
            text,
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="black" if row.measured else GOAL,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )
    if limit is not None:
        axes.axvline(limit, color=GOAL, linestyle="--", linewidth=1)


def draw(results: Results, groups: list[list[Row]], path: Path) -> None:
    """A panel for each group of rows."""
    columns = 2 if len(groups) > 3 else 1
    lines = [groups[i : i + columns] for i in range(0, len(groups), columns)]
    most = [max(len(shown_of(group)) for group in line) for line in lines]
    heights = [0.9 + 0.2 * count for count in most]
    figure, panels = pyplot.subplots(
        len(lines),
        columns,
        figsize=(6.2 * columns + (0 if columns > 1 else 2), sum(heights) + 0.8),
        gridspec_kw={"height_ratios": heights},
        squeeze=False,
        layout="constrained",
    )
    for axes in panels.flat[len(groups) :]:
        axes.set_visible(False)
    for axes, group, index in zip(panels.flat, groups, range(len(groups)), strict=False):
        draw_panel(axes, group, most[index // columns])
    machine = results.machine
    table = groups[0][0].workload.table
    figure.suptitle(f"offgil next to others, from {table}", fontsize=12, fontweight="bold")
    figure.supxlabel(
        f"Bars: median of fresh processes, with the range. Blue: offgil. Dashed: its goal.\n"
        f"{machine['processor']}; {machine['system']}; {machine['date']}",
        fontsize=8,
    )
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # What matplotlib leaves at the ends of lines.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def main() -> None:
    results = load(Path(sys.argv[1]).read_text())
    with matplotlib.rc_context(STYLE):
        for name, groups in charts(results).items():
            draw(results, groups, Path(sys.argv[2]) / name)


if __name__ == "__main__":
    main()
