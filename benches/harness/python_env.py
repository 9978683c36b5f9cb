"""Virtual environments, one an interpreter, with offgil and its peers in them, and the cells run there."""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .base import BENCHES, CHECKOUT, Failure, Workload, run
from .c_peers import compile_c
from .python_peers import OLDER, REFERENCE, PythonPeer

PYTHON = BENCHES / "python"
REQUIREMENTS = PYTHON / "requirements.txt"
BUILD_TOOLS = ("Cython", "cffi", "setuptools", "wheel")
DRAWING = "matplotlib"
SUPPORTED = ((3, 10), (3, 14))
SAY_VERSION = "import sys; print(*sys.version_info[:3], sep='.')"
SAY_INSTALLED = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
# Packages that are imported under another name.
MODULES = {"tbb4py": "tbb"}
TASK_US = 90.0


@dataclass
class Environment:
    """An interpreter, and the names of the packages that it hasn't got."""

    python: Path
    version: str
    missing: set[str] = field(default_factory=set)


def version_of(python: str | Path) -> str:
    """Empty if it is no interpreter that works."""
    try:
        return run([str(python), "-c", SAY_VERSION], CHECKOUT).strip()
    except (Failure, PermissionError):
        return ""


def _candidates(minor: str) -> Iterator[str | Path]:
    if found := shutil.which(f"python{minor}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted((pyenv / "versions").glob(f"{minor}.*/bin/python"), reverse=True)
    yield sys.executable


def find_interpreter(minor: str) -> tuple[str, str] | None:
    """Path and version of a CPython 3.x: on the PATH, of pyenv, or the one that runs this."""
    for python in _candidates(minor):
        version = version_of(python)
        if version.startswith(f"{minor}."):
            return str(python), version
    return None


def find_reference() -> tuple[str, str]:
    """CPython 3.13, or the newest there is of those that offgil supports."""
    newest_first = [f"{major}.{minor}" for major, minor in _supported()]
    for minor in (REFERENCE, *newest_first):
        if found := find_interpreter(minor):
            if minor != REFERENCE:
                print(f"CPython {REFERENCE} is not here: measured with {found[1]}", file=sys.stderr)
            return found
    raise Failure(f"no CPython of {newest_first[-1]} to {newest_first[0]} is here")


def _supported() -> list[tuple[int, int]]:
    (major, first), (_, last) = SUPPORTED
    return [(major, minor) for minor in range(last, first - 1, -1)]


class Environments:
    """The reference interpreter's environment, and the older one's where there is one."""

    def __init__(self, directory: Path, python: Path | None = None) -> None:
        """With `python` that one is taken as it is, with what is installed in it."""
        self.directory = directory
        self.given = python
        self.steps = 0
        if python is not None:
            self.reference = Environment(python, version_of(python))
            self.older: Environment | None = None
            return
        path, version = find_reference()
        self.base = {False: path}
        self.reference = Environment(self._venv(version) / "bin" / "python", version)
        self.older = None
        if found := find_interpreter(OLDER):
            self.base[True] = found[0]
            self.older = Environment(self._venv(found[1]) / "bin" / "python", found[1])

    def _venv(self, version: str) -> Path:
        return self.directory.resolve() / f"python-{version}"

    @property
    def native(self) -> Path:
        return self.directory.resolve() / "native.so"

    def of(self, peer: PythonPeer) -> Environment | None:
        return self.older if peer.older else self.reference

    def build(self, peers: list[PythonPeer]) -> None:
        """What these peers need: the native tasks, environments with packages and offgil, the kernels."""
        self.directory.mkdir(parents=True, exist_ok=True)
        source = str(PYTHON / "native.c")
        compile_c([source], self.native, ["-fPIC", "-shared", "-lm", "-lpthread"])
        for older in (False, True):
            own = [peer for peer in peers if peer.older == older]
            environment = self.older if older else self.reference
            if not own or environment is None:
                continue
            try:
                self._build_environment(environment, own, older)
            except Failure as failure:
                if not older:
                    raise
                print(f"CPython {environment.version}: {failure}", file=sys.stderr)
                self.older = None

    def _build_environment(self, environment: Environment, peers: list[PythonPeer], older: bool) -> None:
        packages = {package for peer in peers for package in peer.packages}
        if self.given is not None:
            environment.missing = packages - _installed(environment, packages)
        else:
            if not older:
                packages.add(DRAWING)
            _make_venv(self.base[older], environment, packages | set(BUILD_TOOLS))
            if any(peer.ours for peer in peers):
                _install_offgil(environment)
        if "Cython" in packages - environment.missing:
            self._build_kernels(environment)

    def _build_kernels(self, environment: Environment) -> None:
        """Without OpenMP, say, the peers that need Cython are left out."""
        try:
            _build_kernels(environment, self.directory.resolve() / f"kernels-{environment.version}")
        except Failure as failure:
            print(f"kernels.pyx: {failure}", file=sys.stderr)
            environment.missing.add("Cython")

    def calibrate(self) -> None:
        """How many steps a task of 90 us takes on this machine: for all cells the same."""
        code = "import ctypes, sys; f = ctypes.CDLL(sys.argv[1]).steps_of; f.restype = ctypes.c_long; "
        code += "print(f(ctypes.c_double(float(sys.argv[2]))))"
        self.steps = int(run([sys.executable, "-c", code, str(self.native), str(TASK_US)], CHECKOUT))

    def absent(self, peer: PythonPeer) -> str:
        """Why a peer can't be measured; empty if it can."""
        environment = self.of(peer)
        if environment is None:
            return f"no CPython {OLDER} that works"
        lacking = sorted(environment.missing.intersection(peer.packages))
        return f"can't be had: {', '.join(lacking)}" if lacking else ""

    def command(self, peer: PythonPeer, workload: Workload, count: int) -> list[str]:
        environment = self.of(peer)
        assert environment is not None
        adapter = PYTHON / "peers" / f"{peer.source}.py"
        words = [environment.python, PYTHON / "driver.py", workload.name, adapter, peer.module or "-"]
        return [str(word) for word in [*words, peer.tasks(count), workload.workers, self.native, self.steps]]

    def variables(self) -> dict[str, str]:
        """Of the processes that are measured."""
        own = {"NUMBA_CACHE_DIR": str(self.directory.resolve() / "numba"), "NUMBA_NUM_THREADS": "2"}
        return {**os.environ, **own, "PYTHONPATH": str(PYTHON / "peers")}


def requirements(packages: set[str]) -> list[str]:
    """The lines of requirements.txt for these packages."""
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    chosen = [line for line in lines if re.split(r"[=<>; ]", line)[0] in packages]
    known = {re.split(r"[=<>; ]", line)[0] for line in chosen}
    if packages - known:
        raise Failure(f"{REQUIREMENTS.name} has no line for {', '.join(sorted(packages - known))}")
    return chosen


def _make_venv(base: str, environment: Environment, packages: set[str]) -> None:
    root = environment.python.parent.parent
    stamp = root / "packages.json"
    installed = json.loads(stamp.read_text()) if stamp.is_file() else {}
    wanted = {package: requirements({package}) for package in sorted(packages)}
    wanted = {package: lines for package, lines in wanted.items() if installed.get(package) != lines}
    if not wanted:
        return
    print(f"making {root} and installing the peers", file=sys.stderr)
    run([base, "-m", "venv", str(root)], CHECKOUT)
    pip = [str(environment.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        run([*pip, *(line for lines in wanted.values() for line in lines)], CHECKOUT)
        stamp.write_text(json.dumps(installed | wanted))
        return
    except Failure:
        print("not all can be installed; one by one", file=sys.stderr)
    for package, lines in wanted.items():
        try:
            run([*pip, *lines], CHECKOUT)
            installed[package] = lines
            stamp.write_text(json.dumps(installed))
        except Failure as failure:
            if package in BUILD_TOOLS:
                raise
            environment.missing.add(package)
            print(f"{package}: {str(failure).splitlines()[-1]}", file=sys.stderr)


def _installed(environment: Environment, packages: set[str]) -> set[str]:
    names = {package: MODULES.get(package, package) for package in packages}
    found = run([str(environment.python), "-c", SAY_INSTALLED, *names.values()], CHECKOUT).split()
    return {package for package, module in names.items() if module in found}


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _install_offgil(environment: Environment) -> None:
    """Again when a source has changed. Cargo is asked for the library by setup.py."""
    package = CHECKOUT / "bindings" / "python"
    files = [package / name for name in ("setup.py", "pyproject.toml")]
    files += [CHECKOUT / name for name in ("Cargo.toml", "Cargo.lock", "build.rs")]
    for folder in (package / "src" / "offgil", CHECKOUT / "src", CHECKOUT / "include"):
        suffixes = (".py", ".pyx", ".pxi", ".pxd", ".h", ".hpp", ".rs")
        files += sorted(file for file in folder.rglob("*") if file.suffix in suffixes)
    stamp = environment.python.parent.parent / "offgil"
    digest = _digest(files)
    if stamp.is_file() and stamp.read_text() == digest:
        return
    print(f"building offgil for CPython {environment.version}", file=sys.stderr)
    pip = [str(environment.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-build-isolation", "--no-deps", "--force-reinstall", str(package)], CHECKOUT)
    stamp.write_text(digest)


def _build_kernels(environment: Environment, directory: Path) -> None:
    """Compiles kernels.pyx and puts it among the installed packages."""
    code = "import sysconfig; print(sysconfig.get_path('platlib'))"
    place = Path(run([str(environment.python), "-c", code], CHECKOUT).strip())
    stamp = directory / "digest"
    digest = _digest([PYTHON / "kernels.pyx", REQUIREMENTS])
    if stamp.is_file() and stamp.read_text() == digest and list(place.glob("kernels.*.so")):
        return
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(PYTHON / "kernels.pyx", directory)
    cythonize = [str(environment.python), "-m", "Cython.Build.Cythonize", "-i", "-q", "-f"]
    run([*cythonize, str(directory / "kernels.pyx")], directory)
    for module in directory.glob("kernels.*.so"):
        shutil.copy(module, place)
    stamp.write_text(digest)
