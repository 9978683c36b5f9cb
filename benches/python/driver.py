"""driver.py WORKLOAD ADAPTER MODULE COUNT WORKERS NATIVE STEPS: measures a cell, prints it as a line of JSON.

ADAPTER is a file of peers/: make_pool(workers) makes a pool, and one function a workload uses it. The driver
holds the clock and looks whether all tasks have run and what came out. A small batch runs first, so that
threads are started. The collector of garbage works as it does for everybody. NATIVE is native.c, compiled; a
task of "busy" takes STEPS. MODULE is what a user imports, for "import"; nothing is imported before it.
"""

import sys
import time

POINTS = 1_000_000
WARM_UP = 500
RESULT = 7
BUSY_SECONDS = 1.0
INTEGRATE_SECONDS = 0.7
NESTED_SECONDS = 5.0


def measure_import(module):
    began, cpu = time.perf_counter(), time.process_time()
    __import__(module)
    return {"ms": (time.perf_counter() - began) * 1e3, "cpu_s": time.process_time() - cpu}


if sys.argv[1:2] == ["import"]:
    figures = measure_import(sys.argv[3])

import ctypes  # noqa: E402
import importlib.metadata  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402


class Wrong(Exception):
    """A peer didn't do the work."""


def check(was, expected, what):
    if was != expected:
        raise Wrong(f"{what}: {was!r:.60} instead of {expected!r:.60}")


def open_native(path):
    native = ctypes.CDLL(path)
    for name, restype, *argtypes in (
        ("noop", ctypes.c_long),
        ("odd", ctypes.c_long, ctypes.c_long),
        ("nap_10_ms", ctypes.c_long),
        ("work", ctypes.c_long),
        ("set_steps", None, ctypes.c_long),
        ("steps_of", ctypes.c_long, ctypes.c_double),
        ("tasks_run", ctypes.c_long),
        ("start_working", ctypes.c_int, ctypes.c_size_t),
        ("integrate", ctypes.c_double, ctypes.c_long, ctypes.c_long, ctypes.c_double),
        ("integrate_threads", ctypes.c_double, ctypes.c_long, ctypes.c_double, ctypes.c_long),
    ):
        function = getattr(native, name)
        function.restype, function.argtypes = restype, argtypes
    return native


