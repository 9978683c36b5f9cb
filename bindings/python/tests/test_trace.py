"""Traces are JSON, as Perfetto and chrome://tracing read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, run

PROGRAM = """
import ctypes, os, offgil
from offgil.ctypes import OFFGIL_FOREVER, task_fn

def work(pool, count):
    task = task_fn(lambda arg: arg)
    futures = [offgil.lib.pool_submit(pool, task, None) for _ in range(count)]
    for future in futures:
        offgil.lib.future_wait(future, OFFGIL_FOREVER, None)
        offgil.lib.future_release(future)

pool = offgil.lib.pool_create(2)
work(pool, 100)
"""


def traced(code: str, path: Path) -> list[dict[str, Any]]:
    """The events that a program leaves with OFFGIL_TRACE."""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "OFFGIL_TRACE": str(path)}, timeout=60
    )
    return events(path)


def events(path: Path) -> list[dict[str, Any]]:
    parsed = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, list)
    return parsed


def tasks(trace: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in trace if event.get("cat") == "task"]


@pytest.mark.parametrize("end", ["", "offgil.lib.pool_destroy(pool)"])
def test_a_program_leaves_a_trace_of_every_task_without_a_line_changed(tmp_path: Path, end: str) -> None:
    path = tmp_path / "trace \u00e4.json"
    trace = traced(PROGRAM + end, path)
    assert len(tasks(trace)) == 100
    for event in tasks(trace):
        assert event["ph"] == "X"
        assert event["ts"] > 0
        assert event["dur"] >= 0
        assert event["args"]["outcome"] == "ok"
        assert event["args"]["worker"] in (0, 1)
        assert int(event["args"]["task"], 16) > 0
        assert event["name"]
    assert len({event["args"]["task"] for event in tasks(trace)}) == 100
    assert {event["pid"] for event in trace} == {trace[0]["pid"]}


def test_every_thread_of_the_trace_has_a_name_and_the_process_too(tmp_path: Path) -> None:
    # The main thread may run what it waits for itself; what it spawns only the pool's threads run.
    spawn = (
        "task = task_fn(lambda arg: arg)\noffgil.lib.pool_spawn(pool, task, None)\n"
        "offgil.lib.pool_wait_idle(pool, OFFGIL_FOREVER)\n"
    )
    trace = traced(PROGRAM + spawn, tmp_path / "trace.json")
    named = {event["tid"]: event["args"]["name"] for event in trace if event["name"] == "thread_name"}
    assert {event["tid"] for event in trace if "tid" in event} == set(named)
    assert any(re.fullmatch(r"offgil-\d", name) for name in named.values())
    assert [event["args"]["name"] for event in trace if event["name"] == "process_name"]


def test_bodies_on_one_thread_lie_within_each_other_or_apart(tmp_path: Path) -> None:
    trace = traced(PROGRAM, tmp_path / "trace.json")
    for thread in {event["tid"] for event in tasks(trace)}:
        slices = sorted(
            (event["ts"], event["ts"] + event["dur"])
            for event in trace
            if event["ph"] == "X" and event["tid"] == thread
        )
        for (_, end), (begin, later_end) in pairwise(slices):
            assert begin >= end - 0.001 or later_end <= end + 0.001


def test_the_child_of_a_fork_leaves_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    code = PROGRAM + (
        "\nchild = os.fork()\n"
        "if child == 0:\n    work(pool, 30)\n    offgil.lib.pool_destroy(pool)\n    os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\nwork(pool, 1)\n"
    )
    assert len(tasks(traced(code, path))) == 101
    (of_child,) = tmp_path.glob("trace.json.*")
    assert len(tasks(events(of_child))) == 30
    assert tasks(events(of_child))[0]["pid"] == int(of_child.suffix[1:])


def test_what_a_killed_program_leaves_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    code = PROGRAM + "work(pool, 3000)\nos.kill(os.getpid(), 9)\n"
    killed = subprocess.run(
        [sys.executable, "-c", code], check=False, env={**os.environ, "OFFGIL_TRACE": str(path)}, timeout=60
    )
    assert killed.returncode == -9
    assert len(tasks(events(path))) > 1000


def test_the_python_of_the_documentation_runs() -> None:
    text = (HERE.parents[2] / "docs" / "observing.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert run([sys.executable, "-W", "error", "-c", code]).stdout.startswith("0 [0, 0, ")
