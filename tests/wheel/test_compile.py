"""Cython, C and C++ against the wheel, by those who have a compiler."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from conftest import REPOSITORY, VERSION, Environment, run
from tools import find_tool

README = REPOSITORY / "bindings/python/README.md"
PROGRAM = (REPOSITORY / "tests/install/project/main.c").read_text()
SAYS = f"42 offgil {VERSION}\n"


def test_a_user_s_pyx_compiles_without_a_flag(bare: Environment, system_path: str, tmp_path: Path) -> None:
    (source,) = re.findall(r"```cython\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "twice.pyx").write_text(f"# cython: language_level=3\n{source}")
    bare.install("Cython", "setuptools")
    bare("cythonize", "-i", "twice.pyx", path=system_path, cwd=tmp_path)
    assert bare("python", "-c", "import twice; print(twice.compute(21))", cwd=tmp_path) == "42\n"


def flags(bare: Environment, *options: str) -> list[str]:
    """What `offgil-config` prints, as a shell would take it apart."""
    return shlex.split(bare("offgil-config", *options))


def test_a_c_program_links_and_runs_with_what_offgil_config_says(bare: Environment, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    run("cc", "main.c", "-o", "main", *flags(bare, "--cflags", "--libs"), cwd=tmp_path)
    assert run(tmp_path / "main") == SAYS


CPP = """
#include <offgil.hpp>
#include <cstdio>

int main() {
  offgil::pool pool(2);
  std::printf("%d\\n", pool.submit([] { return 42; }).get());
}
"""


def test_a_cpp_program_links_and_runs_with_what_offgil_config_says(bare: Environment, tmp_path: Path) -> None:
    (tmp_path / "main.cpp").write_text(CPP)
    run(
        find_tool("c++"),
        "-std=c++17",
        "main.cpp",
        "-o",
        "main",
        *flags(bare, "--cflags", "--libs"),
        cwd=tmp_path,
    )
    assert run(tmp_path / "main") == "42\n"


LIBRARY = """
#include <offgil.h>

static void *twice(void *arg) { return (void *)((size_t)arg * 2); }

size_t compute(pool_t *pool, size_t number) {
  void *result = 0;
  future_t *future = pool_submit(pool, twice, (void *)number);
  future_wait(future, OFFGIL_FOREVER, &result);
  future_release(future);
  return (size_t)result;
}
"""

CALL = """
import ctypes, offgil
library = ctypes.CDLL("./library.so")
with offgil.ThreadPoolExecutor(1) as pool:
    print(library.compute(pool.handle, 21), pool.stats()["tasks_completed"])
"""


def test_a_c_library_works_with_the_pool_of_an_executor(bare: Environment, tmp_path: Path) -> None:
    (tmp_path / "library.c").write_text(LIBRARY)
    words = flags(bare, "--cflags", "--libs")
    run("cc", "-shared", "-fPIC", "library.c", "-o", "library.so", *words, cwd=tmp_path)
    assert bare("python", "-c", CALL, cwd=tmp_path) == "42 1\n"


def test_offgil_config_says_what_pkg_config_says(bare: Environment, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    (folder,) = bare("offgil-config", "--pkgconfigdir").splitlines()
    environment = {"PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH": folder}
    words = shlex.split(run(find_tool("pkg-config"), "--cflags", "--libs", "offgil", env=environment))
    mine = flags(bare, "--cflags", "--libs")
    assert [word.replace("/pkgconfig/..", "") for word in words] == mine
    run("cc", "main.c", "-o", "main", *words, cwd=tmp_path)
    assert run(tmp_path / "main") == SAYS
    assert run(find_tool("pkg-config"), "--modversion", "offgil", env=environment) == f"{VERSION}\n"


PROJECT = """
cmake_minimum_required(VERSION 3.19)
project(user C)
find_package(offgil REQUIRED)
add_executable(main main.c)
target_link_libraries(main offgil::offgil)
"""


def test_cmake_finds_the_library_in_the_wheel(bare: Environment, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (folder,) = bare("offgil-config", "--cmakedir").splitlines()
    cmake, build = find_tool("cmake"), tmp_path / "build"
    tools = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_tool('ninja')}", f"-Doffgil_DIR={folder}"]
    run(cmake, *tools, "-S", tmp_path, "-B", build)
    run(cmake, "--build", build)
    assert run(build / "main") == SAYS


def test_the_folders_that_it_names_are_there(bare: Environment) -> None:
    names = ("--includedir", "--libdir", "--pkgconfigdir", "--cmakedir")
    include, library, pkgconfig, cmake = map(Path, bare("offgil-config", *names).splitlines())
    assert (include / "offgil.h").is_file()
    assert (library / "liboffgil.so").is_file()
    assert (pkgconfig / "offgil.pc").is_file()
    assert (cmake / "offgil-config.cmake").is_file()
