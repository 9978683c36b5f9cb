"""`python -m offgil info`: which library this is and what it sees."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys

import offgil


def info() -> str:
    """The facts that a bug report needs, one a line."""
    threads, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    rows = {
        "offgil": offgil.__version__,
        "library": offgil.get_library(),
        "header": f"{offgil.get_include()}/offgil.h",
        "python": f"{platform.python_version()} {sys.executable}",
        "CPUs": f"{offgil.lib.offgil_cpu_count()} usable of {os.cpu_count()}",
        "thread limit": "none" if threads == resource.RLIM_INFINITY else str(threads),
        "OFFGIL_NUM_THREADS": os.environ.get("OFFGIL_NUM_THREADS", "not set"),
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def main() -> None:
    """Runs the command that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m offgil", description="A thread pool off the GIL.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, library, CPUs seen, limits")
    parser.parse_args()
    print(info())


if __name__ == "__main__":
    main()
