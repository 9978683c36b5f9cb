"""The ABI is the committed one, or has grown; what would break a program is found."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from abi import CONSTANTS, HEADER, LIBRARY, broken, run

if shutil.which("abidiff") is None:
    MISSING = "abidiff is missing (Debian: apt-get install abigail-tools)"
    if os.environ.get("OFFGIL_CI"):
        pytest.fail(MISSING)
    pytest.skip(MISSING, allow_module_level=True)


def changed(tmp_path: Path, old: str, new: str) -> str:
    """What is broken by one change of the header."""
    text, count = re.subn(old, new, HEADER.read_text(), count=1)
    assert count == 1
    header = tmp_path / "offgil.h"
    header.write_text(text)
    return broken(header)


def test_a_program_that_was_compiled_before_still_finds_all_as_it_was() -> None:
    assert not broken(), f"{broken()}\nIf no released version has what is gone: `make abi` writes abi/ anew."


ADDED = r"uint32_t pool_depth(const pool_t *pool, uint64_t *deepest);\n\n#ifdef __cplusplus\n}"


def test_a_new_function_and_a_new_constant_break_nothing(tmp_path: Path) -> None:
    assert not changed(
        tmp_path, r"#ifdef __cplusplus\n}(?=  // extern \"C\"\n#endif[^#]+#endif  /\* OFFGIL_NO)", ADDED
    )
    assert not changed(tmp_path, "#define POOL_LIFO 1", "#define POOL_LIFO 1\n#define POOL_RANDOM 2")


def test_a_struct_with_a_size_may_grow_at_its_end(tmp_path: Path) -> None:
    assert not changed(
        tmp_path, r"\n} pool_options_t;", r"\n  uint64_t more; void *even_more;\n} pool_options_t;"
    )


BREAKING = {
    "a parameter has another type": (r"pool_create\(uint32_t threads\)", "pool_create(uint64_t threads)"),
    "a parameter is gone": (r"pool_shutdown\(pool_t \*pool,\s+int32_t mode,", "pool_shutdown(pool_t *pool,"),
    "a parameter is new": (r"pool_release\(pool_t \*pool\)", "pool_release(pool_t *pool, int32_t how)"),
    "the result has another type": (r"int32_t pool_worker_index", "int64_t pool_worker_index"),
    "a function is gone": (r"uint8_t task_is_canceled\(void\);", ""),
    "what a task is called with": (
        r"typedef void \*\(\*task_fn\)\(void \*arg\)",
        "typedef void *(*task_fn)(int arg)",
    ),
    "a status has another type": ("typedef int32_t offgil_status", "typedef int64_t offgil_status"),
    "a field in the middle": (r"  int64_t full_timeout_ns;", "  void *own;\n  int64_t full_timeout_ns;"),
    "a field is gone": (r"  int64_t full_timeout_ns;", ""),
    "a field has another type": (r"  int32_t when_full;", "  int64_t when_full;"),
    "fields have changed places": (
        r"  int32_t when_full;([^;]*)  int32_t order;",
        r"  int32_t order;\1  int32_t when_full;",
    ),
    "a field changed while the struct grew": (
        r"  int32_t when_full;([\s\S]+)\n} pool_options_t;",
        r"  int64_t when_full;\1\n  uint64_t more;\n} pool_options_t;",
    ),
    "a constant has another value": ("#define POOL_CANCEL 1", "#define POOL_CANCEL 2"),
    "a constant is gone": ("#define POOL_LIFO 1", ""),
}


@pytest.mark.parametrize("change", BREAKING)
def test_what_breaks_a_program_is_found(tmp_path: Path, change: str) -> None:
    assert changed(tmp_path, *BREAKING[change])


def test_a_library_that_lacks_a_function_or_has_another_soname_is_found(tmp_path: Path) -> None:
    library = tmp_path / "liboffgil.so"
    (tmp_path / "empty.c").write_text("void pool_create(void) {}\n")
    run("cc", "-shared", "-fPIC", "-Wl,-soname,liboffgil.so.7", tmp_path / "empty.c", "-o", library)
    found = broken(library=library)
    assert "offgil_pool_create is not exported" in found
    assert "liboffgil.so.7" in found


def test_the_constants_are_those_of_the_manual() -> None:
    names = {line.split()[0] for line in CONSTANTS.read_text().splitlines()}
    assert {"OFFGIL_OK", "OFFGIL_FOREVER", "POOL_DRAIN", "FUTURE_INVALID"} <= names
    assert LIBRARY.is_file()
