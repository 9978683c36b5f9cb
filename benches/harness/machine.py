"""What the figures were taken on."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

from .base import CHECKOUT, Failure, run

# What the library is built from.
MEASURED = ("src", "include", "Cargo.toml", "Cargo.lock", "build.rs")


def describe() -> dict[str, str]:
    compiler = os.environ.get("CC", "cc")
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} usable",
        "system": f"{_system()}, Linux {platform.release()}, {' '.join(platform.libc_ver())}",
        "compilers": f"{_first_line('rustc', '--version')}; {_first_line(compiler, '--version')}",
        "commit": _commit(),
    }


class Noise:
    """How busy others kept the machine: processor time neither idle nor used by our own processes."""

    def __init__(self) -> None:
        self.total, self.others = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        ticks = [int(word) for word in Path("/proc/stat").read_text().split(maxsplit=9)[1:9]]
        _user, _nice, _system, idle, iowait, _irq, _softirq, _stolen = ticks
        own = os.times()
        total = sum(ticks) / os.sysconf("SC_CLK_TCK")
        resting = (idle + iowait) / os.sysconf("SC_CLK_TCK")
        return total, total - resting - (own.user + own.system + own.children_user + own.children_system)

    def percent(self) -> float:
        """Since this was made, in percent of all processors."""
        total, others = self._now()
        return max(0.0, others - self.others) / max(total - self.total, 0.01) * 100


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "an unnamed system")


def _first_line(*command: str) -> str:
    try:
        return run(list(command), CHECKOUT).splitlines()[0]
    except Failure:
        return f"{command[0]} unknown"


def _commit() -> str:
    try:
        commit = run(["git", "rev-parse", "--short=12", "HEAD"], CHECKOUT).strip()
        changed = run(["git", "status", "--porcelain", "--", *MEASURED], CHECKOUT)
    except Failure:
        return "none"
    return commit + (", with uncommitted changes" if changed.strip() else "")
