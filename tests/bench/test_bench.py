"""The benchmarks run, find peers that don't do the work, and what the pages say is what was measured.

No time is asserted: a benchmark is where speed is judged, not a test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHES = ROOT / "benches"
sys.path.insert(0, str(BENCHES))
sys.path.append(str(ROOT / "tests"))  # for tools.py

from harness import c_peers, python_peers, readme, report, results  # noqa: E402
from harness.base import Goal  # noqa: E402
from harness.cells import Row, measure_c  # noqa: E402
from harness.python_env import Environments, requirements  # noqa: E402

from tools import find_tool  # noqa: E402

LIBRARY = ROOT / "target" / "release" / "liboffgil.so"
SECONDS = 300  # a guard against hanging
# Nothing may be left out.
CI = bool(os.environ.get("OFFGIL_CI"))
FEW = ["--quick", "--rounds", "1", "--no-install"]


def run_bench(directory: Path, *arguments: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHES / "run.py"), *FEW, "--build", str(directory), *arguments]
    environment = {**os.environ, "CI": ci}
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)


def bench(directory: Path, *arguments: str) -> list[dict[str, Any]]:
    """The rows that a run measured."""
    done = run_bench(directory, *arguments)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    rows: list[dict[str, Any]] = json.loads((directory / "results.json").read_text())["rows"]
    assert (directory / "benchmarks.md").read_text().startswith("# Benchmarks")
    return rows


def test_rows_from_python_are_measured_and_every_task_counted(tmp_path: Path) -> None:
    peers = ["--peer", "offgil", "--peer", "ThreadPoolExecutor", "--peer", "two C threads"]
    rows = bench(tmp_path, "--table", "Python", "--python", sys.executable, "--tasks", "60", *peers)
    assert {row["workload"] for row in rows} == {workload.name for workload in python_peers.WORKLOADS}
    stuck = [(row["workload"], row["peer"]) for row in rows if row["deadlock"]]
    assert stuck == [("nested", "ThreadPoolExecutor")]
    assert [row for row in rows if not row["values"] and not row["deadlock"]] == []


def test_rows_from_c_are_measured_and_every_task_counted(tmp_path: Path) -> None:
    rows = bench(tmp_path, "--table", "C", "--library", str(LIBRARY), "--tasks", "1000", "--peer", "offgil")
    figures = {workload.name: workload.figure for workload in c_peers.WORKLOADS}
    assert [row["workload"] for row in rows if row["peer"] == "offgil"] == list(figures)
    offered = [row for row in rows if row["offered"]]
    assert [row for row in offered if len(row["values"][figures[row["workload"]]]) != 1] == []


def test_a_peer_that_is_not_here_is_left_out_with_a_line_and_an_error_in_ci(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    bare = ["--python", str(tmp_path / "bare" / "bin" / "python")]
    asked = [*bare, "--table", "Python", "--bench", "submit", "--peer", "gevent", "--peer", "asyncio"]
    done = run_bench(tmp_path, *asked, "--tasks", "60")
    assert done.returncode == 0, done.stderr
    assert "skipped: gevent, can't be had: gevent" in done.stderr
    assert "- not measured: gevent (can't be had: gevent)." in (tmp_path / "benchmarks.md").read_text()
    done = run_bench(tmp_path, *asked, ci="true")
    assert done.returncode == 1
    assert "CI=true, and not here: gevent" in done.stderr


ADAPTER = """
from concurrent.futures import ThreadPoolExecutor as Pool

def make_pool(workers):
    return Pool(workers)

