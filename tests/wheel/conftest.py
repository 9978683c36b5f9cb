"""Builds the wheel once, and installs it into a bare virtual environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(REPOSITORY / "tests"))  # for tools.py
PINS = REPOSITORY / "bindings/python/requirements-dev.txt"
VERSION = re.findall(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)[0]
INTERPRETER = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def run(*command: object, status: int = 0, **options: object) -> str:
    """Runs a command that has to end with this status; gives what it writes."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout if status == 0 else done.stderr


class Environment:
    """A virtual environment in which nothing is known of the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bin = folder / "bin"
        run(sys.executable, "-m", "venv", folder)

    def install(self, *what: object) -> None:
        """Installs packages as they are pinned for the tests."""
        pins = self.folder / "pins"
        pins.write_text(re.sub(r"\[.*\]", "", PINS.read_text()))  # a constraint may not have extras
        self("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", pins, *what)

    def __call__(
        self, program: str, *arguments: object, path: str = "", status: int = 0, cwd: Path | None = None
    ) -> str:
        """Runs a program of the environment; of the machine's it finds those on `path`."""
        variables = {"PATH": f"{self._bin}:{path}".rstrip(":"), "HOME": str(self.folder)}
        # A proxy or an index that the machine was set up with.
        variables |= {
            name: os.environ[name] for name in os.environ if re.match(r"(?i)pip_|.*_proxy$|ssl_", name)
        }
        return run(self._bin / program, *arguments, status=status, cwd=cwd or self.folder, env=variables)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `make wheel` builds, in a folder of its own."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")
    }
    run("make", "wheel", f"PYTHON={sys.executable}", cwd=REPOSITORY, env=environment)
    (built,) = (REPOSITORY / "build/wheel").glob(
        f"offgil-{VERSION}-{INTERPRETER}-{INTERPRETER}{sys.abiflags}-*.whl"
    )
    return Path(shutil.copy(built, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel and what it needs, and no compiler."""
    environment = Environment(tmp_path_factory.mktemp("bare") / "a venv")
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def system_path() -> str:
    """The machine's PATH, on which the compilers are."""
    return os.environ["PATH"]