def load(path):
    specification = importlib.util.spec_from_file_location("adapter", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["adapter"] = module  # for processes that unpickle its functions
    specification.loader.exec_module(module)
    return module


def timed(call, *arguments):
    """What the call returns, and the seconds and processor seconds that it took."""
    cpu, began = time.process_time(), time.perf_counter()
    result = call(*arguments)
    ended = time.perf_counter()
    return result, ended - began, time.process_time() - cpu


def python_noop():
    return RESULT


class Cell:
    """One workload, a method each, with one peer."""

    def __init__(self, adapter, native, count, workers):
        self.adapter, self.native, self.count, self.workers = adapter, native, count, workers
        self.pool = adapter.make_pool(workers)

    def _submit(self, fn, counted, warm_up=WARM_UP):
        self.adapter.submit(self.pool, fn, warm_up)
        self._probe(fn if counted else None)
        before = self.native.tasks_run()
        results, seconds, cpu = timed(self.adapter.submit, self.pool, fn, self.count)
        if counted:
            check(self.native.tasks_run() - before, self.count, "tasks that ran")
        check(len(results), self.count, "results")
        check(set(results), {RESULT}, "a result")
        return seconds, cpu

    def _probe(self, fn):
        """Some adapters can tell whether the native function is taken as such."""
        if fn is not None and hasattr(self.adapter, "probe"):
            self.adapter.probe(self.pool, fn)

    def _us(self, seconds, cpu):
        return {"us_per_task": seconds / self.count * 1e6, "cpu_s": cpu}

    def submit(self):
        return self._us(*self._submit(self.native.noop, True))

    def python(self):
        return self._us(*self._submit(python_noop, False))

    def sleeps(self):
        seconds, cpu = self._submit(self.native.nap_10_ms, True, warm_up=self.workers)
        return {"ms": seconds * 1e3, "cpu_s": cpu}

    def map(self):
        items = getattr(self.adapter, "items", list)
        self.adapter.map_all(self.pool, self.native.odd, items(range(WARM_UP)))
        given = items(range(self.count))
        results, seconds, cpu = timed(self.adapter.map_all, self.pool, self.native.odd, given)
        check(sorted(results), [2 * i + 1 for i in range(self.count)], "results")
        return self._us(seconds, cpu)

    def roundtrip(self):
        fn, clock = self.native.noop, time.perf_counter
        self.adapter.roundtrips(self.pool, fn, self.count // 10 + 1, clock)
        self._probe(fn)
        before, cpu, began = self.native.tasks_run(), time.process_time(), clock()
        laps = self.adapter.roundtrips(self.pool, fn, self.count, clock)
        cpu = time.process_time() - cpu
        check(self.native.tasks_run() - before, self.count, "tasks that ran")
        check({result for result, _ in laps}, {RESULT}, "a result")
        times = [began, *(ended for _, ended in laps)]
        trips = sorted(times[i + 1] - times[i] for i in range(self.count))
        p99 = trips[self.count * 99 // 100]
        return {"p50_us": median(trips) * 1e6, "p99_us": p99 * 1e6, "cpu_s": cpu}

    def busy(self):
        """More tasks than can be done are queued; then the main thread computes for a second."""
        kept = self.adapter.start(self.pool, self.native, self.count)
        before, cpu, began = self.native.tasks_run(), time.process_time(), time.perf_counter()
        until, turns = began + BUSY_SECONDS, 0
        while time.perf_counter() < until:
            for i in range(100):
                turns += i & 1
        ran = self.native.tasks_run() - before
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        if kept is not None and self.native.tasks_run() >= self.count:
            raise Wrong("the queue ran empty: too few tasks")
        return {"tasks_per_s": ran / seconds, "cpu_s": cpu, "turns_per_s": turns * 2 / seconds}

    def integrate(self):
        """Calls for some time, 10 at least; of each call's time the median, and how many were slow."""
        width = math.pi / 2 / POINTS
        jobs = [
            (POINTS * i // self.workers, POINTS * (i + 1) // self.workers, width) for i in range(self.workers)
        ]
        call, times, spent = self.adapter.integrate, [], 0.0
        for _ in range(3):
            check(round(call(self.pool, self.native, jobs), 9), 1.0, "the integral")
        cpu = time.process_time()
        while len(times) < min(10, self.count) or (spent < INTEGRATE_SECONDS and len(times) < self.count):
            area, seconds, _ = timed(call, self.pool, self.native, jobs)
            check(round(area, 9), 1.0, "the integral")
            times.append(seconds)
            spent += seconds
        cpu = time.process_time() - cpu
        least = min(times)
        slow = sum(seconds > 1.6 * least for seconds in times) / len(times)
        return {"ms": median(times) * 1e3, "slow_percent": slow * 100, "calls": len(times), "cpu_s": cpu}

    def nested(self):
        """In a thread that may stay behind when the tasks wait for each other for ever."""
        ended = []

        def run():
            try:
                ended.append(timed(self.adapter.nested, self.pool, self.native.noop))
            except BaseException as error:
                ended.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(NESTED_SECONDS)
        if not ended:
            return {"deadlock": True}
        if isinstance(ended[0], BaseException):
            raise Wrong(f"{type(ended[0]).__name__}: {ended[0]}")
        results, seconds, cpu = ended[0]
        check(results, [RESULT + 1] * 2, "results")
        return {"ms": seconds * 1e3, "cpu_s": cpu}


def measure_first(adapter, native):
    def first():
        pool = adapter.make_pool(2)
        return pool, adapter.submit(pool, native.noop, 2)

    (pool, results), seconds, cpu = timed(first)
    check(results, [RESULT] * 2, "results")
    return {"ms": seconds * 1e3, "cpu_s": cpu}, pool


def measure(workload, adapter, native, count, workers):
    if workload == "import":
        return figures
    if workload == "first":
        return measure_first(adapter, native)[0]
    if workload == "shutdown":
        _, pool = measure_first(adapter, native)
        _, seconds, cpu = timed(adapter.shutdown, pool)
        return {"ms": seconds * 1e3, "cpu_s": cpu}
    return getattr(Cell(adapter, native, count, workers), workload.rstrip("0123456789"))()


def main():
    workload, path, _, count, workers, library, steps = sys.argv[1:]
    native = open_native(library)
    native.set_steps(int(steps))
    adapter = load(path)
    try:
        told = measure(workload, adapter, native, int(count), int(workers))
    except Wrong as error:
        sys.exit(f"driver: {error}")
    package = getattr(adapter, "PACKAGE", "")
    told["version"] = importlib.metadata.version(package) if package else platform.python_version()
    print(json.dumps(told), flush=True)
    if hasattr(adapter, "end"):
        adapter.end()
    # What is still queued or waiting for ever is left where it is.
    os._exit(0)


if __name__ == "__main__" and Path(sys.argv[0]).name == "driver.py":
    main()
