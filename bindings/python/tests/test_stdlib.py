"""CPython's own tests of `ThreadPoolExecutor` and `ThreadPool`, run on ours where they are installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RUN = """
import concurrent.futures, concurrent.futures.thread, importlib, sys, unittest
import offgil
for module in (concurrent.futures, concurrent.futures.thread):
    module.ThreadPoolExecutor = offgil.ThreadPoolExecutor
package = importlib.import_module("test.test_concurrent_futures")
names = ("thread_pool", "shutdown", "as_completed", "wait", "init")
wanted = sys.argv[1]
modules = [package]
if hasattr(package, "__path__"):
    modules = [importlib.import_module(f"{package.__name__}.test_{name}") for name in names]
suite = unittest.TestSuite()
for module in modules:
    for name, case in vars(module).items():
        if name.startswith("ThreadPool" + wanted) and hasattr(case, "executor_type"):
            suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(case))
assert suite.countTestCases() > 0
sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
"""

RUN_POOL = """
import multiprocessing.dummy, multiprocessing.pool, sys, unittest, unittest.mock
import offgil.pool
multiprocessing.pool.ThreadPool = offgil.pool.ThreadPool
from test import _test_multiprocessing as tests
class ThreadPoolTests(tests._TestPool, tests.ThreadsMixin, unittest.TestCase):
    def test_they_are_run_on_ours(self):
        self.assertIs(type(self.pool), offgil.pool.ThreadPool)
    def test_terminate(self):
        # In 3.11 and 3.12 its tasks sleep for 5 minutes, and join() waits for one that began before
        # terminate(), CPython's as well as ours (mended later: github.com/python/cpython/issues/113205).
        with unittest.mock.patch.object(tests.support, "LONG_TIMEOUT", 1.0, create=True):
            super().test_terminate()
suite = unittest.defaultTestLoader.loadTestsFromTestCase(ThreadPoolTests)
assert suite.countTestCases() > 20
sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
"""


PARTS = ["AsCompleted", "Executor", "FailingInit", "Init", "Shutdown", "Wait"]
EXECUTOR, POOL = "test.test_concurrent_futures", "test._test_multiprocessing"


class Part:
    """Some of CPython's tests, in a process that has been started."""

    def __init__(self, output: Path, module: str, *arguments: str) -> None:
        self.output = output
        with output.open("w") as file:
            command = [sys.executable, "-c", *arguments]
            has_it = importlib.util.find_spec(module) is not None
            self.process = subprocess.Popen(command, stdout=file, stderr=file) if has_it else None

    def check(self) -> None:
        if self.process is None:
            pytest.skip("this Python came without its tests")
        assert self.process.wait(300) == 0, self.output.read_text()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Part]]:
    """All at once, as they sleep most of the time."""
    folder = tmp_path_factory.mktemp("stdlib")
    started = {name: Part(folder / name, EXECUTOR, RUN, name) for name in PARTS}
    started["pool"] = Part(folder / "pool", POOL, RUN_POOL)
    yield started
    for part in started.values():
        part.end()


@pytest.mark.parametrize("part", PARTS)
def test_the_tests_of_the_stdlib_pass(parts: dict[str, Part], part: str) -> None:
    parts[part].check()


def test_the_tests_of_the_stdlib_s_thread_pool_pass(parts: dict[str, Part]) -> None:
    parts["pool"].check()
