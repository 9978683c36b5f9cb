#!/usr/bin/env python
"""One Rust thread pool doing real work for four kinds of caller: C, ctypes, cffi and Cython without the GIL.

Two workloads: the integral of the cosine over [0, pi/2] by a million midpoints, and the SHA-256 of every file
below a directory. Each caller runs both on the same library; beside them stand serial code and the pools of
the standard library. Every result is compared with a reference; the exit status is 1 if one disagrees.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import offgil
from offgil.ctypes import OFFGIL_OK

import building
import references
import report
import with_c
import with_cffi
import with_ctypes
import with_cython
import with_stdlib
from building import Built
from common import SIGINT_STATUS, whole
from files import files_to_digest
from problems import Contender, Inputs
from references import References
from report import Row

BUILD = Path(__file__).resolve().parents[2] / "build" / "demo"
NOTES = """
ms: the median of {repeat} rounds; pools are made and their threads started before the clock.
speed-up: over the serial row of the same code (ctypes and cffi run that of serial C).
agrees, in every round: the area is within {tolerance:.1e} of 1 and of a serial sum (the midpoint rule and the
rounding of {points} additions allow for that), the digests are those of sha256sum."""
# The integral takes a few ms: as long as a system may need to wake a sleeping CPU and use it again.
WARM_UPS = {"integrate": 2, "digest": 0}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    per_row = "threads of the pools, a set of rows for each N; 0: one per CPU (default: 2 0)"
    add("--workers", type=whole(0, 4096), nargs="+", default=[2, 0], metavar="N", help=per_row)
    add("--repeat", type=whole(1), default=5, metavar="N", help="rounds; the median counts (default: 5)")
    add("--jobs", type=whole(1), default=64, metavar="N", help="tasks that make the integral (default: 64)")
    add("--dir", type=Path, help="where the files are to digest (default: Python's standard library)")
    add("--json", type=Path, metavar="FILE", help="write every measurement to FILE, too")
    add("--libcrypto", metavar="NAME", help="the libcrypto to open, if not under its usual names")
    add("--build-dir", type=Path, default=BUILD, metavar="DIR", help="where to compile (default: build/demo)")
    chosen = parser.parse_args(arguments)
    if chosen.dir and not chosen.dir.is_dir():
        parser.error(f"{chosen.dir} is not a directory")
    return chosen


def per_cpu() -> int:
    """How many threads a pool gets that asks for one per CPU."""
    pool = offgil.lib.pool_create(0)
    count = offgil.lib.pool_thread_count(pool)
    if offgil.lib.pool_destroy(pool) != OFFGIL_OK or not count:
        raise RuntimeError((offgil.lib.offgil_last_message() or b"").decode())
    return count


def contenders(inputs: Inputs, built: Built, workers: Sequence[int], stack: ExitStack) -> list[Contender]:
    """Everyone in the order of the table, with pools made."""
    cython = with_cython.Modules(*map(built.module, building.CYTHON_MODULES))
    ctypes_workloads = with_ctypes.Workloads(built.workloads, inputs.libcrypto)
    cffi_workloads = with_cffi.Workloads(built.workloads, inputs.libcrypto)
    everyone = [
        *with_stdlib.serial(inputs),
        *with_c.serial(inputs, built),
        *with_cython.serial(inputs, cython),
    ]
    counts = {wanted: wanted or per_cpu() for wanted in workers}
    labels = {wanted: str(count) if wanted else f"{count} (one per CPU)" for wanted, count in counts.items()}
    for count in sorted(set(counts.values())):
        everyone += with_stdlib.on_executors(inputs, count, cython.integrate.integrate, stack)
    for wanted, label in labels.items():
        everyone += with_c.on_pool(inputs, built, wanted, label)
        everyone += with_ctypes.on_pool(inputs, ctypes_workloads, wanted, label, stack)
        everyone += with_cffi.on_pool(inputs, cffi_workloads, wanted, label, stack)
        everyone += with_cython.on_pool(inputs, cython, wanted, label)
    return sorted(everyone, key=lambda contender: contender.workload != "integrate")


def build(directory: Path) -> Built:
    todo = list(building.steps(directory))
    with report.progress_bar(len(todo)) as bar:
        for name, step in todo:
            bar.set_description(f"building {name}")
            step()
            bar.update()
    return Built(directory)


def ask_sha256sum(inputs: Inputs) -> references.Digests:
    digests = references.Digests(inputs)
    with report.progress_bar(len(inputs.paths)) as bar:
        bar.set_description("sha256sum, for reference")
        for done in digests.batches():
            bar.update(done - bar.n)
    return digests


def measure(everyone: list[Contender], right: References, repeat: int) -> list[Row]:
    """Rounds in which everyone has a turn, so that a slow moment hits all; round 0 doesn't count."""
    rows = [Row(contender, []) for contender in everyone]
    with report.progress_bar(len(rows) * (repeat + 1)) as bar:
        for turn in range(repeat + 1):
            for row in rows:
                bar.set_description(f"{row.contender.workload}, {row.contender.caller}")
                for _ in range(1 + WARM_UPS[row.contender.workload]):
                    measured = row.contender.run()
                    wrong = right[row.contender.workload].disagreement(measured.result)
                    row.disagreement = row.disagreement or wrong
                if turn > 0:
                    row.all_ms.append(measured.ms)
                bar.update()
    return rows


def demo(chosen: argparse.Namespace) -> int:
    """Builds, measures, prints; the result is the exit status."""
    files = files_to_digest(chosen.dir)
    inputs = Inputs(chosen.jobs, files.paths, chosen.libcrypto)
    if not inputs.paths:
        print(f"demo: there is no regular file below {chosen.dir}", file=sys.stderr)
        return 2
    built = build(chosen.build_dir)
    integral, digests = references.Integral(inputs.points), ask_sha256sum(inputs)
    with ExitStack() as stack:
        everyone = contenders(inputs, built, chosen.workers, stack)
        rows = measure(everyone, {"integrate": integral, "digest": digests}, chosen.repeat)
    about: dict[str, Any] = {
        "offgil": (offgil.lib.offgil_version_string() or b"").decode(),
        "cpus": offgil.lib.offgil_cpu_count(),
        "repeat": chosen.repeat,
        "jobs": chosen.jobs,
        "points": inputs.points,
        "tolerance": integral.tolerance,
        "files": len(inputs.paths),
        "unreadable": files.complaints + digests.complaints,
    }
    print("offgil {offgil}, {cpus} CPUs; {points} points in {jobs} jobs; {files} files\n".format_map(about))
    print(report.table(rows))
    print(NOTES.format_map(about))
    report.complain(rows, about["unreadable"])
    if chosen.json:
        report.write_json(chosen.json, rows, about)
    return 1 if any(row.disagreement for row in rows) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    try:
        return demo(chosen)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return SIGINT_STATUS
    except (RuntimeError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
