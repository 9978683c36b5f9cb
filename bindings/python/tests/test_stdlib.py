"""CPython's own tests of `ThreadPoolExecutor` and `ThreadPool`, run on ours where they are installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

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
import multiprocessing.dummy, multiprocessing.pool, sys, unittest
import offgil.pool
multiprocessing.pool.ThreadPool = offgil.pool.ThreadPool
from test import _test_multiprocessing as tests
class ThreadPoolTests(tests._TestPool, tests.ThreadsMixin, unittest.TestCase):
    def test_they_are_run_on_ours(self):
        self.assertIs(type(self.pool), offgil.pool.ThreadPool)
suite = unittest.defaultTestLoader.loadTestsFromTestCase(ThreadPoolTests)
assert suite.countTestCases() > 20
sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
"""


def run_tests(module: str, *arguments: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"this Python came without {module}")
    done = subprocess.run(
        [sys.executable, "-c", *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("part", ["AsCompleted", "Executor", "FailingInit", "Init", "Shutdown", "Wait"])
def test_the_tests_of_the_stdlib_pass(part: str) -> None:
    run_tests("test.test_concurrent_futures", RUN, part)


def test_the_tests_of_the_stdlib_s_thread_pool_pass() -> None:
    run_tests("test._test_multiprocessing", RUN_POOL)
