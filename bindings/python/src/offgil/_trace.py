"""`python -m offgil trace`: a trace as one page, a timeline that needs nothing but a browser.

    events -> rows, one for each thread and depth of nesting -> columns of numbers in JSON -> _trace.html

The slices of a row are in order and don't overlap, so that the page finds what is in view by bisection: it
draws a few thousand rectangles of a trace of any length.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).with_name("_trace.html")
# What each slice has of its own; other arguments are the same for many, and are kept once.
_OWN = ("task", "queued_ns")


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a trace in Chrome's format; what is none is a `ValueError`."""
    try:
        parsed = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no trace: {error}") from None
    events = parsed.get("traceEvents") if isinstance(parsed, dict) else parsed
    if not isinstance(events, list) or not all(isinstance(event, dict) and "ph" in event for event in events):
        raise ValueError(f"{path} is no trace: a list of events is expected")
    return events


def page(events: list[dict[str, Any]], name: str) -> str:
    """The page, all in one."""
    try:
        data = _Timeline(events, name).data()
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is no trace: an event with {type(error).__name__}: {error}") from None
    # In a script element the only text that matters to HTML begins with "<".
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return _PAGE.read_text(encoding="utf-8").replace("TRACE_DATA", text, 1)


class _Words:
    """Texts by number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


class _Timeline:
    """What the page shows, times in nanoseconds from the first event on."""

    def __init__(self, events: list[dict[str, Any]], name: str) -> None:
        self._title = name
        self._names, self._arguments = _Words(), _Words()
        self._begin = min((_ns(event["ts"]) for event in events if "ts" in event), default=0)
        self._threads: dict[tuple[Any, Any], list[tuple[int, int, dict[str, Any]]]] = {}
        self._thread_names: dict[tuple[Any, Any], str] = {}
        self._counters: dict[str, dict[str, list[int]]] = {}
        for event in events:
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        kind, thread = event["ph"], (event.get("pid"), event.get("tid"))
        if kind == "M" and event["name"] == "thread_name":
            self._thread_names[thread] = str(event["args"]["name"])
        elif kind in ("X", "i", "I"):
            begin, length = _ns(event["ts"]) - self._begin, _ns(event.get("dur", 0))
            self._threads.setdefault(thread, []).append((begin, -length, event))
        elif kind == "C":
            for value in event["args"].values():
                curve = self._counters.setdefault(str(event["name"]), {"t": [], "v": []})
                curve["t"].append(_ns(event["ts"]) - self._begin)
                curve["v"].append(float(value))  # type: ignore[arg-type]

    def data(self) -> dict[str, Any]:
        """Everything, for JSON."""
        lanes = [self._lane(thread) for thread in sorted(self._threads, key=self._order)]
        return {
            "title": self._title,
            "lanes": lanes,
            "counters": [
                {"name": name, **_in_order(curve)} for name, curve in sorted(self._counters.items())
            ],
            "names": list(self._names.numbers),
            "args": [json.loads(text) for text in self._arguments.numbers],
        }

    def _order(self, thread: tuple[Any, Any]) -> tuple[str, int, str]:
        name = self._thread_names.get(thread, "")
        head = name.rstrip("0123456789")
        return head, int(name[len(head) :] or 0), str(thread)

    def _lane(self, thread: tuple[Any, Any]) -> dict[str, Any]:
        """A thread; a slice within another is in the row below."""
        rows: list[dict[str, list[Any]]] = []
        ends: list[int] = []
        for begin, minus, event in sorted(self._threads[thread], key=lambda entry: entry[:2]):
            while ends and ends[-1] <= begin:
                ends.pop()
            depth = len(ends)
            if depth == len(rows):
                rows.append({"s": [], "d": [], "n": [], "a": [], "task": [], "queued_ns": []})
            # Clocks are read one after the other: what ends just after its parent ends with it.
            end = min([begin - minus, *ends[-1:]])
            ends.append(end)
            self._add(rows[depth], begin, end, event)
        process, number = thread
        name = self._thread_names.get(thread) or f"thread {number}"
        return {"name": name, "id": f"process {process}, thread {number}", "rows": rows}

    def _add(self, row: dict[str, list[Any]], begin: int, end: int, event: dict[str, Any]) -> None:
        arguments = dict(event.get("args") or {})
        row["s"].append(begin)
        row["d"].append(end - begin)
        row["n"].append(self._names.number(str(event["name"])))
        for own in _OWN:
            row[own].append(arguments.pop(own, None))
        row["a"].append(self._arguments.number(json.dumps(arguments, sort_keys=True)))


def _ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def _in_order(curve: dict[str, list[int]]) -> dict[str, list[int]]:
    points = sorted(zip(curve["t"], curve["v"], strict=True))
    return {"t": [time for time, _ in points], "v": [value for _, value in points]}
