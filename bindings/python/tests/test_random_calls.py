"""Whatever is called in whatever order, nothing crashes, and each future ends (`random_calls.py`)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path


def test_random_calls_crash_nothing_and_every_future_ends(tmp_path: Path) -> None:
    seed = os.environ.get("OFFGIL_SEED", str(random.randrange(2**32)))
    examples = os.environ.get("OFFGIL_EXAMPLES", "60")
    script = str(Path(__file__).with_name("random_calls.py"))
    done = subprocess.run(
        [sys.executable, script, seed, examples],
        cwd=tmp_path,  # hypothesis leaves a folder
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"seed {seed}\n"), done.stdout + done.stderr
