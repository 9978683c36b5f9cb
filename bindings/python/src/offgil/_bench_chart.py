"""The chart of `python -m offgil bench`, an SVG file."""

from __future__ import annotations

from html import escape

from offgil._bench import Cell, heading, number
from offgil._bench_child import ROWS

_LEFT, _BARS, _WIDTH = 170, 460, 760
_STEP, _HEAD = 22, 42
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.row{font-weight:600}.why{fill:#666}.bar{fill:#9aa5b1}"
    ".ours{fill:#0b7a75}.range{stroke:#222;stroke-width:1}.hangs{fill:#b42318}"
    "@media(prefers-color-scheme:dark){rect.page{fill:#16181c}text{fill:#ddd}.why{fill:#999}.range{stroke:#ddd}}"
)


def chart(cells: list[Cell], threads: int) -> str:
    """Bars for the medians, a line over each for the range; a panel for each row."""
    parts, y = [], 20
    for line in heading(threads, cells).split(". ", 1):
        parts.append(_text(10, y, line, "why"))
        y += 16
    for row in dict.fromkeys(cell.row for cell in cells):
        of_row = [cell for cell in cells if cell.row == row]
        y += _HEAD - _STEP
        parts.append(_text(10, y, f"{row}: {ROWS[row][0]}", "row"))
        y += 8
        longest = max((max(cell.samples) for cell in of_row if cell.median is not None), default=1.0)
        for cell in of_row:
            parts += _bar(cell, y, _BARS / longest)
            y += _STEP
    y += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}">'
        f'<style>{_STYLE}</style><rect class="page" width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _bar(cell: Cell, y: int, scale: float) -> list[str]:
    name = f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(cell.peer)}</text>'
    if cell.median is None:
        return [name, _text(_LEFT, y + 14, cell.failure or "", "hangs")]
    least, most = _LEFT + min(cell.samples) * scale, _LEFT + max(cell.samples) * scale
    kind = "bar ours" if cell.peer.startswith("offgil") else "bar"
    return [
        name,
        f'<rect class="{kind}" x="{_LEFT}" y="{y + 3}" width="{cell.median * scale:.1f}" height="14"/>',
        f'<line class="range" x1="{least:.1f}" x2="{most:.1f}" y1="{y + 10}" y2="{y + 10}"/>',
        _text(round(most) + 6, y + 14, f"{number(cell.median)} us", ""),
    ]


def _text(x: int, y: int, words: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'
