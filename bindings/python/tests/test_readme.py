"""The README's code works as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import HERE, needs_cffi, run

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (HERE.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
CYTHON = [text for language, text in BLOCKS if language == "cython"]


@pytest.mark.parametrize(
    "code", [*PYTHON[:2], pytest.param(PYTHON[2], marks=needs_cffi)], ids=["executor", "ctypes", "cffi"]
)
def test_python_of_the_readme_prints_what_its_comment_says(code: str) -> None:
    expected = re.search(r"print\(.*\)  +# (.*)", code)
    assert expected is not None
    assert run([sys.executable, "-W", "error", "-c", code]).stdout.strip() == expected[1]


def test_cython_of_the_readme_compiles_without_flags_and_computes(tmp_path: Path) -> None:
    (code,) = CYTHON
    (tmp_path / "module.pyx").write_text(code, encoding="utf-8")
    run([sys.executable, "-m", "Cython.Build.Cythonize", "-3", "-i", "module.pyx"], cwd=tmp_path)
    code = "import module; print(module.compute(21))"
    assert run([sys.executable, "-c", code], cwd=tmp_path).stdout.strip() == "42"
