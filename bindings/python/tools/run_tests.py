#!/usr/bin/env python3
"""Runs pytest with these arguments, and says last in which test it ended, if a crash or a hang has ended it.

A test that hangs is ended by faulthandler, which prints the stacks of a hundred threads, and no test's name.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = "--note-tests-in"


class NoteTests:
    """A plugin: the name of the test that runs is in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """One begins."""
        self.file.write_text(nodeid)

    def pytest_sessionfinish(self) -> None:
        """All have ended."""
        self.file.write_text("")


def run(file: Path, arguments: list[str]) -> int:
    """The tests, in this process; what pytest returns."""
    import pytest

    sys.path[0] = str(Path.cwd())  # as `python -m pytest` has it
    return int(pytest.main(arguments, plugins=[NoteTests(file)]))


def main() -> int:
    """The tests, in a child."""
    if sys.argv[1:2] == [CHILD]:
        return run(Path(sys.argv[2]), sys.argv[3:])
    # In the background of a script Ctrl-C is ignored, in all children, too: the tests of it would hang.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "test")
        file.write_text("")
        status = subprocess.call([sys.executable, __file__, CHILD, str(file), *sys.argv[1:]])
        if running := file.read_text():
            print(f"pytest ended ({status}) in {running}", file=sys.stderr)
        return 0 if status == 0 else 1


if __name__ == "__main__":  # a process that a test spawns imports this, as its parent's main module
    sys.exit(main())
