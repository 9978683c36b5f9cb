"""Compiles the C and Cython parts of the demo into build/demo, as a user of the installed package would."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import offgil

EXAMPLES = Path(__file__).resolve().parent.parent
WARNINGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
CPP_WARNINGS = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C_PROGRAMS = {"resolver": ["resolver.c"], "server": ["server.c"], "tree": ["tree.c", "workloads.c"]}
CPP_PROGRAMS = {"blur": [], "event_loop": ["libuv"]}  # and what pkg-config knows of what they need
CYTHON_MODULES = ("nogil_integrate", "nogil_digest")


class BuildFailed(RuntimeError):
    """A compiler is missing or unhappy; the message holds what it said."""


@dataclass(frozen=True)
class Built:
    """What came out: two programs, a shared library, two modules."""

    directory: Path

    @property
    def integrate(self) -> Path:
        return self.directory / "integrate"

    @property
    def digest(self) -> Path:
        return self.directory / "digest"

    @property
    def workloads(self) -> Path:
        return self.directory / "libworkloads.so"

    def module(self, name: str) -> ModuleType:
        if str(self.directory) not in sys.path:
            sys.path.insert(0, str(self.directory))
        return importlib.import_module(name)


Step = tuple[str, Callable[[], None]]


def steps(directory: Path) -> Iterator[Step]:
    """What there is to build, each with its name; what is newer than its sources is left alone."""
    built, library = Built(directory), link_flags()
    directory.mkdir(parents=True, exist_ok=True)
    yield "libworkloads.so", lambda: compile_c(built.workloads, ["workloads.c"], ["-shared", "-fPIC"])
    yield "integrate.c", lambda: compile_c(built.integrate, ["integrate.c", "workloads.c"], library)
    yield "digest.c", lambda: compile_c(built.digest, ["digest.c", "workloads.c"], library)
    for name in CYTHON_MODULES:
        yield f"{name}.pyx", lambda name=name: compile_cython(directory, name)  # type: ignore[misc]


def program_step(directory: Path, name: str) -> Step:
    """Builds a program that the demo doesn't run."""
    target = directory / name
    directory.mkdir(parents=True, exist_ok=True)
    if name in C_PROGRAMS:
        return f"{name}.c", lambda: compile_c(target, C_PROGRAMS[name], [*link_flags(), "-pthread"])
    return f"{name}.cpp", lambda: compile_cpp(target, f"{name}.cpp", CPP_PROGRAMS[name])


def link_flags() -> list[str]:
    """What links a program with the library of the installed package, and finds it when the program runs."""
    folder = offgil.get_library_dir()
    return [f"-I{offgil.get_include()}", f"-L{folder}", "-loffgil", f"-Wl,-rpath,{folder}"]


def compile_c(target: Path, names: list[str], flags: list[str]) -> None:
    sources = [EXAMPLES / "c" / name for name in names]
    if is_fresh(target, [*sources, *(EXAMPLES / "c").glob("*.h"), Path(offgil.get_library())]):
        return
    compiler = shlex.split(os.environ.get("CC", "cc"))
    run([*compiler, *WARNINGS, *map(str, sources), *flags, "-lm", "-ldl", "-o", str(target)])


def compile_cpp(target: Path, name: str, packages: list[str]) -> None:
    source, headers = EXAMPLES / "cpp" / name, Path(offgil.get_include()).glob("*.h*")
    if is_fresh(target, [source, EXAMPLES / "cpp" / "common.hpp", *headers, Path(offgil.get_library())]):
        return
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    flags = [flag for package in packages for flag in flags_of(package)]
    run([*compiler, *CPP_WARNINGS, str(source), *link_flags(), *flags, "-pthread", "-o", str(target)])


def flags_of(package: str) -> list[str]:
    """What pkg-config says of a library."""
    try:
        command = ["pkg-config", "--cflags", "--libs", package]
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildFailed("pkg-config is not installed") from None
    if done.returncode:
        raise BuildFailed(f"{package} is not installed (Debian: {package}1-dev)")
    return shlex.split(done.stdout)


def compile_cython(directory: Path, name: str) -> None:
    """`cythonize` on a copy, since it writes beside its source."""
    source, copy = EXAMPLES / "cython" / f"{name}.pyx", directory / f"{name}.pyx"
    target = directory / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    if is_fresh(target, [source, *Path(offgil.get_library_dir()).glob("*.pxd")]):
        return
    shutil.copyfile(source, copy)
    run([sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "--force", "--quiet", str(copy)])


def is_fresh(target: Path, sources: list[Path]) -> bool:
    """Like make: the target is there, and no source is newer (by ctime: pip gives files times of its own)."""
    return target.exists() and target.stat().st_ctime > max(source.stat().st_ctime for source in sources)


def run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildFailed(f"{command[0]} is not installed") from None
    if done.returncode:
        raise BuildFailed(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
