"""The examples are built once a session, in a directory of its own, with the package that is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(EXAMPLES / "python"))

import building  # noqa: E402


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> building.Built:
    directory = tmp_path_factory.mktemp("built")
    for _, step in building.steps(directory):
        step()
    return building.Built(directory)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small directory with all sorts of files, two of which are none to digest."""
    top = tmp_path / "tree"
    (top / "below" / "further").mkdir(parents=True)
    (top / "empty").touch()
    (top / "large").write_bytes(os.urandom(1_000_001))
    (top / "-n").write_text("a name like an option")
    (top / "below" / "two\nlines\\").write_text("a name that sha256sum would escape")
    (top / "below" / "further" / "text").write_text("text\n")
    Path(os.fsdecode(os.fsencode(top) + b"/below/\xff\xfe")).write_text("a name that is not text")
    for i in range(50):
        (top / "below" / f"{i}.bin").write_bytes(os.urandom(1000 * i))
    (top / "link").symlink_to("large")
    os.mkfifo(top / "pipe")
    return top
