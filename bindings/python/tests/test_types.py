"""The package's types are complete, and those of the compiled modules are what is compiled.

That they are right, and that `typing/users.py` is understood, mypy and pyright say (`make test-python`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import run

import offgil

PACKAGE = Path(offgil.__file__).parent


def test_every_public_name_of_the_package_has_a_type(tmp_path: Path) -> None:
    # It asks the first Python of the PATH where packages are.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pyright", "--ignoreexternal", "--verifytypes", "offgil"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert "Type completeness score" in done.stdout, done.stderr
    unknown = re.findall(r"^(offgil\.[\w.]+)$", done.stdout.partition("public interface:")[2], re.MULTILINE)
    # Its base classes are joblib's, which has no types.
    assert unknown == ["offgil.joblib.OffgilBackend"], done.stdout


def test_stubs_say_what_the_compiled_modules_have(tmp_path: Path) -> None:
    modules = [f"offgil.{path.stem}" for path in PACKAGE.glob("*.pyi") if path.stem != "_cffi_abi"]
    assert len(modules) >= 5
    allowed = tmp_path / "allowed"
    allowed.write_text("offgil._core.NativeFunction.__init__\noffgil._core.Work\n")
    options = ["--ignore-missing-stub", "--ignore-disjoint-bases", "--allowlist", str(allowed)]
    run([sys.executable, "-m", "mypy.stubtest", *options, *modules], cwd=tmp_path)
