"""Lays the installed tree once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(REPOSITORY / "tests"))  # for tools.py
PROJECT = REPOSITORY / "tests" / "install" / "project"


def run(*command: object, cwd: Path | None = None, **variables: object) -> str:
    """Runs a command that has to succeed, with these variables in its environment; gives what it writes."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    # What the make that runs the tests was told is not for the one that they run.
    for name in ("MAKEFLAGS", "PREFIX", "DESTDIR", "LIBDIR", "INCLUDEDIR", "LD_LIBRARY_PATH"):
        if name not in variables:
            environment.pop(name, None)
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make(target: str, **variables: object) -> None:
    """`make install` or `make uninstall`."""
    run(
        "make",
        target,
        *(f"{name}={value}" for name, value in variables.items()),
        cwd=REPOSITORY,
    )


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that `make install PREFIX=...` lays."""
    path = tmp_path_factory.mktemp("install") / "prefix"
    make("install", PREFIX=path)
    return path


def files_of(tree: Path) -> dict[str, str]:
    """Every file below a directory; a link with what it points to."""
    found = (path for path in tree.rglob("*") if path.is_symlink() or path.is_file())
    return {str(path.relative_to(tree)): str(path.readlink()) if path.is_symlink() else "" for path in found}
