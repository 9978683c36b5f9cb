"""What docs/ says of the C functions is what the header says; fragments compile, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import building

ROOT = building.EXAMPLES.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
HEADER = (ROOT / "include" / "offgil.h").read_text(encoding="utf-8")
EXPORTED = (ROOT / "tests" / "exported_symbols.txt").read_text(encoding="utf-8").split()
NOUNS = r"(?:pool|future|task|group|completion_queue|signature|offgil)"


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def comments() -> dict[str, str]:
    """The comment above each function, on one line a paragraph."""
    found = {}
    # In the header's second half every name is there once more, without comments.
    for match in re.finditer(r"/\*\*\n((?: \*.*\n)+?) \*/\n[^/#]*?\b(\w+)\(", HEADER):
        if match[2] in EXPORTED:
            text = re.sub(r"^ \* ?", "", match[1], flags=re.MULTILINE)
            found[match[2]] = "\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return found


COMMENTS = comments()


def how_it_blocks(function: str) -> str:
    comment = COMMENTS[function]
    if re.search(r"\b[Nn]ever blocks\b", comment):
        return "no"
    if "Blocks only where the queue is bounded and full" in comment:
        return "if full"
    return "**yes**" if re.search(r"\bBlocks\b", comment) else "not said"


def failures(function: str) -> set[str]:
    """The statuses that the header names for a function, and those of another that it refers to."""
    comment = COMMENTS[function]
    if "can't fail" in comment:
        return set()
    returned = next((line for line in comment.splitlines() if "@return" in line), comment)
    named = set(re.findall(r"\bOFFGIL_(E[A-Z]+)\b", returned[max(returned.find("@return"), 0) :]))
    for other in re.findall(r"(?:else|\(offgil_last_status\):) as (\w+)", returned):
        named |= failures(other)
    # In the child of a fork it may stand for OFFGIL_EHANDLE everywhere; the page says so once.
    return named - {"EFORKED"}


def rows() -> dict[str, list[str]]:
    text = (DOCS / "conventions.md").read_text(encoding="utf-8")
    table = text.split("## Every function", 1)[1]
    split = [cells(line) for line in table.splitlines() if line.startswith("| `")]
    assert len({row[0] for row in split}) == len(split)
    return {row[0].strip("`"): row[1:] for row in split}


def test_table_of_conventions_has_a_row_for_each_exported_function() -> None:
    assert sorted(COMMENTS) == sorted(EXPORTED)
    assert sorted(rows()) == sorted(EXPORTED)


@pytest.mark.parametrize("function", EXPORTED)
def test_table_of_conventions_says_what_the_header_says(function: str) -> None:
    blocks, _, _, fails = rows()[function]
    assert blocks == how_it_blocks(function)
    assert ({*fails.split(", ")} - {"-"}) == failures(function)


def fragments() -> tuple[str, list[str]]:
    """The declarations that "coming from" gives, and the statements of each right-hand cell of its tables."""
    text = (DOCS / "coming-from.md").read_text(encoding="utf-8")
    declared = re.search(r"^<!-- names -->\n```c\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL)
    assert declared is not None
    statements = []
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| you write"):
            pieces = [piece for piece in re.findall(r"`([^`]+)`", cells(line)[1]) if piece.endswith(";")]
            statements += [" ".join(pieces)] if pieces else []
    return declared[1], statements


def test_right_hand_cells_of_coming_from_compile(tmp_path: Path) -> None:
    declared, statements = fragments()
    assert len(statements) > 60
    source = tmp_path / "cells.c"
    functions = [
        f"void cell_{i}(void);\nvoid cell_{i}(void) {{ {code} }}\n" for i, code in enumerate(statements)
    ]
    source.write_text(declared + "".join(functions))
    building.run(["cc", *building.WARNINGS, "-fsyntax-only", f"-I{ROOT / 'include'}", str(source)])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_the_library_that_a_page_mentions_is_in_the_header(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # Files of the source have names of the same kind; programs in blocks are compiled.
    code = [
        piece
        for piece in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
        if "/" not in piece and ".rs" not in piece
    ]
    called = {name for piece in code for name in re.findall(rf"\b({NOUNS}_\w+)\(", piece)}
    alone = {
        piece
        for piece in code
        if re.fullmatch(rf"(?:{NOUNS}_\w+|(?:OFFGIL|POOL|TASK|FUTURE)_[A-Z_]+)", piece)
    }
    known = set(re.findall(r"\w+", HEADER))
    variables = {"OFFGIL_NUM_THREADS", "OFFGIL_TRACE", "OFFGIL_UPDATE_HEADER"}
    assert (called | alone) - known - variables - OTHERS_NAMES == set()


def test_every_name_in_tuning_is_in_the_header_or_the_python_package() -> None:
    text = (DOCS / "tuning.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    named = {
        name for piece in re.findall(r"`([^`\n]+)`", prose) for name in re.findall(r"[A-Za-z]\w+", piece)
    }
    package = ROOT / "bindings" / "python" / "src" / "offgil"
    sources = [HEADER, *(path.read_text(encoding="utf-8") for path in package.glob("*.pyi"))]
    known = {word for source in sources for word in re.findall(r"\w+", source)}
    # C's, Python's own, and a variable of the environment.
    assert len(named) > 60
    assert named - known - {"usleep", "lambda", "await", "add_done_callback", "OFFGIL_NUM_THREADS"} == set()


def test_what_blocks_names_each_function_that_does() -> None:
    text = (DOCS / "threads-and-fork.md").read_text(encoding="utf-8")
    section = text.split("## What blocks", 1)[1].split("\n## ", 1)[0]
    waits = {function for function in EXPORTED if how_it_blocks(function) == "**yes**"}
    assert len(waits) > 10
    assert waits - set(re.findall(r"`(\w+)`", section)) == set()


# Of oneTBB and rustdoc, in pages that speak of them.
OTHERS_NAMES = {"task_arena", "task_group", "task_group_context"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in anchors, link
