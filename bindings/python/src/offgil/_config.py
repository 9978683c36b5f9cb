"""`offgil-config`: what a C compiler needs to know."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import offgil


def flags() -> dict[str, list[str]]:
    """What `--cflags` and `--libs` print, word by word; the words of `offgil.pc`."""
    folder = offgil.get_library_dir()
    return {
        "cflags": [f"-I{offgil.get_include()}"],
        "libs": [f"-L{folder}", f"-Wl,-rpath,{folder}", "-loffgil"],
    }


def facts() -> dict[str, str]:
    """What the other options print."""
    folder = Path(offgil.get_library_dir())
    return {
        "version": offgil.__version__,
        "includedir": offgil.get_include(),
        "libdir": str(folder),
        "pkgconfigdir": str(folder / "pkgconfig"),
        "cmakedir": str(folder / "share" / "cmake" / "offgil"),
    }


_HELP = {
    "version": "the version of the library",
    "cflags": "what to compile with: the folder of offgil.h and offgil.hpp",
    "libs": "what to link with: the shared library that Python uses, found again when the program runs",
    "includedir": "the folder of the headers",
    "libdir": "the folder of the library",
    "pkgconfigdir": "the folder of offgil.pc, for PKG_CONFIG_PATH",
    "cmakedir": "the folder of the CMake package, for -Doffgil_DIR=",
}


def main() -> None:
    """Prints what was asked for: each fact on a line, then all flags on one."""
    parser = argparse.ArgumentParser(
        prog="offgil-config",
        description="Tells how to compile and link C and C++ programs with the offgil of this Python.",
        epilog="Example: cc program.c $(offgil-config --cflags --libs) -o program. "
        'In Cython "from offgil cimport ..." takes no flag.',
        allow_abbrev=False,
    )
    for name, text in _HELP.items():
        parser.add_argument(f"--{name}", action="append_const", const=name, dest="wanted", help=text)
    wanted: list[str] | None = parser.parse_args().wanted
    if not wanted:
        parser.error(f"say what to print: --{', --'.join(_HELP)}")
    words, lines = flags(), facts()
    for name in wanted:
        if name in lines:
            print(lines[name])
    asked = [word for name in words if name in wanted for word in words[name]]
    if asked:
        print(shlex.join(asked))
