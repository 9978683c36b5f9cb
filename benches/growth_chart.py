"""growth_chart.py RESULTS.json CHART.svg: a panel for each series, a line a peer. Needs matplotlib."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from chart import GOAL, STYLE
from growth import OURS, PLACED, PLACES, SERIES, SLOW, Found, Series, load

COLORS = {
    OURS: "#1769aa",
    "rayon": "#c77f1a",
    "oneTBB": "#5d8f3a",
    "libgomp": "#8a5aa8",
    "bare threads": "#777777",
}


def draw_series(axes: Axes, found: Found, series: Series) -> None:
    for peer in series.peers:
        points = found.line(series.name, peer)
        if not points:
            continue
        xs, values = [int(point.x) for point in points], [point.figure for point in points]
        low = [value - min(point.values) for value, point in zip(values, points, strict=True)]
        high = [max(point.values) - value for value, point in zip(values, points, strict=True)]
        width = 2.0 if peer == OURS else 1.0
        style = {"color": COLORS[peer], "linewidth": width, "marker": "o", "markersize": 3, "capsize": 2}
        axes.errorbar(xs, values, yerr=[low, high], label=peer, **style)
    axes.set_xscale("log")
    axes.set_title(f"{series.name}: {series.title}\n{series.unit}", loc="left", fontsize=9)
    if series.figure == "efficiency":
        axes.axhline(1.0, color=GOAL, linestyle="--", linewidth=1)
        axes.set_ylim(0, 1.1)
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=7, frameon=False)


def draw_placement(axes: Axes, found: Found) -> None:
    width = 0.8 / len(PLACED)
    for index, peer in enumerate(PLACED):
        points = {point.x: point for point in found.line("placement", peer)}
        shares = [100 * points[place].figure if place in points else 0.0 for place in PLACES]
        axes.bar(
            [at + index * width for at in range(len(PLACES))], shares, width, color=COLORS[peer], label=peer
        )
    axes.set_xticks([at + width for at in range(len(PLACES))], list(PLACES))
    axes.axhline(100 * SLOW, color=GOAL, linestyle="--", linewidth=1)
    axes.set_title(
        "placement: two jobs of 2 ms\n% of calls that are slow, less is better", loc="left", fontsize=9
    )
    axes.legend(fontsize=7, frameon=False)


def main() -> None:
    found, path = load(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    with matplotlib.rc_context(STYLE):
        figure, panels = pyplot.subplots(3, 2, figsize=(11, 10), layout="constrained")
        for axes, series in zip(panels.flat, SERIES, strict=False):
            draw_series(axes, found, series)
        draw_placement(panels.flat[-1], found)
        figure.supxlabel(
            f"{found.machine['processor']}; {found.machine['system']}; {found.machine['date']}", fontsize=8
        )
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


if __name__ == "__main__":
    main()
