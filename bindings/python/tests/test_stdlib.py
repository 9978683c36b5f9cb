"""CPython's own tests of `ThreadPoolExecutor`, run on ours, where the interpreter came with them."""

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


@pytest.mark.parametrize("part", ["AsCompleted", "Executor", "FailingInit", "Init", "Shutdown", "Wait"])
def test_the_tests_of_the_stdlib_pass(part: str) -> None:
    if importlib.util.find_spec("test.test_concurrent_futures") is None:
        pytest.skip("this Python came without test.test_concurrent_futures")
    done = subprocess.run(
        [sys.executable, "-c", RUN, part], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
