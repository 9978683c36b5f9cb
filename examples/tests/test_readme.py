"""The code of README and docs/ does what they say: each block is run as it stands, and its output compared.

A block to run stands below a marker that says how: `<!-- run: c -->`, `cpp`, `python`, `cython` or `sh`. A
block of ```text that follows at once is what it prints.
"""

from __future__ import annotations

import re
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pytest

import building

ROOT = building.EXAMPLES.parent
README = ROOT / "README.md"
EXAMPLES = building.EXAMPLES / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
CODE = r"^<!-- run: (?P<runner>\w+) -->\n```(?P<language>\w+)\n(?P<code>.*?)^```\n"
OUTPUT = r"(?:\n?```text\n(?P<output>.*?)^```\n)?"
BLOCK = re.compile(CODE + OUTPUT, re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A piece of code and what it prints, if README says so."""

    runner: str
    code: str
    output: str | None


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["runner"], match["code"], match["output"]) for match in found]


def run(command: list[str]) -> str:
    """In the root of the repository, where a reader stands. Returns what was printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def run_compiled(compile_it: list[str], source: Path, code: str) -> str:
    source.write_text(code)
    program = source.with_suffix("")
    release = ROOT / "target" / "release"
    link = ["-Iinclude", f"-L{release}", "-loffgil", f"-Wl,-rpath,{release}"]
    run([*compile_it, str(source), *link, "-o", str(program)])
    return run([str(program)])


def run_c(code: str, directory: Path) -> str:
    return run_compiled(["cc", *building.WARNINGS], directory / "block.c", code)


def run_cpp(code: str, directory: Path) -> str:
    return run_compiled(["c++", *building.CPP_WARNINGS], directory / "block.cpp", code)


def run_python(code: str, directory: Path) -> str:
    source = directory / "block.py"
    source.write_text(code)
    return run([sys.executable, str(source)])


def run_cython(code: str, directory: Path) -> str:
    (directory / "block.pyx").write_text(code)
    building.run([sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-q", str(directory / "block.pyx")])
    return run([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(directory)!r}); import block"])


def run_sh(code: str, directory: Path) -> str:
    return run(["sh", "-euc", code])


RUNNERS = {"c": run_c, "cpp": run_cpp, "python": run_python, "cython": run_cython, "sh": run_sh}


EVERY = [block for page in (README, EXAMPLES, *DOCS) for block in blocks(page)]


@pytest.mark.parametrize("block", EVERY, ids=attrgetter("runner"))
def test_block_runs_as_it_stands_and_prints_what_the_page_says(block: Block, tmp_path: Path) -> None:
    printed = RUNNERS[block.runner](block.code, tmp_path)
    assert printed.strip()
    if block.output is not None:
        assert printed == block.output


def test_all_six_callers_are_there_and_short() -> None:
    lengths = sorted((block.runner, len(block.code.splitlines())) for block in blocks(README))
    assert lengths == [("c", 12), ("cpp", 11), ("cython", 6), ("python", 4), ("python", 6), ("python", 6)]
    executor, plain, with_cffi = (block.code for block in blocks(README) if block.runner == "python")
    assert "offgil.ThreadPoolExecutor" in executor
    assert "from offgil" not in plain and "import offgil" not in plain
    assert "from offgil.cffi import" in with_cffi


def test_no_block_of_code_escapes() -> None:
    fences = re.findall(r"^```(c|cpp|python|cython|pyx)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == len(blocks(README))