def submit(pool, fn, count):
"""


def drive(directory: Path, submit: str, workload: str = "submit") -> subprocess.CompletedProcess[str]:
    """One cell of an adapter that submits so."""
    environments = Environments(directory, Path(sys.executable))
    environments.build([])
    adapter = directory / "wrong.py"
    adapter.write_text(f"{ADAPTER}    {submit}\n")
    driver = BENCHES / "python" / "driver.py"
    words = [sys.executable, driver, workload, adapter, "-", 20, 2, environments.native, 1]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.parametrize(
    ("submit", "complaint"),
    [
        ("return [fn() for _ in range(count - 1)]", "tasks that ran: 19 instead of 20"),
        ("return [fn() for _ in range(count)][1:]", "results: 19 instead of 20"),
        ("return [fn() + 1 for _ in range(count)]", "a result: {8} instead of {7}"),
        ("raise RuntimeError('no room')", "RuntimeError: no room"),
    ],
)
def test_a_peer_that_does_not_do_the_work_is_found_out(tmp_path: Path, submit: str, complaint: str) -> None:
    done = drive(tmp_path, submit)
    assert done.returncode != 0
    assert complaint in done.stderr.splitlines()[-1]


def test_a_peer_that_does_the_work_is_not_blamed(tmp_path: Path) -> None:
    done = drive(tmp_path, "return [f.result() for f in [pool.submit(fn) for _ in range(count)]]")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["us_per_task"] > 0


# A peer that starts a thread for each task; a line of it is replaced by one that is wrong.
C_ADAPTER = """
#include "adapter.h"
#include <pthread.h>
static void *wait_for(void *(*task)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, task, NULL);
    pthread_join(thread, NULL);
    return NULL;
}
void bench_start(uint32_t workers) { (void)workers; }
void bench_outside(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        wait_for(batch->task);
}
void bench_handoff(batch_t *batch) { bench_outside(batch); }
void bench_fire(void *(*task)(void *), void *argument) {
    pthread_t thread;
    pthread_create(&thread, NULL, task, argument);
    pthread_detach(thread);
}
void bench_queue(batch_t *batch) { (void)batch; }
void bench_for(loop_t *loop) {
    for (size_t i = 0; i < loop->times; i++)
        loop->body(loop->context, 0, loop->count);
}
uint64_t bench_fib(uint32_t n) { return n < 2 ? n : bench_fib(n - 1) + bench_fib(n - 2); }
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = c_peers.Builder(tmp_path_factory.mktemp("driver"))
    builder.build([])
    return builder.driver


