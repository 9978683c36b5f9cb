"""Writes what the bindings declare, all of it out of `include/offgil.h`.

    python bindings/python/tools/generate.py            # writes the files
    python bindings/python/tools/generate.py --check    # names the stale ones, exit status 1 if there are any

The header is the one source of truth: a function, constant or struct that appears there is in all three
bindings after the next run. A test runs `--check`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import to_cffi
import to_ctypes
import to_cython
from header import Api, read_header

PROJECT = Path(__file__).resolve().parent.parent
HEADER = PROJECT.parent.parent / "include" / "offgil.h"
PACKAGE = PROJECT / "src" / "offgil"

OUTPUTS: dict[str, Callable[[Api], str]] = {
    "ctypes.py": to_ctypes.module,
    "_cdef.h": to_cffi.cdef,
    "capi.pxd": to_cython.declarations,
    "capi.pyx": to_cython.definitions,
}


def main() -> int:
    """Writes or checks every generated file; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Write what the bindings declare out of the C header.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is stale")
    parser.add_argument("--header", type=Path, default=HEADER, help="the C header (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=PACKAGE, help="where to write (default: %(default)s)")
    arguments = parser.parse_args()

    api = read_header(arguments.header)
    stale = []
    for name, write in OUTPUTS.items():
        path, text = arguments.output / name, write(api)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{'stale' if arguments.check else 'written'}: {', '.join(stale)}")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
