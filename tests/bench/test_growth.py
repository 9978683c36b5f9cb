"""The growth benchmark runs, and its page says what was measured. No time is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHES = ROOT / "benches"
sys.path.insert(0, str(BENCHES))

import growth  # noqa: E402

LIBRARY = ROOT / "target" / "release" / "liboffgil.so"
SECONDS = 300  # a guard against hanging
STALE = "run `python3 benches/growth.py --render`, or `make bench-growth`"


def test_every_point_of_a_quick_run_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHES / "growth.py"), "--quick", "--library", str(LIBRARY)]
    done = subprocess.run(
        [*command, "--build", str(tmp_path)], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found = growth.load((tmp_path / "growth.json").read_text())
    peers = {point.peer for point in found.points}
    assert {growth.OURS, growth.BARE} <= peers
    assert [(p.series, p.x) for p in found.points if p.peer == growth.OURS] == [
        (point.series, point.x) for point in growth.plan({growth.OURS}, quick=True)
    ]
    assert all(len(point.values) == 1 for point in found.points)


def committed() -> growth.Found:
    return growth.load(growth.DATA.read_text())


def test_the_page_shows_the_figures_of_growth_json() -> None:
    found = committed()
    assert growth.dump(found) == growth.DATA.read_text()
    assert growth.markdown(found) == growth.PAGE.read_text(), STALE


def test_the_chart_is_of_the_run_in_growth_json() -> None:
    drawn = (growth.PAGE.parent / growth.CHART).read_text()
    found = committed()
    assert found.machine["date"] in drawn, STALE
    assert all(f">{peer}</text>" in drawn for peer in {point.peer for point in found.points})


@pytest.mark.parametrize(("dearest", "verdict"), [(15.0, "held"), (30.0, "MISSED, by 2.00 times")])
def test_flatness_is_held_or_missed_by_so_much(dearest: float, verdict: str) -> None:
    points = [
        growth.Point("queued", growth.OURS, "1000", [10.0]),
        growth.Point("queued", growth.OURS, "9", [dearest]),
    ]
    found = growth.Found({}, 1, 0.0, [], points)
    text, held = growth.flatness(found, growth.SERIES[0])
    assert text.endswith(verdict) and held == (verdict == "held")