def drive_c(driver: Path, directory: Path, workload: str, right: str = "", wrong: str = "") -> str:
    """What the driver prints of one cell of that peer, or complains of."""
    assert right in C_ADAPTER
    source, library = directory / "peer.c", directory / "peer.so"
    source.write_text(C_ADAPTER.replace(right, wrong, 1))
    flags = ["-fPIC", "-shared", "-lpthread", f"-I{BENCHES / 'c'}"]
    c_peers.compile_c([str(source)], library, flags)
    command = [str(driver), str(library), workload, "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert bool(done.returncode) == bool(done.stderr)
    return done.stdout or done.stderr


@pytest.mark.parametrize(
    ("workload", "right", "wrong", "complaint"),
    [
        ("outside", "i = 0; i < batch->count", "i = 1; i < batch->count", "ran 999 of 1000 tasks"),
        ("handoff", "wait_for(batch->task)", "batch->task(NULL)", "ran on the thread that waits for it"),
        ("silence", "pthread_create(&thread, NULL, task, argument)", "task(argument)", "ran the task itself"),
        ("memory", "(void)batch", "bench_outside(batch)", "ran 1020 of 0 tasks"),
        ("for_trivial", "0, loop->count)", "1, loop->count)", "index 0 was visited -110 times"),
        ("for_empty", "0, loop->count)", "0, 1)", "ran 20 of 40 tasks"),
        ("fib", "n < 2 ? n", "n < 2 ? 1", "fib(20) is 6765, not 10946"),
        ("outside", "void bench_start(", "void start(", "exports no bench_start"),
    ],
)
def test_a_peer_from_c_that_does_not_do_the_work_is_found_out(
    driver: Path, tmp_path: Path, workload: str, right: str, wrong: str, complaint: str
) -> None:
    assert complaint in drive_c(driver, tmp_path, workload, right, wrong)


@pytest.mark.parametrize("workload", ["outside", "handoff", "silence", "for_trivial", "for_empty", "fib"])
def test_a_peer_from_c_that_does_the_work_is_not_blamed(driver: Path, tmp_path: Path, workload: str) -> None:
    figure = next(each.figure for each in c_peers.WORKLOADS if each.name == workload)
    assert f"{figure}=" in drive_c(driver, tmp_path, workload)


def test_a_row_that_a_peer_from_c_lacks_is_one_of_the_rows() -> None:
    names = {workload.name for workload in c_peers.WORKLOADS}
    for peer in c_peers.PEERS:
        for told in [*peer.absent, *peer.also]:
            assert set(told.split()) <= names, peer.name


def test_a_number_of_tasks_changes_rows_whose_count_is_of_tasks_only() -> None:
    wanted = {workload.name: workload.tasks(quick=True, wanted=7) for workload in c_peers.WORKLOADS}
    assert (wanted["outside"], wanted["memory"]) == (7, 7)
    assert (wanted["fib"], wanted["idle"]) == (32, 150)


def silence(peer: str, ns: float, percent: float) -> Row:
    workload = next(each for each in c_peers.WORKLOADS if each.name == "silence")
    named = next(each for each in c_peers.PEERS if each.name == peer)
    values = {workload.figure: [ns], report.BURNT: [percent], "cpu_s": [0.0]}
    return Row(workload, named, "1", values=values)


def test_a_peer_whose_workers_never_sleep_is_no_measure_of_a_wake_up() -> None:
    rows = [silence("offgil", 900, 1), silence("rayon", 500, 99), silence("GLib", 1000, 2)]
    text, over = report.judge_goal(rows[0].workload.goals[0], rows)
    assert text == "goal at most the fastest peer whose workers sleep, 1,000 ns, p50: held"
    assert over == pytest.approx(0.9)


def test_a_peer_whose_workers_never_sleep_is_marked_in_all_its_rows() -> None:
    workload = next(each for each in c_peers.WORKLOADS if each.name == "for_1us")
    peer = next(each for each in c_peers.PEERS if each.name == "rayon")
    loop = Row(workload, peer, "1", values={workload.figure: [1.0], "cpu_s": [0.0]})
    found = results.Results({}, {"rounds": 1, "python_rounds": 1, "tasks": 1, "workers": 2}, [])
    found.settings |= {"reference": "none", "older": "none"}
    mark = "ITS WORKERS NEVER SLEEP, and burn 99 % of a processor"
    found.rows = [silence("rayon", 500, 99), loop]
    assert report.markdown(found).count(mark) == 2
    found.rows = [silence("rayon", 500, 9), loop]
    assert mark not in report.markdown(found)


def test_a_figure_that_is_set_aside_is_shown_and_not_compared_with() -> None:
    workload = next(each for each in c_peers.WORKLOADS if each.name == "outside")
    peers = {each.name: each for each in c_peers.PEERS}
    figures = {"offgil": 30.0, "rayon": 100.0, "libgomp": 40.0}
    rows = [
        Row(workload, peers[name], "1", values={workload.figure: [figure], "cpu_s": [0.0]})
        for name, figure in figures.items()
    ]
    assert report.judge_goal(workload.goals[0], rows)[0].endswith("the fastest peer, 50 ns a task: held")
    assert [row.peer.name for row in report.compared(rows)] == ["rayon"]
    assert [row.peer.name for row in report.ranked(rows)] == ["offgil", "libgomp", "rayon"]


@pytest.fixture(scope="module")
def builder() -> c_peers.Builder:
    """Of all peers from C that are here."""
    built = c_peers.Builder(ROOT / "build" / "bench-test", LIBRARY)
    built.build([peer for peer in c_peers.PEERS if c_peers.is_installed(peer)])
    return built


# As little of each row as shows that it works, in tasks, loops, milliseconds or whatever it counts.
LITTLE = {"for_trivial": 10_000, "for_1us": 100, "fib": 16, "sleeps2000": 64, "idle": 30, "create": 5}


@pytest.mark.parametrize("peer", c_peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_from_c_does_the_work_of_all_its_rows(builder: c_peers.Builder, peer: c_peers.CPeer) -> None:
    if not c_peers.is_installed(peer):
        assert not CI, f"{peer.name} is not installed"
        pytest.skip(f"{peer.name} is not installed, see benches/install-peers.sh")
    for workload in c_peers.WORKLOADS:
        row = Row.of(workload, peer)
        if not row.not_offered:
            measure_c(builder.driver, builder.path_of(peer), row, LITTLE.get(workload.name, 100))
            assert row.failures == [], workload.name
            assert row.measured, workload.name
            assert row.version or builder.version_of(peer), workload.name


def cells(peer: str, value: float, workload: str = "submit", **more: list[float]) -> Row:
    found = [w for w in python_peers.WORKLOADS if w.name == workload]
    named = [p for p in python_peers.PEERS if p.name == peer]
    return Row(found[0], named[0], "1", values={found[0].figure: [value], "cpu_s": [0.0], **more})


@pytest.mark.parametrize(
    ("goal", "ours", "told", "over"),
    [
        (Goal(0.25), 0.2, "goal at most 0.25 us a task: held", 0.8),
        (Goal(0.25), 0.5, "goal at most 0.25 us a task: MISSED, by 2.00 times", 2.0),
        (
            Goal(0.1, "ThreadPoolExecutor"),
            2.0,
            "goal at most 0.1 of ThreadPoolExecutor, 1 us a task: MISSED, by 2.00 times",
            2.0,
        ),
        (Goal(1.0, "the fastest peer"), 4.0, "goal at most the fastest peer, 8 us a task: held", 0.5),
        (
            Goal(0.5, "the fastest peer", at_least=True),
            4.0,
            "0.5 of the fastest peer, 4 us a task: held",
            1.0,
        ),
        (Goal(1.0, "dask"), 4.0, "goal dask: can't be judged, it is not here", 0.0),
    ],
)
def test_a_goal_is_held_or_missed_by_so_much(goal: Goal, ours: float, told: str, over: float) -> None:
    rows = [cells("offgil", ours), cells("ThreadPoolExecutor", 10.0), cells("ThreadPool", 8.0)]
    text, by = report.judge_goal(goal, rows)
    assert text.endswith(told)
    assert by == pytest.approx(over)


def test_ours_is_bad_if_it_never_ends_or_is_slower_than_the_slowest() -> None:
    stuck = cells("offgil", 1.0, "nested")
    stuck.deadlock = True
    slow = [cells("offgil", 11.0), cells("ThreadPoolExecutor", 10.0)]
    fast = [cells("offgil", 9.0), cells("ThreadPoolExecutor", 10.0)]
    assert [verdict.is_bad for rows in ([stuck], slow, fast) for verdict in report.judge(rows)] == [
        True,
        True,
        False,
    ]


def test_every_package_of_a_peer_has_a_pinned_line() -> None:
    for peer in python_peers.PEERS:
        for line in requirements(set(peer.packages)):
            assert "==" in line


def test_every_row_of_a_peer_is_a_workload_that_its_adapter_has() -> None:
    functions = {
        "busy": "start",
        "map": "map_all",
        "roundtrip": "roundtrips",
        "integrate": "integrate",
        "nested": "nested",
        "shutdown": "shutdown",
        "import": "make_pool",
    }
    names = {workload.name for workload in python_peers.WORKLOADS}
    for peer in python_peers.PEERS:
        assert set(peer.rows.split()) <= names
        source = (BENCHES / "python" / "peers" / f"{peer.source}.py").read_text()
        for row in peer.rows.split():
            assert f"def {functions.get(row, 'submit')}(" in source, f"{peer.name}: {row}"
        assert peer.module or "import" not in peer.rows.split()


def test_instructions_from_python_are_counted_by_library() -> None:
    find_tool("valgrind")
    command = [sys.executable, str(BENCHES / "where_python.py"), "map"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    counts = dict(re.findall(r"^\| ([\w. ]+) \| ([\d,]+) \|$", done.stdout, re.MULTILINE))
    # What an item costs at least: an entry of the list, and a call in C.
    assert int(counts["the interpreter"].replace(",", "")) > 50
    assert int(counts["liboffgil"].replace(",", "")) > 50


def committed() -> results.Results:
    return results.load((BENCHES / "results.json").read_text())


def test_docs_and_readme_show_the_figures_of_results_json() -> None:
    found = committed()
    assert results.dump(found) == (BENCHES / "results.json").read_text()
    stale = "run `python3 benches/run.py --render`, or `make bench`"
    assert (ROOT / "docs" / "benchmarks.md").read_text() == report.markdown(found), stale
    _, section, _ = readme.parts((ROOT / "README.md").read_text())
    assert section == readme.section(found), stale


def test_charts_are_of_the_run_in_results_json() -> None:
    check_charts(ROOT / "docs")


def test_charts_can_be_drawn(tmp_path: Path) -> None:
    chart, data = BENCHES / "chart.py", BENCHES / "results.json"
    subprocess.run([sys.executable, chart, data, tmp_path], check=True, timeout=SECONDS)
    check_charts(tmp_path)


def check_charts(directory: Path) -> None:
    """They have the date of the measurement, and every peer and figure of their rows."""
    found = committed()
    for name, groups in report.charts(found).items():
        drawn = (directory / name).read_text()
        assert found.machine["date"] in drawn
        for row in (row for group in groups for row in group if row.measured):
            told = "ends" if row.workload.must_end else report.number(row.figure)
            assert f">{row.peer.name}</text>" in drawn
            assert f">{told}</text>" in drawn, f"{row.workload.name}: {row.peer.name}"
