"""The tools that the tests call."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def find_tool(name: str) -> str:
    """The path of a tool: one that pip has put beside this Python, else the system's.

    Without it the test is skipped, but not in CI, where OFFGIL_CI says that every tool has to be there.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None and os.environ.get("OFFGIL_CI"):
        pytest.fail(f"{name} is missing, and OFFGIL_CI is set")
    if found is None:
        pytest.skip(f"{name} is missing")
    return found
